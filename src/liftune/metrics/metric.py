"""What a metric is: its value, what each row adds to it, its direction, bounds and tasks.

In: encoded targets (see `Task.encode`) and logits (N, C).  Out: a value, and row statistics for resampling.
Not here: the metrics themselves (registry.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from liftune.metrics.row_statistics import Statistics, Sums
from liftune.tasks import TaskKind, ThresholdValues, task_of
from liftune.tasks.base import from_thresholds
from liftune.types import BoolArray, FloatArray

Targets: TypeAlias = NDArray[Any]
RowStatistics: TypeAlias = Callable[[Targets, FloatArray, TaskKind], Statistics]


class Build(Protocol):
    """Computes the value; None where the metric is undefined, as a correlation with constant predictions is."""

    def __call__(self, targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
        """Encoded targets and logits (N, C) to a value."""
        ...


@dataclass(frozen=True)
class Metric:
    """One metric.

    Args:
        build: the value, by scikit-learn or SciPy.
        statistics: what each row adds, so that thousands of resamples are matrix products.
        tasks: the kinds that it fits. A kind may name further metrics itself, see `Task.metrics`.
        exchange: the row statistics that a randomisation test swaps, where they differ from `statistics`.
        bounds: the least and the greatest value that it can have; no interval goes beyond.
        proportion: it is the mean of a 0 or 1 of each row, the first column of `statistics`: exact intervals
            (Clopper-Pearson) and tests (McNemar) apply, and differences are reported in points.
        mean_of_f1: it is the mean of the labels' F1, and `statistics` are those of `f1_sums` by label: its interval
            then allows for what few rows a label do to it.
        needs_threshold: it reads nothing of the logits but the predicted labels, so that thresholds matter to it.
    """

    name: str
    summary: str
    higher_is_better: bool
    build: Build
    statistics: RowStatistics
    tasks: tuple[TaskKind, ...] = ()
    exchange: Callable[[Targets, FloatArray, TaskKind], Sums] | None = None
    bounds: tuple[float, float] = (-math.inf, math.inf)
    proportion: bool = False
    mean_of_f1: bool = False
    needs_threshold: bool = False

    def __call__(self, targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
        """The value; None where it is undefined (and for no rows at all)."""
        if len(targets) == 0:
            return None
        value = self.build(targets, logits, task)
        return None if value is None or not np.isfinite(value) else float(value)

    def fits(self, task: TaskKind) -> bool:
        """Whether it can be computed for that kind of task."""
        return task in self.tasks or self.name in task_of(task).metrics

    def view(self, logits: FloatArray, thresholds: ThresholdValues | None) -> FloatArray:
        """The logits as this metric reads them, (N, C): where it needs thresholds, shifted so that they lie at zero.

        Logits that are read as probabilities are never shifted.
        """
        return from_thresholds(logits, thresholds) if self.needs_threshold else logits

    def hits(self, targets: Targets, view: FloatArray, task: TaskKind) -> BoolArray:
        """(N,) the 0 or 1 of each row, of which a `proportion` is the mean.

        Args:
            view: logits as `view` gives them.
        """
        sums = self.statistics(targets, view, task)
        assert self.proportion, self.name
        assert isinstance(sums, Sums), self.name
        return np.asarray(sums.rows[:, 0] > 0.5)

    @property
    def sign(self) -> float:
        """+1 where higher is better, else -1: a gain times this is positive when better."""
        return 1.0 if self.higher_is_better else -1.0
