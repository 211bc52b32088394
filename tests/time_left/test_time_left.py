"""What is said of the time that training takes."""

from __future__ import annotations

from liftune.events import EpochStarted, Listener, RowsRead, Step, TuningStarted
from liftune.time_left import TimeLeft


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def told() -> tuple[TimeLeft, Clock, list[str]]:
    lines: list[str] = []
    clock = Clock()
    return TimeLeft(lines.append, clock), clock, lines


def read(listener: Listener, clock: Clock, rows: int, seconds: float) -> None:
    listener.on_rows(RowsRead("base reads train", 0, rows))
    clock.now += seconds
    listener.on_rows(RowsRead("base reads train", rows, rows))


def step(listener: Listener, clock: Clock, rows: int, seconds: float) -> None:
    clock.now += seconds
    listener.on_step(Step(1, 1, rows, 0.5, 1e-3))


def test_the_speed_of_reading_gives_a_first_estimate() -> None:
    listener, clock, lines = told()
    read(listener, clock, 1_000, 10.0)
    listener.on_tuning(TuningStarted("lora", 0))
    listener.on_epoch(EpochStarted(1, 5, 1_000))
    assert lines == ["  training takes about 2 min at most (by the speed of reading)"]


def test_rows_that_are_trained_on_say_nothing_of_the_speed_of_reading() -> None:
    """A start from pairs comes before the first epoch."""
    listener, clock, lines = told()
    read(listener, clock, 1_000, 10.0)
    listener.on_rows(RowsRead("start from pairs of rows, round 1 of at most 6", 0, 100, trained=True))
    clock.now += 100.0
    listener.on_rows(RowsRead("start from pairs of rows, round 1 of at most 6", 100, 100, trained=True))
    listener.on_tuning(TuningStarted("lora", 0))
    listener.on_epoch(EpochStarted(1, 5, 1_000))
    assert lines == ["  training takes about 2 min at most (by the speed of reading)"]


def test_steps_that_are_as_fast_as_said_say_nothing_more() -> None:
    listener, clock, lines = told()
    read(listener, clock, 1_000, 10.0)
    listener.on_tuning(TuningStarted("lora", 0))
    listener.on_epoch(EpochStarted(1, 5, 1_000))
    for _ in range(50):
        step(listener, clock, 20, 0.6)
    assert len(lines) == 1


def test_slower_steps_correct_it_once() -> None:
    listener, clock, lines = told()
    read(listener, clock, 1_000, 10.0)
    listener.on_tuning(TuningStarted("lora", 0))
    listener.on_epoch(EpochStarted(1, 5, 1_000))
    for _ in range(50):
        step(listener, clock, 20, 2.0)
    assert len(lines) == 2
    assert lines[1].startswith("  training takes now about 8 min at most (")


def test_a_training_of_seconds_and_one_that_goes_on_are_not_miscounted() -> None:
    listener, clock, lines = told()
    read(listener, clock, 100, 0.01)
    listener.on_tuning(TuningStarted("lora", 0))
    listener.on_epoch(EpochStarted(1, 3, 100))
    assert lines == []
    listener, clock, lines = told()
    read(listener, clock, 1_000, 100.0)
    listener.on_tuning(TuningStarted("lora", 0))
    listener.on_epoch(EpochStarted(3, 3, 1_000, done=900))
    assert lines == ["  training takes about 30 s at most (by the speed of reading)"]


def test_without_a_pass_before_it_steps_alone_are_timed() -> None:
    listener, clock, lines = told()
    listener.on_tuning(TuningStarted("lora", 0))
    listener.on_epoch(EpochStarted(1, 2, 100))
    assert lines == []
    for _ in range(6):
        step(listener, clock, 10, 1.0)
    assert lines == ["  training takes now about 20 s at most (15 s of it left)"]


def test_a_slow_end_is_not_counted_down_line_by_line() -> None:
    """Near the end little is left, and a step that is a little slower is many times what was expected of it."""
    listener, clock, lines = told()
    read(listener, clock, 1_000, 100.0)
    listener.on_tuning(TuningStarted("lora", 0))
    listener.on_epoch(EpochStarted(1, 1, 1_000))
    for _ in range(40):
        step(listener, clock, 20, 6.0)
    for _ in range(10):
        step(listener, clock, 20, 12.0)
    assert len(lines) == 2
