"""Several label columns, scored, inspected and written again: from a file, and from a table in memory."""

from __future__ import annotations

import csv
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import DataError, LiftuneError
from liftune.models.adapter_io import save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

LABELS = ("obscene", "threat", "toxic")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A model whose rows may have several labels."""
    place = tmp_path_factory.mktemp("run")
    base = save_tiny("distilbert", place / "base")
    backbone = load_backbone(ModelSpec(name=str(base)), task=TaskKind.MULTI_LABEL, labels=LABELS, seed=0)
    save_adapter(attach(backbone, METHODS["lora"], seed=0, total_steps=1), place / "run" / "adapter")
    return str(place / "run")


def frame(*columns: str) -> pd.DataFrame:
    rows = [{"id": i, "comment_text": f"a comment of the day {i}", **_marks(i)} for i in range(24)]
    return pd.DataFrame(rows)[["id", "comment_text", *columns]]


def _marks(i: int) -> dict[str, int]:
    return {"toxic": int(i % 2 == 0), "obscene": int(i % 3 == 0), "threat": int(i % 5 == 0)}


def scores(data: Any, run: str, **options: Any) -> dict[str, Any]:
    return liftune.evaluate(data, model=run, **options).contenders[0].model_dump()["metrics"]


def test_columns_that_are_named_like_a_models_labels_are_read_as_them(
    run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = frame("toxic", "obscene", "threat")
    table.to_csv(tmp_path / "rows.csv", index=False)
    named = scores(table, run, label="toxic,obscene,threat")
    for given in ({}, {"label": "threat,toxic,obscene"}, {"label": ["toxic", "obscene", "threat"]}):
        assert scores(table, run, **given) == named
        assert scores(str(tmp_path / "rows.csv"), run, **given) == named
    upper = table.rename(columns={"toxic": "Toxic", "threat": "THREAT"})
    assert scores(upper, run) == named
    lists = pd.DataFrame(
        {"text": table.comment_text, "labels": [[n for n in LABELS if r[n]] for _, r in table.iterrows()]}
    )
    assert scores(lists, run) == named
    assert main(["evaluate", str(tmp_path / "rows.csv"), "--model", run, "-q"]) == 0
    assert "each of the columns" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("columns", [("toxic", "obscene"), ("toxic",)])
def test_labels_without_a_column_are_named(columns: tuple[str, ...], run: str) -> None:
    found = liftune.evaluate(frame(*columns), model=run, label=",".join(columns))
    notes = " ".join(found.audit.notes)
    assert all(repr(name) in notes for name in LABELS if name not in columns)
    assert "no label column for" in notes


def test_a_part_without_any_yes_is_scored(run: str) -> None:
    table = frame("toxic", "obscene", "threat")
    table.loc[:, "threat"] = 0
    assert liftune.evaluate(table, model=run).rows.test == 24


@pytest.mark.slow
def test_what_inspect_writes_is_read_alike(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = frame("toxic", "obscene", "threat")
    table.to_csv(tmp_path / "rows.csv", index=False)
    given = {"label": "toxic,obscene,threat", "model": None}
    for data, out in ((table, "a.jsonl"), (str(tmp_path / "rows.csv"), "b.jsonl"), (table, "folder")):
        first = liftune.inspect(data, out=tmp_path / out, **given)
        again = liftune.inspect(tmp_path / out, **given)
        assert again.task is first.task is TaskKind.MULTI_LABEL
        assert sum(each.rows for each in again.parts) if hasattr(again, "parts") else again.to_json()["labels"]


@pytest.mark.parametrize("verb", ["inspect", "doctor", "evaluate"])
def test_a_hint_names_the_verb_that_was_asked(
    verb: str, run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is followed as it stands, on the command line and in Python."""
    table = frame("toxic", "obscene", "threat").rename(columns={"toxic": "t1", "obscene": "t2", "threat": "t3"})
    source = tmp_path / "my rows.csv"
    table.to_csv(source, index=False)
    base = str(Path(run).parent / "base")
    model = [] if verb == "inspect" else ["--model", run if verb == "evaluate" else base]
    assert main([verb, str(source), *model]) == 2
    hint = capsys.readouterr().err.split("one a label: ")[1].strip()
    words = shlex.split(hint)
    assert words[:2] == ["liftune", verb]
    maps = ["--label-map", "t1=toxic,t2=obscene,t3=threat"] if verb == "evaluate" else []
    more = model if verb == "doctor" else []
    assert main([*words[1:], *more, *maps]) == 0
    with pytest.raises(DataError) as refused:
        getattr(liftune, verb)(table, **({"model": run} if verb == "evaluate" else {"model": base}))
    call = str(refused.value.hint).split("one a label: ")[1]
    assert call.startswith(f"liftune.{verb}(rows, ")
    given = {"label_map": {"t1": "toxic", "t2": "obscene", "t3": "threat"}} if verb == "evaluate" else {}
    eval(call[:-1] + (f", label_map={given['label_map']!r})" if given else ")"), {"liftune": liftune, "rows": table})


def test_predictions_of_several_labels_come_back_in_every_form(run: str, tmp_path: Path) -> None:
    table = frame("toxic", "obscene", "threat")
    table.to_csv(tmp_path / "rows.csv", index=False)
    given = liftune.predict(table, model=run)
    assert {"labels", *(f"probabilities.{name}" for name in LABELS)} <= set(given.columns)
    of_file = liftune.predict(str(tmp_path / "rows.csv"), model=run)
    np.testing.assert_allclose(given["probabilities.toxic"], [each.probabilities["toxic"] for each in of_file])
    assert main(["predict", run, "--in", str(tmp_path / "rows.csv"), "--out", str(tmp_path / "out.csv"), "-q"]) == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    np.testing.assert_allclose([float(each["probabilities.toxic"]) for each in written], given["probabilities.toxic"])


def test_an_export_is_checked_on_label_columns(run: str, tmp_path: Path) -> None:
    parity = liftune.export(
        run, tmp_path / "merged", format="merged", rows=frame("toxic", "obscene", "threat"), accept_gap=True
    )
    assert parity.rows == 24
    with pytest.raises(LiftuneError) as refused:
        liftune.export(
            run,
            tmp_path / "other",
            format="merged",
            rows=frame("toxic", "threat").rename(columns={"toxic": "a", "threat": "b"}),
        )
    assert "liftune" not in str(refused.value.hint)
