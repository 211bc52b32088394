"""What happens in a run reaches listeners in order, with the numbers that the record keeps."""

from __future__ import annotations

import contextlib
from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
from tiny_models import save_tiny

import liftune
from liftune.events import (
    ContenderScored,
    EpochEnded,
    EpochStarted,
    Events,
    Listener,
    Note,
    RowsRead,
    RunPrepared,
    StageEnded,
    StageStarted,
    Step,
    TuningStarted,
)
from liftune.progress import Bars, LogLines, Progress, epoch_line
from liftune.records.base import Interval, Seconds
from liftune.records.run import Contender, TuneRecord


class Recorder(Listener):
    """Keeps every event, in order."""

    def __init__(self) -> None:
        self.events: list[object] = []
        for name in ("stage", "prepared", "tuning", "epoch", "step", "contender", "rows", "note"):
            setattr(self, f"on_{name}", self.events.append)

    def of(self, kind: type) -> list:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def heard(model: str, kept_emotions: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Recorder, TuneRecord]:
    recorder = Recorder()
    record = liftune.tune(
        str(kept_emotions),
        model=model,
        out=tmp_path_factory.mktemp("heard") / "run",
        epochs=2,
        batch_size=16,
        lr=1e-2,
        seeds="0,1",
        listeners=[recorder],
    )
    return recorder, record


def test_listeners_hear_what_the_record_keeps(heard: tuple[Recorder, TuneRecord]) -> None:
    recorder, record = heard
    assert [event.contender for event in recorder.of(ContenderScored)] == list(record.contenders)
    assert {event.metric for event in recorder.of(ContenderScored)} == {record.metric}
    assert [event.seed for event in recorder.of(TuningStarted)] == [0, 1]
    epochs = [event for event in recorder.of(EpochEnded) if event.loss is not None]
    logs = [epoch for log in record.logs for epoch in log.epochs]
    assert [(each.epoch, each.loss, each.validation) for each in epochs] == [
        (each.epoch, each.train_loss, each.validation) for each in logs
    ]
    starts = [event for event in recorder.of(EpochEnded) if event.loss is None]
    assert [(each.epoch, dict(each.validation)) for each in starts] == [(0, log.start) for log in record.logs]


def test_every_step_and_every_row_is_heard_once(heard: tuple[Recorder, TuneRecord]) -> None:
    recorder, record = heard
    steps = recorder.of(Step)
    assert len(steps) == sum(log.steps for log in record.logs)
    assert sum(step.rows for step in steps) == record.rows.train * sum(len(log.epochs) for log in record.logs)
    assert [step.step for step in steps] == [number for log in record.logs for number in range(1, log.steps + 1)]
    assert max(step.learning_rate for step in steps) == pytest.approx(1e-2)
    assert len(recorder.of(EpochStarted)) == sum(len(log.epochs) for log in record.logs)
    begins = [event for event in recorder.of(RowsRead) if event.rows == 0]
    for begin in begins:
        rows = sum(event.rows for event in recorder.of(RowsRead) if event.doing == begin.doing)
        times = sum(each.doing == begin.doing for each in begins)
        assert rows == begin.total * times


def test_the_run_is_prepared_before_anything_is_scored(heard: tuple[Recorder, TuneRecord]) -> None:
    recorder, record = heard
    (prepared,) = recorder.of(RunPrepared)
    assert (prepared.train, prepared.validation, prepared.test) == (48, 16, 20)
    assert prepared.labels == len(record.labels)
    kinds = [type(event) for event in recorder.events]
    assert kinds.index(RunPrepared) < kinds.index(ContenderScored) < kinds.index(TuningStarted) < kinds.index(Step)


def test_events_are_values_that_nobody_can_change() -> None:
    with pytest.raises(FrozenInstanceError):
        Note("a").text = "b"  # type: ignore[misc]


def test_a_stage_that_an_error_ends_says_so() -> None:
    recorder = Recorder()
    with pytest.raises(ZeroDivisionError), Events([recorder]).stage("one", "doing one"):
        _ = 1 / 0
    started, ended = recorder.events
    assert started == StageStarted("one", "doing one")
    assert isinstance(ended, StageEnded)
    assert (ended.stage, ended.completed) == ("one", False)


def test_what_a_listener_raises_ends_the_run_and_leaves_nothing(model: str, emotions: Path, tmp_path: Path) -> None:
    class Impatient(Listener):
        def on_prepared(self, event: RunPrepared) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        liftune.tune(str(emotions), model=model, out=tmp_path / "run", listeners=[Impatient()])
    assert not (tmp_path / "run").exists()


def test_an_epoch_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    before = EpochEnded(0, 3, "accuracy", {"accuracy": 0.25}, best=True)
    assert epoch_line(before) == "  epoch 0 of 3: validation accuracy 0.2500, before the first step"
    after = EpochEnded(2, 3, "f1", {"f1": None}, loss=0.5, rows_per_second=1234.5, best=True)
    assert epoch_line(after) == "  epoch 2 of 3: loss 0.5000, validation f1 undefined, 1,234 rows/s  best so far"
    Events([LogLines(Progress())]).send(after)
    assert capsys.readouterr() == ("", epoch_line(after) + "\n")


def test_bars_close_when_they_are_full_and_when_a_stage_ends() -> None:
    """An open bar hides the cursor: it must not outlive what it is of."""
    open_bars: list[str] = []

    class Fake(Progress):
        def bar(self, what: str, rows: int | None, *, speed: bool = True):  # type: ignore[no-untyped-def]
            @contextlib.contextmanager
            def opened():  # type: ignore[no-untyped-def]
                open_bars.append(what)
                yield lambda rows=1, note=None: None
                open_bars.remove(what)

            return opened()

    events = Events([Bars(Fake())])
    events.send(EpochStarted(1, 2, 10))
    events.send(Step(1, 1, 6, 0.5, 1e-3))
    assert open_bars == ["epoch 1 of 2"]
    events.send(Step(1, 2, 4, 0.5, 1e-3))
    assert open_bars == []
    advance = events.rows("base reads test", 4)
    advance(3)
    assert open_bars == ["base reads test"]
    events.rows("base reads train", 4)
    assert open_bars == ["base reads train"]
    with contextlib.suppress(KeyboardInterrupt), events.stage("any"):
        events.rows("base reads validation", 4)
        assert open_bars == ["base reads validation"]
        raise KeyboardInterrupt
    assert open_bars == []


def test_a_long_name_of_a_contender_stands_apart_from_its_score(capsys: pytest.CaptureFixture[str]) -> None:
    scored = Contender(
        name="zero-shot",
        head=None,
        trainable_parameters=0,
        seconds=Seconds(),
        metrics={"accuracy": Interval(value=0.5, low=0.4, high=0.6)},
    )
    LogLines(Progress()).on_contender(ContenderScored(scored, "accuracy"))
    assert "  zero-shot accuracy 0.500" in capsys.readouterr().err
