"""Measures of how well logits answer targets: one registry, each entry with its direction and tasks.

In: targets as numbers (see `task.encode`) and logits (N, C).  Out: a value, and row statistics for resampling.
Not here: intervals and tests (evidence/), the loss that training minimises (train.py).

A target index of C or more is a label that the model never had: that row is wrong under every measure.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from liftune.errors import SpecError, need
from liftune.metrics.row_statistics import (
    F1Average,
    RankStatistics,
    Statistics,
    Sums,
    f1_sums,
    mean,
    moment_sums,
    root_mean,
    row_briers,
    row_losses,
)
from liftune.registry import Registry
from liftune.tasks.base import TaskKind, ThresholdValues, decide, from_thresholds
from liftune.types import FloatArray

Targets: TypeAlias = NDArray[Any]
RowStatistics: TypeAlias = Callable[[Targets, FloatArray, TaskKind], Statistics]


class Build(Protocol):
    """Computes the value; None where the measure is undefined, as a correlation with constant answers is."""

    def __call__(self, targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
        """Encoded targets and logits (N, C) to a value."""
        ...


@dataclass(frozen=True)
class Metric:
    """One measure.

    Args:
        build: the value, by scikit-learn or SciPy.
        statistics: what each row adds, so that thousands of resamples are matrix products.
        exchange: the row statistics that a randomisation test swaps, where they differ from `statistics`.
        of_answers: it reads nothing of the logits but what `task.decide` answers, so that thresholds matter to it.
    """

    name: str
    summary: str
    higher_is_better: bool
    tasks: tuple[TaskKind, ...]
    build: Build
    statistics: RowStatistics
    exchange: Callable[[Targets, FloatArray, TaskKind], Sums] | None = None
    of_answers: bool = False

    def __call__(self, targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
        """The value; None where it is undefined (and for no rows at all)."""
        if len(targets) == 0:
            return None
        value = self.build(targets, logits, task)
        return None if value is None or not np.isfinite(value) else float(value)

    def view(self, logits: FloatArray, thresholds: ThresholdValues | None) -> FloatArray:
        """The logits as this metric reads them, (N, C): where it judges answers, moved so that they are by thresholds.

        What is judged by its probabilities is never moved.
        """
        return from_thresholds(logits, thresholds) if self.of_answers else logits

    @property
    def sign(self) -> float:
        """+1 where higher is better, else -1: a gain times this is positive when better."""
        return 1.0 if self.higher_is_better else -1.0


METRICS: Registry[Metric] = Registry("metric", Metric)

#: Accuracy is what single-label sets are reported in. Micro-F1 weighs every answer alike, where macro-F1 swings with
#: the
#: rarest label of a multi-label set. Pearson is what graded similarity (STS-B) is reported in first.
_DEFAULT = {TaskKind.SINGLE_LABEL: "accuracy", TaskKind.MULTI_LABEL: "micro_f1", TaskKind.REGRESSION: "pearson"}


def default_metric(task: TaskKind) -> str:
    """The metric that decides where none was asked for.

    >>> default_metric(TaskKind.SINGLE_LABEL)
    'accuracy'
    """
    return _DEFAULT[task]


def metrics_of(task: TaskKind) -> list[Metric]:
    """Every metric that fits the task, in order of registration.

    >>> [metric.name for metric in metrics_of(TaskKind.REGRESSION)]
    ['pearson', 'spearman', 'rmse']
    """
    return [metric for metric in METRICS.entries() if task in metric.tasks]


def check_metric(name: str | None, task: TaskKind) -> Metric:
    """The metric of that name, the task's default for None.

    Raises:
        SpecError: the name is unknown (with the nearest match), or the metric does not fit the task (with those that
            do).
    """
    metric = METRICS[default_metric(task) if name is None else name]
    if task not in metric.tasks:
        raise SpecError(
            f"metric {metric.name!r} does not fit a {task.value} task",
            where="--metric",
            hint=f"choose one of: {', '.join(each.name for each in metrics_of(task))}",
        )
    return metric


# Row statistics of each kind ------------------------------------------------------------------------------------------


def right(targets: Targets, logits: FloatArray) -> NDArray[np.bool_]:
    """(N,) whether each single-label row is answered rightly; a label that the model never had is never right."""
    return np.asarray(decide(logits, TaskKind.SINGLE_LABEL) == targets)


def _indicators(targets: Targets, logits: FloatArray, task: TaskKind) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """True and answered labels as (N, L) indicators, L counting labels that the model never had (multi-label only)."""
    answers = np.zeros(targets.shape, dtype=bool)
    answers[:, : logits.shape[1]] = decide(logits, task)
    return np.asarray(targets, dtype=bool), answers


def _f1_statistics(average: F1Average) -> Callable[[Targets, FloatArray, TaskKind], Sums]:
    def statistics(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
        if task is TaskKind.SINGLE_LABEL:
            labels = max(logits.shape[1], int(targets.max(initial=-1)) + 1)
            return f1_sums(targets, decide(logits, task), average, labels)
        return f1_sums(*_indicators(targets, logits, task), average, targets.shape[1])

    return statistics


def _right_sums(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    hits = right(targets, logits)
    return Sums(hits[:, None].astype(np.float64), hits.astype(np.int64), mean)


def _log_loss_sums(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    return Sums(row_losses(targets, logits, task)[:, None], np.arange(len(targets)), mean)


def _brier_sums(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    return Sums(row_briers(targets, logits, task)[:, None], np.arange(len(targets)), mean)


def _square_sums(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    squares = (np.asarray(logits[:, 0], dtype=np.float64) - targets) ** 2
    return Sums(squares[:, None], np.arange(len(targets)), root_mean)


def _moments(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    return moment_sums(targets, logits[:, 0])


def _rank_moments(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    """Each contender's own ranks are swapped and not ranked again: any function of the swapped rows is a valid test."""
    from scipy.stats import rankdata

    return moment_sums(rankdata(targets), rankdata(logits[:, 0]))


def _ranks(targets: Targets, logits: FloatArray, task: TaskKind) -> Statistics:
    return RankStatistics(np.asarray(targets, dtype=np.float64), np.asarray(logits[:, 0], dtype=np.float64))


# The entries ----------------------------------------------------------------------------------------------------------

_SINGLE = (TaskKind.SINGLE_LABEL,)
_MULTI = (TaskKind.MULTI_LABEL,)
_VALUE = (TaskKind.REGRESSION,)


@METRICS.entry(
    "accuracy",
    summary="Share of rows answered with their label.",
    higher_is_better=True,
    tasks=_SINGLE,
    statistics=_right_sums,
    of_answers=True,
)
def accuracy(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """Single-label only: whole rows of a multi-label set are judged by no entry here, since one slip would void a
    row."""
    need("sklearn")
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(targets, decide(logits, task)))


def _f1(targets: Targets, logits: FloatArray, task: TaskKind, average: F1Average) -> float | None:
    need("sklearn")
    from sklearn.metrics import f1_score

    if task is TaskKind.SINGLE_LABEL:
        return float(f1_score(targets, decide(logits, task), average=average, zero_division=np.nan))
    truth, answers = _indicators(targets, logits, task)
    if not (truth.any() or answers.any()):
        return None
    # An empty column more, which has no F1 and so no say: a single column would be read as a binary problem.
    sides = [np.pad(side.astype(np.int64), ((0, 0), (0, 1))) for side in (truth, answers)]
    return float(f1_score(*sides, average=average, zero_division=np.nan))


@METRICS.entry(
    "macro_f1",
    summary="F1 of each label, averaged over the labels that occur in targets or answers.",
    higher_is_better=True,
    tasks=_SINGLE + _MULTI,
    statistics=_f1_statistics("macro"),
    of_answers=True,
)
def macro_f1(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """A label that neither occurs nor is answered has no F1 and is left out, as scikit-learn does for single labels."""
    return _f1(targets, logits, task, "macro")


@METRICS.entry(
    "micro_f1",
    summary="F1 over all labels of all rows together.",
    higher_is_better=True,
    tasks=_MULTI,
    statistics=_f1_statistics("micro"),
    of_answers=True,
)
def micro_f1(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """Multi-label only: for single labels it is accuracy."""
    return _f1(targets, logits, task, "micro")


@METRICS.entry(
    "log_loss",
    summary="Mean negative log-probability of what is true, in nats; of multi-label rows the mean over labels.",
    higher_is_better=False,
    tasks=_SINGLE + _MULTI,
    statistics=_log_loss_sums,
)
def log_loss(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """From logits, not from probabilities: exact where a float32 softmax would round to 0 or 1."""
    return float(row_losses(targets, logits, task).mean())


@METRICS.entry(
    "brier",
    summary="Squared distance of the probabilities from what is true, 0 to 2; of multi-label rows the mean over "
    "labels, 0 to 1.",
    higher_is_better=False,
    tasks=_SINGLE + _MULTI,
    statistics=_brier_sums,
)
def brier(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """Brier (1950), summed over the labels of a single-label row."""
    return float(row_briers(targets, logits, task).mean())


@METRICS.entry(
    "pearson",
    summary="Linear correlation of answers and targets.",
    higher_is_better=True,
    tasks=_VALUE,
    statistics=_moments,
    exchange=_moments,
)
def pearson(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """None for constant answers or targets."""
    return _correlation("pearsonr", targets, logits[:, 0])


@METRICS.entry(
    "spearman",
    summary="Rank correlation of answers and targets.",
    higher_is_better=True,
    tasks=_VALUE,
    statistics=_ranks,
    exchange=_rank_moments,
)
def spearman(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """None for constant answers or targets."""
    return _correlation("spearmanr", targets, logits[:, 0])


def _correlation(kind: str, targets: Targets, answers: FloatArray) -> float | None:
    from scipy import stats

    if len(targets) < 2 or np.ptp(targets) == 0 or np.ptp(answers) == 0:
        return None
    return float(getattr(stats, kind)(targets, np.asarray(answers, dtype=np.float64)).statistic)


@METRICS.entry(
    "rmse",
    summary="Root of the mean squared error, in the target's unit.",
    higher_is_better=False,
    tasks=_VALUE,
    statistics=_square_sums,
)
def rmse(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """In the unit of the target."""
    need("sklearn")
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(targets, logits[:, 0]))
