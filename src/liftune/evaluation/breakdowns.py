"""Scores of some of the rows: of each label, of the most confident, of those of like length.

In: Evaluations.  Out: what records/details.py holds, every share with its interval.
Not here: which contenders are looked at (error_analysis.py), the whole test set's scores (evaluate.py).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.evaluate import Evaluation, score_interval
from liftune.evaluation.statistics.ratio import share_interval
from liftune.metrics.metric import Metric
from liftune.metrics.registry import METRICS
from liftune.metrics.row_statistics import Ints
from liftune.records.base import Interval
from liftune.records.details import Confusion, ConfusionTable, CoveragePoint, LabelScores, LengthBin
from liftune.tasks import TaskKind, task_of
from liftune.types import BoolArray

#: Labels of the largest matrix that is drawn; beyond it a cell is too small to read.
MOST_IN_MATRIX = 20
MOST_CONFUSIONS = 15
SHARES = tuple(each / 10 for each in range(1, 11))
LENGTH_BINS = 6


def group_metric(task: TaskKind) -> Metric:
    """The metric of few rows, such as those of one length."""
    return METRICS[task_of(task).group_metric]


def label_scores(evaluation: Evaluation) -> tuple[LabelScores, ...]:
    """Precision, recall and F1 of each label with Clopper-Pearson intervals.

    F1 is 2 q / (1 + q) with q, the share of hits among the rows that carry or are given the label, and so are its ends.

    Labels are decided by the evaluation's own thresholds, so that micro-F1 of the counts is that of the ladder. Where
    rows come in groups, every interval is a bootstrap of whole groups.
    """
    task, clusters = task_of(evaluation.task), evaluation.clusters
    truth, predicted = task.truth_and_predicted(evaluation.targets, evaluation.logits, evaluation.thresholds)
    scores = []
    for position, label in enumerate(evaluation.all_labels[: truth.shape[1]]):
        true, positive = truth[:, position], predicted[:, position]
        scores.append(
            LabelScores(
                label=label,
                rows=int(true.sum()),
                precision=_share(true, positive, clusters, "never predicted"),
                recall=_share(positive, true, clusters, "no test row carries it"),
                f1=_f1(true, positive, clusters),
            )
        )
    return tuple(scores)


def _share(part: BoolArray, whole: BoolArray, clusters: Ints | None, otherwise: str) -> Interval:
    return share_interval(part, whole, clusters) if whole.any() else Interval(value=None, note=otherwise)


def _f1(true: BoolArray, predicted: BoolArray, clusters: Ints | None) -> Interval:
    """2 hits / (predicted + occurring): by the share of hits among the rows that carry it or are given it."""
    if not (true | predicted).any():
        return Interval(value=None, note="neither occurs nor is predicted")
    share = share_interval(true & predicted, true | predicted, clusters)
    f1 = {end: None if q is None else 2.0 * q / (1.0 + q) for end, q in share if end in ("value", "low", "high")}
    return share.model_copy(update=f1)


def confusion_matrix(evaluation: Evaluation) -> ConfusionTable:
    """Which label was predicted for which, of tasks with one label a row.

    The interval of a confusion's share is Clopper-Pearson's, or a bootstrap of whole groups.
    """
    labels, size = evaluation.all_labels, len(evaluation.all_labels)
    targets, decisions, clusters = evaluation.targets, evaluation.decisions, evaluation.clusters
    counts = np.bincount(targets * size + decisions, minlength=size**2).reshape(size, size)
    wrong = np.where(np.eye(size, dtype=bool), 0, counts)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(each), size) for each in order if wrong.flat[each]]
    return ConfusionTable(
        counts=tuple(tuple(int(each) for each in row) for row in counts) if size <= MOST_IN_MATRIX else (),
        worst=tuple(
            Confusion(
                truth=labels[truth],
                answer=labels[answer],
                rows=int(counts[truth, answer]),
                share=share_interval(decisions == answer, targets == truth, clusters),
            )
            for truth, answer in pairs
        ),
    )


def selective_curve(evaluation: Evaluation) -> tuple[CoveragePoint, ...]:
    """The score on the most confident tenth of the rows, two tenths, ... all of them.

    Source: El-Yaniv and Wiener (2010), the risk-coverage curve, turned to score.
    """
    confidence = task_of(evaluation.task).confidence(evaluation.logits)
    order = np.argsort(-confidence, kind="stable")
    metric = group_metric(evaluation.task)
    curve, before = [], 0
    for share in SHARES:
        rows = round(share * len(order))
        if rows <= before:
            continue
        taken, before = order[:rows], rows
        score = score_interval(metric, [evaluation.take(taken)])
        curve.append(CoveragePoint(share=rows / len(order), rows=rows, least=float(confidence[taken[-1]]), score=score))
    return tuple(curve)


def length_bins(words: NDArray[np.int64], evaluations: Mapping[str, Evaluation]) -> tuple[LengthBin, ...]:
    """Scores of rows of like length, in at most six groups of about as many rows each.

    Args:
        words: (N,) each row's length.
    """
    ends = np.unique(np.quantile(words, np.arange(1, LENGTH_BINS + 1) / LENGTH_BINS, method="higher"))
    place = np.searchsorted(ends, words)
    bins = []
    for number in range(len(ends)):
        inside = np.flatnonzero(place == number)
        if len(inside):
            bins.append(
                LengthBin(
                    low=int(words[inside].min()),
                    high=int(words[inside].max()),
                    rows=len(inside),
                    scores={
                        name: score_interval(group_metric(each.task), [each.take(inside)])
                        for name, each in evaluations.items()
                    },
                )
            )
    return tuple(bins)
