"""Exact and score statistics of right and wrong predictions: intervals, and the test that decides accuracy.

In: counts, or (N,) booleans in one row order.  Out: numbers.
Not here: resampling, for every other metric (bootstrap.py); what a test could show (power.py); the verdict
(compare.py).
"""

from __future__ import annotations

import numpy as np

from liftune.errors import DataError
from liftune.metrics.row_statistics import Floats, Ints
from liftune.records.base import Interval
from liftune.types import BoolArray

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.80

#: Halvings of an interval of gains, at most 2 wide: the ends are then known as well as a float64 holds them.
_BISECTIONS = 52


def clopper_pearson(right: float, rows: float, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of a proportion, as a fraction in [0, 1].

    Args:
        right: rows predicted rightly, 0 to `rows`; a mean over seeds need not be whole, and the beta quantiles take it
            as it is.
        rows: N; of rows that are not independent, as many as they are worth.

    Raises:
        DataError: there are no rows.

    Source: Clopper and Pearson (1934), by the beta quantiles. It covers at least as often as it says.
    """
    from scipy.stats import beta

    if rows <= 0:
        raise DataError("there are no rows to score", hint="give test rows")
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if right <= 0 else float(beta.ppf(tail, right, rows - right + 1))
    high = 1.0 if right >= rows else float(beta.ppf(1.0 - tail, right + 1, rows - right))
    return Interval(value=right / rows, low=low, high=high)


def discordant(base: BoolArray, tuned: BoolArray) -> tuple[int, int]:
    """(rows that only base has right, rows that only tuned has right).

    Raises:
        DataError: the lengths differ, or there are no rows.
    """
    if base.shape != tuned.shape or base.ndim != 1 or len(base) == 0:
        raise DataError(
            f"cannot pair {len(base)} rows with {len(tuned)}",
            hint="compare predictions of the same test rows, one at least",
        )
    return int((base & ~tuned).sum()), int((~base & tuned).sum())


def mcnemar_exact(only_base: int, only_tuned: int) -> float:
    """Two-sided p-value that both are right equally often, from the rows on which just one is; 1 where there are none.

    Source: McNemar (1947), in its exact form: twice the smaller binomial(n, 1/2) tail, at most 1.
    """
    from scipy.stats import binom

    rows = only_base + only_tuned
    return 1.0 if rows == 0 else min(1.0, 2.0 * float(binom.cdf(min(only_base, only_tuned), rows, 0.5)))


def tango_interval(base: BoolArray, tuned: BoolArray, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of the accuracy gain, tuned over base, as a fraction in [-1, 1].

    Args:
        base, tuned: (N,) whether each row was predicted rightly, in one order.

    Raises:
        DataError: the lengths differ, or there are no rows.
    """
    lost, won = discordant(base, tuned)
    low, high = tango_bounds(np.array([lost]), np.array([won]), len(base), confidence=confidence)
    return Interval(value=(won - lost) / len(base), low=float(low[0]), high=float(high[0]))


def tango_bounds(lost: Ints, won: Ints, rows: int, *, confidence: float = CONFIDENCE) -> tuple[Floats, Floats]:
    """Low and high ends, (K,) each, of the accuracy gains of K pairs of contenders.

    Args:
        lost, won: (K,) rows that only base has right, rows that only tuned has right.
        rows: N, the same for all pairs.

    Source: Tango (1998), score interval for the difference of paired proportions: the gains that a score test does not
    reject, found by bisection, as the score falls while the gain rises. What it covers is in docs/log.md.
    """
    from scipy.stats import norm

    z = float(norm.ppf(1.0 - (1.0 - confidence) / 2.0))
    gain = (won - lost) / rows

    def end(sign: float) -> Floats:
        outside, inside = np.full(gain.shape, -sign), gain.copy()
        for _ in range(_BISECTIONS):
            middle = (outside + inside) / 2.0
            rejected = sign * tango_score(middle, lost, won, rows) > z
            outside, inside = np.where(rejected, middle, outside), np.where(rejected, inside, middle)
        return inside

    return end(1.0), end(-1.0)


def tango_score(delta: Floats, lost: Ints, won: Ints, rows: int) -> Floats:
    """Score statistic of the hypothesis that the gain is delta, with the lost rate at its constrained maximum
    likelihood."""
    a = 2.0 * rows
    b = -(won + lost) + (2.0 * rows - (won - lost)) * delta
    c = -lost * delta * (1.0 - delta)
    lost_rate = (np.sqrt(np.maximum(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)
    variance = np.maximum(rows * (2.0 * lost_rate + delta * (1.0 - delta)), 0.0)
    difference = (won - lost) - rows * delta
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(difference == 0, 0.0, difference / np.sqrt(variance))
