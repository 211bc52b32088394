"""The contrasts that a run declares, under one correction: so many tests must not find by chance what one would not.

In: Comparisons.  Out: the same, each decided among all of them.
Not here: the tests themselves (compare.py), the correction (statistics/multiple_tests.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from liftune.evaluation.interval_and_verdict import why_unlike
from liftune.evaluation.statistics.intervals import ALPHA
from liftune.evaluation.statistics.multiple_tests import holm
from liftune.formatting import level_digits
from liftune.records.base import Comparison


def under_one_correction(contrasts: Sequence[Comparison], *, alpha: float = ALPHA) -> tuple[Comparison, ...]:
    """Every verdict among all of them: the chance of any wrong one is at most alpha.

    A comparison whose verdict must hold without near duplicates too is claimed only where both tests say so, which the
    larger of the two p-values tests; one that is undecided for another reason counts, with a p-value of 1.

    Source: Holm (1979); for the larger p-value Berger (1982), the intersection-union test.
    """
    corrected = holm(np.array([p_value_of(each) for each in contrasts])).tolist()
    return tuple(_decided(each, p, len(contrasts), alpha) for each, p in zip(contrasts, corrected, strict=True))


def p_value_of(each: Comparison) -> float:
    """By which a comparison is decided among others: 1 where it is undecided for another reason, the larger of the two
    where its verdict must hold without near duplicates too."""
    if each.undecided_because:
        return 1.0
    return max(each.p_value, each.without_near.p_value) if each.without_near else each.p_value


def _decided(each: Comparison, corrected: float, contrasts: int, alpha: float) -> Comparison:
    update: dict[str, object] = {"corrected_p_value": corrected, "contrasts": contrasts}
    if each.verdict != "undecided" and corrected > alpha:
        why = f"with {contrasts} contrasts in this run its p-value is {level_digits(corrected)} by Holm's correction"
        if unlike := why_unlike("undecided", each.low, each.high, each.p_value, tests=contrasts):
            why += f" ({unlike})"
        before = why_unlike(each.verdict, each.low, each.high, each.p_value)
        note = (each.note or "").removeprefix(before).removeprefix("; ") if before else each.note
        update |= {"verdict": "undecided", "undecided_because": why, "note": note or None}
    return each.model_copy(update=update)
