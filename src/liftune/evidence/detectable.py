"""What a test set of this size could have shown at all.

In: rows and how often two contenders part, or a gain's interval.  Out: the smallest gain that would be found.
Not here: the rows that an observed gain would need (intervals.py, compare.py).
"""

from __future__ import annotations

from liftune.evidence.intervals import ALPHA, CONFIDENCE, POWER, mcnemar_power


def smallest_detectable_gain(
    rows: int, discordant_rate: float, *, power: float = POWER, alpha: float = ALPHA
) -> float | None:
    """The smallest true accuracy gain that the exact McNemar test finds with this power, as a fraction.

    Args:
        rows: N.
        discordant_rate: share of the rows on which just one of the two is right; a gain cannot be larger.

    Returns:
        None where even a gain on every discordant row would be missed too often.

    Source: the unconditional power of Suissa and Shuster (1991), by bisection over the gain at this rate.
    """
    if rows < 1 or discordant_rate <= 0.0:
        return None

    def found(gain: float) -> bool:
        return mcnemar_power(rows, (discordant_rate - gain) / 2, (discordant_rate + gain) / 2, alpha=alpha) >= power

    low, high = 0.0, min(1.0, discordant_rate)
    if not found(high):
        return None
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (low, middle) if found(middle) else (middle, high)
    return high


def detectable_by_interval(
    low: float, high: float, *, confidence: float = CONFIDENCE, power: float = POWER, alpha: float = ALPHA
) -> float:
    """The smallest true gain of any metric found with this power, from the width of the observed one's interval.

    Source: the normal approximation, (z_alpha/2 + z_power) standard errors, the error read off the interval's width.
    """
    from scipy.stats import norm

    error = (high - low) / (2 * float(norm.ppf(1 - (1 - confidence) / 2)))
    return float(norm.ppf(1 - alpha / 2) + norm.ppf(power)) * error
