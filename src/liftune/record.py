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


class Resemblance(Found):
    """Two rows that are nearly the same, by id."""

    row: str
    other: str
    similarity: float


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
    near_duplicates: float | None = None
    """Least similarity of a near duplicate, nought where none were looked for; exact ones are not counted as near."""
    near_leaked_test_rows: int = 0
    near_leaked_validation_rows: int = 0
    near_duplicate_train_rows: int = 0
    """Train rows that resemble an earlier train row."""
    near_conflicting_rows: int = 0
    """Train rows that resemble a train row with another target."""
    duplicate_test_rows: int = 0
    near_duplicate_test_rows: int = 0
    conflicting_test_rows: int = 0
    """Test rows whose text occurs in test with more than one target."""
    near_leaked_ids: tuple[str, ...] = ()
    conflicting_test_ids: tuple[str, ...] = ()
    near_examples: tuple[Resemblance, ...] = ()
    """A few of the near leaks, most similar first."""
    group: str | None = None
    """The column whose groups stay together and are resampled whole."""
    groups: dict[str, int] = {}
    """Part -> groups in it."""
    shared_groups: int = 0
    """Groups that test shares with train, or with the validation part carved from it."""
    group_leaked_ids: tuple[str, ...] = ()
    """Test rows of those groups."""

    @property
    def unclean(self) -> set[str]:
        """Ids of test rows that a clean score leaves out: leaked, exactly or nearly or by group, or with conflicting
        targets."""
        return {*self.leaked_ids, *self.near_leaked_ids, *self.conflicting_test_ids, *self.group_leaked_ids}


class Suspect(Found):
    """A train row whose label is likely wrong."""

    id: str
    text: str
    """Its beginning."""
    target: str | tuple[str, ...]
    rather: str | tuple[str, ...]
    """What models that never saw the row would answer."""
    probability: float
    """That these models give to the row's own label."""
    flagged: bool


class Suspects(Found):
    """Train rows whose label is likely wrong; nothing is dropped for it. Null where none were looked for."""

    rows: int
    """Train rows looked at."""
    flagged: int
    """Rows that confidently belong to another label."""
    listed: int
    """Rows of suspects.jsonl, worst first: those that are flagged, and the most suspect twentieth."""
    by: tuple[str, ...]
    """What the models saw."""
    top: tuple[Suspect, ...] = ()


class Telltale(Found):
    """A word that is more frequent on one side, with the share of each side's rows that have it."""

    word: str
    train: float
    test: float


class Shift(Found):
    """Whether test looks drawn as train was; by a linear model that is asked which of the two a row is from."""

    rows: int
    """Rows of each side, half of them to fit on and half to answer."""
    auc: Interval
    """Chance that the model finds a test row more test-like than a train row: 0.5 where nothing tells them apart."""
    p_value: float
    words: tuple[Telltale, ...] = ()
    lengths: dict[str, float] = {}
    """Part -> median characters."""
    target_test: str = ""
    """What compared the targets: a G-test, G-tests of each label, or the test of Kolmogorov and Smirnov."""
    target_p_value: float | None = None
    note: str | None = None


class RowCounts(Found):
    """Rows used in each part."""

    train: int
    validation: int
    test: int


class Seconds(Found):
    """Wall time. `train` counts optimisation only: no tokenising, no validation."""

    train: float | None = None
    evaluate: float | None = None


class ReliabilityBin(Found):
    """Answers of about the same confidence."""

    rows: int
    """Answers in it; of multi-label rows one for each label."""
    confidence: float
    """Their mean confidence."""
    right: Interval
    """The share that is right, by Clopper and Pearson; of multi-label answers, which share rows, it is too narrow."""


class CalibrationScores(Found):
    """How far probabilities can be believed, on one set of rows."""

    log_loss: Interval
    brier: Interval
    ece: Interval
    """Expected calibration error: root mean square over bins of equal mass, debiased (evidence/reliability.py)."""
    plain_ece: Interval
    """Mean absolute gap over the same bins, as it is mostly reported; biased upward, and so without an interval."""
    curve: tuple[ReliabilityBin, ...] = ()


class Calibration(Found):
    """Whether and how a tuned head was scaled after training, by validation; the saved head has it folded in."""

    kind: Literal["none", "temperature", "vector"] = "none"
    kept: bool = False
    reason: str
    temperature: float = 1.0
    """Logits were divided by it."""
    scale: tuple[float, ...] | None = None
    shift: tuple[float, ...] | None = None
    """vector: after the temperature, each label's logit was multiplied by its scale and moved by its shift."""
    fitted: float | None = None
    """The temperature that validation fits, kept or not; null where it was not tried."""
    validation_before: float | None = None
    """Log-loss on validation as trained, and, out of fold, as calibrated (kept or not)."""
    validation_after: float | None = None
    p_value: float | None = None
    """One-sided, of the improvement out of fold."""
    test_before: CalibrationScores | None = None
    test_after: CalibrationScores | None = None
    test_change: Comparison | None = None
    """Log-loss on test, calibrated against as trained."""


class Decisions(Found):
    """Which probability each label of a multi-label answer must reach, and why."""

    kind: Literal["half", "shared", "per label", "stored"] = "half"
    thresholds: tuple[float, ...] | None = None
    """One a label; null is one half for all. `stored` are those that an adapter brings along."""
    reason: str
    validation_before: float | None = None
    """The deciding metric on validation at one half, and, out of fold, by the thresholds (used or not)."""
    validation_after: float | None = None
    p_value: float | None = None


class Cutoff(Found):
    """What answering only the rows above a confidence gave on validation."""

    above: float
    """A row is answered where the probability of its answer is larger."""
    rows: int
    share: float
    accuracy: Interval
    """Of the answered rows; the lower limits of all cutoffs of a table hold together with 95 %."""


class SeedResult(Found):
    """One seed's share of a contender."""

    seed: int
    metrics: dict[str, Interval]
    seconds: Seconds
    calibration: Calibration | None = None
    decisions: Decisions | None = None


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
    """0 is the start, before the first step."""
    epochs: tuple[Epoch, ...]
    seconds: float
    stopped: str
    """Why training ended: all epochs ran, or validation stopped improving."""
    tokens: int = 0
    """Tokens trained in all epochs, without padding; 0 where they were not counted."""
    token_pairs: int = 0
    """The sum, over the same rows, of the square of a row's tokens: what attention multiplies."""
    teacher: str | None = None
    """The rung whose answers to train's rows, each by a fit without that row, were learnt beside the labels."""
    teacher_share: float = 0.0
    """Its share of each target."""
    start: dict[str, float | None] | None = None
    """Scores on validation before the first step; None where the head was random."""
    taught_epochs: int = 0
    """Epochs until the classifier was as good as the teacher, on validation; labels alone after them."""


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
    calibration: Calibration | None = None
    """Of the seed that was kept; null for what is not calibrated."""
    decisions: Decisions | None = None
    """Multi-label: of the seed that was kept."""
    notes: tuple[str, ...] = ()
    saved_bytes: int | None = None
    """Of the weights on disk; null for a rung that is not kept."""
    peak_mib: float | None = None
    """The most memory that the process had held when this rung was done, earlier rungs included."""


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
    smallest_detectable_gain: float | None = None
    """The least true gain that these rows show with 80 % power, as many of them differing as did; null where it is not
    known."""
    seeds: int | None = None
    """How many tunings the gain is a mean of, its interval holding their spread too; null where it speaks of the two
    models that were compared."""
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
    temperature: float = 1.0
    """By which the logits were divided after training; the saved head has it folded in, so it is for information."""
    thresholds: tuple[float, ...] | None = None
    """Multi-label: the probability from which on each label is answered; null is one half for all."""
    base_thresholds: tuple[float, ...] | None = None
    """The same for the untuned model, where it is asked beside the tuned one."""
    cutoffs: tuple[Cutoff, ...] = ()
    """Single-label: what abstaining below a confidence gave on validation."""


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
    integrity: Integrity | None = None
    curve: Curve | None = None
    """With --curve."""
    notes: tuple[str, ...] = ()
    suspects: Suspects | None = None
    shift: Shift | None = None
    versions: dict[str, str] = {}
    started: str = ""
    seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """A plain object, schema first."""
        return self.model_dump(mode="json", by_alias=True)
