"""Events as lines of a file, and the run as it is seen by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from liftune.errors import ArtifactError, SpecError
from liftune.event_lines import EventLines, events_in, listeners_of
from liftune.events import (
    ContenderScored,
    EpochEnded,
    EpochStarted,
    Event,
    Note,
    RoundEnded,
    RowsRead,
    RunEnded,
    RunPrepared,
    RunStarted,
    StageEnded,
    StageStarted,
    Step,
    TuningStarted,
)
from liftune.records.base import Interval, Seconds
from liftune.records.run import Contender
from liftune.ui.following import Following


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def scored(name: str, value: float) -> ContenderScored:
    contender = Contender(
        name=name,
        head="fresh" if name == "base" else None,
        trainable_parameters=7,
        seconds=Seconds(train=1.5, evaluate=0.5),
        metrics={"accuracy": Interval(value=value, low=value - 0.1, high=value + 0.1)},
    )
    return ContenderScored(contender, "accuracy")


EVENTS: list[Event] = [
    RunStarted("runs/a", {"data": "rows.csv", "seeds": (0, 1)}),
    RunPrepared("rows.csv", "single_label", 2, 80, 10, 10, None, "minilm", "bert", "fresh", 64, "float32", "cpu"),
    StageStarted("base model", "scoring"),
    RowsRead("base reads test", 0, 10),
    RowsRead("base reads test", 10, 10),
    scored("base", 0.5),
    StageEnded("base model", 2.0, True),
    StageStarted("fine-tuning"),
    TuningStarted("lora", 0, "probe", from_pairs=True),
    RoundEnded(1, 6, 20, 0.01, last=True),
    EpochStarted(1, 2, 80),
    Step(1, 1, 16, 0.5, 1e-3),
    EpochEnded(1, 2, "accuracy", {"accuracy": 0.5, "log_loss": None}, loss=0.7, rows_per_second=9.0, best=True),
    Note("<b>é\n"),
    RunEnded("runs/a", None),
]


def written(path: Path, clock: Clock, *events: Event) -> EventLines:
    lines = EventLines(path, clock)
    for event in events:
        event.deliver(lines)
    return lines


def test_every_event_comes_back_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    written(path, Clock(), *EVENTS)
    found = [event for _, event in events_in(path.read_text(encoding="utf-8"))]
    assert found[1:] == EVENTS[1:]
    assert found[0] == RunStarted("runs/a", {"data": "rows.csv", "seeds": [0, 1]})


def test_steps_within_a_moment_are_one_line_with_the_rows_of_all(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "events.jsonl"
    lines = written(path, clock, EpochStarted(1, 1, 1_000))
    for number in range(1, 11):
        clock.now += 0.1
        lines.on_step(Step(1, number, 16, 1 / number, 1e-3))
    lines.on_note(Note("end"))
    steps = [event for _, event in events_in(path.read_text(encoding="utf-8")) if isinstance(event, Step)]
    assert 1 < len(steps) < 10
    assert sum(each.rows for each in steps) == 160
    assert steps[-1] == Step(1, 10, steps[-1].rows, 0.1, 1e-3)


def test_what_is_in_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    for _ in range(2):
        written(path, Clock(), Note("again"))
    assert [event for _, event in events_in(path.read_text(encoding="utf-8"))] == [Note("again")] * 2


def test_a_place_that_is_no_file_is_refused(tmp_path: Path) -> None:
    assert listeners_of(None) == ()
    with pytest.raises(SpecError, match="no file"):
        listeners_of(str(tmp_path))
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError):
        listeners_of(str(tmp_path / "file" / "events.jsonl"))


def test_a_run_is_followed_as_its_events_come(tmp_path: Path) -> None:
    """Read in pieces, in the middle of a line too."""
    clock, path, grown = Clock(), tmp_path / "events.jsonl", tmp_path / "grown.jsonl"
    written(path, clock, *EVENTS)
    whole = path.read_bytes()
    following = Following(grown)
    assert following.read().seen(0.0)["contenders"] == []
    with grown.open("ab") as file:
        for start in range(0, len(whole), 100):
            file.write(whole[start : start + 100])
            file.flush()
            following.read()
    seen = following.seen(clock.now)
    assert [each["name"] for each in seen["contenders"]] == ["base"]
    assert seen["contenders"][0]["random"]
    assert [(each["name"], each["seconds"]) for each in seen["stages"]] == [("base model", 2.0), ("fine-tuning", None)]
    assert seen["tuning"]["epoch"] == 1
    assert seen["epochs"] == [
        "start from pairs of rows: round 1 of at most 6, each row read 20 times, loss of pairs 0.010: learned",
        "epoch 1 of 2: loss 0.7000, validation accuracy 0.5000, 9 rows/s  best so far",
    ]
    assert seen["ended"]


def test_the_time_left_is_that_of_the_steps_so_far_less_what_has_passed_since(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "events.jsonl"
    lines = written(path, clock, TuningStarted("lora", 0), EpochStarted(1, 2, 100))
    clock.now += 10.0
    lines.on_step(Step(1, 1, 50, 0.5, 1e-3))
    lines.on_note(Note("half of the first of two epochs: 10 s of 40"))
    following = Following(path).read()
    epoch = {"doing": "epoch 1 of 2", "done": 50, "total": 100}
    assert following.seen(clock.now)["pass"] == {**epoch, "seconds_left": 10.0}
    assert following.seen(clock.now)["tuning"]["seconds_left"] == pytest.approx(30.0)
    assert following.seen(clock.now + 4)["tuning"]["seconds_left"] == pytest.approx(26.0)


def test_a_run_that_goes_on_begins_its_table_anew(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    again = (StageStarted("data", "reading"), RunStarted("runs/a", {}, goes_on=True), scored("majority", 0.3))
    written(path, Clock(), *EVENTS, *again)
    seen = Following(path).read().seen(0.0)
    assert [each["name"] for each in seen["stages"]] == ["data"]
    assert [each["name"] for each in seen["contenders"]] == ["majority"]
    assert seen["goes_on"]
