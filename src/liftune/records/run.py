"""What `tune`, `evaluate` and `compare` report: record.json and the core of `--json`.

Not here: what they are made of (the files beside this one), how it is computed (workflows/), how it is shown (report/).
"""

from __future__ import annotations

from pydantic import Field

from liftune.records.base import Choice, Comparison, Head, Interval, Record, RowCounts, Seconds, StoredRecord
from liftune.records.calibration import Calibration, Decisions
from liftune.records.data import Audit, LabelErrorSummary, Shift
from liftune.records.learning_curve import Curve
from liftune.records.training import RoundTripCheck, Speed, TrainLog
from liftune.tasks import TaskKind


class SeedResult(Record):
    """One seed of a contender."""

    seed: int
    metrics: dict[str, Interval]
    seconds: Seconds
    calibration: Calibration | None = None
    decisions: Decisions | None = None
    clean: dict[str, Interval] | None = None


class Contender(Record):
    """One row of the ladder: a model or baseline on the test rows."""

    name: str
    head: Head | None
    trainable_parameters: int
    seconds: Seconds
    metrics: dict[str, Interval]
    clean: dict[str, Interval] | None = None
    """The same on the test rows that do not leak, exactly or by group; null where none does, or all do."""
    validation: dict[str, float | None] = Field(default_factory=dict)
    seeds: tuple[SeedResult, ...] | None = None
    calibration: Calibration | None = None
    """Of the seed that was kept; null for what is not calibrated."""
    decisions: Decisions | None = None
    """Multi-label: of the seed that was kept."""
    notes: tuple[str, ...] = ()
    saved_bytes: int | None = None
    """Of the weights on disk, and of the vocabulary of tf-idf; null for a contender that is not saved."""
    only_answer: str | tuple[str, ...] | float | None = None
    """The one answer that it gives to every test row; null where answers differ, or test has one target only."""
    peak_mib: float | None = None
    """The process's peak memory when this contender was done, earlier contenders included."""


class RunRecord(StoredRecord):
    """What `tune`, `evaluate` and `compare` report alike."""

    run: str
    """The folder of the run, or the model that was evaluated."""
    task: TaskKind
    labels: tuple[str, ...]
    partial: bool
    rows: RowCounts
    audit: Audit
    contenders: tuple[Contender, ...]
    metric: str = ""
    data_fingerprint: str = ""
    max_length: int = 0
    model: str = ""
    plan: tuple[Choice, ...] = ()
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = Field(default_factory=dict)
    started: str = ""
    seconds: float = 0.0


class EvaluationRecord(RunRecord):
    """What `evaluate` reports: the scores of one model."""

    contender: str | None = None
    """Which one of a run was scored; null for a model that is of no run."""


class VerdictRecord(RunRecord):
    """Contenders compared on the same rows, at least one of them tuned: what `tune` and `compare` report alike."""

    comparisons: tuple[Comparison, ...]
    folds: int | None = None
    """The test rows are all rows, each predicted by models that were tuned without its fold; the saved adapter, tuned
    on all rows, is none of them. Null where test rows were set aside."""
    data: str = ""
    """The source, as asked for."""
    base_model: str = ""
    """The hub id of the base, empty where it is a local folder."""
    base_license: str | None = None
    """As the base's own card names it."""
    method: str = ""
    suspects: LabelErrorSummary | None = None
    shift: Shift | None = None


class ComparisonRecord(VerdictRecord):
    """What `compare` reports: the tuned models of two runs. What is not in both contenders is of the second run."""


class TuneRecord(VerdictRecord):
    """record.json: one run of `tune`, whole."""

    strongest: str | None = None
    """The baseline, other than base, with the best validation score."""
    recommended: str | None = None
    """The contender to use: what test decided, or where it could not, what validation has ahead. Null where nothing was
    tuned."""
    method_comparisons: tuple[Comparison, ...] = ()
    """Of the method, over seeds and rows; none with one seed."""
    speed: Speed | None = None
    """Of the tuned contender."""
    logs: tuple[TrainLog, ...] = ()
    integrity: RoundTripCheck | None = None
    curve: Curve | None = None
    """With --curve."""

    @property
    def default_contender(self) -> str:
        """The contender that predict, serve, export and evaluate use where none is asked for.

        It is the tuned one, but where the verdict says that it is worse than the recommended one.
        """
        worse = {each.a for each in self.comparisons if each.b == "tuned" and each.verdict == "worse"}
        return self.recommended if self.recommended is not None and self.recommended in worse else "tuned"
