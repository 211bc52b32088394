"""The results of a sweep: frozen, versioned, the core of `--json` and of sweep.json.

Not here: how they are computed (sweeps/cells.py, sweeps/leaderboard.py), how they are shown (sweeps/sections.py,
sweeps/plot.py).
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from liftune.records.base import Choice, Interval, Record, RowCounts, SealedRecord, display
from liftune.records.data import Audit
from liftune.records.run import Contender
from liftune.records.training import TrainLog
from liftune.tasks import TaskKind

State = Literal["done", "unfit", "failed", "pruned"]
Cost = Literal["seconds", "memory", "size"]


class BaselinesRecord(Record):
    """A model's contenders that are not tuned, on the sweep's rows."""

    model: str
    labels: tuple[str, ...]
    """In the order of its logits."""
    max_length: int
    """Tokens kept of each row by every contender: as many as the method that needs most of them for itself leaves."""
    plan: tuple[Choice, ...]
    contenders: tuple[Contender, ...]
    notes: tuple[str, ...] = ()
    files: dict[str, str] = Field(default_factory=dict)
    """sha256 of the files that were written with it, by their names in the model's folder; empty before schema 4."""


class CellRecord(Record):
    """One tuned model; of a cell that is not done, why."""

    model: str
    method: str
    seed: int
    state: State
    reason: str | None = None
    """unfit: why the method does not fit the model. failed: what went wrong; a rerun tries again. pruned: at which
    epoch it was behind others of the search."""
    trial: int | None = None
    """The number of the search's proposal that it tries; null of a grid's cell, and of the winner's own."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the search proposed: option -> value."""
    curve: tuple[float | None, ...] = ()
    """Of a search: the validation score after each epoch, from the first on."""
    metrics: dict[str, Interval] = Field(default_factory=dict)
    validation: dict[str, float | None] = Field(default_factory=dict)
    train_seconds: float | None = None
    evaluate_seconds: float | None = None
    trainable_parameters: int = 0
    adapter_bytes: int = 0
    """Of the weights that would be saved; of a whole model for `full`."""
    memory_mib: float | None = None
    """The most memory that the process held while this cell was tuned, less what it held before; null where the system
    cannot say. It is what the cell adds: libraries, and what they keep from earlier cells, are not in it."""
    log: TrainLog | None = None
    files: dict[str, str] = Field(default_factory=dict)
    """As of a BaselinesRecord."""

    @property
    def name(self) -> str:
        """Of its files, as its cell's."""
        trial = "" if self.trial is None else f"t{self.trial}-"
        return f"{self.method}-{trial}{self.seed}"


class LeaderboardRow(Record):
    """One contender on the test rows, over all its seeds."""

    model: str
    contender: str
    """A method, or a baseline."""
    tuned: bool
    rank: int
    """By score alone, 1 and up; equal scores share one."""
    letters: str = ""
    """Two contenders that share one are not told apart by these rows and seeds; empty for an undefined score, and in a
    sweep of liftune 0.1, which did not test all pairs' differences."""
    as_best: bool = False
    """Whether these rows and seeds do not tell it from the one with the best score."""
    score: Interval
    """Mean over seeds; the interval allows for other rows and, with several seeds, for other seeds."""
    seeds: int
    spread: float | None = None
    """Standard deviation over seeds; null for one."""
    validation: float | None = None
    """Mean over seeds, by which `chosen` is chosen."""
    train_seconds: float | None = None
    memory_mib: float | None = None
    trainable_parameters: int = 0
    adapter_bytes: int | None = None
    fronts: tuple[Cost, ...] = ()
    """The costs at which no other contender is both cheaper and better."""


class Optimism(Record):
    """By how much the choice of a search flatters its winner, found on validation: the winner's curse.

    Validation is halved many times. One half chooses among the trials; what it chose is looked at on the other half.
    """

    value: float
    """Mean of how much better what was chosen looked to the half that chose; in the metric's unit, above 0 flatters."""
    low: float
    high: float
    """95% of the halvings lie between."""
    halvings: int
    again: float
    """Share of the halvings that chose the trial that all of validation chooses."""


class TrialRecord(Record):
    """One proposal of a search. It has no test figures: test was looked at by the winner alone."""

    number: int
    model: str
    method: str
    options: dict[str, Any]
    state: Literal["done", "failed", "pruned"]
    validation: float | None = None
    """Mean over seeds; of a pruned one, where it had got to."""
    reason: str | None = None
    same_as: int | None = None
    """The earlier trial that had the very same options, and whose score it takes."""


class SearchRecord(Record):
    """What a search proposed, and what came of it."""

    space: dict[str, str]
    """Option -> what was to be tried, in words."""
    trials: tuple[TrialRecord, ...]
    """In the order of their numbers."""
    winner: int
    """The trial with the best validation score, the first of equals."""
    earlier_winners: tuple[int, ...] = ()
    """Trials that won while there were fewer, and were looked at on test too."""
    optimism: Optimism | None = None
    """Null where validation is too small to be halved, or all trials gave the same."""


class SweepRecord(SealedRecord):
    """sweep.json: one sweep, whole."""

    sections_from: ClassVar[str] = "liftune.sweeps.sections:sweep_sections"
    sweep: str
    data: str = ""
    task: TaskKind
    labels: tuple[str, ...]
    partial: bool
    rows: RowCounts
    audit: Audit
    metric: str
    data_fingerprint: str
    baselines: tuple[BaselinesRecord, ...]
    """One a model."""
    cells: tuple[CellRecord, ...]
    leaderboard: tuple[LeaderboardRow, ...]
    """Best first."""
    chosen: str | None = None
    """The contender with the best validation score: the choice that the test rows had no part in."""
    search: SearchRecord | None = None
    """Null of a grid."""
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)

    def to_frame(self) -> Any:
        """The leaderboard as a pandas DataFrame.

        Raises:
            MissingExtra: pandas is not installed.
        """
        return display().frame(self)

    def plot(self) -> Any:
        """A matplotlib Figure of scores against costs: training time, memory and adapter size.

        Raises:
            MissingExtra: matplotlib is not installed.
        """
        return display().plot(self)
