"""One contender's logits on rows whose targets are known, and their scores with intervals.

In: logits (N, C), or a Scorer, and the rows' targets.  Out: an Evaluation; Intervals of its metrics.
Not here: the difference of two (compare.py), what a metric is (metrics/), reading a run from disk (run_folder.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.data.audit import fingerprint
from liftune.data.clusters import clusters_of
from liftune.data.splits import KeptColumn, Split, Splits, kept_at
from liftune.errors import DataError
from liftune.evaluation.statistics.clustered import bootstrap
from liftune.evaluation.statistics.intervals import clopper_pearson
from liftune.evaluation.statistics.label_mean import mean_f1_interval
from liftune.metrics.metric import Metric
from liftune.metrics.registry import metrics_of
from liftune.metrics.row_statistics import Floats, Ints, Statistics, Sums
from liftune.records.base import Interval, Unit
from liftune.tasks import TaskKind, ThresholdValues, task_of
from liftune.types import BoolArray, FloatArray, Row, Scorer, Target


@dataclass(frozen=True)
class Evaluation:
    """What one contender predicts for which rows: all that scores, tests, tables and charts are made from.

    Args:
        ids: (N,) row ids; comparisons pair by them.
        labels, unseen: the contender's own labels in the order of its logits, then those that only the rows have.
        logits: (N, C); targets: encoded over `labels + unseen`.
        fingerprint: of the rows, texts and targets together.
        max_length: tokens kept of each row; None for a contender that reads all of it.
        texts: (N,) the rows themselves; None where they are not known, and all count as different.
        groups: (N,) each row's group, where rows come in groups. Rows of one group or of equal text are one cluster,
            and intervals and tests go by cluster.
        kept: columns by whose values the rows are scored in slices.
        thresholds: (C,), or (N, C) of each row, by which its multi-label predictions are decided; None is one half.
        unanswered: (N,) rows that it gave no answer for, which are predicted wrongly; None where it answers all.
        sure: it gives answers without probabilities, so that nothing can be computed that reads these.
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
    texts: tuple[Row, ...] | None = None
    thresholds: ThresholdValues | None = None
    unanswered: BoolArray | None = None
    sure: bool = False
    kept: tuple[KeptColumn, ...] = ()

    @classmethod
    def of(
        cls,
        name: str,
        logits: FloatArray,
        splits: Splits,
        part: Split | None = None,
        *,
        max_length: int | None = None,
        thresholds: ThresholdValues | None = None,
    ) -> Evaluation:
        """A contender's logits on rows in memory, not scored yet.

        Args:
            part: of `splits`; None is test.

        """
        rows = splits.test if part is None else part
        return cls(
            name=name,
            task=splits.task,
            labels=splits.labels,
            unseen=splits.unseen,
            ids=rows.ids,
            logits=logits,
            targets=splits.encoded(rows),
            fingerprint=splits.fingerprint if part is None else fingerprint(part),
            max_length=max_length,
            groups=rows.groups,
            texts=rows.rows,
            thresholds=thresholds,
            kept=rows.kept,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> Evaluation:
        """The same predictions for some of the rows; scores are not taken over."""
        of_each_row = np.ndim(self.thresholds) == 2 if self.thresholds is not None else False
        return replace(
            self,
            ids=tuple(self.ids[i] for i in positions),
            logits=self.logits[positions],
            targets=self.targets[positions],
            groups=None if self.groups is None else tuple(self.groups[i] for i in positions),
            texts=None if self.texts is None else tuple(self.texts[i] for i in positions),
            thresholds=np.asarray(self.thresholds)[positions] if of_each_row else self.thresholds,
            unanswered=None if self.unanswered is None else self.unanswered[positions],
            kept=kept_at(self.kept, positions),
            metrics={},
        )

    @property
    def all_labels(self) -> tuple[str, ...]:
        """(L,) the contender's labels, then those that only the rows have: what targets are encoded over."""
        return (*self.labels, *self.unseen)

    @property
    def decisions(self) -> NDArray[Any]:
        """N predictions by the contender's own thresholds, in the form of encoded targets."""
        return task_of(self.task).decide(self.logits, self.thresholds)

    @property
    def only_answer(self) -> Target | None:
        """The one answer that every row gets; None where answers differ, or where all rows have one target."""
        decisions = self.decisions
        if len(self) < 2 or len(np.unique(self.targets, axis=0)) < 2:
            return None
        if not task_of(self.task).are_alike(decisions, self.targets):
            return None
        return task_of(self.task).decode(decisions[:1], self.labels)[0]

    @property
    def is_right(self) -> BoolArray:
        """(N,) whether each row is predicted rightly, a multi-label row with all of its labels."""
        return task_of(self.task).is_right(self.targets, self.logits, self.thresholds)

    @cached_property
    def clusters(self) -> Ints | None:
        """(N,) each row's cluster as a number from 0: rows of one group, or of equal text, are no independent draws.

        None where every row is a cluster of its own.
        """
        return clusters_of(self.texts, self.groups)

    @property
    def independent_rows(self) -> int:
        """N, or the number of clusters."""
        return len(self) if self.clusters is None else int(self.clusters.max(initial=-1)) + 1

    @property
    def unit(self) -> Unit:
        """What is drawn independently: a row, a text that several rows share, or a group."""
        if self.clusters is None:
            return "row"
        return "text" if self.groups is None else "group"

    def view(self, metric: Metric) -> FloatArray:
        """The logits as a metric reads them, (N, C): by the contender's thresholds where it judges decisions."""
        return metric.view(self.logits, self.thresholds)

    def lacks(self, metric: Metric) -> bool:
        """Whether a metric reads probabilities, and there are none."""
        return self.sure and task_of(self.task).has_probabilities and not metric.needs_threshold

    def score(self, metric: Metric) -> float | None:
        """The metric's value; None where it is undefined."""
        return None if self.lacks(metric) else metric(self.targets, self.view(metric), self.task)

    def statistics(self, metric: Metric) -> Statistics:
        """What each row adds to the metric."""
        return metric.statistics(self.targets, self.view(metric), self.task)

    def exchangeable(self, metric: Metric) -> Sums:
        """What each row adds to the metric in a test that swaps rows between two contenders."""
        statistics = (metric.exchange or metric.statistics)(self.targets, self.view(metric), self.task)
        if not isinstance(statistics, Sums):
            raise TypeError(f"metric {metric.name!r} has no statistics that add up: register it with `exchange`")
        return statistics

    def hits(self, metric: Metric) -> BoolArray:
        """(N,) which rows count for a metric that is a proportion of rows."""
        return metric.hits(self.targets, self.view(metric), self.task)


def evaluate(
    name: str,
    contender: Scorer | FloatArray,
    splits: Splits,
    *,
    max_length: int | None = None,
    thresholds: ThresholdValues | None = None,
    seed: int = 0,
) -> Evaluation:
    """Score a contender on the test rows, every metric of the task with its 95% interval.

    Args:
        contender: a Scorer, asked once for all test rows, or its logits (N, C).

    Raises:
        DataError: there are no rows, or the logits do not fit them.
    """
    logits = contender if isinstance(contender, np.ndarray) else contender.logits(splits.test.rows)
    _check_logits(name, logits, len(splits.test), task_of(splits.task).outputs(splits.labels))
    evaluation = Evaluation.of(name, logits, splits, max_length=max_length, thresholds=thresholds)
    return replace(evaluation, metrics=scores([evaluation], seed=seed))


def scores(evaluations: Sequence[Evaluation], *, seed: int = 0) -> dict[str, Interval]:
    """Every metric of the task, its mean over the seeds' evaluations with its 95% interval: see `score_interval`.

    Raises:
        DataError: there is no evaluation, or they are not of the same rows.
    """
    if not evaluations:
        raise DataError("no seed was evaluated", hint="evaluate one at least")
    return {metric.name: score_interval(metric, evaluations, seed=seed) for metric in metrics_of(evaluations[0].task)}


def score_interval(metric: Metric, evaluations: Sequence[Evaluation], *, seed: int = 0) -> Interval:
    """A metric's mean over evaluations of the same rows, with the 95% interval that the choice of rows leaves.

    It holds no spread of seeds. A proportion takes Clopper-Pearson of the mean number of rows that count, which is
    wider than needed where seeds differ; macro-F1 a model of its labels (statistics/label_mean.py); other metrics a BCa
    bootstrap of the rows, drawn for all seeds together; where
    rows come in clusters, all metrics a bootstrap of whole clusters (of a proportion that is all or nothing in every
    one of them: Clopper-Pearson of the clusters).

    Raises:
        DataError: there are no rows, or the evaluations are not of the same.
    """
    first = evaluations[0]
    if any(each.ids != first.ids or each.fingerprint != first.fingerprint for each in evaluations):
        raise DataError("the seeds were evaluated on different rows", hint="evaluate every seed on the same test rows")
    if any(each.lacks(metric) for each in evaluations):
        return Interval(value=None, note="it reads probabilities, and these answers have none")
    clusters = first.clusters
    if clusters is None and metric.proportion:
        return clopper_pearson(float(np.mean([each.hits(metric).sum() for each in evaluations])), len(first))
    if clusters is not None and metric.proportion and first.independent_rows > 1:
        hits = np.stack([each.hits(metric) for each in evaluations])
        if hits.all() or not hits.any():
            units = first.independent_rows
            return clopper_pearson(float(units * hits[0, 0]), units)
    statistics = [each.statistics(metric) for each in evaluations]
    if metric.mean_of_f1:
        sums = [each for each in statistics if isinstance(each, Sums)]
        return mean_f1_interval(sums, len(first.labels), clusters, seed=seed)
    return within_bounds(bootstrap(statistics, mean_of, clusters, seed=seed).interval, metric)


def within_bounds(interval: Interval, metric: Metric) -> Interval:
    """The interval without what the metric cannot be."""
    if interval.low is None or interval.high is None:
        return interval
    least, greatest = metric.bounds
    return interval.model_copy(update={"low": max(interval.low, least), "high": min(interval.high, greatest)})


def mean_of(values: Sequence[Floats]) -> Floats:
    """(R,) values of each seed to their (R,) mean."""
    return np.asarray(np.mean(values, axis=0))


def selection_scores(evaluation: Evaluation) -> dict[str, float | None]:
    """Every metric of the task, without intervals: what selection needs."""
    return {each.name: evaluation.score(each) for each in metrics_of(evaluation.task)}


def _check_logits(name: str, logits: FloatArray, rows: int, outputs: int) -> None:
    if rows == 0:
        raise DataError("there are no test rows to score", hint="give test rows")
    if logits.shape != (rows, outputs):
        raise DataError(
            f"{name} predicted an array of shape {logits.shape}; {rows} rows and {outputs} outputs were expected",
            hint="give one row of logits for each test row, one column for each label",
        )
    if not np.isfinite(logits).all():
        bad = int((~np.isfinite(logits)).any(axis=1).sum())
        raise DataError(
            f"{name} predicted a value that is not finite for {bad} of {rows} rows",
            hint="lower the learning rate, or tune in float32",
        )
