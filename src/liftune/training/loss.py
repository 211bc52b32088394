"""What training minimises: one loss a kind of task, by the name that its Task gives.

In: a Classifier's logits, train's targets, soft labels of train.  Out: a loss, summed over rows.
Not here: the loop (loop.py), probabilities and predictions (tasks/), the losses of linear models (tasks/).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from liftune.data.splits import Splits
from liftune.errors import SpecError
from liftune.models.classifier import Classifier
from liftune.tasks import task_of
from liftune.types import FloatArray


class Loss(ABC):
    """A loss over encoded targets (see `Task.encode`), C outputs."""

    dtype: torch.dtype = torch.float32
    """Of targets without soft labels."""
    has_classes = True
    """Whether labels can be weighed."""

    def within(self, targets: NDArray[Any], outputs: int) -> NDArray[Any]:
        """The targets of the model's own labels."""
        return targets

    def class_weights(self, targets: NDArray[Any], outputs: int) -> NDArray[np.float64]:
        """(C,) the inverse of each label's frequency."""
        raise TypeError("this loss has no classes to weigh: ask `has_classes` first")

    @abstractmethod
    def mixed(self, targets: NDArray[Any], soft_labels: FloatArray, share: float) -> NDArray[Any]:
        """(1 - share) target + share soft label, in the form that `summed` reads.

        Args:
            soft_labels: (N, C) probabilities, or (N, 1) values.
        """

    @abstractmethod
    def summed(self, logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """Of (n, C) logits, over n rows."""

    def rows(self, targets: Tensor, weights: Tensor | None) -> float:
        """What the summed loss is divided by: its rows, each at its class's weight."""
        return float(len(targets))


class CrossEntropy(Loss):
    """Of softmax probabilities; targets are (N,) label indices, or (N, C) probabilities."""

    dtype = torch.int64

    def class_weights(self, targets: NDArray[Any], outputs: int) -> NDArray[np.float64]:
        """(C,) of each label."""
        counts = np.maximum(np.bincount(targets, minlength=outputs), 1)
        return np.asarray(len(targets) / (len(counts) * counts))

    def mixed(self, targets: NDArray[Any], soft_labels: FloatArray, share: float) -> NDArray[Any]:
        """(N, C)."""
        labels = np.eye(soft_labels.shape[1], dtype=np.float32)[targets]
        return np.asarray((1 - share) * labels + share * soft_labels)

    def summed(self, logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """In nats."""
        return F.cross_entropy(logits, targets, weight=weights, reduction="sum")

    def rows(self, targets: Tensor, weights: Tensor | None) -> float:
        """Each row at the weight of its label, or of its soft label's mean."""
        if weights is None:
            return float(len(targets))
        return float((targets @ weights if targets.ndim == 2 else weights[targets]).sum())


class BinaryCrossEntropy(Loss):
    """Of a sigmoid for each label, mean over labels; targets are (N, C) zeros and ones, or probabilities."""

    def within(self, targets: NDArray[Any], outputs: int) -> NDArray[Any]:
        """(N, C) of (N, L)."""
        return targets[:, :outputs]

    def class_weights(self, targets: NDArray[Any], outputs: int) -> NDArray[np.float64]:
        """(C,) of each label's positives."""
        counts = np.maximum(targets.sum(axis=0), 1)
        return np.asarray((len(targets) - counts) / counts)

    def mixed(self, targets: NDArray[Any], soft_labels: FloatArray, share: float) -> NDArray[Any]:
        """(N, C)."""
        return np.asarray((1 - share) * targets + share * soft_labels)

    def summed(self, logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """In nats."""
        each = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights, reduction="none")
        return each.mean(dim=1).sum()


class SquaredError(Loss):
    """Of a value; targets are (N,)."""

    has_classes = False

    def mixed(self, targets: NDArray[Any], soft_labels: FloatArray, share: float) -> NDArray[Any]:
        """(N,)."""
        return np.asarray((1 - share) * targets + share * soft_labels[:, 0])

    def summed(self, logits: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        """In the square of the scaled target's unit."""
        return F.mse_loss(logits[:, 0], targets, reduction="sum")


#: `Task.loss` -> the loss.
LOSSES: dict[str, Loss] = {
    "cross_entropy": CrossEntropy(),
    "binary_cross_entropy": BinaryCrossEntropy(),
    "squared_error": SquaredError(),
}


#: Rows whose loss without knowledge stands for that of all.
_ROWS_OF_CHANCE = 1_000


@dataclass(frozen=True)
class Objective:
    """The task's loss on train's targets, summed over rows.

    Values are scaled to mean 0 and variance 1, so that one learning rate suits every unit.
    """

    kind: Loss
    targets: Tensor
    """As the loss reads them, N rows, on the CPU."""
    weights: Tensor | None
    """(C,) of each label."""

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        splits: Splits,
        *,
        class_weights: bool,
        soft_labels: FloatArray | None = None,
        soft_share: float = 0.0,
    ) -> Objective:
        """The objective of train's rows; sets the classifier's target scale where the task has one.

        Args:
            class_weights: weigh labels by the inverse of their frequency.
            soft_labels: (N, C) probabilities, or (N, 1) values, of train's rows; None for labels alone.
            soft_share: each target is (1 - share) label + share soft label. Of cross-entropy, which is linear in the
                target, that is the same mixture of losses (Hinton et al. 2015, at temperature 1).

        Raises:
            SpecError: class weights were asked for, and the task has no classes.
        """
        task = task_of(splits.task)
        loss = LOSSES[task.loss]
        if class_weights and not loss.has_classes:
            raise SpecError(
                f"a {task.kind.value} has no classes to weigh", where="--class-weights", hint="leave it out"
            )
        targets = loss.within(splits.encoded(splits.train), splits.outputs)
        weights = None
        if class_weights:
            balance = np.clip(loss.class_weights(targets, splits.outputs), 0.01, 100)
            weights = torch.tensor(balance, dtype=torch.float32)
        mean, std = 0.0, 1.0
        if task.scales_targets and classifier.backbone.head == "fresh":
            # A trained head predicts in the target's unit already.
            mean, std = classifier.set_target_scale(float(targets.mean()), float(targets.std()) or 1.0)
        dtype = loss.dtype
        if soft_labels is not None:
            targets, dtype = loss.mixed(targets, soft_labels, soft_share), torch.float32
        if task.scales_targets:
            targets = (targets - mean) / std
        return cls(loss, torch.tensor(targets, dtype=dtype), weights)

    def chance(self, outputs: int) -> float:
        """The mean loss of giving every row (the first thousand) the same answer, of zero logits.

        Args:
            outputs: C.
        """
        rows = range(min(len(self.targets), _ROWS_OF_CHANCE))
        with torch.no_grad():
            return float(self.loss(torch.zeros(len(rows), outputs), rows)) / max(self.weight(rows), 1e-12)

    def weight(self, rows: Sequence[int]) -> float:
        """What a step's summed loss is divided by: its rows, each at its class's weight."""
        return self.kind.rows(self.targets[list(rows)], self.weights)

    def loss(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """Summed loss of (n, C) logits for these rows."""
        weights = None if self.weights is None else self.weights.to(logits.device)
        return self.kind.summed(logits, self.targets[list(rows)].to(logits.device), weights)
