"""Scores of groups of rows: each label, each bin of confidence, each stretch of length.

In: targets and logits in one row order.  Out: what details.py holds, every share with its interval.
Not here: which contenders are looked at (details.py), the whole test set's scores (evaluate.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.statistics.bootstrap import bca_bootstrap
from liftune.evaluation.statistics.intervals import clopper_pearson
from liftune.metrics.registry import METRICS, right
from liftune.metrics.row_statistics import Sums
from liftune.records.base import Interval
from liftune.records.details import Answered, Bin, Confusion, LabelScores, LengthBin, Share
from liftune.tasks.base import TaskKind, decide, probabilities
from liftune.types import BoolArray, FloatArray

#: Labels of the largest matrix that is drawn; beyond it a cell is too small to read.
MOST_IN_MATRIX = 20
MOST_CONFUSIONS = 15
BINS = 10
SHARES = tuple(each / 10 for each in range(1, 11))
LENGTH_BINS = 6

#: The score of a group of rows, for each kind of task: what can be told of few rows.
GROUP_METRIC = {TaskKind.SINGLE_LABEL: "accuracy", TaskKind.MULTI_LABEL: "micro_f1", TaskKind.REGRESSION: "rmse"}


def group_score(targets: NDArray[Any], logits: FloatArray, task: TaskKind) -> Interval:
    """The task's group metric with its 95 % interval: Clopper-Pearson for accuracy, BCa bootstrap otherwise."""
    if task is TaskKind.SINGLE_LABEL:
        return clopper_pearson(int(right(targets, logits).sum()), len(targets))
    return bca_bootstrap([METRICS[GROUP_METRIC[task]].statistics(targets, logits, task)], lambda each: each[0]).interval


def indicators(targets: NDArray[Any], logits: FloatArray, task: TaskKind) -> tuple[BoolArray, BoolArray]:
    """(N, L) labels that are true, and that are answered; L counts labels that the model never had."""
    if task is TaskKind.MULTI_LABEL:
        answers = np.zeros(targets.shape, dtype=bool)
        answers[:, : logits.shape[1]] = decide(logits, task)
        return np.asarray(targets, dtype=bool), answers
    labels = np.arange(max(logits.shape[1], int(targets.max(initial=-1)) + 1))
    return targets[:, None] == labels, decide(logits, task)[:, None] == labels


def label_scores(
    targets: NDArray[Any], logits: FloatArray, labels: Sequence[str], task: TaskKind
) -> tuple[LabelScores, ...]:
    """Precision and recall of each label with Clopper-Pearson intervals, F1 with a BCa bootstrap of the rows.

    Args:
        labels: the model's, then those that it never had.
    """
    truth, answers = indicators(targets, logits, task)
    found = []
    for position, label in enumerate(labels[: truth.shape[1]]):
        true, said = truth[:, position], answers[:, position]
        hits = int((true & said).sum())
        found.append(
            LabelScores(
                label=label,
                rows=int(true.sum()),
                precision=_share(hits, int(said.sum()), "never answered"),
                recall=_share(hits, int(true.sum()), "no test row carries it"),
                f1=_f1(true, said),
            )
        )
    return tuple(found)


def _share(hits: int, rows: int, otherwise: str) -> Interval:
    return clopper_pearson(hits, rows) if rows else Interval(value=None, note=otherwise)


def _f1(true: BoolArray, said: BoolArray) -> Interval:
    """2 hits / (answered + occurring), its interval from resampled rows; there are but four kinds of them."""
    if not (true | said).any():
        return Interval(value=None, note="neither occurs nor is answered")
    rows = np.column_stack([true & said, said, true]).astype(np.float64)
    return bca_bootstrap([Sums(rows, 2 * true.astype(np.int64) + said, _f1_of)], lambda each: each[0]).interval


def _f1_of(totals: NDArray[np.float64], rows: NDArray[np.float64]) -> NDArray[np.float64]:
    hits, said, true = totals.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(said + true > 0.5, 2.0 * hits / (said + true), np.nan))


def answered(targets: NDArray[Any], logits: FloatArray, labels: Sequence[str]) -> Answered:
    """Which label was answered for which, single-label only."""
    size = len(labels)
    counts = np.bincount(targets * size + decide(logits, TaskKind.SINGLE_LABEL), minlength=size**2).reshape(size, size)
    wrong = np.where(np.eye(size, dtype=bool), 0, counts)
    order = np.argsort(-wrong, axis=None, kind="stable")[:MOST_CONFUSIONS]
    pairs = [divmod(int(each), size) for each in order if wrong.flat[each]]
    return Answered(
        counts=tuple(tuple(int(each) for each in row) for row in counts) if size <= MOST_IN_MATRIX else (),
        worst=tuple(
            Confusion(
                truth=labels[truth],
                answer=labels[answer],
                rows=int(counts[truth, answer]),
                share=clopper_pearson(int(counts[truth, answer]), int(counts[truth].sum())),
            )
            for truth, answer in pairs
        ),
    )


def reliability(targets: NDArray[Any], logits: FloatArray, task: TaskKind) -> tuple[Bin, ...]:
    """What answers promise and keep, in ten bins of equal width; empty bins are left out.

    Single-label: the probability of the answered label, and whether it is right. Multi-label: every probability of
    every label, and whether the row carries it. The intervals are Clopper-Pearson's, which take a row's labels for
    independent.

    Source: DeGroot and Fienberg (1983), the reliability diagram.
    """
    p = probabilities(logits, task)
    if task is TaskKind.SINGLE_LABEL:
        promised, kept = p.max(axis=1), right(targets, logits)
    else:
        promised, kept = p.ravel(), np.asarray(targets[:, : p.shape[1]], dtype=bool).ravel()
    place = np.minimum((promised * BINS).astype(np.int64), BINS - 1)
    found = []
    for number in range(BINS):
        inside = place == number
        if count := int(inside.sum()):
            found.append(
                Bin(
                    low=number / BINS,
                    high=(number + 1) / BINS,
                    answers=count,
                    promised=float(promised[inside].mean()),
                    kept=clopper_pearson(int(kept[inside].sum()), count),
                )
            )
    return tuple(found)


def confidence(logits: FloatArray, task: TaskKind) -> NDArray[np.float64]:
    """(N,) how sure a row's answer is: the answered label's probability; multi-label: the least sure decision's."""
    p = probabilities(logits, task)
    return np.asarray(p.max(axis=1) if task is TaskKind.SINGLE_LABEL else np.maximum(p, 1.0 - p).min(axis=1))


def selective_curve(targets: NDArray[Any], logits: FloatArray, task: TaskKind) -> tuple[Share, ...]:
    """The score on the most confident tenth of the rows, two tenths, ... all of them.

    Source: El-Yaniv and Wiener (2010), the risk-coverage curve, turned to score.
    """
    sure = confidence(logits, task)
    order = np.argsort(-sure, kind="stable")
    found, before = [], 0
    for share in SHARES:
        rows = round(share * len(order))
        if rows <= before:
            continue
        taken, before = order[:rows], rows
        score = group_score(targets[taken], logits[taken], task)
        found.append(Share(share=rows / len(order), rows=rows, least=float(sure[taken[-1]]), score=score))
    return tuple(found)


def length_bins(
    words: NDArray[np.int64], targets: NDArray[Any], logits: Mapping[str, FloatArray], task: TaskKind
) -> tuple[LengthBin, ...]:
    """Scores of rows of like length, in at most six groups of about as many rows each.

    Args:
        words: (N,) each row's length.
    """
    ends = np.unique(np.quantile(words, np.arange(1, LENGTH_BINS + 1) / LENGTH_BINS, method="higher"))
    place = np.searchsorted(ends, words)
    found = []
    for number in range(len(ends)):
        inside = place == number
        if inside.any():
            found.append(
                LengthBin(
                    low=int(words[inside].min()),
                    high=int(words[inside].max()),
                    rows=int(inside.sum()),
                    scores={name: group_score(targets[inside], each[inside], task) for name, each in logits.items()},
                )
            )
    return tuple(found)
