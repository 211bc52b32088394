"""What happens during a run, as frozen values sent to listeners.

In: an event, sent where it happens.  Out: one call of each listener.
Not here: showing events to a person (progress.py), sending them (workflows/, training/loop.py).

    >>> class Print(Listener):
    ...     def on_epoch(self, event):
    ...         if isinstance(event, EpochEnded):
    ...             print(event.epoch, event.value)
    >>> Events([Print()]).send(EpochEnded(1, 3, "accuracy", {"accuracy": 0.5}, loss=0.7))
    1 0.5
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from liftune.records.run import Contender, TuneRecord


@dataclass(frozen=True)
class RunStarted:
    """The options and rows of a run are checked, and its folder is claimed."""

    run: str
    """The folder."""
    settings: Mapping[str, object]
    """Options of `tune` by name, those that are not the default."""
    goes_on: bool = False
    """Whether an unfinished run is gone on with."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_run(self)


@dataclass(frozen=True)
class RunEnded:
    """The record and the report are written; or an error, or the user, ended the run."""

    run: str
    record: TuneRecord | None
    """None where the run did not come to its end."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_run(self)


@dataclass(frozen=True)
class StageStarted:
    """A stage of the workflow begins: see workflows/stages.py for their names."""

    stage: str
    doing: str = ""
    """A line to show; empty where other events show enough."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_stage(self)


@dataclass(frozen=True)
class StageEnded:
    """A stage of the workflow is over."""

    stage: str
    seconds: float
    completed: bool
    """False where an error, or the user, ended it."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_stage(self)


@dataclass(frozen=True)
class RunPrepared:
    """The rows are read and the model is loaded: what the run works on."""

    data: str
    task: str
    labels: int
    train: int
    validation: int
    test: int
    folds: int | None
    """None without cross-validation; with it, every row is a test row, once."""
    model: str
    family: str
    head: str
    max_length: int
    dtype: str
    device: str
    notes: tuple[str, ...] = ()
    """What loading the model had to say."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_prepared(self)


@dataclass(frozen=True)
class TuningStarted:
    """A fresh copy of the model is tuned by a method under a seed."""

    method: str
    seed: int
    soft_labels: str | None = None
    """The baseline whose predictions are learned beside the labels."""
    from_pairs: bool = False
    """Whether the encoder starts from pairs of rows."""
    tunes: bool = True
    """False where that start is kept as it is, and no epoch follows."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_tuning(self)


@dataclass(frozen=True)
class RoundEnded:
    """A round of a start from pairs of rows is over: see training/contrast.py. Its rows come as RowsRead."""

    round: int
    rounds: int
    """At most."""
    visits: int
    """Of each row, in all rounds so far."""
    loss: float
    """Of pairs in the round's last steps, between 0 and 1."""
    last: bool
    trial: str = ""
    """Which part of a trial it belongs to; empty where it is the start itself."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_round(self)


@dataclass(frozen=True)
class EpochStarted:
    """A pass over the train rows begins."""

    epoch: int
    """From 1."""
    epochs: int
    rows: int
    done: int = 0
    """Rows that an earlier process trained on in this epoch."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_epoch(self)


@dataclass(frozen=True)
class Step:
    """One optimizer step."""

    epoch: int
    step: int
    """From 1, over all epochs."""
    rows: int
    loss: float
    """Mean over the step's rows."""
    learning_rate: float
    """Of the step that was taken, of the first parameter group."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_step(self)


@dataclass(frozen=True)
class EpochEnded:
    """The model was scored on the validation rows, after an epoch or, as epoch 0, before the first step."""

    epoch: int
    epochs: int
    """0 where the start is kept, and no epoch follows."""
    metric: str
    """The one that chooses the epoch."""
    validation: Mapping[str, float | None]
    """Every metric of the task; None where it is undefined."""
    loss: float | None = None
    """Mean over the epoch's steps; None before the first step."""
    rows_per_second: float | None = None
    best: bool = False
    """Whether this epoch is the best so far."""

    @property
    def value(self) -> float | None:
        """Of the metric that chooses the epoch."""
        return self.validation.get(self.metric)

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_epoch(self)


@dataclass(frozen=True)
class ContenderScored:
    """A contender's test rows are scored."""

    contender: Contender
    metric: str
    """The one that decides the verdict, of those in `contender.metrics`."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_contender(self)


@dataclass(frozen=True)
class RowsRead:
    """A model has read some more rows of a pass; sent with 0 rows when the pass begins."""

    doing: str
    """What the pass is for, such as "base reads test"."""
    rows: int
    """Read since the event before."""
    total: int
    """Of the pass."""
    trained: bool = False
    """Whether the model is trained on them, which takes longer than reading."""

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_rows(self)


@dataclass(frozen=True)
class Note:
    """Anything else that a person should know, as a line of text."""

    text: str

    def deliver(self, listener: Listener) -> None:
        """Call the listener."""
        listener.on_note(self)


Event = (
    RunStarted
    | RunEnded
    | StageStarted
    | StageEnded
    | RunPrepared
    | TuningStarted
    | RoundEnded
    | EpochStarted
    | Step
    | EpochEnded
    | ContenderScored
    | RowsRead
    | Note
)


class Listener:
    """Base of listeners: override what you want to hear.

    Calls come from the thread that computes, which waits for them. What a listener raises ends the run.
    """

    def on_run(self, event: RunStarted | RunEnded) -> None:
        """A run begins or is over."""

    def on_stage(self, event: StageStarted | StageEnded) -> None:
        """A stage of the workflow begins or is over."""

    def on_prepared(self, event: RunPrepared) -> None:
        """Rows and model are loaded."""

    def on_tuning(self, event: TuningStarted) -> None:
        """Tuning under a seed begins."""

    def on_round(self, event: RoundEnded) -> None:
        """A round of a start from pairs of rows is over."""

    def on_epoch(self, event: EpochStarted | EpochEnded) -> None:
        """An epoch begins, or was scored."""

    def on_step(self, event: Step) -> None:
        """An optimizer step was taken."""

    def on_contender(self, event: ContenderScored) -> None:
        """A contender was scored on the test rows."""

    def on_rows(self, event: RowsRead) -> None:
        """A model read some more rows outside epochs."""

    def on_note(self, event: Note) -> None:
        """Anything else."""


@dataclass(frozen=True)
class Events:
    """Sends events to listeners, in their order; to nobody where there are none."""

    listeners: Sequence[Listener] = ()
    said: set[str] = field(default_factory=set, compare=False, repr=False)
    """What `note_once` has sent."""

    def send(self, event: Event) -> None:
        """Call every listener."""
        for listener in self.listeners:
            event.deliver(listener)

    def note(self, text: str) -> None:
        """Send a line of text."""
        self.send(Note(text))

    def note_once(self, text: str) -> None:
        """Send a line of text that several parts of a run come to, the first time alone."""
        if text not in self.said:
            self.said.add(text)
            self.note(text)

    @contextmanager
    def run(
        self, run: str, settings: Mapping[str, object], *, goes_on: bool = False
    ) -> Iterator[Callable[[TuneRecord], None]]:
        """Send the begin of a run, and its end with the record that was given to what this yields."""
        records: list[TuneRecord] = []
        self.send(RunStarted(run, settings, goes_on))
        try:
            yield records.append
        finally:
            self.send(RunEnded(run, records[-1] if records else None))

    @contextmanager
    def stage(self, name: str, doing: str = "") -> Iterator[None]:
        """Send the begin of a stage, and its end, also where an error ends it."""
        started, completed = time.perf_counter(), False
        self.send(StageStarted(name, doing))
        try:
            yield
            completed = True
        finally:
            self.send(StageEnded(name, time.perf_counter() - started, completed))

    def rows(self, doing: str, total: int, *, trained: bool = False) -> Callable[[int], None]:
        """Begin a pass over so many rows; returns what is to be called as rows are done, with their number."""
        self.send(RowsRead(doing, 0, total, trained))
        return lambda rows: self.send(RowsRead(doing, rows, total, trained))
