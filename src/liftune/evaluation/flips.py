"""Rows on which two contenders differ: what the second fixed, and what it broke.

In: test rows, two contenders' Evaluations.  Out: Flips, all of them, the most confident first.
Not here: how many are shown, and how (report/); writing them to disk (workflows/report.py).
"""

from __future__ import annotations

import numpy as np

from liftune.data.splits import Split
from liftune.evaluation.evaluate import Evaluation
from liftune.records.details import Flip, Flips
from liftune.tasks import task_of
from liftune.types import BoolArray, Target


def flips(test: Split, before: Evaluation, after: Evaluation) -> Flips:
    """Single- and multi-label: rows that just one of the two predicts rightly, a multi-label row with all of its
    labels, each contender by its own thresholds. Regression: every row whose error changed, by how much it did.

    Args:
        test: the rows of both, in their order.
    """
    fixed, broken, weight = task_of(after.task).flips(
        after.targets, before.logits, after.logits, (before.thresholds, after.thresholds)
    )
    predictions = [_said(each) for each in (before, after)]

    def listed(which: BoolArray) -> tuple[Flip, ...]:
        places = np.flatnonzero(which)
        ordered = places[np.argsort(-weight[places], kind="stable")]
        return tuple(_flip(test, int(i), float(weight[i]), predictions[0][i], predictions[1][i]) for i in ordered)

    return Flips(against=before.name, fixed=listed(fixed), broken=listed(broken))


#: What stands for the prediction of a row that a contender gave no answer for.
NO_ANSWER = "(no answer)"


def _said(evaluation: Evaluation) -> list[str]:
    """Each row's prediction in words."""
    said, unanswered = [shown(each) for each in as_targets(evaluation)], evaluation.unanswered
    if unanswered is None:
        return said
    return [NO_ANSWER if lacking else each for each, lacking in zip(said, unanswered, strict=True)]


def as_targets(evaluation: Evaluation) -> list[Target]:
    """Each row's prediction as the data would give it."""
    return task_of(evaluation.task).decode(evaluation.decisions, evaluation.labels)


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
