"""Results about probabilities: how well calibrated they are, thresholds of labels, cutoffs for abstaining.

Not here: how they are computed (evaluation/calibration.py, evaluation/thresholds.py, evaluation/selective.py).
"""

from __future__ import annotations

from collections.abc import Sized
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from liftune.records.base import Comparison, Interval, Record

#: A probability from which on something is predicted.
Probability: TypeAlias = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Thresholds: TypeAlias = tuple[Probability, ...]


def check_thresholds(labels: Sized, *thresholds: Thresholds | None) -> None:
    """Refuse thresholds that are not one a label.

    Raises:
        ValueError: naming both counts.
    """
    for each in thresholds:
        if each is not None and len(each) != len(labels):
            raise ValueError(f"{len(each)} thresholds for {len(labels)} labels")


class ReliabilityBin(Record):
    """Predictions of about the same confidence."""

    rows: int
    """Predictions in it; of multi-label rows one for each label."""
    confidence: float
    """Their mean confidence."""
    right: Interval
    """The share that is right, by Clopper and Pearson; for multi-label predictions, which share rows, it is too narrow.
    Where rows come in groups, by a bootstrap of whole groups."""
    low: float | None = None
    high: float | None = None
    """Its edges, of bins of equal width; bins of equal mass are written without them."""

    @model_serializer(mode="wrap")
    def _without_missing_edges(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        return {key: value for key, value in values.items() if value is not None or key not in ("low", "high")}


class CalibrationScores(Record):
    """How well calibrated the probabilities are, on one set of rows."""

    log_loss: Interval
    brier: Interval
    rms_calibration_error: Interval
    """Root of the mean squared gap between confidence and accuracy over bins of equal mass, debiased
    (evaluation/reliability.py). No ECE: that is the mean absolute gap, which the true root is never below."""
    expected_calibration_error: Interval
    """ECE, the mean absolute gap over the same bins, as it is usually reported; biased upward, and so without an
    interval."""
    curve: tuple[ReliabilityBin, ...] = ()


class Calibration(Record):
    """Whether and how validation scaled a tuned head after training; the saved head has the scaling folded in."""

    kind: Literal["none", "temperature", "vector"] = "none"
    kept: bool = False
    reason: str
    temperature: float = 1.0
    """Logits were divided by it."""
    scale: tuple[float, ...] | None = None
    shift: tuple[float, ...] | None = None
    """vector: after the temperature, each label's logit was multiplied by its scale and moved by its shift."""
    fitted: float | None = None
    """The temperature fitted on validation, kept or not; null where it was not tried."""
    validation_before: float | None = None
    """Log-loss on validation as trained, and, out of fold, as calibrated (kept or not)."""
    validation_after: float | None = None
    p_value: float | None = None
    """One-sided, of the out-of-fold improvement."""
    test_before: CalibrationScores | None = None
    test_after: CalibrationScores | None = None
    test_change: Comparison | None = None
    """Log-loss on test, calibrated against as trained."""


class Decisions(Record):
    """The probability that each label of a multi-label prediction must reach, and why."""

    kind: Literal["half", "shared", "per label", "stored"] = "half"
    thresholds: Thresholds | None = None
    """One a label; null is one half for all. `stored` are those of an adapter."""
    reason: str
    validation_before: float | None = None
    """The deciding metric on validation at one half, and, out of fold, by the thresholds (used or not)."""
    validation_after: float | None = None
    p_value: float | None = None


class Cutoff(Record):
    """What predicting only the rows above a confidence gave on validation."""

    above: Probability
    """A row gets a label where its predicted label's probability is larger."""
    rows: int
    share: float
    accuracy: Interval
    """Of the rows with a label; the lower limits of all cutoffs of a table hold together with 95% confidence."""
