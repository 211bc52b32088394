"""Rows on which two contenders part: what the second mended, and what it broke.

In: test rows, targets, two contenders' logits.  Out: Flips, all of them, the most confident first.
Not here: how many are shown, and how (report/); writing them down (reporting.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.data.splits import Split
from liftune.evaluation.breakdowns import confidence, indicators
from liftune.metrics.registry import right
from liftune.records.details import Flip, Flips
from liftune.tasks.base import TaskKind, decide
from liftune.types import FloatArray, Target


def flips(
    against: str,
    test: Split,
    targets: NDArray[Any],
    before: FloatArray,
    after: FloatArray,
    labels: Sequence[str],
    task: TaskKind,
) -> Flips:
    """Single- and multi-label: rows that just one of the two answers rightly, a multi-label row with all of its labels.
    Regression: every row whose error changed, by how much it did.

    Args:
        against: the name of the contender that answered `before`.
        targets: encoded over `labels`, which may name more than the logits have columns.
    """
    if task is TaskKind.REGRESSION:
        change = np.abs(before[:, 0] - targets) - np.abs(after[:, 0] - targets)
        mended, broken, weight = change > 0, change < 0, np.abs(change)
    else:
        was, now = (_all_right(targets, each, task) for each in (before, after))
        mended, broken, weight = ~was & now, was & ~now, confidence(after, task)
    told = [_teller(each, labels, task) for each in (before, after)]

    def listed(which: NDArray[np.bool_]) -> tuple[Flip, ...]:
        places = np.flatnonzero(which)
        ordered = places[np.argsort(-weight[places], kind="stable")]
        return tuple(_flip(test, int(i), float(weight[i]), told[0](int(i)), told[1](int(i))) for i in ordered)

    return Flips(against=against, mended=listed(mended), broken=listed(broken))


def _all_right(targets: NDArray[Any], logits: FloatArray, task: TaskKind) -> NDArray[np.bool_]:
    if task is TaskKind.SINGLE_LABEL:
        return right(targets, logits)
    truth, answers = indicators(targets, logits, task)
    return np.asarray((truth == answers).all(axis=1))


def _flip(test: Split, i: int, weight: float, before: str, after: str) -> Flip:
    row = test.rows[i]
    text, pair = (row, None) if isinstance(row, str) else row
    return Flip(
        id=test.ids[i],
        text=text,
        text_pair=pair,
        target=shown(test.targets[i]),
        before=before,
        after=after,
        confidence=weight,
    )


def shown(target: Target) -> str:
    """A target in words: `joy`, `joy, love`, `3.42`; `none` for a multi-label row without labels."""
    if isinstance(target, str):
        return target
    return (", ".join(target) or "none") if isinstance(target, tuple) else f"{target:.4g}"


def _teller(logits: FloatArray, labels: Sequence[str], task: TaskKind) -> Callable[[int], str]:
    """Row number -> the answer in words."""
    answers = decide(logits, task)
    if task is TaskKind.SINGLE_LABEL:
        return lambda i: labels[int(answers[i])]
    if task is TaskKind.MULTI_LABEL:
        return lambda i: shown(tuple(labels[int(j)] for j in np.flatnonzero(answers[i])))
    return lambda i: shown(float(answers[i]))
