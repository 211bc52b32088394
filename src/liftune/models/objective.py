"""What training minimises, for each task.

In: a Classifier's logits, train's targets.  Out: a loss, summed over rows.
Not here: the loop (train.py), probabilities and answers (task.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from liftune.data.rows import Splits
from liftune.errors import SpecError
from liftune.models.classifier import Classifier
from liftune.task import TaskKind


@dataclass(frozen=True)
class Objective:
    """The loss of each task, summed over rows.

    Single-label: cross-entropy. Multi-label: binary cross-entropy, mean over labels. Regression: squared error of the
    target scaled to mean 0 and variance 1, so that one learning rate suits every unit.
    """

    task: TaskKind
    targets: Tensor
    """(N,) label index, (N, C) zeros and ones, or (N,) scaled value, on the CPU."""
    weights: Tensor | None
    """(C,) of each label, or of each label's positives for multi-label."""

    @classmethod
    def of(cls, classifier: Classifier, splits: Splits, *, class_weights: bool) -> Objective:
        """The objective of train's rows; tells the classifier the scale of a regression's targets.

        Args:
            class_weights: weigh labels by the inverse of their frequency.
        """
        targets = splits.encoded(splits.train)
        if splits.task is TaskKind.REGRESSION:
            if class_weights:
                raise SpecError("a regression has no classes to weigh", where="--class-weights", mend="leave it out")
            mean, std = 0.0, 1.0
            if classifier.backbone.head == "fresh":  # a trained head already answers in the target's unit
                mean, std = classifier.set_target_scale(float(targets.mean()), float(targets.std()) or 1.0)
            return cls(splits.task, torch.tensor((targets - mean) / std, dtype=torch.float32), None)
        weights = None
        single = splits.task is TaskKind.SINGLE_LABEL
        targets = targets if single else targets[:, : len(splits.labels)]
        if class_weights:
            counts = np.bincount(targets, minlength=len(splits.labels)) if single else targets.sum(axis=0)
            counts = np.maximum(counts, 1)
            balance = len(targets) / (len(counts) * counts) if single else (len(targets) - counts) / counts
            weights = torch.tensor(np.clip(balance, 0.01, 100), dtype=torch.float32)
        return cls(splits.task, torch.tensor(targets, dtype=torch.int64 if single else torch.float32), weights)

    def weight(self, rows: Sequence[int]) -> float:
        """What a step's summed loss is divided by: its rows, each at its class's weight."""
        if self.task is TaskKind.SINGLE_LABEL and self.weights is not None:
            return float(self.weights[self.targets[rows]].sum())
        return float(len(rows))

    def loss(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """Summed loss of (n, C) logits for these rows."""
        targets = self.targets[list(rows)].to(logits.device)
        weights = None if self.weights is None else self.weights.to(logits.device)
        if self.task is TaskKind.SINGLE_LABEL:
            return F.cross_entropy(logits, targets, weight=weights, reduction="sum")
        if self.task is TaskKind.MULTI_LABEL:
            each = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights, reduction="none")
            return each.mean(dim=1).sum()
        return F.mse_loss(logits[:, 0], targets, reduction="sum")
