"""Exact and score statistics of right and wrong answers: intervals, the test that decides accuracy, and its power.

In: counts, or (N,) booleans in one row order.  Out: numbers.
Not here: resampling, for every other metric (resampling.py); the verdict (compare.py).
"""

from __future__ import annotations

import math

import numpy as np

from liftune.errors import DataError
from liftune.record import Interval
from liftune.seam import BoolArray

CONFIDENCE = 0.95
ALPHA = 0.05
POWER = 0.80

#: Beyond this many rows the exact power is not worth its time: the normal formula is within a per cent.
_MOST_EXACT_ROWS = 2_000_000


def clopper_pearson(right: float, rows: int, *, confidence: float = CONFIDENCE) -> Interval:
    """Interval of a proportion, as a fraction in [0, 1].

    Args:
        right: rows answered rightly, 0 to `rows`; a mean over seeds need not be whole, and the beta quantiles take it
            as it is.
        rows: N.

    Raises:
        DataError: there are no rows.

    Source: Clopper and Pearson (1934), by the beta quantiles. It covers at least as often as it says.
    """
    from scipy.stats import beta

    if rows < 1:
        raise DataError("there are no rows to score", mend="give test rows")
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
            mend="compare answers to the same test rows, one at least",
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
        base, tuned: (N,) whether each row was answered rightly, in one order.

    Raises:
        DataError: the lengths differ, or there are no rows.

    Source: Tango (1998), score interval for the difference of paired proportions: the gains that a score test does not
    reject.
    """
    from scipy.optimize import brentq
    from scipy.stats import norm

    lost, won = discordant(base, tuned)
    rows = len(base)
    gain = (won - lost) / rows
    z = float(norm.ppf(1.0 - (1.0 - confidence) / 2.0))

    def bound(end: float, sign: float) -> float:
        edge = end - math.copysign(1e-12, end)  # the variance is nought at the very end
        if sign * _tango_score(edge, lost, won, rows) < z:
            return end
        inner = gain - sign * 1e-12
        if sign * _tango_score(inner, lost, won, rows) >= z:
            return gain
        return float(brentq(lambda delta: sign * _tango_score(delta, lost, won, rows) - z, edge, inner))

    return Interval(value=gain, low=bound(-1.0, 1.0), high=bound(1.0, -1.0))


def _tango_score(delta: float, lost: int, won: int, rows: int) -> float:
    """Score statistic of the hypothesis that the gain is delta, with the lost rate at its constrained maximum
    likelihood."""
    a = 2.0 * rows
    b = -(won + lost) + (2.0 * rows - (won - lost)) * delta
    c = -lost * delta * (1.0 - delta)
    lost_rate = (math.sqrt(max(b * b - 4.0 * a * c, 0.0)) - b) / (2.0 * a)
    variance = rows * (2.0 * lost_rate + delta * (1.0 - delta))
    difference = (won - lost) - rows * delta
    if variance <= 0.0:
        return 0.0 if difference == 0 else math.copysign(math.inf, difference)
    return difference / math.sqrt(variance)


def mcnemar_power(rows: int, lost_rate: float, won_rate: float, *, alpha: float = ALPHA) -> float:
    """Chance that the exact McNemar test at alpha finds the gain, on its right side, in this many rows.

    The number of discordant rows is binomial, and given it, so is the number won; the sum runs over all but a 1e-9 of
    the former.
    Source: the unconditional power of Suissa and Shuster (1991).
    """
    from scipy.stats import binom

    rate = lost_rate + won_rate
    if rate <= 0.0:
        return 0.0
    low, high = binom.ppf([5e-10, 1 - 5e-10], rows, rate)
    pairs = np.arange(int(low), int(high) + 1)
    least_won = binom.isf(alpha / 2.0, pairs, 0.5)  # more than this many are significant
    share = max(lost_rate, won_rate) / rate
    return float((binom.pmf(pairs, rows, rate) * binom.sf(least_won, pairs, share)).sum())


def mcnemar_rows_needed(lost: int, won: int, rows: int, *, power: float = POWER, alpha: float = ALPHA) -> int | None:
    """Test rows at which a true gain as large as the observed one is found with this power; None where it is nought.

    Source: the normal formula of Connor (1987) for a start, then the exact power by bisection.
    """
    from scipy.stats import norm

    if lost == won:
        return None
    lost_rate, won_rate = lost / rows, won / rows
    gain, rate = abs(won_rate - lost_rate), won_rate + lost_rate
    z_alpha, z_beta = (float(norm.ppf(level)) for level in (1 - alpha / 2, power))
    guess = math.ceil((z_alpha * math.sqrt(rate) + z_beta * math.sqrt(max(rate - gain**2, 0.0))) ** 2 / gain**2)
    if guess > _MOST_EXACT_ROWS:
        return guess
    low, high = 1, guess
    while mcnemar_power(high, lost_rate, won_rate, alpha=alpha) < power:
        low, high = high, 2 * high
    while high - low > max(1, high // 1000):  # a thousandth is finer than the observed gain is known
        middle = (low + high) // 2
        if mcnemar_power(middle, lost_rate, won_rate, alpha=alpha) < power:
            low = middle
        else:
            high = middle
    return high
