"""Statistics for rows that come in groups, as the texts of one author do: groups are resampled and swapped, not rows.

In: row statistics and each row's group.  Out: the same statistics with a group in the place of a row, for the bootstrap
and the randomisation test of bootstrap.py; the confidence to ask of the bootstrap.
Not here: which comparisons are grouped (compare.py), which scores are (evaluate.py).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from liftune.evaluation.statistics.bootstrap import Bootstrap, bca_bootstrap
from liftune.evaluation.statistics.intervals import CONFIDENCE
from liftune.metrics.row_statistics import Floats, Ints, Statistics, Sums
from liftune.records.base import Interval

#: Entries of the largest matrix of row weights held at once.
_CHUNK = 4_000_000
#: Of two groups the tail would be too small for a float64: the interval then spans all resamples.
_LEAST_TAIL = 1e-12


def clusters_of(groups: Sequence[str]) -> Ints:
    """(N,) each row's group as a number from 0."""
    return np.asarray(np.unique(np.array(groups), return_inverse=True)[1], dtype=np.int64).reshape(-1)


def by_group(statistics: Statistics, clusters: Ints) -> Statistics:
    """The statistics with G groups in the place of N rows."""
    return (
        sums_by_group(statistics, clusters) if isinstance(statistics, Sums) else GroupStatistics(statistics, clusters)
    )


def sums_by_group(sums: Sums, clusters: Ints) -> Sums:
    """What each group adds; its last column is the group's rows, which the metric divides by."""
    from scipy.sparse import csr_array

    rows = len(clusters)
    member = csr_array((np.ones(rows), (clusters, np.arange(rows))), shape=(int(clusters.max()) + 1, rows))
    added = member @ sums.rows
    added = added if isinstance(added, np.ndarray) else added.toarray()
    sizes = np.bincount(clusters).astype(np.float64)
    return Sums(
        np.column_stack([added, sizes]),
        np.arange(len(sizes)),
        lambda totals, _: sums.combine(totals[:, :-1], totals[:, -1]),
    )


@dataclass(frozen=True)
class GroupStatistics:
    """Statistics that do not add up, such as ranks: a group's weight is that of each of its rows."""

    inner: Statistics
    clusters: Ints

    @property
    def groups(self) -> Ints:
        """Every group is its own."""
        return np.arange(int(self.clusters.max()) + 1)

    def take(self, rows: Ints) -> GroupStatistics:
        """The statistics of these groups only, in this order."""
        place = np.full(int(self.clusters.max()) + 1, -1)
        place[rows] = np.arange(len(rows))
        kept = np.flatnonzero(place[self.clusters] >= 0)
        return GroupStatistics(self.inner.take(kept), place[self.clusters[kept]])

    def values(self, weights: Floats) -> Floats:
        """(R,) the metric of each resample of groups, (R, G)."""
        step = max(1, _CHUNK // len(self.clusters))
        parts = [
            self.inner.values(weights[start : start + step][:, self.clusters]) for start in range(0, len(weights), step)
        ]
        return np.concatenate(parts)


def expanded(groups: int, confidence: float = CONFIDENCE) -> float:
    """The confidence to ask of a bootstrap of so few groups, that it cover as often as it says.

    A bootstrap's spread is too narrow by sqrt((n - 1) / n), and it uses the normal's quantiles where Student's belong.

    >>> round(expanded(10), 4), round(expanded(1000), 4)
    (0.9829, 0.9504)

    Source: the expanded percentile interval of Hesterberg (2015), What Teachers Should Know About the Bootstrap.
    """
    from scipy.stats import norm, t

    tail = float(norm.cdf(-math.sqrt(groups / (groups - 1)) * t.ppf(0.5 + confidence / 2.0, groups - 1)))
    return 1.0 - 2.0 * max(tail, _LEAST_TAIL)


def group_bootstrap(
    statistics: Sequence[Statistics],
    combine: Callable[[list[Floats]], Floats],
    clusters: Ints,
    *,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Bootstrap:
    """As `bca_bootstrap`, drawing whole groups; null, with a note, where there is one group only.

    Args:
        clusters: (N,) each row's group.
    """
    groups = int(clusters.max()) + 1
    whole = [by_group(each, clusters) for each in statistics]
    if groups < 2:
        value = float(combine([each.values(np.ones((1, groups))) for each in whole])[0])
        note = "no interval: all rows are of one group"
        return Bootstrap(Interval(value=None if math.isnan(value) else value, note=note), None)
    return bca_bootstrap(whole, combine, confidence=expanded(groups, confidence), seed=seed)


def bootstrap(
    statistics: Sequence[Statistics],
    combine: Callable[[list[Floats]], Floats],
    clusters: Ints | None,
    *,
    seed: int = 0,
) -> Bootstrap:
    """The bootstrap that fits the rows: of rows, or where these come in groups, of whole groups.

    Args:
        clusters: (N,) each row's group; None where rows do not come in groups.
    """
    if clusters is None:
        return bca_bootstrap(statistics, combine, seed=seed)
    return group_bootstrap(statistics, combine, clusters, seed=seed)
