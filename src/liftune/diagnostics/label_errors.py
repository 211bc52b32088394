"""Rows whose label is likely wrong: what models that never saw a row say of its label.

In: train rows, their targets, features of a frozen model where there are any.  Out: LabelErrors, worst first.
Not here: dropping them (data/clean.py, on request), wording (report/).

Linear models, each fitted without a fifth of the rows, give that fifth its probabilities: one on tf-idf, and one on the
frozen features, whose mistakes differ; their mean finds more than either. The less probable a row's own label, the
earlier it is listed. How many are flagged follows from labels that are flipped on purpose (planted_flips.py): from how
far up these come, in these very rows, and not from a threshold of probability, which flags most of a set whose labels
the models hardly know.
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
from liftune.diagnostics.planted_flips import Planted, judge
from liftune.errors import need
from liftune.metrics.row_statistics import Floats, Ints
from liftune.records.data import LabelError, LabelErrorSummary
from liftune.tasks import TaskKind, task_of

#: Fewer rows are divided again, in another way, and the probabilities averaged: it costs little there.
_REPEATED_BELOW, _REPEATS = 4_000, 3
#: Rows looked at; of more, a sample is.
MOST_ROWS = 20_000
#: Rows of the list: all that are flagged and the least probable twentieth, up to this many.
MOST_LISTED = 2_000
BUDGET = 0.05
#: Of all rows, that `--drop suspects` leaves out.
MOST_DROPPED = 0.05
#: Rows that labels are planted in, each time; rounds of it, at least; planted labels in all, to aim at; rounds at most.
_PLANTED_ROWS, _ROUNDS, _PLANTED_AIM, _MOST_ROUNDS = 4_000, 2, 120, 10
PLANTED_SHARE = 0.05
#: Rows times labels beyond which fits are fewer and take fewer steps: a step takes as long as it has of these.
_MOST_CELLS, _LEAST_ITERATIONS = 300_000, 10
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

    @property
    def droppable(self) -> tuple[str, ...]:
        """Ids of the flagged rows that `--drop suspects` leaves out: the worst twentieth of all rows at most."""
        return self.flagged[: self.summary.droppable]


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
    divisions = _divisions(train, task, seed)[: 1 if len(train) * outputs > _MOST_CELLS else None]
    if not divisions:
        return None
    chance = out_of_fold(views, targets, outputs, task, divisions)
    planted = judge(*_plant(train, views, targets, outputs, task, seed), min(len(train), _PLANTED_ROWS))
    return _listed(train, labels, task, chance, targets, tuple(view.name for view in views), planted)


def _plant(
    train: Split, views: Sequence[View], targets: NDArray[Any], outputs: int, task: TaskKind, seed: int
) -> tuple[Floats, Floats]:
    """Self-confidence of rows whose labels were flipped, all rounds together, and of the other rows."""
    kept = _sample(len(train), _PLANTED_ROWS, seed)
    rows, flips = train.take(kept.tolist()), max(1, round(PLANTED_SHARE * len(kept)))
    views = [View(view.name, view.features[kept], view.strength) for view in views]
    rounds = min(_MOST_ROUNDS, max(_ROUNDS, -(-_PLANTED_AIM // flips))) if len(kept) * outputs <= _MOST_CELLS else 1
    flipped, others = [], []
    for number in range(rounds):
        chosen = np.random.default_rng((seed, number)).choice(len(kept), flips, replace=False)
        wrong = task_of(task).flipped(targets[kept], outputs, chosen, seed + number)
        folds = folds_for_fitting(rows, task, seed=seed + number)
        if folds is None:
            break
        score = task_of(task).self_confidence(wrong, out_of_fold(views, wrong, outputs, task, [folds]))
        flipped.append(score[chosen])
        others.append(np.delete(score, chosen))
    return np.concatenate([*flipped, []]), np.concatenate([*others, []])


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
    cells = len(targets) * outputs
    iterations = max(_LEAST_ITERATIONS, min(linear.ITERATIONS, linear.ITERATIONS * _MOST_CELLS // cells))
    for folds in divisions:
        for view in views:
            if outputs <= MOST_FITTED:
                logits = linear.out_of_fold(
                    view.features, targets, outputs, task, view.strength, folds, iterations=iterations
                )
            else:
                logits = linear.out_of_fold_by_squares(view.features, targets, outputs, task, view.strength, folds)
            total += task_of(task).probabilities(logits)
    return total / (len(divisions) * len(views))


def _listed(
    train: Split,
    labels: Sequence[str],
    task: TaskKind,
    chance: Floats,
    targets: NDArray[Any],
    by: tuple[str, ...],
    planted: Planted,
) -> LabelErrors:
    score = task_of(task).self_confidence(targets, chance)
    doubted = np.column_stack([each.argmax(axis=1) != given for each, given in task_of(task).choices(targets, chance)])
    rather = task_of(task).decode(task_of(task).corrected(targets, chance, doubted), labels)
    budget = round(BUDGET * len(score))
    order = np.argsort(score, kind="stable")
    flagged = (score <= planted.bound) & doubted.any(axis=1)
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
        droppable=min(int(flagged.sum()), int(MOST_DROPPED * len(score))),
        planted=planted.flips,
        precision=planted.precision,
        recall=planted.recall,
        known=planted.known,
        top=tuple(each for each in listed if each.flagged)[:_TOP],
    )
    return LabelErrors(summary, listed, tuple(train.ids[i] for i in order if flagged[i]))


def _sample(rows: int, most: int, seed: int) -> Ints:
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
