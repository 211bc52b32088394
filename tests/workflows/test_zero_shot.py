"""`tune --zero-shot`: a model that needs no training here is a contender; what is wrong ends a run before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.data.readers.memory import tables_of
from liftune.metrics.registry import METRICS
from liftune.option_values import Held
from liftune.run_folder import RunFolder
from liftune.spec import IN_MEMORY, RunSpec
from liftune.workflows import request

FAST: dict[str, Any] = {"epochs": 1, "batch_size": 8, "lr": 1e-2, "quiet": True, "folds": "none"}
WORDS = {"joy": ("sunny", "laugh"), "anger": ("shout", "slam")}
LABELS = list(WORDS)
ROWS = [{"text": f"{WORDS[LABELS[i % 2]][i // 2 % 2]} {i}", "label": LABELS[i % 2]} for i in range(100)]
MULTI = [{**row, "label": [row["label"], "any"] if i % 3 else [row["label"]]} for i, row in enumerate(ROWS)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("bert", tmp_path_factory.mktemp("model")))


def test_it_is_a_contender_that_says_how_it_answers(model: str, tmp_path: Path) -> None:
    described = {"joy": "the writer is happy", "anger": "the writer is angry"}
    record = liftune.tune(
        ROWS, model=model, zero_shot=model, describe=described, cost={"zero-shot": 0.1}, out=tmp_path / "run", **FAST
    )
    last = record.contenders[-1]
    assert last.name == "zero-shot"
    assert last.outside is not None
    assert (last.outside.kind, last.outside.source, last.outside.way) == ("zero-shot", model, "by similarity")
    assert last.metrics["log_loss"].value is not None
    assert last.validation["accuracy"] is not None
    assert "'the writer is angry' for 'anger'" in last.notes[0]
    assert "takes another way" not in last.notes[0], "this model has none"
    assert record.comparisons[-1].a == "zero-shot"
    assert record.comparisons[-1].corrected_p_value is not None
    again = RunFolder.open(record.run).evaluation("zero-shot")
    assert again.score(METRICS["log_loss"]) == pytest.approx(last.metrics["log_loss"].value)
    text = liftune.report(record.run, format="md")
    assert f"{model}, by similarity" in text
    with pytest.raises(liftune.LiftuneError, match="not trained here"):
        liftune.load(record.run, use="zero-shot")


def test_several_labels_are_decided_as_those_of_every_contender(model: str, tmp_path: Path) -> None:
    record = liftune.tune(MULTI, model=model, zero_shot=model, out=tmp_path / "run", task="multi_label", **FAST)
    last = record.contenders[-1]
    assert last.decisions is not None
    folder = RunFolder.open(record.run)
    assert folder.evaluation("zero-shot").score(METRICS["micro_f1"]) == pytest.approx(last.metrics["micro_f1"].value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--describe", "{described}"], "described for no model"),
        (["--zero-shot", "{model}", "--describe", "{described}"], "1 of 2 labels have no description: 'anger'"),
        (["--zero-shot", "./no-such-model"], "--zero-shot"),
        (["--zero-shot", "entailment:{model}"], "no label that says entailment"),
        (["--zero-shot", "{model}", "--label", "size"], "these targets are numbers"),
    ],
)
def test_what_is_wrong_ends_the_run_before_it_begins(
    options: list[str], said: str, model: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    described, data, out = tmp_path / "described.json", tmp_path / "rows.csv", tmp_path / "run"
    described.write_text('{"joy": "happy"}', encoding="utf-8")
    lines = [f"{row['text']},{row['label']},{i}.5" for i, row in enumerate(ROWS)]
    data.write_text("text,label,size\n" + "\n".join(lines), encoding="utf-8")
    given = [each.format(model=model, described=described) for each in options]
    assert main(["tune", str(data), "--text", "text", "--model", model, "--out", str(out), *given]) == 2
    assert said in capsys.readouterr().err
    assert not out.exists()


def test_costs_and_descriptions_are_checked_once(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the rows are read; with these only what depends on them."""
    checked: list[str] = []
    for name in ("refuse_cost_of_nothing", "check_described"):
        monkeypatch.setattr(request, name, lambda spec, name=name: checked.append(name))
    described = Held(IN_MEMORY, {"joy": "the writer is happy", "anger": "the writer is angry"})
    spec = RunSpec.of(
        model=model, zero_shot=model, describe=described, cost={"zero-shot": 0.1}, out=str(tmp_path / "run")
    )
    found = request.check_request(spec, tables_of(ROWS))
    assert checked == ["refuse_cost_of_nothing", "check_described"]
    assert found.descriptions is not None
    assert found.descriptions.given
