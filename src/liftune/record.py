"""What was found: frozen, versioned, the core of `--json` and of record.json.

Not here: how it was found (evidence/, train.py), how it is shown (report/).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from liftune.task import TaskKind

SCHEMA = 1

Verdict = Literal["better", "worse", "undecided"]
Head = Literal["fresh", "trained"]
NextStep = Literal["data", "base", "undecided"]


class Found(BaseModel):
    """Base of every record."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, defer_build=True)


class Interval(Found):
    """A value and its 95 % interval; low and high are null where there is none, and `note` says why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    note: str | None = None


class BadRow(Found):
    """A row that cannot be used."""

    split: str
    row: int
    """1-based position in its file, the header not counted."""
    reason: str


class Audit(Found):
    """What the rows themselves say before any model sees them."""

    leaked_test_rows: int = 0
    """Test rows whose text (and pair) also occurs in train or in the validation part carved from it."""
    leaked_validation_rows: int = 0
    duplicate_train_rows: int = 0
    """Train rows that repeat an earlier train row's text."""
    conflicting_rows: int = 0
    """Train rows whose text occurs with more than one target."""
    skipped_rows: int = 0
    unseen_labels: dict[str, int] = {}
    """Label that no train row has -> rows of validation and test that carry it; those rows count as wrong."""
    leaked_ids: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class RowCounts(Found):
    """Rows used in each part."""

    train: int
    validation: int
    test: int


class Seconds(Found):
    """Wall time. `train` counts optimisation only: no tokenising, no validation."""

    train: float | None = None
    evaluate: float | None = None


class SeedResult(Found):
    """One seed's share of a contender."""

    seed: int
    metrics: dict[str, Interval]
    seconds: Seconds


class Epoch(Found):
    """One pass over train."""

    epoch: int
    train_loss: float
    validation: dict[str, float | None]
    seconds: float
    rows_per_second: float


class TrainLog(Found):
    """How training went, for one seed."""

    seed: int
    learning_rate: float
    batch_size: int
    steps: int
    best_epoch: int
    epochs: tuple[Epoch, ...]
    seconds: float
    stopped: str
    """Why training ended: all epochs ran, or validation stopped improving."""
    tokens: int = 0
    """Tokens trained in all epochs, without padding; 0 where they were not counted."""
    token_pairs: int = 0
    """The sum, over the same rows, of the square of a row's tokens: what attention multiplies."""


class Contender(Found):
    """One rung of the ladder on the test rows."""

    name: str
    head: Head | None
    trainable_parameters: int
    seconds: Seconds
    metrics: dict[str, Interval]
    clean: dict[str, Interval] | None = None
    """The same on the test rows that are not in train too; null where none leaked."""
    validation: dict[str, float | None] = {}
    seeds: tuple[SeedResult, ...] | None = None
    notes: tuple[str, ...] = ()


class Comparison(Found):
    """b against a on the same rows."""

    a: str
    b: str
    metric: str
    gain: float | None
    """In the metric's own unit, signed so that positive is better."""
    low: float | None
    high: float | None
    p_value: float
    verdict: Verdict
    test: str = ""
    """The rule that decided: exact McNemar or paired randomisation."""
    rows_needed: int | None = None
    """undecided: test rows at which the observed gain, were it the true one, would be found with 80 % power."""
    note: str | None = None


class Choice(Found):
    """One decision of the hardware plan, with its reason."""

    choice: str
    value: str
    reason: str


class Integrity(Found):
    """The saved adapter, rebuilt from disk under another seed, against the live model."""

    rows: int
    largest_gap: float
    """Largest absolute difference of a logit."""
    tolerance: float


class AdapterCard(Found):
    """liftune.json in the adapter folder: all that is needed to predict with it."""

    schema_version: int = Field(default=SCHEMA, alias="schema")
    liftune: str
    task: TaskKind
    labels: tuple[str, ...]
    method: str
    base: str
    """As it was asked for: alias, hub id or folder."""
    base_revision: str | None = None
    base_sha256: str
    """Of the base's weight files, in order of name."""
    family: str
    head: Head
    max_length: int
    pad_token_id: int
    dtype: Literal["float32", "bfloat16"] = "float32"
    """The precision that was planned where it was tuned."""
    pairs: bool = False
    trust_remote_code: bool = False


class Speed(Found):
    """How fast optimisation was, over all seeds: no tokenising, no validation, no ladder."""

    rows_per_second: float
    tokens_per_second: float
    """Without padding."""
    gemm_fraction: float | None
    """Arithmetic of the task (hardware/flops.py) a second, over the machine's own rate of plain matrix products at the
    model's shapes and in training's precision. Null where the count does not hold, and `note` says why."""
    gemm_rate: float | None = None
    """That rate, in operations a second: the best that was ever measured here, as other work can only lower it."""
    peak_mib: float | None
    """The most memory that the process held from its start to the end of the run; null where the system hides it."""
    plan: tuple[Choice, ...]
    note: str | None = None


class CurvePoint(Found):
    """One contender fitted on so many train rows."""

    contender: str
    rows: int
    score: Interval
    """On all validation rows."""
    train_seconds: float | None = None
    """Null for all rows, whose time stands in the ladder, and for what fits in no time."""


class CurveOutlook(Found):
    """One contender's law, error(n) = scale n^-exponent + floor, and what it says of more rows.

    The error is one less the score, or the score itself where lower is better. Ranges hold 95 % of resamples of the
    validation rows under two forms of the law; they know nothing of other seeds.
    """

    contender: str
    rows: int
    """Asked about: twice those of train."""
    scale: float
    exponent: float
    floor: float
    error: Interval
    """Predicted at those rows."""
    saved: Interval
    """Share of today's error that would go."""


class Curve(Found):
    """The learning curve over training rows, on validation."""

    metric: str
    points: tuple[CurvePoint, ...]
    outlooks: tuple[CurveOutlook, ...] = ()
    """Of each contender with four sizes or more that stand above the majority's guess, and an error left."""
    next_step: NextStep
    """data: twice the rows would take a tenth of the errors away, and half that at the least. base: they would not,
    even at the most."""


class RunRecord(Found):
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
    data_fingerprint: str = ""
    max_length: int = 0
    model: str = ""
    method: str = ""
    plan: tuple[Choice, ...] = ()
    speed: Speed | None = None
    """Of the tuned rung."""
    logs: tuple[TrainLog, ...] = ()
    integrity: Integrity | None = None
    curve: Curve | None = None
    """With --curve."""
    notes: tuple[str, ...] = ()
    versions: dict[str, str] = {}
    started: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """A plain object, schema first."""
        return self.model_dump(mode="json", by_alias=True)
