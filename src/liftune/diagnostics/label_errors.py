"""Rows whose label is likely wrong: what models that never saw a row say of its label.

In: train rows, their targets, features of a frozen model where there are any.  Out: LabelErrors, worst first.
Not here: dropping them (data/clean.py, on request), wording (report/).

Linear models, each fitted without a fifth of the rows, give that fifth its probabilities: one on tf-idf, and one on the
frozen features, whose mistakes differ; their mean finds more than either. The less probable a row's own label, the
earlier it is listed; it is flagged by the rule of confident learning.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.baselines import linear_models as linear
from liftune.baselines.linear_models import Features
from liftune.baselines.tfidf import Ngrams
from liftune.data.audit import labels_of
from liftune.data.folds import folds_for_fitting
from liftune.data.splits import Split
from liftune.errors import need
from liftune.metrics.row_statistics import Floats, Ints
from liftune.records.data import LabelError, LabelErrorSummary
from liftune.tasks import TaskKind, task_of
from liftune.types import BoolArray

#: Fewer rows are divided again, in another way, and the probabilities averaged: it costs little there.
_REPEATED_BELOW, _REPEATS = 4_000, 3
#: Rows looked at; of more, a sample is.
MOST_ROWS = 20_000
#: Rows of the list: all that are flagged and the least probable twentieth, up to this many.
MOST_LISTED = 2_000
BUDGET = 0.05
#: Probability that a label must exceed for a row to confidently belong to it.
LEAST_CONFIDENCE = 0.5
#: Rows named in the record, and the characters of each.
_TOP, _CHARACTERS = 10, 200
#: scikit-learn's C of the two models: tf-idf rows have unit length, features unit scale.
TFIDF_STRENGTH, FEATURE_STRENGTH = 3.0, 0.01
_MOST_COEFFICIENTS = 1_500_000
#: Labels above which the models are fitted by least squares, and the terms of tf-idf that they then read.
MOST_FITTED, _TERMS_OF_SQUARES = 200, 2_000


@dataclass(frozen=True)
class View:
    """One way to see the rows: a name for the report, features (N, D), a strength of the penalty."""

    name: str
    features: Features
    strength: float


@dataclass(frozen=True)
class LabelErrors:
    """The record's summary, and every listed row, worst first."""

    summary: LabelErrorSummary
    listed: tuple[LabelError, ...]
    flagged: tuple[str, ...]
    """Ids of all rows that are flagged, the worst first, beyond the list's end too."""


def find_label_errors(
    train: Split,
    task: TaskKind,
    features: NDArray[np.float32] | None = None,
    *,
    most: int = MOST_ROWS,
    seed: int = 0,
) -> LabelErrors | None:
    """Train rows whose label is likely wrong; None for a regression, whose targets are no labels, and for one label.

    Args:
        features: (N, D) of the train rows, about centred and of unit scale; None takes tf-idf alone.
        most: rows to look at; of more, a sample is taken.
    """
    need("sklearn")
    if not task_of(task).outputs_labels or len(labels_of(train)) < 2:
        return None
    kept = _sample(len(train), most, seed)
    train = train.take(kept.tolist())
    labels = tuple(sorted(labels_of(train)))  # a trained head may name others, or lack some
    outputs = len(labels)
    terms = _MOST_COEFFICIENTS // outputs if outputs <= MOST_FITTED else _TERMS_OF_SQUARES
    words = Ngrams.learn(train.rows, characters=False, most=terms)[1]
    views = [View("tf-idf", words, TFIDF_STRENGTH)]
    if features is not None:
        views.append(View("frozen features", features[kept], FEATURE_STRENGTH))
    targets = task_of(task).encode(train.targets, labels)
    divisions = _divisions(train, task, seed)
    if not divisions:
        return None
    chance = out_of_fold(views, targets, outputs, task, divisions)
    return _listed(train, labels, task, chance, targets, tuple(view.name for view in views))


def _divisions(train: Split, task: TaskKind, seed: int) -> list[Ints]:
    """Ways to cut the rows into folds; none where all rows are of one text or group."""
    repeats = _REPEATS if len(train) < _REPEATED_BELOW else 1
    divisions = (folds_for_fitting(train, task, seed=seed + repeat) for repeat in range(repeats))
    return [each for each in divisions if each is not None]


def out_of_fold(
    views: Sequence[View], targets: NDArray[Any], outputs: int, task: TaskKind, divisions: Sequence[Ints]
) -> Floats:
    """(N, C) probabilities of each row by models fitted without it, averaged over views and divisions.

    Args:
        divisions: (N,) the fold of each row, for each way to cut them.
    """
    total = np.zeros((len(targets), outputs))
    for folds in divisions:
        for view in views:
            fit = linear.out_of_fold if outputs <= MOST_FITTED else linear.out_of_fold_by_squares
            logits = fit(view.features, targets, outputs, task, view.strength, folds)
            total += task_of(task).probabilities(logits)
    return total / (len(divisions) * len(views))


def confident_other(chance: Floats, targets: Ints) -> Ints:
    """(N,) the label that a row confidently belongs to; -1 where it is confident of none.

    A row is confident of a label whose probability reaches the mean that the label has among the rows that carry it,
    and is more than all others' together. The latter is ours: without it, models that know little of a set would flag
    most of it.

    Source: the confident joint of Northcutt, Jiang and Chuang (2021), Confident Learning, JAIR 70, equation 1.
    """
    outputs = chance.shape[1]
    counts = np.bincount(targets, minlength=outputs)[:outputs]
    own = np.bincount(targets, weights=chance[np.arange(len(targets)), targets], minlength=outputs)[:outputs]
    threshold = np.where(counts > 0, own / np.maximum(counts, 1), np.inf)
    sure = (chance >= threshold - 1e-6) & (chance > LEAST_CONFIDENCE)
    best = np.where(sure, chance, -1.0).argmax(axis=1)
    return np.asarray(np.where(sure.any(axis=1), best, -1), dtype=np.int64)


def _flagged(chance: Floats, targets: NDArray[Any], task: TaskKind) -> tuple[BoolArray, NDArray[Any]]:
    """(N,) whether a row is flagged, and the target that the models would rather give, in the form of predictions."""
    choices = task_of(task).choices(targets, chance)
    others = [confident_other(probabilities, given) for probabilities, given in choices]
    doubted = np.column_stack(
        [(other >= 0) & (other != given) for other, (_, given) in zip(others, choices, strict=True)]
    )
    return np.asarray(doubted.any(axis=1), dtype=bool), task_of(task).corrected(targets, chance, doubted)


def _listed(
    train: Split, labels: Sequence[str], task: TaskKind, chance: Floats, targets: NDArray[Any], by: tuple[str, ...]
) -> LabelErrors:
    score = task_of(task).self_confidence(targets, chance)
    flagged, corrected = _flagged(chance, targets, task)
    rather = task_of(task).decode(corrected, labels)
    budget = round(BUDGET * len(score))
    order = np.argsort(score, kind="stable")
    chosen = [i for rank, i in enumerate(order) if rank < budget or flagged[i]][:MOST_LISTED]
    listed = tuple(
        LabelError(
            id=train.ids[i],
            text=" | ".join([train.rows[i]] if isinstance(train.rows[i], str) else train.rows[i])[:_CHARACTERS],
            target=train.targets[i],
            rather=rather[i],
            probability=float(score[i]),
            flagged=bool(flagged[i]),
        )
        for i in chosen
    )
    summary = LabelErrorSummary(
        rows=len(score),
        flagged=int(flagged.sum()),
        listed=len(listed),
        by=by,
        top=tuple(each for each in listed if each.flagged)[:_TOP],
    )
    return LabelErrors(summary, listed, tuple(train.ids[i] for i in order if flagged[i]))


def _sample(rows: int, most: int, seed: int) -> Ints:
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
