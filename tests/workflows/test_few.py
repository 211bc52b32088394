"""Few rows a label: a start from pairs of rows is tried, taken where it helps, recorded, and gone on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from killing import differences, files_of
from tiny_models import save_tiny

import liftune
from liftune.data import load_data
from liftune.errors import SpecError
from liftune.events import Listener, Note, StageEnded, StageStarted, Step
from liftune.models.methods.registry import METHODS
from liftune.progress import LogLines
from liftune.records.training import PairStart
from liftune.reports.sections.training import pairs_sentence, training
from liftune.spec import DataSpec, RunSpec
from liftune.training import contrast
from liftune.workflows import few, few_wanted
from liftune.workflows.context import RunContext
from liftune.workflows.few_wanted import check_few, is_tried, keeps_start, unfit


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture
def options(model: str, emotions: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    monkeypatch.setattr(few_wanted, "MOST_ROWS_A_LABEL", 64)
    monkeypatch.setattr(few_wanted, "UNTRIED_ROWS", 0)
    monkeypatch.setattr(contrast, "VISITS", (1, 2))
    return {"data": str(emotions), "model": model, "epochs": 1, "lr": 1e-2}


class Heard(LogLines):
    def __init__(self) -> None:
        self.notes: list[str] = []
        self.lines: list[str] = []
        self._log = self.lines.append

    def on_note(self, event: Note) -> None:
        self.notes.append(event.text)


def test_auto_tries_it_on_train_and_says_what_was_found(options: dict[str, Any], tmp_path: Path) -> None:
    heard = Heard()
    record = liftune.tune(out=tmp_path / "run", listeners=[heard], **options)
    found = record.logs[0].pairs
    assert found is not None
    assert found.asked == "auto"
    assert found.rows == record.rows.train
    assert found.gain is not None
    assert found.without is not None
    assert found.with_pairs is not None
    assert found.with_pairs - found.without == pytest.approx(found.gain.value)
    assert any("held out in turn" in note for note in heard.notes)
    section = training(record)
    assert section is not None
    assert pairs_sentence(found) in section.sentences


@pytest.mark.parametrize(("decided", "folds"), [(2.0, 1), (0.0, few.FOLDS)])
def test_a_trial_ends_when_it_is_decided(
    decided: float, folds: int, options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each fold takes as long as the start itself; what was found is of the rows that were answered."""
    monkeypatch.setattr(few, "DECIDED", decided)
    found = liftune.tune(out=tmp_path / "run", **options).logs[0].pairs
    assert found is not None
    assert round(few.FOLDS * found.judged / found.rows) == folds


@pytest.mark.slow
def test_a_run_in_folds_tries_it_in_each_on_fewer_rows(options: dict[str, Any], tmp_path: Path) -> None:
    """Each fold decides by its own train rows; of the saved adapter the record tells."""
    heard = Heard()
    record = liftune.tune(out=tmp_path / "run", folds=2, listeners=[heard], **options)
    assert sum("held out in turn" in note for note in heard.notes) == 3
    found = record.logs[0].pairs
    assert found is not None
    assert 0 < found.judged < found.rows / 2


@pytest.mark.slow
@pytest.mark.parametrize("few", ["off", False])
def test_off_is_off(few: Any, options: dict[str, Any], tmp_path: Path) -> None:
    assert liftune.tune(out=tmp_path / "run", few=few, **options).logs[0].pairs is None


def test_on_is_taken_without_a_trial(options: dict[str, Any], tmp_path: Path) -> None:
    """And another start leads to other answers."""
    on = liftune.tune(out=tmp_path / "on", few="on", **options)
    found = on.logs[0].pairs
    assert found is not None
    assert (found.asked, found.taken, found.gain) == ("on", True, None)
    off = liftune.tune(out=tmp_path / "off", few="off", **options)
    assert on.logs[0].epochs[0].train_loss != off.logs[0].epochs[0].train_loss


def test_so_few_rows_start_from_pairs_without_a_trial_and_are_not_tuned_after_it(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A handful of validation rows cannot see what tuning changes; said in record, report and beside the run."""
    monkeypatch.setattr(few_wanted, "UNTRIED_ROWS", 1_000)
    monkeypatch.setattr("liftune.workflows.few._try", None)
    monkeypatch.setattr(few_wanted, "LEAST_VALIDATION", 1_000)
    heard = Heard()
    del options["epochs"]
    record = liftune.tune(out=tmp_path / "run", listeners=[heard], **options)
    log = record.logs[0]
    assert log.pairs is not None
    assert (log.pairs.asked, log.pairs.taken, log.pairs.gain) == ("auto", True, None)
    assert any("taken without a trial" in note for note in heard.notes)
    assert any("--epochs tunes all the same" in note for note in heard.notes)
    lines = heard.lines
    assert any(each.startswith("starting from pairs of rows by lora") and "no epoch follows" in each for each in lines)
    assert any("round 1 of at most 6, each row read" in each for each in lines)
    assert any("the start: validation accuracy" in each for each in lines)
    assert not any("epoch 0 of" in each or each.startswith("tuning by") for each in lines), "nothing is tuned"
    assert (log.steps, log.epochs, log.best_epoch, log.teacher) == (0, (), 0, None)
    assert log.start is not None
    section = training(record)
    assert section is not None
    assert any("no step after the start" in said and "too few rows to see" in said for said in section.sentences)
    tuned = next(each for each in record.contenders if each.name == "tuned")
    base = next(each for each in record.contenders if each.name == "base")
    assert tuned.metrics["log_loss"].value != base.metrics["log_loss"].value
    kept = liftune.load(tmp_path / "run").predict(["a fine day"])
    assert len(kept) == 1


def test_a_model_that_cannot_start_from_pairs_is_tuned(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asked for the start: that it cannot be had is said, and is no error."""
    monkeypatch.setattr(few_wanted, "UNTRIED_ROWS", 1_000)
    monkeypatch.setattr("liftune.workflows.few.families.base_name", lambda model: "")
    log = liftune.tune(out=tmp_path / "run", **options).logs[0]
    assert log.pairs is not None
    assert not log.pairs.taken
    assert "body" in log.pairs.reason
    assert len(log.epochs) == 1


def test_epochs_that_are_asked_for_are_tuned_at_a_fifth_of_the_rate(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Unless a rate is asked for too."""
    monkeypatch.setattr(few_wanted, "LEAST_VALIDATION", 1_000)
    del options["lr"]
    log = liftune.tune(out=tmp_path / "run", few="on", **options).logs[0]
    assert len(log.epochs) == 1
    assert log.learning_rate == pytest.approx(METHODS["lora"].learning_rate / 5)
    asked = liftune.tune(out=tmp_path / "asked", few="on", lr=3e-4, **options).logs[0]
    assert asked.learning_rate == 3e-4


def test_enough_validation_rows_tune_after_the_start(emotions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = load_data(DataSpec(source=str(emotions)))
    rows = len(splits.validation)
    for least, kept in ((rows, False), (rows + 1, True)):
        monkeypatch.setattr(few_wanted, "LEAST_VALIDATION", least)
        assert keeps_start(RunSpec(), splits) is kept
        assert not keeps_start(RunSpec.of(epochs=1), splits)
        assert not keeps_start(RunSpec.of(head="random"), splits)  # a random head is no answer


class Interrupt(Listener):
    """Ends the run after a step, as Ctrl-C would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, event: Step) -> None:
        self.step -= 1
        if self.step == 0:
            raise KeyboardInterrupt

    def on_stage(self, event: StageStarted | StageEnded) -> None:
        pass


def test_a_run_that_was_stopped_after_its_start_ends_as_an_undisturbed_one(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither trial nor start is computed again."""
    monkeypatch.setattr(few, "judge", lambda logits, *_: (float(logits.sum()), 0.0))  # taken or not, by no chance
    options |= {"few": "on"}
    liftune.tune(out=tmp_path / "whole", **options)
    with pytest.raises(KeyboardInterrupt):
        liftune.tune(out=tmp_path / "run", listeners=[Interrupt(2)], checkpoint_minutes=0, **options)
    monkeypatch.setattr(few, "contrast", None)
    liftune.tune(out=tmp_path / "run", **options)
    assert differences(files_of(tmp_path / "whole"), files_of(tmp_path / "run")) == []


def test_it_is_refused_where_there_are_no_pairs(emotions: Path, tmp_path: Path) -> None:
    """Before anything is computed; what the hint says is accepted."""
    splits = load_data(DataSpec(source=str(emotions)))
    on = RunSpec.of(few="on")
    with pytest.raises(SpecError, match="no adapter in the encoder") as caught:
        check_few(on, splits, METHODS["probe"], METHODS["probe"].options())
    assert caught.value.where == "--few on"
    assert "--few off" in (caught.value.hint or "")
    assert check_few(RunSpec.of(few="off"), splits, METHODS["probe"], METHODS["probe"].options())
    assert "no adapter" in unfit(splits, METHODS["prompt"], METHODS["prompt"].options())
    assert unfit(splits, METHODS["lora"], METHODS["lora"].options()) == ""
    numbers = tmp_path / "numbers.csv"
    numbers.write_text("text,label\n" + "".join(f"row {i},{i / 7}\n" for i in range(40)), encoding="utf-8")
    values = load_data(DataSpec(source=str(numbers)))
    assert "one label each" in unfit(values, METHODS["lora"], METHODS["lora"].options())
    assert not is_tried(RunSpec(), values, METHODS["lora"], METHODS["lora"].options())


def test_a_run_that_goes_on_from_another_has_its_start(emotions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(few_wanted, "MOST_ROWS_A_LABEL", 10_000)
    splits, lora = load_data(DataSpec(source=str(emotions))), METHODS["lora"]
    assert not is_tried(RunSpec.of(start="run"), splits, lora, lora.options())
    with pytest.raises(SpecError, match="--start goes on"):
        check_few(RunSpec.of(start="run", few="on"), splits, lora, lora.options())


def test_a_value_that_is_none_of_the_three_is_refused() -> None:
    with pytest.raises(SpecError, match="few"):
        RunSpec.of(few="perhaps")
    assert RunSpec.of(few="ON").train.few == "on"


def test_many_rows_a_label_are_not_tried(emotions: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = load_data(DataSpec(source=str(emotions)))
    lora = METHODS["lora"]
    for most, tried in ((1, False), (10_000, True)):
        monkeypatch.setattr(few_wanted, "MOST_ROWS_A_LABEL", most)
        assert is_tried(RunSpec(), splits, lora, lora.options()) is tried


def test_what_was_not_tried_says_why() -> None:
    found = PairStart(asked="auto", taken=False, rows=4, labels=2, reason="there are too few different texts for folds")
    assert "was not tried: there are too few" in pairs_sentence(found)


def test_each_cell_of_a_sweep_tries_it_by_its_own_method_and_seed(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tried(context: RunContext) -> PairStart:
        by = f"{context.method.name} {context.spec.train.seeds}"
        return PairStart(asked="auto", taken=False, rows=1, labels=2, reason=by)

    monkeypatch.setattr("liftune.workflows.few._try", tried)
    given = {name: value for name, value in options.items() if name != "model"}
    found = liftune.sweep(models=options["model"], methods="lora,ia3", seeds="0,1", out=tmp_path / "sweep", **given)
    said = {(each.method, each.seed): each.log.pairs.reason for each in found.cells if each.log and each.log.pairs}
    assert said == {(method, seed): f"{method} ({seed},)" for method in ("lora", "ia3") for seed in (0, 1)}
