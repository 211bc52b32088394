"""What a model predicts for a row.

In: rows and logits.  Out: Predictions; JSON objects, lines.
Not here: what makes the logits (adapter_predictor.py, onnx_bundle.py), files of predictions (writers.py, files.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liftune.data.row_lines import as_columns
from liftune.errors import ModelError
from liftune.tasks import TaskKind, ThresholdValues, task_of
from liftune.types import Row, Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from liftune.inference.explanation import Explanation


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for one row.

    Attributes:
        label: single-label tasks; None otherwise, and where it abstained.
        labels: multi-label tasks, those whose probability reaches the label's threshold; None otherwise.
        value: regression; None otherwise.
        probabilities: label -> probability, in the model's order; None for regression.
        abstained: whether it was too unsure for a label; None where no precision was asked for.
        base: the base model's prediction, where it was requested.
        contender: which contender of a run predicted it, where it was another than the tuned one.
        explanation: how much each word changes it, where that was asked for.
    """

    row: Row
    label: str | None = None
    labels: tuple[str, ...] | None = None
    value: float | None = None
    probabilities: dict[str, float] | None = None
    abstained: bool | None = None
    base: Prediction | None = None
    contender: str | None = None
    explanation: Explanation | None = None

    def to_json(self, *, with_row: bool = True) -> dict[str, Any]:
        """The object of `predict --json`, of files and of the HTTP API: text (and text_pair), label or labels or value,
        abstained where a precision was asked for, probabilities, base, explanation; with the row also the contender,
        where it was another than the tuned one."""
        record: dict[str, Any] = as_columns(self.row) if with_row else {}
        if self.value is not None:
            record["value"] = self.value
        elif self.labels is not None:
            record["labels"] = list(self.labels)
        else:
            record["label"] = self.label
        if self.abstained is not None:
            record["abstained"] = self.abstained
        if self.probabilities is not None:
            record["probabilities"] = self.probabilities
        if self.base is not None:
            record["base"] = self.base.to_json(with_row=False)
        if self.explanation is not None:
            record["explanation"] = self.explanation.to_json()
        if with_row and self.contender is not None:
            record["contender"] = self.contender
        return record

    def line(self) -> str:
        """For a person: the prediction, its probability, and the text."""
        text = self.row if isinstance(self.row, str) else " | ".join(self.row)
        shown = text if len(text) <= 80 else f"{text[:77]}..."
        base = f"   (base: {self.base.summary()})" if self.base else ""
        return f"{self.summary()}   {shown}{base}"

    def summary(self) -> str:
        """Without the text: `joy 0.93`, `joy 0.93, love 0.61`, `3.42`, `abstained (joy 0.43)`."""
        if self.value is not None:
            return f"{self.value:.4g}"
        probabilities = self.probabilities or {}
        if self.abstained:
            likeliest = max(probabilities, key=lambda label: probabilities[label])
            return f"abstained ({likeliest} {probabilities[likeliest]:.2f})"
        predicted = self.labels if self.labels is not None else (self.label or "",)
        return ", ".join(f"{label} {probabilities.get(label, 0.0):.2f}" for label in predicted) or "none"


def predictions_of_logits(
    rows: Sequence[Row],
    logits: NDArray[np.floating],
    *,
    labels: Sequence[str],
    task: TaskKind,
    thresholds: ThresholdValues | None = None,
    above: float | None = None,
) -> list[Prediction]:
    """One prediction per row, in order.

    Args:
        logits: (N, C), of a Scorer.
        labels: names of the C columns; not read for a regression.
        thresholds: as of `Task.decide`.
        above: where the task `has_confidence`: the probability above which a row gets a label; None labels every row.

    Raises:
        ModelError: a logit is not finite.
    """
    import numpy as np  # a quarter of what `liftune --help` would take

    if not np.isfinite(logits).all():
        first = int(np.flatnonzero(~np.isfinite(logits).all(axis=1))[0])
        raise ModelError(
            f"the model gives no number for row {first + 1}: its weights, or what it computes of them, are not finite",
            hint="check it with `liftune check`, or predict in float32",
        )
    kind = task_of(task)
    targets = kind.decode(kind.decide(logits, thresholds), labels)
    if not kind.has_probabilities:
        return [_prediction(row, target) for row, target in zip(rows, targets, strict=True)]
    unsure = kind.confidence(logits) <= above if kind.has_confidence and above is not None else None
    predictions = []
    for i, (row, target, values) in enumerate(zip(rows, targets, kind.probabilities(logits), strict=True)):
        named = {label: float(value) for label, value in zip(labels, values, strict=True)}
        predictions.append(_prediction(row, target, named, None if unsure is None else bool(unsure[i])))
    return predictions


def _prediction(
    row: Row, target: Target, probabilities: dict[str, float] | None = None, abstained: bool | None = None
) -> Prediction:
    """The target in the field that holds one of its shape; a label is left out where the model abstained."""
    return Prediction(
        row,
        label=target if isinstance(target, str) and not abstained else None,
        labels=target if isinstance(target, tuple) else None,
        value=target if isinstance(target, float) else None,
        probabilities=probabilities,
        abstained=abstained,
    )
