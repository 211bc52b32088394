"""Interval of a mean of labels' F1, which few rows a label do not bias.

In: what each row adds to macro-F1 (metrics/row_statistics.py).  Out: an Interval.
Not here: every other metric (bootstrap.py), one label's F1 (breakdowns.py).

With few rows a label the score itself is biased, as F1 is no mean of rows, and labels without rows are left out. A
resample of the rows repeats the bias, so that a bootstrap covers the true value too seldom. A label's F1 is
2 q / (1 + q) with q, the share of hits among the rows that carry or are given the label. Given the number of these
rows, hits are binomial. The labels' q are drawn from their posterior under a prior that all labels share: a beta whose
mean may rise or fall with the label's rows (rare labels are often harder, or easier) and whose parameters are drawn
too. Labels share rows, and rows of a cluster are alike: the draws are spread by what that does to the variance. What it
covers is in docs/log.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from liftune.evaluation.statistics.clustered import expanded
from liftune.evaluation.statistics.intervals import CONFIDENCE
from liftune.metrics.row_statistics import Floats, Ints, Sums
from liftune.records.base import Interval

DRAWS = 2_000
#: Prior deviation of the slope of the logit of q over the logarithm of a label's rows.
_SLOPE = 0.7
#: Prior mean and deviation of the logarithm of the beta's size, in rows: labels differ much, or not at all.
_SIZE, _SIZE_SPREAD = math.log(3.0), 1.2
#: Steps by which the curvature of the log-posterior is measured, of level, slope and log size.
_STEPS = np.array([0.1, 0.1, 0.2])
#: Degrees of freedom of the distribution that proposes parameters: heavier tails than the posterior's.
_FREEDOM = 5
#: Entries of the largest matrix of draws held at once.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class _Side:
    """One evaluation: draws of its mean F1, sorted, and how its rows move it."""

    value: float
    drawn: Floats
    influence: Floats
    """(N,) what each row adds to the mean, but for a factor."""
    independent: float
    """The sum of squared influences were the labels' hits and misses of different rows."""


def mean_f1_interval(
    statistics: Sequence[Sums],
    known: int,
    clusters: Ints | None,
    *,
    draws: int = DRAWS,
    confidence: float = CONFIDENCE,
    seed: int = 0,
) -> Interval:
    """The mean of labels' F1, averaged over evaluations of the same N rows, with its interval.

    The interval is for the mean over all L labels, also those that these rows lack and that the score must leave out.

    Args:
        statistics: of `f1_sums(..., "macro", L)`, one for each evaluation.
        known: labels that can be predicted, the first of L; the F1 of every other label is zero.
        clusters: (N,) each row's cluster; None where rows are independent.

    Source: a hierarchical beta-binomial model, Gelman et al. (2013), Bayesian Data Analysis, section 5.3, its
        parameters drawn by importance resampling around the mode; the design effect by the mean's influence function.
    """
    rows = statistics[0].rows.shape[0]
    if any(math.isnan(float(each.values(np.ones((1, rows)))[0])) for each in statistics):
        return Interval(value=None, note="undefined on these rows: no label occurs or is predicted")
    units = rows if clusters is None else int(clusters.max()) + 1
    value = float(np.mean([float(each.values(np.ones((1, rows)))[0]) for each in statistics]))
    if clusters is not None and units < 2:
        return Interval(value=value, note="no interval: all rows are of one group or text")
    rng = np.random.default_rng(seed)
    sides = [_side(rng, each, known, clusters, draws) for each in statistics]
    influence = np.mean([each.influence for each in sides], axis=0)
    independent = float(np.mean([each.independent for each in sides]))
    wider = math.sqrt(float((influence**2).sum()) / independent) if independent > 0.0 else 1.0
    drawn = np.mean([each.drawn for each in sides], axis=0)
    drawn = drawn.mean() + wider * (drawn - drawn.mean())
    tail = (1.0 - (confidence if clusters is None else expanded(units, confidence))) / 2.0
    low, high = np.quantile(drawn, [tail, 1.0 - tail])
    return Interval(
        value=value, low=max(0.0, min(low, value)), high=min(1.0, max(high, value)), note=_absent(statistics)
    )


def _absent(statistics: Sequence[Sums]) -> str | None:
    """What to say of labels that the rows lack."""
    labels = statistics[0].rows.shape[1] // 3
    absent = int((np.sum([_total(each) for each in statistics], axis=0).reshape(3, labels).sum(axis=0) < 0.5).sum())
    if absent == 0:
        return None
    return f"{absent} of {labels} labels are not in these rows: the interval is of the mean over all labels"


def _side(rng: Generator, sums: Sums, known: int, clusters: Ints | None, draws: int) -> _Side:
    labels = sums.rows.shape[1] // 3
    value = float(sums.values(np.ones((1, sums.rows.shape[0])))[0])
    hits, given, true = (np.asarray(each, dtype=np.float64) for each in np.split(_total(sums), 3))
    misses = given + true - 2.0 * hits
    effect = 1.0 if clusters is None else _design_effect(sums, hits, misses, clusters)
    drawn, middle = np.zeros(draws), np.zeros(labels)
    parameters = _parameters(rng, hits[:known] / effect, misses[:known] / effect, draws)
    step = max(1, _CHUNK // max(1, known))
    for start in range(0, draws, step):
        f1 = _drawn_f1(rng, parameters[start : start + step], hits[:known] / effect, misses[:known] / effect)
        drawn[start : start + step] = f1.sum(axis=1) / labels
        middle[:known] += f1.sum(axis=0) / draws
    influence = _influence(sums, hits, misses, middle)
    scale = _scale(hits, misses)
    independent = ((2.0 - 2.0 * middle) ** 2 * hits + middle**2 * misses) * scale**2
    return _Side(value, np.sort(drawn), influence, float(independent.sum()))


def _total(sums: Sums) -> Floats:
    return np.asarray(sums.rows.sum(axis=0)).ravel()


def _scale(hits: Floats, misses: Floats) -> Floats:
    """(L,) one over predictions and occurrences of each label; 0 for a label without any."""
    both = 2.0 * hits + misses
    return np.asarray(np.where(both > 0.5, 1.0 / np.maximum(both, 1.0), 0.0))


def _influence(sums: Sums, hits: Floats, misses: Floats, f1: Floats) -> Floats:
    """(N,) how each row moves the sum of the labels' F1, linearised at `f1`."""
    scale = _scale(hits, misses)
    return np.asarray(sums.rows @ np.concatenate([2.0 * scale, -f1 * scale, -f1 * scale])).ravel()


def _design_effect(sums: Sums, hits: Floats, misses: Floats, clusters: Ints) -> float:
    """How many rows are worth one independent row, one at least: variance by clusters over that by rows."""
    share = float(hits.sum()) / max(1.0, float((hits + misses).sum()))
    middle = 2.0 * (hits + share) / (2.0 * hits + misses + 1.0 + share)  # drawn a little towards that of all labels
    influence = _influence(sums, hits, misses, middle)
    by_cluster = np.bincount(clusters, weights=influence)
    by_rows = float((influence**2).sum())
    return max(1.0, float((by_cluster**2).sum()) / by_rows) if by_rows > 0.0 else 1.0


# The labels' common prior ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Labels:
    """Labels of equal counts counted once."""

    hits: Floats
    misses: Floats
    size: Floats
    """The logarithm of their rows, centred over labels."""
    count: Floats

    @classmethod
    def of(cls, hits: Floats, misses: Floats) -> _Labels:
        pairs, count = np.unique(np.stack([hits, misses]), axis=1, return_counts=True)
        size = np.log(pairs.sum(axis=0) + 0.5)
        return cls(pairs[0], pairs[1], size - (size * count).sum() / count.sum(), count.astype(np.float64))

    def log_posterior(self, parameters: Floats) -> Floats:
        """(P,) of level, slope and log size of the beta, (P, 3), but for a constant."""
        from scipy.special import betaln, log_expit

        level, slope, size = parameters.T
        a, b = _beta(parameters, self.size)
        likelihood = (self.count * (betaln(a + self.hits, b + self.misses) - betaln(a, b))).sum(axis=1)
        prior = log_expit(level) + log_expit(-level) - 0.5 * (slope / _SLOPE) ** 2
        return np.asarray(likelihood + prior - 0.5 * ((size - _SIZE) / _SIZE_SPREAD) ** 2)


def _beta(parameters: Floats, size: Floats) -> tuple[Floats, Floats]:
    """The two parameters of each label's beta, (P, L)."""
    from scipy.special import expit

    level, slope, log_size = (each[:, None] for each in parameters.T)
    mean = np.clip(expit(level + slope * size), 1e-6, 1.0 - 1e-6)
    rows = np.exp(np.clip(log_size, -8.0, 12.0))
    return mean * rows, (1.0 - mean) * rows


def _parameters(rng: Generator, hits: Floats, misses: Floats, draws: int) -> Floats:
    """(draws, 3) parameters of the prior, from their posterior."""
    from scipy.optimize import minimize

    labels = _Labels.of(hits, misses)
    share = (hits.sum() + 1.0) / ((hits + misses).sum() + 2.0)
    start = np.array([math.log(share / (1.0 - share)), 0.0, _SIZE])
    mode = minimize(
        lambda point: -float(labels.log_posterior(point[None])[0]),
        start,
        method="Nelder-Mead",
        options={"xatol": 0.02, "fatol": 0.01},
    ).x
    curvature, axes = np.linalg.eigh(_curvature(labels, mode))
    normal = rng.normal(size=(2 * draws, 3))
    squares = rng.chisquare(_FREEDOM, 2 * draws) / _FREEDOM
    away = normal @ (1.1 * axes / np.sqrt(np.maximum(curvature, 0.3))).T
    points = mode + away / np.sqrt(squares)[:, None]
    proposed = -0.5 * (_FREEDOM + 3.0) * np.log1p((normal**2).sum(axis=1) / squares / _FREEDOM)
    step = max(1, _CHUNK // len(labels.count))
    posterior = [labels.log_posterior(points[i : i + step]) for i in range(0, len(points), step)]
    weights = np.concatenate(posterior) - proposed
    weights = np.exp(weights - weights.max())
    return np.asarray(points[rng.choice(len(points), draws, p=weights / weights.sum())])


def _curvature(labels: _Labels, mode: Floats) -> Floats:
    """(3, 3) minus the second derivatives of the log-posterior, by differences."""
    steps = np.diag(_STEPS)
    found = np.empty((3, 3))
    for i in range(3):
        for j in range(3):
            corners = [mode + s * steps[i] + t * steps[j] for s, t in ((1, 1), (1, -1), (-1, 1), (-1, -1))]
            high = labels.log_posterior(np.array(corners))
            found[i, j] = -(high[0] - high[1] - high[2] + high[3]) / (4.0 * _STEPS[i] * _STEPS[j])
    return found


def _drawn_f1(rng: Generator, parameters: Floats, hits: Floats, misses: Floats) -> Floats:
    """(P, L) each label's F1, drawn from its posterior."""
    size = np.log(hits + misses + 0.5)
    a, b = _beta(parameters, size - size.mean())
    share = rng.beta(a + hits, b + misses)
    return np.asarray(2.0 * share / (1.0 + share))
