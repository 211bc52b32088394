"""Whether a part of the rows scores as the others do: rows are dealt out to the part anew.

In: row statistics that add up, which rows are in the part, each row's cluster.  Out: a p-value.
Not here: two contenders on the same rows (bootstrap.py, intervals.py), which parts there are (evaluation/slices.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.random import Generator

from liftune.evaluation.statistics.bootstrap import DRAWS
from liftune.metrics.row_statistics import Floats, Ints, Sums
from liftune.types import BoolArray

#: Rows drawn in all: of a large part fewer draws are made, but never fewer than _LEAST_DRAWS.
_ROWS_DRAWN = 20_000_000
_LEAST_DRAWS = 1_999
#: Sizes of clusters up to which each is a kind of its own.
_OWN_SIZE = 4
#: With at most so many units that differ, how often each is drawn is counted; else units are drawn one by one.
_MOST_CELLS = 64


def proportion_test(hits: BoolArray, inside: BoolArray) -> float:
    """Two-sided p-value that hits are as frequent inside as outside, of independent rows: Fisher's exact test."""
    from scipy.stats import fisher_exact

    table = [[int((hits & part).sum()), int((~hits & part).sum())] for part in (inside, ~inside)]
    return float(fisher_exact(table).pvalue)


def membership_test(
    sums: Sums, inside: BoolArray, clusters: Ints | None, *, draws: int = DRAWS, seed: int = 0
) -> float:
    """Two-sided p-value that the rows inside are a random part of all, by the metric inside less outside.

    Rows of one cluster stay together. A cluster with rows on both sides counts as two, which makes the test no bolder:
    what its rows share cancels in the difference. A part gets as many clusters of about each size (1, 2, 3, 4, 5 to 7,
    8 to 15, ...) as it has, as large ones vary less. The p-value is twice the smaller of (k + 1) / (draws + 1), for the
    k draws at least as high as observed, and as low; a draw in which the metric is undefined counts as both.

    Args:
        sums: what each row adds to the metric.
        inside: (N,) whether a row is in the part; neither side may be empty.
        clusters: (N,) each row's cluster, from 0; None where rows are independent.

    Source: Pitman's permutation test of two samples (1937); Phipson and Smyth (2010) for the + 1.
    """
    rows, sizes, member = _units(sums, inside, clusters)
    columns = np.column_stack([rows, sizes])
    everything = columns.sum(axis=0)
    apart = _difference(sums.combine, everything)
    observed = float(apart(columns[member].sum(axis=0)[None])[0])
    if math.isnan(observed):
        return 1.0
    near = 1e-10 * max(1.0, abs(observed))  # a tie is as extreme, however it was rounded
    strata = np.where(sizes <= _OWN_SIZE, sizes, _OWN_SIZE + np.floor(np.log2(sizes)))
    fewer = min(int(member.sum()), int((~member).sum()))
    draws = max(_LEAST_DRAWS, min(draws, _ROWS_DRAWN // max(1, fewer)))
    totals = np.zeros((draws, columns.shape[1]))
    rng = np.random.default_rng(seed)
    for stratum in np.unique(strata):
        here = strata == stratum
        totals += _dealt(rng, columns[here], int(member[here].sum()), draws)
    drawn = apart(totals)
    extreme = min((~(drawn < observed - near)).sum(), (~(drawn > observed + near)).sum())
    return min(1.0, 2.0 * (float(extreme) + 1.0) / (draws + 1.0))


def _units(sums: Sums, inside: BoolArray, clusters: Ints | None) -> tuple[Floats, Floats, BoolArray]:
    """(U, K) sums, (U,) rows and (U,) side of the units that are dealt out."""
    rows: Floats = sums.rows if isinstance(sums.rows, np.ndarray) else sums.rows.toarray()
    if clusters is None:
        return rows, np.ones(len(rows)), inside
    kinds, unit = np.unique(clusters * 2 + inside, return_inverse=True)
    unit = unit.reshape(-1)
    added = np.column_stack([np.bincount(unit, weights=column, minlength=len(kinds)) for column in rows.T])
    return added.astype(np.float64), np.bincount(unit).astype(np.float64), np.asarray(kinds % 2 == 1)


def _difference(combine: Callable[[Floats, Floats], Floats], everything: Floats) -> Callable[[Floats], Floats]:
    """(D, K + 1) totals inside, the last their rows, to (D,) differences of the metric."""

    def apart(totals: Floats) -> Floats:
        rest = everything - totals
        with np.errstate(invalid="ignore", divide="ignore"):
            return combine(totals[:, :-1], totals[:, -1]) - combine(rest[:, :-1], rest[:, -1])

    return apart


def _dealt(rng: Generator, units: Floats, size: int, draws: int) -> Floats:
    """(D, K) totals of `size` of the units, drawn without putting back."""
    if size in (0, len(units)):
        return np.repeat(units[:size].sum(axis=0)[None], draws, axis=0)
    cells, counts = np.unique(units, axis=0, return_counts=True)
    if len(cells) <= _MOST_CELLS:
        return np.asarray(rng.multivariate_hypergeometric(counts, size, size=draws, method="marginals") @ cells)
    if 2 * size > len(units):
        return np.asarray(units.sum(axis=0) - _dealt(rng, units, len(units) - size, draws))
    return np.concatenate(list(_in_orders(rng, units, size, draws)))


def _in_orders(rng: Generator, units: Floats, size: int, draws: int) -> Iterator[Floats]:
    """Several parts are taken from each order of the units, one after the other."""
    parts = len(units) // size
    for start in range(0, draws, parts):
        order = rng.permutation(len(units))[: parts * size].reshape(parts, size)
        yield units[order].sum(axis=1)[: draws - start]
