"""Whether a gain is above a loss that was named before: one-sided tests of margins.

In: rows that only one of two contenders has right, or a bootstrap.  Out: p-values; rows needed.
Not here: which rows (margin.py), two-sided tests and intervals (intervals.py, bootstrap.py).
"""

from __future__ import annotations

import math

import numpy as np

from liftune.evaluation.statistics.bootstrap import Bootstrap
from liftune.evaluation.statistics.intervals import ALPHA, POWER, tango_score
from liftune.metrics.row_statistics import Ints

#: The share of won rows is searched in its interval of this confidence, and what it leaves is added to the p-value.
_LEFT_OUT = 0.001
#: Shares of won rows that are tried.
_SHARES = 61
_TINY = 1e-9


def not_worse_p(lost: int, won: int, rows: int, margin: float) -> float:
    """One-sided p-value that the accuracy gain is -margin or less.

    Args:
        lost, won: rows that only the first has right, rows that only the second has right.
        rows: N.
        margin: a fraction above 0.

    Outcomes are ordered by Tango's score, so that the test agrees with Tango's interval; the p-value is the largest
    chance of an outcome as extreme, over the shares of won rows that the data leave open. So it never claims more often
    than it says, as the score's own normal p-value does where few rows differ.

    Source: Tango (1998) for the score; Hsueh, Liu and Chen (2001), Unconditional exact tests for equivalence or
        noninferiority for paired binary endpoints; Berger and Boos (1994) for the shares that are tried.

    >>> round(not_worse_p(20, 25, 1000, 0.02), 4)
    0.0013
    """
    from scipy.stats import beta, binom

    observed = float(tango_score(np.array(-margin), np.array(lost), np.array(won), rows))
    low = 0.0 if won == 0 else float(beta.ppf(_LEFT_OUT / 2, won, rows - won + 1))
    high = 1.0 if won == rows else float(beta.ppf(1 - _LEFT_OUT / 2, won + 1, rows - won))
    most = (1.0 - margin) / 2.0
    shares = np.linspace(min(low, most), min(high, most), _SHARES)
    wins = np.arange(int(binom.ppf(1 - _TINY, rows, shares[-1])) + 1)
    losses = _most_lost(wins, rows, margin, observed)

    def chance(share: float) -> float:
        lost_rate = (share + margin) / (1.0 - share)
        return float((binom.pmf(wins, rows, share) * binom.cdf(losses, rows - wins, lost_rate)).sum())

    return min(1.0, max(map(chance, shares)) + _LEFT_OUT)


def _most_lost(wins: Ints, rows: int, margin: float, observed: float) -> Ints:
    """(W,) the most lost rows at which the score, which falls with them, is at least the observed one; -1 for none."""
    low, high = np.full(wins.shape, -1), rows - wins
    while (low < high).any():
        middle = (low + high + 1) // 2
        reached = tango_score(np.array(-margin), middle, wins, rows) >= observed - _TINY
        low, high = np.where(reached, middle, low), np.where(reached, high, middle - 1)
    return np.asarray(low)


def above_p(boot: Bootstrap, least: float, units: int) -> float:
    """One-sided p-value that the resampled value's true one is `least` or less; 1 where resampling says nothing.

    Args:
        units: rows, or clusters of them, that were resampled.

    The larger of two: of the bias-corrected and accelerated bootstrap, inverted, with Student's quantiles for the
    normal's; and of a t test with the bootstrap's standard error. Neither alone holds its level both where the value is
    skewed and where resamples are few in kind.

    Source: Efron (1987); Hesterberg (2015) for the quantiles.
    """
    from scipy.stats import norm, t

    value, error = boot.interval.value, boot.standard_error
    if value is None or not error or boot.tail is None or units < 2:
        return 1.0
    share = math.sqrt((units - 1.0) / units)
    by_bootstrap = float(t.cdf(share * float(norm.ppf(boot.tail.level_of(least))), units - 1))
    by_error = float(t.sf(share * (value - least) / error, units - 1))
    return max(by_bootstrap, by_error)


def rows_to_show(margin: float, deviation: float, *, power: float = POWER, alpha: float = ALPHA) -> int:
    """Rows at which two that are equally good are shown to differ by no more than the margin, one-sided.

    Args:
        deviation: of one row's part in the gain, in the margin's unit; of accuracy the root of the share of rows on
            which just one of the two is right.

    Source: the normal approximation, ((z_alpha + z_power) * deviation / margin)^2.

    >>> rows_to_show(0.01, 0.1**0.5)
    6183
    """
    from scipy.stats import norm

    return math.ceil((float(norm.ppf(1 - alpha) + norm.ppf(power)) * deviation / margin) ** 2)


def rows_without_a_loss(margin: float, *, alpha: float = ALPHA) -> int:
    """Rows of which none may be lost, that a share of lost ones above the margin is refuted.

    >>> rows_without_a_loss(0.01)
    299
    """
    return math.ceil(math.log(alpha) / math.log(1.0 - margin))
