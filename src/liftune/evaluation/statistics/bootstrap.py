"""Bootstrap intervals and randomisation tests for metrics that are not a proportion.

In: row statistics (metrics/row_statistics.py).  Out: an interval with its standard error; a p-value.
Not here: exact statistics of right and wrong (intervals.py), the verdict (compare.py).

Rows that add exactly the same are one cell, and a resample is how often it holds each cell: a bootstrap is a product of
a matrix of counts with the cells, in chunks of bounded memory.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from liftune.evaluation.statistics.intervals import CONFIDENCE
from liftune.metrics.row_statistics import Floats, Ints, Statistics, Sums, distinct_rows, times
from liftune.records.base import Interval

RESAMPLES = 2_000
DRAWS = 9_999

#: Entries of the largest matrix of weights held at once: 32 MB of float64.
_CHUNK = 4_000_000
#: Rows left out, one at a time, to estimate the acceleration: beyond these its estimate no longer moves the interval.
_JACKKNIFE_ROWS = 2_000
#: A cell's binomial count takes about as long to draw as this many rows one by one.
_ROWS_PER_BINOMIAL = 8
#: Swap patterns enumerated rather than drawn.
_ENUMERATED = 2**14

Value = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Tail:
    """What decides the ends of an interval at any level.

    Args:
        drawn: (R,) the value on each resample.
        bias, acceleration: of the bias-corrected and accelerated bootstrap.
    """

    drawn: Floats
    whole: float
    bias: float
    acceleration: float

    @classmethod
    def of(cls, drawn: Floats, whole: float, acceleration: float) -> Tail:
        """The bias is what the resamples below the value say of it, equal ones counting half."""
        from scipy.stats import norm

        bias = float(norm.ppf(_within(_share_below(drawn, whole), len(drawn))))
        return cls(drawn, whole, bias, acceleration)

    def ends(self, confidence: float) -> tuple[float, float]:
        """The quantiles of the resamples at the corrected levels."""
        from scipy.stats import norm

        tail = (1.0 - confidence) / 2.0
        shifted = self.bias + norm.ppf([tail, 1.0 - tail])
        slope = 1.0 - self.acceleration * shifted
        if (slope <= 0).any():  # past the pole the correction turns round; the bias alone is then the safer one
            slope = np.ones(2)
        low, high = np.quantile(self.drawn, norm.cdf(self.bias + shifted / slope))
        return float(low), float(high)

    def level_of(self, end: float) -> float:
        """The one-sided level at which the lower end of the interval is this: `ends`, inverted."""
        from scipy.stats import norm

        away = float(norm.ppf(_within(_share_below(self.drawn, end), len(self.drawn)))) - self.bias
        slope = 1.0 + self.acceleration * away
        return float(norm.cdf(away / (slope if slope > 0.0 else 1.0) - self.bias))


def _share_below(drawn: Floats, value: float) -> float:
    same = np.isclose(drawn, value, rtol=1e-12, atol=1e-12)
    return float(((drawn < value) & ~same).mean() + 0.5 * same.mean())


def _within(share: float, draws: int) -> float:
    """A share that has a quantile."""
    edge = 0.5 / draws
    return min(max(share, edge), 1.0 - edge)


@dataclass(frozen=True)
class Bootstrap:
    """A bootstrap's interval, its standard error and its tails (None where no resample gave a value)."""

    interval: Interval
    standard_error: float | None
    tail: Tail | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Cells:
    """Distinct rows: one row that stands for each, (M,), how many there are, (M,), and each row's cell, (N,)."""

    rows: Ints
    counts: Ints
    of_row: Ints

    @classmethod
    def joint(cls, statistics: Sequence[Statistics]) -> Cells:
        """Rows are one cell where all the statistics agree on them."""
        groups = np.column_stack([each.groups for each in statistics]).astype(np.int64)
        keys = distinct_rows(groups.view(np.uint8).reshape(len(groups), -1)) if groups.shape[1] > 1 else groups[:, 0]
        _, rows, of_row, counts = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        return cls(rows, counts, of_row.reshape(-1))


def bca_bootstrap(
    statistics: Sequence[Statistics],
    combine: Callable[[list[Floats]], Floats],
    *,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Bootstrap:
    """Bias-corrected and accelerated interval of a function of metrics on the same rows.

    Args:
        statistics: one for each contender or seed, all over the same N rows, which are resampled together.
        combine: the metrics of R resamples, one (R,) array each, to the (R,) values: a mean over seeds, or a gain.

    The interval is null, with a note, where resampling says nothing: one row, an undefined value, or no spread at all.
    Resamples on which the metric is undefined are left out.

    Source: Efron (1987), with the jackknife's acceleration; DiCiccio and Efron (1996).
    """
    cells = Cells.joint(statistics)
    taken = [each.take(cells.rows) for each in statistics]

    def value(weights: Floats) -> Floats:
        return combine([each.values(weights) for each in taken])

    whole = float(value(cells.counts[None].astype(np.float64))[0])
    if math.isnan(whole):
        return Bootstrap(
            Interval(value=None, note="undefined on these rows: the predictions or the targets are constant"), None
        )
    rng = np.random.default_rng(seed)
    drawn = np.concatenate([value(weights) for weights in _resamples(rng, cells, resamples)])
    drawn = drawn[~np.isnan(drawn)]
    if len(drawn) < resamples // 2 or np.ptp(drawn) <= 1e-12 * max(1.0, abs(whole)):
        note = "no confidence interval: the score does not vary between resamples, or none of them has one"
        return Bootstrap(Interval(value=whole, note=note), None)
    tail = Tail.of(drawn, whole, _acceleration(rng, cells, value))
    low, high = tail.ends(confidence)
    return Bootstrap(Interval(value=whole, low=low, high=high), float(drawn.std(ddof=1)), tail)


def resampled_values(
    statistics: Sequence[Statistics], *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[Floats, Floats]:
    """Each of K metrics on the rows as they are, (K,), and on R bootstrap resamples of them, (R, K).

    Args:
        statistics: K of them, all over the same N rows, which are resampled together.

    Resamples on which a metric is undefined are left out.
    """
    cells = Cells.joint(statistics)
    taken = [each.take(cells.rows) for each in statistics]

    def values(weights: Floats) -> Floats:
        return np.column_stack([each.values(weights) for each in taken])

    rng = np.random.default_rng(seed)
    drawn = np.concatenate([values(weights) for weights in _resamples(rng, cells, resamples)])
    return values(cells.counts[None].astype(np.float64))[0], drawn[~np.isnan(drawn).any(axis=1)]


def _resamples(rng: Generator, cells: Cells, draws: int) -> Iterator[Floats]:
    """(R, M) how often each of R resamples holds each cell, in chunks until there are `draws` of them."""
    size, rows = len(cells.counts), len(cells.of_row)
    few = size * _ROWS_PER_BINOMIAL <= rows
    step = max(1, _CHUNK // (size if few else rows))
    for start in range(0, draws, step):
        count = min(step, draws - start)
        if few:
            yield rng.multinomial(rows, cells.counts / rows, size=count).astype(np.float64)
        else:
            held = cells.of_row[rng.integers(0, rows, size=(count, rows), dtype=np.int32)]
            held += np.arange(count)[:, None] * size
            yield np.bincount(held.ravel(), minlength=count * size).reshape(count, size).astype(np.float64)


def _acceleration(rng: Generator, cells: Cells, value: Value) -> float:
    """Skewness of the value as single rows are left out, over 6 sqrt(N)."""
    rows, size = len(cells.of_row), len(cells.counts)
    if rows < 3:
        return 0.0
    if size <= _JACKKNIFE_ROWS:
        left_out, share = np.arange(size), cells.counts / rows
    else:
        left_out = rng.choice(size, _JACKKNIFE_ROWS, p=cells.counts / rows)
        share = np.full(_JACKKNIFE_ROWS, 1.0 / _JACKKNIFE_ROWS)
    step = max(1, _CHUNK // size)
    parts = []
    for start in range(0, len(left_out), step):
        gone = left_out[start : start + step]
        weights = np.repeat(cells.counts[None].astype(np.float64), len(gone), axis=0)
        weights[np.arange(len(gone)), gone] -= 1.0
        parts.append(value(weights))
    values = np.concatenate(parts)
    known = ~np.isnan(values)
    if not known.any():
        return 0.0
    values, share = values[known], share[known] / share[known].sum()
    away = (share * values).sum() - values
    spread = float((share * away**2).sum())
    return 0.0 if spread <= 0 else float((share * away**3).sum() / (6.0 * math.sqrt(rows) * spread**1.5))


def randomisation_test(base: Sums, tuned: Sums, *, draws: int = DRAWS, seed: int = 0) -> float:
    """Two-sided p-value that the two contenders are interchangeable row by row, by the difference of their metric.

    Each row's two predictions are swapped or not, by a fair coin. Where the patterns that matter are few they are all
    enumerated, weighted by their chance, and the p-value is exact; otherwise it is (k + 1) / (draws + 1) for the k
    draws that differ as much as observed. A pattern on which the metric is undefined counts as such a one.

    Source: Fisher's randomisation; Noreen (1989), Yeh (2000) for metrics of language tasks; Phipson and Smyth (2010)
    for the + 1.
    """
    cells = Cells.joint([base, tuned])
    ours, theirs = base.take(cells.rows), tuned.take(cells.rows)
    everything = cells.counts[None].astype(np.float64)
    base_total, tuned_total = ours.totals(everything), theirs.totals(everything)
    rows = np.array([float(len(cells.of_row))])

    def apart(shift: Floats) -> Floats:
        return tuned.combine(tuned_total - shift, rows) - base.combine(base_total + shift, rows)

    difference = theirs.rows - ours.rows
    changed = np.flatnonzero(np.asarray(abs(difference).sum(axis=1)).ravel() > 0)
    observed = abs(float(apart(np.zeros_like(base_total))[0]))
    if len(changed) == 0 or math.isnan(observed):
        return 1.0
    least = observed - 1e-10 * max(1.0, observed)  # a tie is as extreme, however it was rounded
    difference, counts = difference[changed], cells.counts[changed]

    def extreme(swaps: Floats) -> Floats:
        return np.asarray(~(np.abs(apart(times(swaps, difference))) < least), dtype=np.float64)

    if np.log(counts + 1.0).sum() <= math.log(_ENUMERATED) + 1e-9:
        swaps, chance = _all_swaps(counts)
        return min(1.0, float(extreme(swaps) @ chance))
    if counts.sum() < _ROWS_PER_BINOMIAL * len(counts):
        rows_of_cells = np.repeat(np.arange(len(counts)), counts)
        difference, counts = difference[rows_of_cells], np.ones(len(rows_of_cells), dtype=np.int64)
    rng = np.random.default_rng(seed)
    hits = sum(extreme(swaps).sum() for swaps in _drawn_swaps(rng, counts, draws))
    return float((hits + 1.0) / (draws + 1.0))


def _all_swaps(counts: Ints) -> tuple[Floats, Floats]:
    """Every way to swap 0 to counts[i] rows of cell i, (P, M), and its chance, (P,)."""
    from scipy.stats import binom

    swaps = np.stack(np.meshgrid(*[np.arange(count + 1) for count in counts], indexing="ij"), axis=-1)
    swaps = swaps.reshape(-1, len(counts))
    return swaps.astype(np.float64), np.asarray(binom.pmf(swaps, counts, 0.5).prod(axis=1))


def _drawn_swaps(rng: Generator, counts: Ints, draws: int) -> Iterator[Floats]:
    """(R, M) rows swapped of each cell, in chunks until there are `draws` of them."""
    single = bool((counts == 1).all())
    step = max(1, _CHUNK // len(counts))
    for start in range(0, draws, step):
        shape = (min(step, draws - start), len(counts))
        if single:
            coins = rng.integers(0, 256, size=(shape[0], -(-shape[1] // 8)), dtype=np.uint8)
            yield np.unpackbits(coins, axis=1, count=shape[1]).astype(np.float64)
        else:
            yield rng.binomial(counts, 0.5, size=shape).astype(np.float64)
