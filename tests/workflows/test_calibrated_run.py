"""A run's calibration, thresholds and cutoffs, as every door answers by them."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import SpecError
from liftune.evaluation.calibration import Calibrator, LogitScaling
from liftune.evaluation.evaluate import Evaluation
from liftune.models.adapter_io import read_card
from liftune.models.classifier import Classifier
from liftune.records.base import Interval
from liftune.records.calibration import Cutoff
from liftune.records.reading import write_sealed
from liftune.records.run import Contender, TuneRecord
from liftune.run_folder import RunFolder
from liftune.tasks import TaskKind, task_of
from liftune.types import Row
from liftune.workflows import finetune


def called(*argv: str, code: int = 0) -> tuple[str, str]:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(argv) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def rung(record: TuneRecord, name: str) -> Contender:
    return next(each for each in record.contenders if each.name == name)


def write(folder: Path, rows: dict[str, list[dict[str, object]]]) -> Path:
    folder.mkdir()
    for part, each in rows.items():
        (folder / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in each), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def single(model: str, tmp_path_factory: pytest.TempPathFactory) -> TuneRecord:
    """Words decide, but one label in four is another: a model that is sure of its answers errs."""
    rng = np.random.default_rng(0)

    def rows(count: int) -> list[dict[str, object]]:
        words = ("sunny", "gloomy")
        truth = rng.integers(0, 2, count)
        told = np.where(rng.random(count) < 0.25, 1 - truth, truth)
        return [
            {"text": f"{words[true]} {words[true]} {i}", "label": ("joy", "grief")[said]}
            for i, (true, said) in enumerate(zip(truth, told, strict=True))
        ]

    ground = tmp_path_factory.mktemp("single")
    data = write(ground / "data", {"train": rows(48), "validation": rows(120), "test": rows(100)})
    return liftune.tune(str(data), model=model, out=ground / "run", epochs=1, batch_size=8, lr=1e-2, max_length=24)


@pytest.fixture(scope="module")
def multi(model: str, tmp_path_factory: pytest.TempPathFactory) -> TuneRecord:
    """Labels that are never likely enough for one half: only lower thresholds answer them."""
    rng = np.random.default_rng(0)

    def rows(count: int) -> list[dict[str, object]]:
        drawn = rng.random((count, 3)) < (0.35, 0.45, 0.1)
        return [
            {"text": f"day {i}", "labels": [label for label, has in zip("abc", row, strict=True) if has]}
            for i, row in enumerate(drawn)
        ]

    ground = tmp_path_factory.mktemp("multi")
    data = write(ground / "data", {"train": rows(48), "validation": rows(120), "test": rows(100)})
    return liftune.tune(str(data), model=model, out=ground / "run", epochs=2, batch_size=8, lr=1e-3, max_length=24)


def test_every_calibrated_contender_tells_why_and_what_it_did(single: TuneRecord) -> None:
    found = rung(single, "tuned").calibration
    assert found is not None
    assert found.reason
    assert found.test_before is not None
    assert found.test_before.rms_calibration_error.low is not None
    assert (found.test_after is not None) is found.kept
    assert rung(single, "probe").calibration is None


def test_thresholds_are_chosen_by_one_procedure_for_every_rung(multi: TuneRecord) -> None:
    kinds = {each.name: each.decisions.kind for each in multi.contenders if each.decisions}
    assert set(kinds) == {"majority", "tfidf", "base", "probe", "tuned"}
    assert kinds["majority"] != "half"  # at one half it answers no label at all
    assert kinds["tuned"] != "half"


def test_predict_evaluate_compare_and_the_record_decide_alike(multi: TuneRecord, tmp_path: Path) -> None:
    folder = RunFolder.open(multi.run)
    card = read_card(folder.adapter)
    tuned = rung(multi, "tuned")
    assert tuned.decisions is not None
    assert card.thresholds == tuned.decisions.thresholds is not None
    test, logits = folder.split("test"), folder.logits("tuned")
    decisions = task_of(TaskKind.MULTI_LABEL).decide(logits, card.thresholds)
    expected = [tuple(label for label, has in zip("abc", row, strict=True) if has) for row in decisions]
    assert decisions.any()
    assert (decisions != task_of(TaskKind.MULTI_LABEL).decide(logits)).any()
    assert [each.labels for each in liftune.load(multi.run).predict(test.rows)] == expected
    out, _ = called("predict", multi.run, *test.rows[:3], "--json", "--quiet")
    assert [tuple(json.loads(line)["labels"]) for line in out.splitlines()] == expected[:3]
    test_file = str(Path(multi.run).parent / "data" / "test.jsonl")
    scored = liftune.evaluate(test_file, model=multi.run)
    assert scored.contenders[0].metrics["micro_f1"] == tuned.metrics["micro_f1"]
    assert scored.contenders[0].decisions.thresholds == card.thresholds
    again = liftune.compare(multi.run, multi.run)
    assert again.comparisons[0].all_rows is not None  # every test text is also in train: no row is clean
    assert (again.comparisons[0].all_rows.gain, again.comparisons[0].all_rows.p_value) == (0, 1)
    against = next(each for each in multi.comparisons if each.a == "base")
    assert against.all_rows is not None
    assert against.all_rows.gain == pytest.approx(
        tuned.metrics["micro_f1"].value - rung(multi, "base").metrics["micro_f1"].value
    )


def test_the_base_beside_it_answers_by_its_own_thresholds(multi: TuneRecord) -> None:
    base = rung(multi, "base").decisions
    assert base is not None
    assert read_card(RunFolder.open(multi.run).adapter).base_thresholds == base.thresholds
    answers = liftune.load(multi.run, with_base=True).predict(["day 1"])
    shares = answers[0].base.probabilities
    limits = base.thresholds or (0.5,) * 3
    assert answers[0].base.labels == tuple(
        label for label, limit in zip("abc", limits, strict=True) if shares[label] >= limit
    )


def test_a_temperature_that_is_kept_is_in_every_answer(
    model: str, emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run's logits, the saved adapter's and the proof: all calibrated, none twice."""
    raw: list[NDArray[np.float32]] = []
    kept = LogitScaling(2.0, np.array([1.0, 0.5]), np.array([0.25, -0.5]))

    def always(validation: Evaluation, *args: object, **options: object) -> Calibrator:
        raw.append(validation.logits)
        return Calibrator("vector", kept, "it was asked for")

    monkeypatch.setattr(finetune, "calibrate", always)
    record = liftune.tune(str(emotions), model=model, out=tmp_path / "run", epochs=1, with_full=True)
    folder = RunFolder.open(tmp_path / "run")
    np.testing.assert_allclose(folder.logits("tuned", "validation"), kept(raw[0]), atol=1e-6)
    np.testing.assert_allclose(folder.logits("full", "validation"), kept(raw[1]), atol=1e-6)
    rows = folder.split("test").rows
    np.testing.assert_allclose(liftune.load(folder.path, use="tuned").logits(rows), folder.logits("tuned"), atol=1e-4)
    found = rung(record, "tuned").calibration
    assert found is not None
    assert (found.kind, found.temperature, found.shift) == ("vector", 2.0, (0.25, -0.5))
    assert found.test_change is not None
    assert read_card(folder.adapter).temperature == 2.0
    assert rung(record, "full").calibration is not None


def test_rows_of_one_group_are_calibrated_in_one_fold(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a group would fit the temperature that it is judged by."""
    seen: list[tuple[Evaluation, NDArray[np.int64]]] = []

    def spied(validation: Evaluation, metric: object, folds: NDArray[np.int64], **options: object) -> Calibrator:
        seen.append((validation, folds))
        return Calibrator("none", LogitScaling.by(1.0, 2), "not asked for")

    monkeypatch.setattr(finetune, "calibrate", spied)
    rows = [{"text": f"text {i}", "label": "ab"[i % 2], "author": f"author {i // 4}"} for i in range(160)]
    data = tmp_path / "rows.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    liftune.tune(str(data), model=model, out=tmp_path / "run", epochs=1, group="author", folds="none")
    ((validation, folds),) = seen
    assert validation.groups is not None
    by_group = {(group, int(fold)) for group, fold in zip(validation.groups, folds, strict=True)}
    assert len(by_group) == len(set(validation.groups)) >= len(set(folds.tolist())) > 1


def test_a_head_that_cannot_be_scaled_is_left_alone_and_says_so(
    model: str, emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Calibrator("temperature", LogitScaling.by(2.0, 2), "it was asked for")
    monkeypatch.setattr(finetune, "calibrate", lambda *args, **options: kept)
    plain = Classifier.logits

    def bent(self: Classifier, rows: Sequence[Row], progress: object = None) -> NDArray[np.float32]:
        """Of tuned models: the base is asked by `read`, and must answer by either way alike."""
        return np.tanh(plain(self, rows)) if self.method else plain(self, rows)

    monkeypatch.setattr(Classifier, "logits", bent)
    record = liftune.tune(str(emotions), model=model, out=tmp_path / "run", epochs=1)
    found = rung(record, "tuned").calibration
    assert found is not None
    assert (found.kept, found.kind, found.temperature) == (False, "none", 1.0)
    assert "does not scale" in found.reason


def test_abstaining_leaves_unsure_rows_without_a_label(single: TuneRecord, tmp_path: Path) -> None:
    folder = RunFolder.open(single.run)
    rows, logits = folder.split("test").rows, folder.logits("tuned")
    shares = task_of(TaskKind.SINGLE_LABEL).probabilities(logits).max(axis=1)
    ordered = np.unique(shares)
    middle = np.argmax(np.diff(ordered))  # between two confidences that rounding cannot swap
    accuracy = Interval(value=0.95, low=0.9, high=0.99)
    cutoff = Cutoff(above=float(ordered[middle : middle + 2].mean()), rows=50, share=0.5, accuracy=accuracy)
    adapter = shutil.copytree(folder.adapter, tmp_path / "adapter")
    card = read_card(adapter).model_copy(update={"cutoffs": (cutoff,)})
    write_sealed(adapter / "liftune.json", card)
    answers = liftune.load(adapter, min_precision=0.9).predict(rows)
    assert [each.abstained for each in answers] == (shares <= cutoff.above).tolist()
    assert {each.abstained for each in answers} == {True, False}
    for answer, logit in zip(answers, logits, strict=True):
        assert answer.label == (None if answer.abstained else single.labels[logit.argmax()])
        assert sum(answer.probabilities.values()) == pytest.approx(1)
        assert answer.summary().startswith("abstained (") is answer.abstained
    assert answers == liftune.load(adapter).predict(rows, min_precision=0.9)
    assert all(each.abstained is None for each in liftune.load(adapter).predict(rows))
    out = tmp_path / "out.jsonl"
    called("predict", str(adapter), *rows, "--min-precision", "0.9", "--out", str(out), "--quiet")
    written = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [(each["label"], each["abstained"]) for each in written] == [(a.label, a.abstained) for a in answers]


def test_a_run_keeps_its_table_of_confidences(single: TuneRecord) -> None:
    folder = RunFolder.open(single.run)
    validation = folder.split("validation")
    table = read_card(folder.adapter).cutoffs
    assert table[-1].rows == len(validation) == 120
    right = folder.logits("tuned", "validation").argmax(axis=1) == task_of(single.task).encode(
        validation.targets, single.labels
    )
    assert table[-1].accuracy.value == pytest.approx(right.mean())


def test_a_precision_out_of_reach_ends_with_what_can_be_had(single: TuneRecord, multi: TuneRecord) -> None:
    _, said = called("predict", single.run, "sunny", "--min-precision", "0.9999", code=2)
    assert "cannot be promised" in said
    assert "ask for at most 0." in said
    with pytest.raises(SpecError, match="no table"):
        liftune.load(multi.run, min_precision=0.9)
    assert "one label a row" in called("predict", multi.run, "day", "--min-precision", "0.9", code=2)[1]


def test_the_report_tells_of_calibration_and_decisions(single: TuneRecord, multi: TuneRecord) -> None:
    said = liftune.report(single.run)
    assert "## Calibration" in said
    assert "| tuned | as trained |" in said
    assert "## Thresholds" not in said
    assert "threshold for" in liftune.report(multi.run).split("## Thresholds")[1]
