"""The recommended model is the model you get: every contender of a run is on disk, and predicts as it was scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import save_tiny

import liftune
from liftune.hardware.measure import MachineFacts
from liftune.records.run import TuneRecord
from liftune.run_folder import CONTENDERS, RunFolder
from liftune.spec import RunSpec
from liftune.tasks import TaskKind
from liftune.workflows import context
from liftune.workflows.tune import tune

FAST = {"epochs": 1, "batch_size": 8, "lr": 1e-2}
WORDS = {"joy": ("sunny", "laugh"), "anger": ("shout", "slam"), "fear": ("dark", "creep")}
#: What a row of so many a task has as its target, from its number.
TARGETS: dict[TaskKind, Callable[[int], Any]] = {
    TaskKind.SINGLE_LABEL: lambda i: list(WORDS)[i % 3],
    TaskKind.MULTI_LABEL: lambda i: list(WORDS)[: 1 + i % 3],
    TaskKind.REGRESSION: lambda i: (i % 3) + 0.25 * (i % 2) + 0.125,
}


def write_rows(folder: Path, task: TaskKind, *, pair: bool = False) -> Path:
    """Three files of rows whose words tell the target."""
    folder.mkdir(parents=True, exist_ok=True)
    for part, count in (("train", 42), ("validation", 36), ("test", 24)):
        rows = [
            {
                "text": f"{WORDS[list(WORDS)[i % 3]][i % 2]} {part} {i}",
                **({"text_pair": f"second {i % 5}"} if pair else {}),
                "label": TARGETS[task](i),
            }
            for i in range(count)
        ]
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("models")
    fresh, trained = save_tiny("bert", root / "bert"), save_tiny("roberta", root / "roberta", head=list(WORDS))
    return {"fresh": str(fresh), "trained": str(trained)}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, models: dict[str, str]) -> Callable[[str], Path]:
    """A run of each task, and one on pairs and one on a model with a trained head; each is tuned once."""
    root = tmp_path_factory.mktemp("runs")

    def run(kind: str) -> Path:
        out = root / kind
        if not out.exists():
            task = TaskKind(kind) if kind in set(TaskKind) else TaskKind.SINGLE_LABEL
            data = write_rows(root / f"{kind}-rows", task, pair=kind == "pairs")
            options = {"text": "text", "text_pair": "text_pair"} if kind == "pairs" else {}
            model = models["trained" if kind == "trained" else "fresh"]
            options |= {"label": "label", "task": task.value}
            tune(RunSpec.of(data=str(data), model=model, out=str(out), with_full=True, **options, **FAST))
        return out

    return run


KINDS = (*(kind.value for kind in TaskKind), "pairs", "trained")


@pytest.mark.parametrize("name", CONTENDERS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_contender_of_a_run_predicts_as_it_was_scored(kind: str, name: str, runs: Callable[[str], Path]) -> None:
    run = RunFolder.open(runs(kind))
    test, record = run.split("test"), run.record()
    predictor = liftune.load(run.path, use=name)
    assert np.abs(predictor.logits(test.rows) - run.logits(name)).max() < 1e-4
    assert predictor.labels == record.labels
    assert predictor.pairs is (kind == "pairs")
    scored = run.evaluation(name)
    found = predictor.predict(test.rows)
    given = [each.value if each.value is not None else each.labels or each.label for each in found]
    expected = [value or () if isinstance(value, tuple) else value for value in decoded(record, scored.decisions)]
    if record.task is TaskKind.REGRESSION:
        assert np.allclose(np.array(given, dtype=float), np.array(expected, dtype=float), atol=1e-4)
    else:
        assert [each or () for each in given] == [each or () for each in expected]


def decoded(record: TuneRecord, decisions: Any) -> list[Any]:
    from liftune.tasks import task_of

    return task_of(record.task).decode(decisions, record.labels)


def test_what_is_saved_is_arrays_and_json_and_its_size_is_recorded(runs: Callable[[str], Path]) -> None:
    """Never a pickle: reading a run must not run code."""
    run = RunFolder.open(runs("single_label"))
    assert run.saved_contenders == CONTENDERS
    kept = [path for path in (run.path / "contenders").rglob("*") if path.is_file()]
    assert {path.suffix for path in kept} <= {".safetensors", ".json", ".txt"}
    sizes = {each.name: each.saved_bytes for each in run.record().contenders}
    assert all(sizes.values())
    assert sizes["tuned"] == (run.path / "adapter" / "adapter_model.safetensors").stat().st_size
    assert sizes["full"] > sizes["tuned"]  # type: ignore[operator]


def test_a_base_with_a_head_of_its_own_is_not_copied(runs: Callable[[str], Path]) -> None:
    assert (runs("single_label") / "contenders" / "base" / "head.safetensors").is_file()
    assert not (runs("trained") / "contenders" / "base" / "head.safetensors").exists()


def test_contenders_of_a_run_that_trains_in_bfloat16_are_scored_as_they_answer_later(
    models: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fast = MachineFacts(("cpu",), "any", 1, bfloat16_speedup=3.0, eager_speedup={"float32": 1.0, "bfloat16": 4.0})
    monkeypatch.setattr(context, "measure_machine", lambda: fast)
    data = write_rows(tmp_path / "rows", TaskKind.SINGLE_LABEL)
    tune(RunSpec.of(data=str(data), model=models["fresh"], out=str(tmp_path / "run"), **FAST))
    run = RunFolder.open(tmp_path / "run")
    for name in ("base", "probe"):
        logits = liftune.load(run.path, use=name).logits(run.split("test").rows)
        assert np.abs(logits - run.logits(name)).max() < 1e-4


def test_contenders_of_a_run_in_folds_are_fitted_on_all_rows(models: dict[str, str], tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows", TaskKind.MULTI_LABEL)
    options = {"folds": 2, "with_full": True, "label": "label", **FAST}
    record = tune(RunSpec.of(data=str(data), model=models["fresh"], out=str(tmp_path / "run"), **options))
    run = RunFolder.open(tmp_path / "run")
    assert run.saved_contenders == CONTENDERS
    assert all(each.saved_bytes for each in record.contenders)
    for name in CONTENDERS:
        assert liftune.load(run.path, use=name).predict(["sunny day"])[0].labels is not None
    vocabulary = json.loads((run.contender("tfidf") / "vocabulary.json").read_text())["words"]
    assert {"train", "test"} <= set(vocabulary)  # words of every part


@pytest.mark.parametrize("name", ["tfidf", "base", "probe"])
def test_a_damaged_contender_is_an_error_with_its_folder(
    name: str, runs: Callable[[str], Path], tmp_path: Path
) -> None:
    import shutil

    run = tmp_path / "run"
    shutil.copytree(runs("single_label"), run)
    folder = run / "contenders" / name
    for file in folder.glob("*.safetensors"):
        file.write_bytes(b"nothing")
    with pytest.raises(liftune.LiftuneError, match="damaged") as caught:
        liftune.load(run, use=name)
    assert caught.value.hint
