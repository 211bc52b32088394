"""record.json: a run, whole; the core of `--json`.

Not here: its parts, how it was found (run.py), how it is shown (report/).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from liftune.records.base import SCHEMA, Choice, Comparison, Head, Interval, Record, RowCounts, Seconds
from liftune.records.calibration import Calibration, Decisions
from liftune.records.data import Audit, LabelErrorSummary, Shift
from liftune.records.learning_curve import Curve
from liftune.records.training import RoundTripCheck, Speed, TrainLog
from liftune.tasks.base import TaskKind


class SeedResult(Record):
    """One seed's share of a contender."""

    seed: int
    metrics: dict[str, Interval]
    seconds: Seconds
    calibration: Calibration | None = None
    decisions: Decisions | None = None


class Contender(Record):
    """One rung of the ladder on the test rows."""

    name: str
    head: Head | None
    trainable_parameters: int
    seconds: Seconds
    metrics: dict[str, Interval]
    clean: dict[str, Interval] | None = None
    """The same on the test rows that are not in train too; null where none leaked."""
    validation: dict[str, float | None] = Field(default_factory=dict)
    seeds: tuple[SeedResult, ...] | None = None
    calibration: Calibration | None = None
    """Of the seed that was kept; null for what is not calibrated."""
    decisions: Decisions | None = None
    """Multi-label: of the seed that was kept."""
    notes: tuple[str, ...] = ()
    saved_bytes: int | None = None
    """Of the weights on disk; null for a rung that is not kept."""
    peak_mib: float | None = None
    """The most memory that the process had held when this rung was done, earlier rungs included."""


class RunRecord(Record):
    """record.json: one run, whole."""

    schema_version: int = Field(default=SCHEMA, alias="schema")
    run: str
    task: TaskKind
    labels: tuple[str, ...]
    partial: bool
    rows: RowCounts
    audit: Audit
    contenders: tuple[Contender, ...]
    comparisons: tuple[Comparison, ...]
    metric: str = ""
    strongest: str | None = None
    """The rung, other than base and tuned, with the best validation score."""
    recommended: str | None = None
    """The rung to use: what test decided, or where it could not, what validation has ahead. Null where nothing was
    tuned."""
    method_comparisons: tuple[Comparison, ...] = ()
    """Of the method, over seeds and rows; none with one seed."""
    folds: int | None = None
    """The test rows are all rows, each answered by models that were tuned without its fold; the saved adapter, tuned on
    all rows, is none of them. Null where test rows were set aside."""
    data_fingerprint: str = ""
    max_length: int = 0
    model: str = ""
    data: str = ""
    """The source, as asked for."""
    base_model: str = ""
    """The hub id of the base, empty where it is a local folder."""
    base_license: str | None = None
    """As the base's own card names it."""
    method: str = ""
    plan: tuple[Choice, ...] = ()
    speed: Speed | None = None
    """Of the tuned rung."""
    logs: tuple[TrainLog, ...] = ()
    integrity: RoundTripCheck | None = None
    curve: Curve | None = None
    """With --curve."""
    notes: tuple[str, ...] = ()
    suspects: LabelErrorSummary | None = None
    shift: Shift | None = None
    versions: dict[str, str] = Field(default_factory=dict)
    started: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """A plain object, schema first."""
        return self.model_dump(mode="json", by_alias=True)
