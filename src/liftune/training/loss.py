"""What training minimises, for each task.

In: a Classifier's logits, train's targets, what a teacher expects of them.  Out: a loss, summed over rows.
Not here: the loop (train.py), probabilities and answers (task.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from liftune.data.splits import Splits
from liftune.errors import SpecError
from liftune.models.classifier import Classifier
from liftune.tasks.base import TaskKind
from liftune.types import FloatArray


@dataclass(frozen=True)
class Objective:
    """The loss of each task, summed over rows.

    Single-label: cross-entropy. Multi-label: binary cross-entropy, mean over labels. Regression: squared error of the
    target scaled to mean 0 and variance 1, so that one learning rate suits every unit.
    """

    task: TaskKind
    targets: Tensor
    """(N,) label index, (N, C) zeros and ones, or (N,) scaled value, on the CPU; with a teacher (N, C) shares for both
    kinds of labels."""
    weights: Tensor | None
    """(C,) of each label, or of each label's positives for multi-label."""

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        splits: Splits,
        *,
        class_weights: bool,
        expected: FloatArray | None = None,
        teacher_share: float = 0.0,
    ) -> Objective:
        """The objective of train's rows; tells the classifier the scale of a regression's targets.

        Args:
            class_weights: weigh labels by the inverse of their frequency.
            expected: (N, C) probabilities, or (N, 1) values, that a teacher gives train's rows; None for labels alone.
            teacher_share: each target is (1 - share) label + share teacher. Of cross-entropy, which is linear in the
                target, that is the same mixture of losses (Hinton et al. 2015, at temperature 1).
        """
        targets = splits.encoded(splits.train)
        if splits.task is TaskKind.REGRESSION:
            if class_weights:
                raise SpecError("a regression has no classes to weigh", where="--class-weights", hint="leave it out")
            mean, std = 0.0, 1.0
            if classifier.backbone.head == "fresh":  # a trained head already answers in the target's unit
                mean, std = classifier.set_target_scale(float(targets.mean()), float(targets.std()) or 1.0)
            if expected is not None:
                targets = (1 - teacher_share) * targets + teacher_share * expected[:, 0]
            return cls(splits.task, torch.tensor((targets - mean) / std, dtype=torch.float32), None)
        weights = None
        single = splits.task is TaskKind.SINGLE_LABEL
        targets = targets if single else targets[:, : len(splits.labels)]
        if class_weights:
            counts = np.bincount(targets, minlength=len(splits.labels)) if single else targets.sum(axis=0)
            counts = np.maximum(counts, 1)
            balance = len(targets) / (len(counts) * counts) if single else (len(targets) - counts) / counts
            weights = torch.tensor(np.clip(balance, 0.01, 100), dtype=torch.float32)
        if expected is not None:
            labels = np.eye(len(splits.labels), dtype=np.float32)[targets] if single else targets
            mixed = (1 - teacher_share) * labels + teacher_share * expected
            return cls(splits.task, torch.tensor(mixed, dtype=torch.float32), weights)
        return cls(splits.task, torch.tensor(targets, dtype=torch.int64 if single else torch.float32), weights)

    def weight(self, rows: Sequence[int]) -> float:
        """What a step's summed loss is divided by: its rows, each at its class's weight."""
        if self.task is TaskKind.SINGLE_LABEL and self.weights is not None:
            chosen = self.targets[rows]
            return float((chosen @ self.weights if chosen.ndim == 2 else self.weights[chosen]).sum())
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
