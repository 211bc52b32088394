"""Soft labels for tuning: the better baseline's predictions of train's rows, each by a fit that has not seen the row.

In: the fitted baselines tf-idf and probe, and their features.  Out: SoftLabels, a target distribution a train row.
Not here: the baselines (tfidf.py, linear_probe.py), how training uses soft labels (training/loss.py).

Tuning learns from a mixture of label and soft label (distillation: Hinton, Vinyals and Dean 2015). A model that had
seen a row would only repeat its label, so each row is predicted by a fit on the other folds; its confidence is that of
predictions of rows it has not seen (temperature: Guo et al. 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_models import Features, out_of_fold
from liftune.data.folds import FOLDS, folds_for_fitting
from liftune.data.splits import Splits
from liftune.tasks import TaskKind, task_of
from liftune.types import FloatArray

#: Steps of each fold's fit: it starts cold, and further steps would change less than the rows that a fold lacks.
_ITERATIONS = 100
#: Divisors of the logits that are tried, evenly in their logarithm.
_TEMPERATURES = np.geomspace(0.25, 8.0, 41)


@dataclass(frozen=True)
class BaselineFit:
    """What a baseline needs to be fitted again on part of its rows."""

    name: str
    features: Features
    """(N, D) of train's rows, as its model takes them."""
    strength: float
    score: tuple[float, float]
    """On validation, higher is better."""


@dataclass(frozen=True)
class SoftLabels:
    """What a baseline expects of each train row."""

    name: str
    """The baseline's."""
    targets: NDArray[np.float32]
    """(N, C) probabilities; (N, 1) values for regression."""
    score: float
    """The baseline's on validation, by the run's metric, signed so that higher is better."""
    temperature: float = 1.0
    """What its logits were divided by."""


def make_soft_labels(fits: Sequence[BaselineFit], splits: Splits, *, seed: int = 0) -> SoftLabels | None:
    """Soft labels from the best fit on validation; None where train is too small for folds.

    Args:
        fits: at least one.
        seed: of the folds.
    """
    task, targets = task_of(splits.task), splits.encoded(splits.train)
    folds = folds_for_fitting(splits.train, splits.task, least=FOLDS, seed=seed)
    if folds is None:
        return None
    best = max(fits, key=lambda fit: fit.score)
    logits = out_of_fold(
        best.features, targets, splits.outputs, splits.task, best.strength, folds, iterations=_ITERATIONS
    )
    if not task.has_probabilities:
        return SoftLabels(best.name, logits, best.score[0])
    temperature = best_temperature(logits, targets, splits.task)
    shares = task.probabilities(logits / np.float32(temperature))
    return SoftLabels(best.name, np.asarray(shares, dtype=np.float32), best.score[0], temperature)


def best_temperature(logits: FloatArray, targets: NDArray[Any], kind: TaskKind) -> float:
    """The divisor under which the logits, of rows that their fit has not seen, have the least log-loss."""
    task = task_of(kind)
    wanted = task.indicators(targets, logits.shape[1])

    def loss(temperature: float) -> float:
        shares = np.clip(task.probabilities(logits / np.float32(temperature)), 1e-12, 1.0)
        if task.has_thresholds:  # each label is a choice of its own
            return -float((wanted * np.log(shares) + (1 - wanted) * np.log1p(-np.minimum(shares, 1 - 1e-7))).mean())
        return -float((wanted * np.log(shares)).sum(axis=1).mean())

    return float(min(_TEMPERATURES, key=loss))
