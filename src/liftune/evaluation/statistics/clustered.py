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
    columns = np.column_stack([added, sizes])
    # Clusters that add the same are one cell of resamples: of a score of single rows there are few kinds.
    alike = np.unique(columns, axis=0, return_inverse=True)[1] if columns.shape[1] == 2 else np.arange(len(sizes))
    return Sums(
        columns,
        np.asarray(alike, dtype=np.int64).reshape(-1),
        lambda totals, _: sums.combine(totals[:, :-1], totals[:, -1]),
    )


def cluster_means(values: Floats, clusters: Ints) -> Floats:
    """(S, G) numbers of each cluster whose mean is that of all rows, and whose spread is what clusters make of it.

    A cluster of n rows with the sum t counts as m + (t - m n) G / N, for the mean m of all N rows.

    Args:
        values: (S, N) of each row, or (N,); clusters: (N,) from 0.

    Source: the linearised ratio of totals to sizes, Cochran (1977), Sampling Techniques, section 2.11.
    """
    rows = np.atleast_2d(values)
    sizes = np.bincount(clusters)
    totals = np.stack([np.bincount(clusters, weights=row) for row in rows])
    middle = float(rows.mean())
    return np.asarray(middle + (totals - middle * sizes) * (len(sizes) / len(clusters)))


def agreement(hits: Floats, clusters: Ints) -> float:
    """How alike the rows of a cluster are, from 0, as independent ones, to 1, as copies; 1 where no row differs.

    Args:
        hits: (N,) numbers; clusters: (N,) from 0.

    Source: the analysis-of-variance estimator of the intraclass correlation, Donner (1986).
    """
    sizes = np.bincount(clusters).astype(np.float64)
    groups, rows = len(sizes), len(clusters)
    means = np.bincount(clusters, weights=hits) / sizes
    within = float(((hits - means[clusters]) ** 2).sum())
    if groups < 2 or rows == groups or (within == 0.0 and np.ptp(means) == 0.0):
        return 1.0
    within /= rows - groups
    between = float((sizes * (means - hits.mean()) ** 2).sum()) / (groups - 1)
    size = (rows - float((sizes**2).sum()) / rows) / (groups - 1)
    return max(0.0, (between - within) / (between + (size - 1.0) * within))


def effective_rows(clusters: Ints, alike: float, confidence: float | None = None) -> float:
    """How many independent rows these are worth.

    Args:
        clusters: (N,) each row's, of the rows whose proportion it is.
        alike: the agreement of rows of a cluster.
        confidence: for the ends of an exact interval of a proportion, which few clusters widen; None for nothing else
            than the design effect.

    Source: the effective sample size of Korn and Graubard (1998), with its correction for few clusters, by Kish's
        design effect. What it covers is in docs/log.md.
    """
    from scipy.stats import t

    sizes = np.unique(clusters, return_counts=True)[1].astype(np.float64)
    rows = float(sizes.sum())
    effective = rows / (1.0 + (float((sizes**2).sum()) / rows - 1.0) * alike)
    if confidence is None or len(sizes) < 2 or len(sizes) == rows:
        return effective
    level = 0.5 + confidence / 2.0
    return effective * float(t.ppf(level, rows - 1) / t.ppf(level, len(sizes) - 1)) ** 2


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
        note = "no interval: all rows are of one group or text"
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
        clusters: (N,) each row's group; None where rows are independent.
    """
    if clusters is None:
        rows = len(statistics[0].groups)
        confidence = expanded(rows) if rows > 1 else CONFIDENCE
        return bca_bootstrap(statistics, combine, confidence=confidence, seed=seed)
    return group_bootstrap(statistics, combine, clusters, seed=seed)
