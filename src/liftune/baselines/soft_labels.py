"""A teacher for tuning: what the stronger cheap rung says of train's rows, each by a fit that has not seen it.

In: the fitted rungs tf-idf and probe, and what they stand on.  Out: a Teacher: what it expects of each train row.
Not here: the rungs (baselines.py, probe.py), how training uses it (models/objective.py).

Tuning learns from a mixture of label and teacher (distillation: Hinton, Vinyals and Dean 2015). A teacher that had seen
a row would only repeat its label, so each row is answered by a fit on the other folds; its confidence is that of its
answers to rows it has not seen (temperature: Guo et al. 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_models import Features, indicator, out_of_fold
from liftune.data.folds import FOLDS, folds_for_fitting
from liftune.data.splits import Splits
from liftune.tasks.base import TaskKind, probabilities
from liftune.types import FloatArray

#: Steps of each fold's fit: its start is cold, and what a fold's rows would still change is less than its lack of them.
_ITERATIONS = 100
#: Divisors of the logits that are tried, evenly in their logarithm.
_TEMPERATURES = np.geomspace(0.25, 8.0, 41)


@dataclass(frozen=True)
class BaselineFit:
    """A rung that can be fitted again on part of its rows."""

    name: str
    features: Features
    """(N, D) of train's rows, as its model takes them."""
    strength: float
    score: tuple[float, float]
    """On validation, higher is better."""


@dataclass(frozen=True)
class SoftLabels:
    """What a rung expects of each train row."""

    name: str
    expected: NDArray[np.float32]
    """(N, C) probabilities; (N, 1) values for regression."""
    score: float
    """The rung's on validation, by the run's metric, signed so that higher is better."""
    temperature: float = 1.0
    """What its logits were divided by."""


def make_soft_labels(fits: Sequence[BaselineFit], splits: Splits, *, seed: int = 0) -> SoftLabels | None:
    """Soft labels from the best fit on validation; None where train is too small for folds.

    Args:
        fits: at least one.
        seed: of the folds.
    """
    targets = splits.encoded(splits.train)
    folds = folds_for_fitting(splits.train, splits.task, least=FOLDS, seed=seed)
    if folds is None:
        return None
    best = max(fits, key=lambda fit: fit.score)
    outputs = len(splits.labels) if splits.task.outputs_labels else 1
    logits = out_of_fold(best.features, targets, outputs, splits.task, best.strength, folds, iterations=_ITERATIONS)
    if splits.task is TaskKind.REGRESSION:
        return SoftLabels(best.name, logits, best.score[0])
    temperature = best_temperature(logits, targets, splits.task)
    shares = probabilities(logits / np.float32(temperature), splits.task)
    return SoftLabels(best.name, np.asarray(shares, dtype=np.float32), best.score[0], temperature)


def best_temperature(logits: FloatArray, targets: NDArray[Any], task: TaskKind) -> float:
    """The divisor under which the logits, of rows that their fit has not seen, have the least log-loss."""
    wanted = indicator(targets, logits.shape[1], task)

    def loss(temperature: float) -> float:
        shares = np.clip(probabilities(logits / np.float32(temperature), task), 1e-12, 1.0)
        if task is TaskKind.MULTI_LABEL:
            return -float((wanted * np.log(shares) + (1 - wanted) * np.log1p(-np.minimum(shares, 1 - 1e-7))).mean())
        return -float((wanted * np.log(shares)).sum(axis=1).mean())

    return float(min(_TEMPERATURES, key=loss))
