"""What a test set could have shown: the power of the test that decides, the least gain it finds, the rows it needs.

In: counts or rates of rows on which two contenders differ, or a gain's standard error.  Out: numbers.
Not here: the tests themselves (intervals.py, bootstrap.py), the verdict (compare.py).
"""

from __future__ import annotations

import math

import numpy as np

from liftune.evaluation.statistics.intervals import ALPHA, POWER

#: Beyond this many rows the exact power is not worth its time: the normal formula is within a per cent.
_MOST_EXACT_ROWS = 2_000_000
#: A smallest detectable gain is reported to a tenth of a point; it is searched for ten times finer.
_GAIN_STEP = 1e-4


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
    """Test rows at which a true gain as large as the observed one is found with this power; None where it is zero.

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


def rows_needed(gain: float, standard_error: float, rows: int, *, power: float = POWER, alpha: float = ALPHA) -> int:
    """Rows at which a true gain of this size is found with this power, its standard error shrinking as one over their
    root.

    Source: the normal approximation, ((z_alpha/2 + z_power) * se / gain)^2 times the rows at hand; at least one more
    than these.
    """
    factor = (detectable_gain(standard_error, power=power, alpha=alpha) / gain) ** 2
    return max(rows + 1, math.ceil(rows * factor))


def detectable_gain(standard_error: float, *, power: float = POWER, alpha: float = ALPHA) -> float:
    """The least true gain that a two-sided test at alpha finds with this power, from the gain's standard error.

    Source: the normal approximation, (z_alpha/2 + z_power) * se.
    """
    from scipy.stats import norm

    return float(norm.ppf(1 - alpha / 2) + norm.ppf(power)) * standard_error


def mcnemar_detectable_gain(
    rows: int, discordance: float = 0.0, *, power: float = POWER, alpha: float = ALPHA
) -> float | None:
    """The least true gain of accuracy that the exact McNemar test finds with this power; None where it finds none.

    Args:
        rows: N, of the test set.
        discordance: share of the rows on which just one of the two is right. A gain above it makes it larger; 0 gives
            the least gain that this many rows can show at all, when no row changes for the worse.

    Source: the exact power of `mcnemar_power`, by bisection; rounded up to 0.0001.

    >>> mcnemar_detectable_gain(60)
    0.1286
    """

    def reached(steps: int) -> bool:
        gain = steps * _GAIN_STEP
        rate = max(discordance, gain)
        return mcnemar_power(rows, (rate - gain) / 2.0, (rate + gain) / 2.0, alpha=alpha) >= power

    low, high = 0, round(1.0 / _GAIN_STEP)
    if not reached(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return round(high * _GAIN_STEP, 4)
