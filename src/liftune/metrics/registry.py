"""The metrics of how well logits match targets, in one registry.

In: encoded targets (see `Task.encode`) and logits (N, C).  Out: a value, and row statistics for resampling.
Not here: what a metric is (metric.py), intervals and tests (evaluation/), the loss that training minimises
(training/loss.py).

A target index of C or more is a label that the model never had: that row is wrong under every metric.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from liftune.errors import SpecError, nearest, need
from liftune.metrics.metric import Metric, Targets
from liftune.metrics.row_statistics import (
    F1Average,
    RankStatistics,
    Statistics,
    Sums,
    f1_sums,
    mean,
    moment_sums,
    root_mean,
)
from liftune.registry import Registry
from liftune.tasks import TaskKind, task_of
from liftune.types import FloatArray

METRICS: Registry[Metric] = Registry("metric", Metric)


def default_metric(task: TaskKind) -> str:
    """The metric that decides where none was asked for.

    >>> default_metric(TaskKind.SINGLE_LABEL)
    'accuracy'
    """
    return task_of(task).default_metric


def metrics_of(task: TaskKind) -> list[Metric]:
    """Every metric that fits the task, in order of registration.

    >>> [metric.name for metric in metrics_of(TaskKind.REGRESSION)]
    ['pearson', 'spearman', 'rmse']
    """
    return [metric for metric in METRICS.entries() if metric.fits(task)]


def check_metric(name: str | None, task: TaskKind) -> Metric:
    """The metric of that name, the task's default for None.

    Raises:
        SpecError: the name is unknown (with the nearest match), or the metric does not fit the task (with those that
            do).
    """
    if name is not None and name not in METRICS:
        fitting = [each.name for each in metrics_of(task)]
        near = nearest(name, fitting) or next((f", did you mean {each}?" for each in fitting if name in each), "")
        hint = f"choose one of: {', '.join(fitting)}"
        raise SpecError(f"unknown metric {name!r}{near if name.strip() else ''}", where="--metric", hint=hint)
    metric = METRICS[default_metric(task) if name is None else name]
    if not metric.fits(task):
        raise SpecError(
            f"metric {metric.name!r} does not fit a {task.value} task",
            where="--metric",
            hint=f"choose one of: {', '.join(each.name for each in metrics_of(task))}",
        )
    return metric


def margin_in_own_unit(given: float | None, metric: Metric, option: str = "--margin") -> float | None:
    """A margin as an option gives it, in points for a proportion, in the metric's own unit.

    >>> margin_in_own_unit(1.0, METRICS["accuracy"]), margin_in_own_unit(0.02, METRICS["macro_f1"])
    (0.01, 0.02)

    Raises:
        SpecError: it is not above zero, or so small or large that another unit must be meant.
    """
    if given is None:
        return None
    name, what = metric.name, _MARGINS[option]
    if not (math.isfinite(given) and given > 0.0):
        raise SpecError(f"{what} of {given:g} says nothing", where=option, hint="give a number above 0")
    if metric.proportion:
        if given < _LEAST_POINTS:
            hint = f"for {given:g} as a share give {option} {100.0 * given:g}"
            raise SpecError(f"{what} of {given:g} points of {name} is too small to be meant", where=option, hint=hint)
        if given >= 100.0:
            raise SpecError(f"{what} of {given:g} points of {name} is all of it", where=option, hint="give 1 or 2")
        return given / 100.0
    span = metric.bounds[1] - metric.bounds[0]
    if given >= span:
        hint = f"{name} is a number from {metric.bounds[0]:g} to {metric.bounds[1]:g}: give {option} 0.01, say"
        raise SpecError(f"{what} of {given:g} is all that {name} can differ", where=option, hint=hint)
    return given


#: Options that give a margin, and what each is called.
_MARGINS = {"--margin": "a margin", "--max-harm": "a harm"}
#: A smaller margin of a proportion, in points, would take more than 100,000 rows: a share is meant.
_LEAST_POINTS = 0.1


def is_proportion(name: str) -> bool:
    """Whether differences of that metric are reported in points; a metric that is not installed here is none.

    >>> is_proportion("accuracy"), is_proportion("rmse"), is_proportion("of a plugin that is gone")
    (True, False, False)
    """
    return name in METRICS and METRICS[name].proportion


# Row statistics of each kind ------------------------------------------------------------------------------------------


def _f1_statistics(average: F1Average) -> Callable[[Targets, FloatArray, TaskKind], Sums]:
    def statistics(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
        truth, predicted, labels = task_of(task).aligned(targets, logits)
        return f1_sums(truth, predicted, average, labels)

    return statistics


def _right_sums(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    hits = task_of(task).is_right(targets, logits)
    return Sums(hits[:, None].astype(np.float64), hits.astype(np.int64), mean)


def _log_loss_sums(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    return Sums(task_of(task).row_losses(targets, logits)[:, None], np.arange(len(targets)), mean)


def _brier_sums(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    return Sums(task_of(task).row_briers(targets, logits)[:, None], np.arange(len(targets)), mean)


def _square_sums(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    return Sums(task_of(task).row_losses(targets, logits)[:, None], np.arange(len(targets)), root_mean)


def _moments(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    return moment_sums(targets, logits[:, 0])


def _rank_moments(targets: Targets, logits: FloatArray, task: TaskKind) -> Sums:
    """Each contender's own ranks are swapped and not ranked again: any function of the swapped rows is a valid test."""
    from scipy.stats import rankdata

    return moment_sums(rankdata(targets), rankdata(logits[:, 0]))


def _ranks(targets: Targets, logits: FloatArray, task: TaskKind) -> Statistics:
    return RankStatistics(np.asarray(targets, dtype=np.float64), np.asarray(logits[:, 0], dtype=np.float64))


# The entries ----------------------------------------------------------------------------------------------------------

# A metric names the kinds that it fits, as one of a third party does; a new kind names metrics itself (`Task.metrics`).
_SINGLE = (TaskKind.SINGLE_LABEL,)
_MULTI = (TaskKind.MULTI_LABEL,)
_VALUE = (TaskKind.REGRESSION,)


@METRICS.entry(
    "accuracy",
    summary="Share of rows whose label is predicted.",
    higher_is_better=True,
    tasks=_SINGLE,
    statistics=_right_sums,
    bounds=(0.0, 1.0),
    proportion=True,
    needs_threshold=True,
)
def accuracy(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """Single-label only: whole rows of a multi-label set are judged by no entry here, since one slip would void a
    row."""
    need("sklearn")
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(targets, task_of(task).decide(logits)))


def _f1(targets: Targets, logits: FloatArray, task: TaskKind, average: F1Average) -> float | None:
    need("sklearn")
    from sklearn.metrics import f1_score

    truth, predicted, _ = task_of(task).aligned(targets, logits)
    if truth.ndim == 1:
        return float(f1_score(truth, predicted, average=average, zero_division=np.nan))
    if not (truth.any() or predicted.any()):
        return None
    # An empty column more, which has no F1 and so no weight: a single column would be read as a binary problem.
    sides = [np.pad(side.astype(np.int64), ((0, 0), (0, 1))) for side in (truth, predicted)]
    return float(f1_score(*sides, average=average, zero_division=np.nan))


@METRICS.entry(
    "macro_f1",
    summary="F1 of each label, averaged over the labels that occur in targets or predictions.",
    higher_is_better=True,
    tasks=_SINGLE + _MULTI,
    statistics=_f1_statistics("macro"),
    bounds=(0.0, 1.0),
    mean_of_f1=True,
    needs_threshold=True,
)
def macro_f1(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """A label that neither occurs nor is predicted has no F1 and is left out, as in scikit-learn for single labels."""
    return _f1(targets, logits, task, "macro")


@METRICS.entry(
    "micro_f1",
    summary="F1 over all labels of all rows together.",
    higher_is_better=True,
    tasks=_MULTI,
    statistics=_f1_statistics("micro"),
    bounds=(0.0, 1.0),
    needs_threshold=True,
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
    bounds=(0.0, math.inf),
)
def log_loss(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """From logits, not from probabilities: exact where a float32 softmax would round to 0 or 1."""
    return float(task_of(task).row_losses(targets, logits).mean())


@METRICS.entry(
    "brier",
    summary="Squared distance of the probabilities from what is true, 0 to 2; of multi-label rows the mean over "
    "labels, 0 to 1.",
    higher_is_better=False,
    tasks=_SINGLE + _MULTI,
    statistics=_brier_sums,
    bounds=(0.0, 2.0),
)
def brier(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """Brier (1950), summed over the labels of a single-label row."""
    return float(task_of(task).row_briers(targets, logits).mean())


@METRICS.entry(
    "pearson",
    summary="Linear correlation of predictions and targets.",
    higher_is_better=True,
    tasks=_VALUE,
    statistics=_moments,
    exchange=_moments,
    bounds=(-1.0, 1.0),
)
def pearson(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """None for constant predictions or targets."""
    return _correlation("pearsonr", targets, logits[:, 0])


@METRICS.entry(
    "spearman",
    summary="Rank correlation of predictions and targets.",
    higher_is_better=True,
    tasks=_VALUE,
    statistics=_ranks,
    exchange=_rank_moments,
    bounds=(-1.0, 1.0),
)
def spearman(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """None for constant predictions or targets."""
    return _correlation("spearmanr", targets, logits[:, 0])


def _correlation(kind: str, targets: Targets, predictions: FloatArray) -> float | None:
    from scipy import stats

    if len(targets) < 2 or np.ptp(targets) == 0 or np.ptp(predictions) == 0:
        return None
    return float(getattr(stats, kind)(targets, np.asarray(predictions, dtype=np.float64)).statistic)


@METRICS.entry(
    "rmse",
    summary="Root of the mean squared error, in the target's unit.",
    higher_is_better=False,
    tasks=_VALUE,
    statistics=_square_sums,
    bounds=(0.0, math.inf),
)
def rmse(targets: Targets, logits: FloatArray, task: TaskKind) -> float | None:
    """In the unit of the target."""
    need("sklearn")
    from sklearn.metrics import root_mean_squared_error

    return float(root_mean_squared_error(targets, logits[:, 0]))
