"""The three kinds of task: what a target is, how logits become probabilities and answers, which metric decides.

In: logits (N, C) and targets as the data gives them.  Out: arrays.
Not here: metrics (metrics.py), the loss (train.py picks it by `problem_type`).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeAlias

from liftune.types import FloatArray, Target

if TYPE_CHECKING:  # imported where it is used, for the sake of a quick `liftune --help`
    import numpy as np
    from numpy.typing import NDArray

#: Probabilities in (0, 1) from which on a label is answered.
ThresholdValues: TypeAlias = "Sequence[float] | NDArray[np.float64]"


class TaskKind(StrEnum):
    """What a row's target is."""

    SINGLE_LABEL = "single_label"
    MULTI_LABEL = "multi_label"
    REGRESSION = "regression"

    @property
    def problem_type(self) -> str:
        """The name that transformers gives this kind in a model's config."""
        return {
            TaskKind.SINGLE_LABEL: "single_label_classification",
            TaskKind.MULTI_LABEL: "multi_label_classification",
            TaskKind.REGRESSION: "regression",
        }[self]

    @property
    def outputs_labels(self) -> bool:
        """Whether the model has one output a label; a regression has a single nameless one."""
        return self is not TaskKind.REGRESSION


def probabilities(logits: FloatArray, task: TaskKind) -> NDArray[np.float64]:
    """(N, C) probabilities: softmax across labels, sigmoid of each for multi-label; regression values pass unchanged.

    >>> import numpy as np
    >>> probabilities(np.array([[0.0, 0.0]]), TaskKind.SINGLE_LABEL)
    array([[0.5, 0.5]])
    """
    import numpy as np

    values = np.asarray(logits, dtype=np.float64)
    if task is TaskKind.SINGLE_LABEL:
        powers = np.exp(values - values.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True))
    if task is TaskKind.MULTI_LABEL:
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * values)))  # the sigmoid, without overflow
    return values


def decide(logits: FloatArray, task: TaskKind, thresholds: ThresholdValues | None = None) -> NDArray[Any]:
    """The answers: (N,) label index; (N, C) ones where a label's probability reaches its threshold; (N,) value.

    Args:
        thresholds: multi-label only: (C,), or (N, C) for thresholds of each row; None is one half for every label.
    """
    import numpy as np

    if task is TaskKind.SINGLE_LABEL:
        return np.asarray(logits.argmax(axis=1), dtype=np.int64)
    if task is TaskKind.MULTI_LABEL:
        return np.asarray(from_thresholds(logits, thresholds) >= 0, dtype=np.int64)
    return np.asarray(logits[:, 0], dtype=np.float64)


def from_thresholds(logits: FloatArray, thresholds: ThresholdValues | None) -> FloatArray:
    """(N, C) how far each logit lies above its threshold: what `decide` answers by. Not to be read as probabilities.

    >>> import numpy as np
    >>> from_thresholds(np.array([[0.0, 0.0]]), [0.5, 0.5])
    array([[0., 0.]])
    """
    import numpy as np

    if thresholds is None:
        return logits
    shares = np.asarray(thresholds, dtype=np.float64)
    return np.asarray(logits - (np.log(shares) - np.log1p(-shares)))


def encode(targets: Sequence[Target], labels: Sequence[str], task: TaskKind) -> NDArray[Any]:
    """Targets as numbers: (N,) int label index; (N, len(labels)) int zeros and ones; (N,) float value.

    `labels` must name every label that occurs: the model's own, then any that it never saw.

    >>> encode(["b", "a"], ["a", "b"], TaskKind.SINGLE_LABEL)
    array([1, 0])
    """
    import numpy as np

    index = {label: i for i, label in enumerate(labels)}
    if task is TaskKind.SINGLE_LABEL:
        return np.array([index[str(target)] for target in targets], dtype=np.int64)
    if task is TaskKind.MULTI_LABEL:
        rows = np.zeros((len(targets), len(labels)), dtype=np.int64)
        for i, target in enumerate(targets):
            assert isinstance(target, tuple)
            rows[i, [index[label] for label in target]] = 1
        return rows
    return np.array([float(target) for target in targets], dtype=np.float64)  # type: ignore[arg-type]
