"""One contender's answers to the test rows, and what they score, with intervals.

In: logits (N, C), or a Scorer, and the rows' targets.  Out: an Evaluation.
Not here: the difference of two (compare.py), what a measure is (metrics.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.data.splits import Splits
from liftune.errors import DataError
from liftune.evaluation.statistics.bootstrap import bca_bootstrap
from liftune.evaluation.statistics.clustered import clusters_of, group_bootstrap
from liftune.evaluation.statistics.intervals import clopper_pearson
from liftune.metrics.registry import Metric, metrics_of, right
from liftune.metrics.row_statistics import Floats
from liftune.records.base import Interval
from liftune.tasks.base import TaskKind, ThresholdValues
from liftune.types import FloatArray, Scorer


@dataclass(frozen=True)
class Evaluation:
    """What one contender answered, and its scores.

    Args:
        ids: (N,) row ids; comparisons pair by them.
        labels, unseen: the contender's own labels in the order of its logits, then those that only the rows have.
        logits: (N, C); targets: encoded over `labels + unseen`.
        fingerprint: of the rows, texts and targets together.
        max_length: tokens kept of each row; None for a contender that reads all of it.
        groups: (N,) each row's group, where rows come in groups: intervals and tests then go by group.
        thresholds: by which its multi-label answers are decided; None is one half.
    """

    name: str
    task: TaskKind
    labels: tuple[str, ...]
    unseen: tuple[str, ...]
    ids: tuple[str, ...]
    logits: FloatArray
    targets: NDArray[Any]
    fingerprint: str
    max_length: int | None = None
    metrics: dict[str, Interval] = field(default_factory=dict)
    groups: tuple[str, ...] | None = None
    thresholds: tuple[float, ...] | None = None

    def take(self, positions: NDArray[np.int64]) -> Evaluation:
        """The same answers on some of the rows; scores are not taken over."""
        return replace(
            self,
            ids=tuple(self.ids[i] for i in positions),
            logits=self.logits[positions],
            targets=self.targets[positions],
            groups=None if self.groups is None else tuple(self.groups[i] for i in positions),
            metrics={},
        )

    def view(self, metric: Metric) -> FloatArray:
        """The logits as a metric reads them, (N, C): by the contender's thresholds where it judges answers."""
        return metric.view(self.logits, self.thresholds)


def evaluate(
    name: str,
    answers: Scorer | FloatArray,
    splits: Splits,
    *,
    max_length: int | None = None,
    thresholds: tuple[float, ...] | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score a contender on the test rows, every metric of the task with its 95 % interval.

    Args:
        answers: a Scorer, asked once for all test rows, or its logits (N, C).

    Raises:
        DataError: there are no rows, or the logits do not fit them.
    """
    test = splits.test
    logits = answers if isinstance(answers, np.ndarray) else answers.logits(test.rows)
    targets = splits.encoded(test)
    _check_shape(name, logits, len(test), len(splits.labels), splits.task)
    return Evaluation(
        name=name,
        task=splits.task,
        labels=splits.labels,
        unseen=splits.unseen,
        ids=test.ids,
        logits=logits,
        targets=targets,
        fingerprint=splits.fingerprint,
        max_length=max_length,
        metrics=score(logits, targets, splits.task, thresholds, seed=seed, groups=test.groups),
        groups=test.groups,
        thresholds=thresholds,
    )


def score(
    logits: FloatArray,
    targets: NDArray[Any],
    task: TaskKind,
    thresholds: ThresholdValues | None = None,
    *,
    seed: int = 0,
    groups: Sequence[str] | None = None,
) -> dict[str, Interval]:
    """Every metric of the task with its 95 % interval: Clopper-Pearson for accuracy, BCa bootstrap otherwise; where
    there are groups, a bootstrap of whole groups for all."""
    return {
        each.name: _interval(each, [each.view(logits, thresholds)], targets, task, seed, groups)
        for each in metrics_of(task)
    }


def validation_scores(
    logits: FloatArray, targets: NDArray[Any], task: TaskKind, thresholds: ThresholdValues | None = None
) -> dict[str, float | None]:
    """Every metric of the task, without intervals: what selection needs."""
    return {each.name: each(targets, each.view(logits, thresholds), task) for each in metrics_of(task)}


def mean_over_seeds(evaluations: Sequence[Evaluation], *, seed: int = 0) -> dict[str, Interval]:
    """Each metric's mean over seeds, with the interval that the choice of test rows leaves: no spread of seeds.

    Accuracy takes the mean number of right rows to Clopper-Pearson, which is wider than needed where seeds differ; the
    others resample rows for all seeds together.

    Raises:
        DataError: there is no evaluation, or they are not of the same rows.
    """
    if not evaluations:
        raise DataError("no seed was evaluated", hint="evaluate one at least")
    first = evaluations[0]
    if any(each.ids != first.ids or each.fingerprint != first.fingerprint for each in evaluations):
        raise DataError("the seeds were evaluated on different rows", hint="evaluate every seed on the same test rows")
    return {
        metric.name: _interval(
            metric, [each.view(metric) for each in evaluations], first.targets, first.task, seed, first.groups
        )
        for metric in metrics_of(first.task)
    }


def _interval(
    metric: Metric,
    logits: Sequence[FloatArray],
    targets: NDArray[Any],
    task: TaskKind,
    seed: int,
    groups: Sequence[str] | None = None,
) -> Interval:
    if groups is not None:
        sides = [metric.statistics(targets, each, task) for each in logits]
        return group_bootstrap(sides, _mean, clusters_of(groups), seed=seed).interval
    if metric.name == "accuracy":
        return clopper_pearson(float(np.mean([right(targets, each).sum() for each in logits])), len(targets))
    return bca_bootstrap([metric.statistics(targets, each, task) for each in logits], _mean, seed=seed).interval


def _mean(values: list[Floats]) -> Floats:
    """(R,) values of each seed to their (R,) mean."""
    return np.asarray(np.mean(values, axis=0))


def _check_shape(name: str, logits: FloatArray, rows: int, labels: int, task: TaskKind) -> None:
    outputs = labels if task.outputs_labels else 1
    if rows == 0:
        raise DataError("there are no test rows to score", hint="give test rows")
    if logits.shape != (rows, outputs):
        raise DataError(
            f"{name} answered with an array of shape {logits.shape}; {rows} rows and {outputs} outputs were expected",
            hint="give one row of logits for each test row, one column for each label",
        )
    if not np.isfinite(logits).all():
        bad = int((~np.isfinite(logits)).any(axis=1).sum())
        raise DataError(
            f"{name} answered {bad} of {rows} rows with a value that is not finite",
            hint="lower the learning rate, or tune in float32",
        )
