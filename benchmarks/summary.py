"""Repeats to medians, ranges and ratios; per-row answers to a paired interval. Numbers only.

In: Results.  Out: plain values.  Not here: tables and plots (show.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from benchmarks.work import Result


@dataclass(frozen=True)
class Spread:
    """Median and range of repeats."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of at least one value.

        >>> Spread.of([3.0, 1.0, 2.0])
        Spread(median=2.0, low=1.0, high=3.0)
        """
        return cls(median(values), min(values), max(values))


def ratios(ours: Sequence[Result], theirs: Sequence[Result]) -> Spread | None:
    """Our rows a second over theirs, round by round, so that what slows a round slows both; None without a pair."""
    pairs = [
        our.rows_per_second / their.rows_per_second
        for our, their in zip(ours, theirs, strict=True)
        if not our.missing and not their.missing
    ]
    return Spread.of(pairs) if pairs else None


@dataclass(frozen=True)
class Paired:
    """A gain in accuracy, and its 95 % intervals, as fractions."""

    gain: float
    rows: tuple[float, float]
    """Over rows: these seeds, other rows."""
    rows_and_seeds: tuple[float, float]
    """Over rows and seeds: other seeds too."""
    each_seed: tuple[float, ...]


def paired_gain(a: NDArray[np.int64], b: NDArray[np.int64], *, draws: int = 10_000) -> Paired:
    """Accuracy of a minus that of b on the same rows, with the same seeds.

    Args:
        a, b: (seeds, rows) of 0 and 1.

    Source: with d[s, i] = a[s, i] - b[s, i] and d[i] its mean over seeds, the gain is the mean of d[i]. Over rows:
        gain -+ t(n - 1) * sd(d[i]) / sqrt(n), the paired t interval. Over rows and seeds: the percentile bootstrap that
        draws rows, and independently seeds, with replacement (Owen 2007, the pigeonhole bootstrap, which is
        conservative); three seeds tell little of other seeds, so it is to be read as the wider of the two.
    """
    difference = (a - b).astype(np.float64)
    seeds, count = difference.shape
    by_row = difference.mean(axis=0)
    gain = float(by_row.mean())
    half = float(student.ppf(0.975, count - 1) * by_row.std(ddof=1) / np.sqrt(count))
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(draws):
        rows = random.integers(count, size=count)
        drawn.append(difference[random.integers(seeds, size=seeds)].mean(axis=0)[rows].mean())
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Paired(gain, (gain - half, gain + half), (float(low), float(high)), tuple(difference.mean(axis=1).tolist()))
