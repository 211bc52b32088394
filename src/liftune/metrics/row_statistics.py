"""What each row adds to a metric, so that a bootstrap of thousands of resamples is a matrix product.

In: targets and predictions as arrays.  Out: Statistics, whose `values(weights)` gives the metric of every resample.
Not here: the metrics themselves (registry.py), losses of rows (tasks/), drawing resamples
(evaluation/statistics/bootstrap.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Ints: TypeAlias = NDArray[np.int64]
F1Average: TypeAlias = Literal["micro", "macro"]
Targets: TypeAlias = NDArray[Any]


class Statistics(Protocol):
    """Rows of one contender under one metric."""

    @property
    def groups(self) -> Ints:
        """(N,) rows of equal number add exactly the same, so that resamples need only count them."""
        ...

    def take(self, rows: Ints) -> Self:
        """The statistics of these rows only."""
        ...

    def values(self, weights: Floats) -> Floats:
        """(R,) the metric of each resample; `weights` (R, N) says how often it holds each row. NaN where undefined."""
        ...


@dataclass(frozen=True)
class Sums:
    """Statistics that add up: (N, K) rows, dense or scipy CSR, and a function of their (R, K) totals and (R,) row
    counts."""

    rows: Any
    groups: Ints
    combine: Callable[[Floats, Floats], Floats]

    def take(self, rows: Ints) -> Sums:
        """The statistics of these rows only."""
        return Sums(self.rows[rows], self.groups[rows], self.combine)

    def totals(self, weights: Floats) -> Floats:
        """(R, K) weighted totals."""
        return times(weights, self.rows)

    def values(self, weights: Floats) -> Floats:
        """(R,) the metric of each resample."""
        return self.combine(self.totals(weights), weights.sum(axis=1))


def times(weights: Floats, rows: Any) -> Floats:
    """weights (R, N) @ rows (N, K), rows dense or CSR, as a dense array."""
    return weights @ rows if isinstance(rows, np.ndarray) else np.asarray((rows.T @ weights.T).T)


def mean(totals: Floats, rows: Floats) -> Floats:
    """(R,) mean of the only column."""
    return np.asarray(totals[:, 0] / rows)


def root_mean(totals: Floats, rows: Floats) -> Floats:
    """(R,) root of the mean of the only column; rounding may leave a sum of squares just below zero."""
    return np.asarray(np.sqrt(np.maximum(totals[:, 0], 0.0) / rows))


# F1 -------------------------------------------------------------------------------------------------------------------


def f1_sums(truth: NDArray[Any], predicted: NDArray[Any], average: F1Average, labels: int) -> Sums:
    """Columns: hits of each label, predictions of each label, occurrences of each label (K = 3 L; micro: K = 3).

    Args:
        truth, predicted: (N,) label indices, or (N, L) indicators.
        labels: L, the same for all contenders of a comparison.
    """
    from scipy.sparse import csr_array, hstack

    if truth.ndim == 1:
        groups = truth.astype(np.int64) * labels + predicted
        ones, ends = np.ones(len(truth)), np.arange(len(truth) + 1)
        given = csr_array((ones, predicted, ends), shape=(len(truth), labels))
        true = csr_array((ones, truth, ends), shape=(len(truth), labels))
        hits = csr_array(true.multiply(given))
    else:
        packed = np.packbits(np.hstack([truth, predicted]).astype(bool), axis=1)
        groups = distinct_rows(packed)
        hits, given, true = (csr_array(each.astype(np.float64)) for each in (truth & predicted, predicted, truth))
    if average == "micro":
        return Sums(np.column_stack([each.sum(axis=1) for each in (hits, given, true)]), groups, _f1_combine)
    return Sums(csr_array(hstack([hits, given, true])), groups, _f1_combine)


def distinct_rows(rows: NDArray[np.uint8]) -> Ints:
    """(N,) a number for each row, equal where the bytes of the rows are."""
    keys = np.ascontiguousarray(rows).view(np.dtype((np.void, rows.shape[1])))[:, 0]
    return np.asarray(np.unique(keys, return_inverse=True)[1], dtype=np.int64).reshape(-1)


def _f1_combine(totals: Floats, rows: Floats) -> Floats:
    """2 hits / (predicted + occurring), averaged over the labels that are predicted or occur; NaN where none is."""
    hits, given, true = np.split(totals, 3, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        present = given + true > 0.5  # counts are whole: a half separates one from a rounded zero
        each = np.where(present, 2.0 * hits / (given + true), 0.0)
        return np.asarray(each.sum(axis=1) / present.sum(axis=1))


# Correlations ---------------------------------------------------------------------------------------------------------


def moment_sums(targets: NDArray[Any], predictions: NDArray[Any]) -> Sums:
    """Columns x, y, xx, yy, xy of standardised targets and predictions.

    A correlation does not depend on location and scale, so each is standardised first: the moments stay free of
    cancellation, and a test that swaps the predictions of two contenders compares their shapes and not their units.
    """
    x, y = _standard(targets), _standard(predictions)
    return Sums(np.column_stack([x, y, x * x, y * y, x * y]), np.arange(len(x)), _correlate)


def _standard(values: NDArray[Any]) -> Floats:
    values = np.asarray(values, dtype=np.float64)
    if np.ptp(values) == 0:
        return np.zeros(len(values))
    return np.asarray((values - values.mean()) / values.std())


def _correlate(totals: Floats, rows: Floats) -> Floats:
    x, y, xx, yy, xy = (totals / rows[:, None]).T
    return _ratio(xy - x * y, xx - x * x, yy - y * y)


def _ratio(covariance: Floats, variance_x: Floats, variance_y: Floats, least: float = 1e-12) -> Floats:
    """Covariance over both deviations; NaN where a side does not vary."""
    varies = (variance_x > least) & (variance_y > least)
    scale = np.sqrt(np.where(varies, variance_x * variance_y, 1.0))
    return np.where(varies, np.clip(covariance / scale, -1.0, 1.0), np.nan)


@dataclass(frozen=True)
class RankStatistics:
    """Spearman's correlation, every resample ranked anew.

    Ranks do not add up, but weights give them without sorting again: the mid-rank of a tie group is the weight before
    it, plus half of its own weight and one half.
    """

    targets: Floats
    predictions: Floats

    @property
    def groups(self) -> Ints:
        """Every row is its own."""
        return np.arange(len(self.targets))

    def take(self, rows: Ints) -> RankStatistics:
        """The statistics of these rows only."""
        return RankStatistics(self.targets[rows], self.predictions[rows])

    @cached_property
    def _rankers(self) -> tuple[Callable[[Floats], Floats], ...]:
        return tuple(_ranker(side) for side in (self.targets, self.predictions))

    def values(self, weights: Floats) -> Floats:
        """(R,) the correlation of each resample's mid-ranks."""
        size = weights.sum(axis=1)
        x, y = (ranks(weights) - (size[:, None] + 1.0) / 2.0 for ranks in self._rankers)
        weighted = weights * x
        covariance, xx = (np.einsum("rn,rn->r", weighted, side) for side in (y, x))
        yy = np.einsum("rn,rn,rn->r", weights, y, y)
        return _ratio(covariance / size**3, xx / size**3, yy / size**3)


def _ranker(values: Floats) -> Callable[[Floats], Floats]:
    order = np.argsort(values, kind="stable")
    group_of_row = np.unique(values, return_inverse=True)[1].reshape(-1)
    starts = np.flatnonzero(np.diff(group_of_row[order], prepend=-1))
    return partial(_mid_ranks, order=order, starts=starts, group_of_row=group_of_row)


def _mid_ranks(weights: Floats, *, order: Ints, starts: Ints, group_of_row: Ints) -> Floats:
    own = np.add.reduceat(weights[:, order], starts, axis=1)
    mid = np.cumsum(own, axis=1) - own + (own + 1.0) / 2.0
    return np.asarray(mid[:, group_of_row])
