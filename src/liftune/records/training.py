"""Results of tuning, and the card of an adapter on disk.

Not here: how it is tuned (training/loop.py), how the adapter is saved (models/adapter_io.py).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from liftune.records.base import Choice, Head, Interval, Record, SealedRecord, TextColumns
from liftune.records.calibration import Cutoff, Thresholds, check_thresholds
from liftune.tasks import TaskKind
from liftune.types import LongRule, Pooling


class Epoch(Record):
    """One pass over train."""

    epoch: int
    train_loss: float
    validation: dict[str, float | None]
    seconds: float
    rows_per_second: float


class PairStart(Record):
    """A start of the encoder from pairs of rows: what cross-validation on train found, and whether it was taken."""

    asked: Literal["auto", "on"]
    taken: bool
    rows: int
    """Train rows."""
    labels: int
    judged: int = 0
    """Of these, those that were answered by heads that had not seen them, to judge the start."""
    metric: str = ""
    without: float | None = None
    """The metric of these, of a head on the encoder as it is; null where nothing was tried, as with `on`."""
    with_pairs: float | None = None
    """The same on an encoder that starts from pairs."""
    gain: Interval | None = None
    """Of the second over the first, on the same rows, in the metric's unit."""
    p_value: float | None = None
    reason: str = ""
    """Why it was not tried, and taken nevertheless or not."""
    tried_seconds: float = 0.0
    seconds: float = 0.0
    """Of the start itself."""
    visits: int = 0
    """Of each row, in all rounds; 0 where they were not counted."""
    loss: float | None = None
    """Of pairs in the last steps, between 0 and 1: how far rows of one label, and of two, were still to go."""


class TrainLog(Record):
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
    """The sum, over the same rows, of the square of a row's tokens: the products of attention."""
    teacher: str | None = None
    """The baseline whose out-of-fold predictions on train were learnt beside the labels."""
    teacher_share: float = 0.0
    """Its share of each target."""
    start: dict[str, float | None] | None = None
    """Scores on validation before the first step; None where the head was random."""
    slowed: str | None = None
    """Where the loss stopped being a number once: at which step and rate, and how training went on."""
    halved: tuple[str, ...] = ()
    """Each time that the loss jumped in the first steps: at which step and rate, and how training went on."""
    pairs: PairStart | None = None
    """Before the first step; null where it was not asked for, or there are many rows a label."""
    taught_epochs: int = 0
    """Epochs until the classifier was as good as the teacher on validation; labels alone after them."""


class RoundTripCheck(Record):
    """The saved adapter, rebuilt from disk under another seed, against the live model."""

    rows: int
    largest_gap: float
    """Largest absolute difference of a logit."""
    tolerance: float


#: How bitsandbytes holds weights for `base_precision="4bit"`, by the names of transformers' BitsAndBytesConfig: what
#: liftune loads, and what a card tells others to load.
FOUR_BITS = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}


class AdapterCard(SealedRecord):
    """liftune.json in the adapter folder: all that is needed to predict with it."""

    liftune: str
    task: TaskKind
    labels: tuple[str, ...]
    method: str
    base: str
    """As it was asked for: alias, hub id or folder."""
    base_revision: str | None = None
    base_sha256: str
    """Of the base's weight files, in order of name."""
    base_tokenizer: str | None = None
    """Of the base's tokenizer (`models/base_identity.py`); null in cards before schema 3."""
    base_config: dict[str, Any] | None = None
    """The fields of the base's config.json that decide its answers; null in cards before schema 3."""
    config_changes: dict[str, Any] = Field(default_factory=dict)
    """What the base was loaded with otherwise than its own files say, besides labels and task: `pad_token_id`, `dtype`.
    transformers must be told it to give the same answers."""
    family: str
    head: Head
    max_length: Annotated[int, Field(ge=1, lt=1 << 31)]
    long: LongRule = "cut"
    """What is read of a text of more tokens; always cut before schema 5."""
    window_overlap: Annotated[int, Field(ge=1, lt=1 << 31)] | None = None
    """Tokens that neighbouring windows share; null where there are none."""
    window_pooling: Pooling | None = None
    """How the logits of windows become a text's own: their mean, or the greatest of each label."""
    pad_token_id: int
    truncation_side: Literal["right", "left"] = "right"
    """Where a text that is too long is cut: as the base's tokenizer says; always right before schema 3."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """The precision that was planned where it was tuned."""
    base_precision: Literal["4bit"] | None = None
    """How the frozen weights were held; null is their own numbers. An adapter is tuned on the rounded ones."""
    base_kept: tuple[str, ...] = ()
    """Modules of the base that are not rounded."""
    pairs: bool = False
    columns: TextColumns | None = None
    """Where its texts were read from; null where they were in memory, or nobody kept it."""
    trust_remote_code: bool = False
    temperature: Annotated[float, Field(gt=0.0, allow_inf_nan=False)] = 1.0
    """By which the logits were divided after training; the saved head has it folded in, so it is for information."""
    thresholds: Thresholds | None = None
    """Multi-label: the probability that each label must reach to be predicted; null is one half for all."""
    base_thresholds: Thresholds | None = None
    """The same for the untuned model, with --with-base."""
    cutoffs: tuple[Cutoff, ...] = ()
    """Single-label: what abstaining below each confidence gave on validation."""

    @property
    def long_options(self) -> dict[str, Any]:
        """What is read of long texts, as options of a ModelSpec."""
        overlap, pooling = self.window_overlap, self.window_pooling
        return {"long": self.long, "window_overlap": overlap, "window_pooling": pooling}

    @model_validator(mode="after")
    def _one_threshold_a_label(self) -> Self:
        check_thresholds(self.labels, self.thresholds, self.base_thresholds)
        return self


class Speed(Record):
    """How fast optimisation was, over all seeds: no tokenisation, no validation, no baselines."""

    rows_per_second: float
    tokens_per_second: float
    """Without padding."""
    gemm_fraction: float | None
    """Arithmetic of the task (hardware/flops.py) a second, over the machine's own rate of plain matrix products at the
    model's shapes and in training's precision. Null where the count does not hold, and `note` says why."""
    gemm_rate: float | None = None
    """That rate, in operations a second: the best that was ever measured here, as other work can only lower it."""
    peak_mib: float | None
    """The process's peak memory from its start to the end of the run; null where the system does not report it."""
    plan: tuple[Choice, ...]
    note: str | None = None
