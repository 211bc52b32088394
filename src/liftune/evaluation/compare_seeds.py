"""What a method gains, not one tuned model: several seeds on the same rows, the spread of both in the interval.

In: one contender's evaluation, and another's of several seeds.  Out: a Comparison whose `seeds` is their number.
Not here: the verdict on two models (compare.py), each seed's own scores (evaluate.py).

Rows and seeds are two crossed samples: the gain's variance is that of rows, plus that of seeds, which a row's own
dependence on the seed must not count twice. Each part takes its own t quantile, so that two degrees of freedom of three
seeds weigh as what they are. What the interval covers by simulation is in docs/log.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftune.errors import DataError
from liftune.evaluation.compare import LEAST_GROUPS, check_same_rows, decided, too_few
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.statistics.bootstrap import resampled_values
from liftune.evaluation.statistics.clustered import agreement, by_group, cluster_means, effective_rows
from liftune.evaluation.statistics.intervals import CONFIDENCE
from liftune.metrics.metric import Metric
from liftune.metrics.registry import check_metric
from liftune.metrics.row_statistics import Floats, Ints
from liftune.records.base import Comparison, Unit

_TESTS: dict[Unit, str] = {
    "row": "t test over rows and seeds at 0.05",
    "text": "t test over texts and seeds at 0.05",
    "group": "t test over groups and seeds at 0.05",
}


@dataclass(frozen=True)
class Spread:
    """A gain with the two parts of its variance.

    Args:
        value: of the gain; centre: of its interval, a little nearer to zero for a proportion.
        of_rows, of_seeds: variance of the gain by the choice of rows, and by that of seeds.
        rows: how many there are; clusters, where rows come in such.
        freedom: degrees of freedom of the latter; None is one less than the seeds.
    """

    value: float
    centre: float
    of_rows: float
    of_seeds: float
    rows: int
    seeds: int
    freedom: float | None = None

    def half_width(self, confidence: float = CONFIDENCE) -> float:
        """Half of the interval: the root of the two variances, each times the square of its own t quantile.

        Source: squared half-widths add, Howe (1974), for the mean of a sum of two independent samples.
        """
        from scipy.stats import t

        freedom = self.seeds - 1 if self.freedom is None else self.freedom
        by_rows, by_seeds = t.ppf((1.0 + confidence) / 2.0, [self.rows - 1, freedom])
        return math.sqrt(by_rows**2 * self.of_rows + by_seeds**2 * self.of_seeds)

    def p_value(self, true: float = 0.0) -> float:
        """One minus the confidence of the interval that just reaches the gain that may be the true one."""
        from scipy.optimize import brentq

        least, away = 1e-9, abs(self.centre - true)
        if self.half_width(1.0 - least) < away:
            return least
        if self.half_width(least) > away:
            return 1.0
        return float(brentq(lambda p: self.half_width(1.0 - p) - away, least, 1.0 - least))

    def above_p(self, least: float) -> float:
        """One-sided, that the true gain is `least` or less."""
        half = self.p_value(least) / 2.0
        return half if self.centre > least else 1.0 - half

    def below_p(self, most: float) -> float:
        """One-sided, that the true gain is `most` or more."""
        half = self.p_value(most) / 2.0
        return half if self.centre < most else 1.0 - half


def compare_seeds(a: Evaluation, attempts: Sequence[Evaluation], metric: str | None = None) -> Comparison:
    """The expected gain over seeds of one contender's attempts against another contender, on new rows.

    Args:
        attempts: one evaluation a seed, two at least, of the rows of `a`.

    Raises:
        DataError: there is one seed only, or the rows differ.
        SpecError: the metric is unknown or does not fit the task.
    """
    if len(attempts) < 2:
        raise DataError("one seed has no spread", hint="tune with two seeds or more: --seeds 0,1,2")
    for each in attempts:
        check_same_rows(a, each)
    measure = check_metric(metric, a.task)
    shown = {"a": a.name, "b": attempts[0].name, "metric": measure.name, "test": _TESTS[a.unit], "seeds": len(attempts)}
    shown |= {"unit": a.unit, "units": None if a.unit == "row" else a.independent_rows}
    if a.independent_rows < 2:
        values = [value for each in (a, *attempts) if (value := each.score(measure)) is not None]
        gain = measure.sign * float(np.mean(values[1:]) - values[0]) if len(values) == 1 + len(attempts) else None
        note = f"no interval: one test {a.unit} says nothing of the spread between {a.unit}s"
        return Comparison(**shown, gain=gain, low=None, high=None, p_value=1.0, verdict="undecided", note=note)
    spread = gain_spread(a, attempts, measure)
    if spread is None or spread.of_rows + spread.of_seeds <= 0.0:
        note = "no confidence interval: the gain is undefined on these rows, or does not vary between resamples"
        value = None if spread is None else spread.value
        return Comparison(**shown, gain=value, low=None, high=None, p_value=1.0, verdict="undecided", note=note)
    wide, p_value = spread.half_width(), spread.p_value()
    low, high = spread.centre - wide, spread.centre + wide
    few = a.clusters is not None and a.independent_rows < LEAST_GROUPS
    verdict = "undecided" if few else decided(p_value, spread.value)
    return Comparison(
        **shown,
        gain=spread.value,
        low=low,
        high=high,
        p_value=p_value,
        verdict=verdict,
        note=too_few(a) if few else None,
    )


def gain_spread(a: Evaluation, attempts: Sequence[Evaluation], metric: Metric) -> Spread | None:
    """The mean gain of attempts, two at least, with its spread over rows and seeds; None where it is undefined."""
    return _spread_of_proportion(a, attempts, metric) if metric.proportion else _spread_of(a, attempts, metric)


def _spread_of_proportion(a: Evaluation, attempts: Sequence[Evaluation], metric: Metric) -> Spread:
    base = a.hits(metric).astype(np.float64)
    return spread_of_rows(np.stack([each.hits(metric) - base for each in attempts]), a.clusters)


def spread_of_rows(gains: NDArray[np.float64], clusters: Ints | None = None) -> Spread:
    """The spread of a mean of row by row gains.

    Args:
        gains: (S, N) in [-1, 1], of each seed on each row, S and N two at least.
        clusters: (N,) each row's, two at least; None where rows are independent.

    Source: the variances of a two-way layout without replication. One more row is counted as won and one as lost, so
    that rows which all agree do not make certain: Bonett and Price (2012), for the difference of paired proportions.
    Where rows come in clusters, a cluster's part in the mean stands for a row (see `cluster_means`), and of those two
    rows each is as much as one independent row weighs among the clusters: a whole one where its rows are copies.
    """
    weight = 1.0
    if clusters is not None:
        worth = effective_rows(clusters, agreement(gains.mean(axis=0), clusters))
        weight = min(1.0, len(np.unique(clusters)) / worth)
        gains = cluster_means(gains, clusters)
    seeds, rows = gains.shape
    by_row, by_seed = gains.mean(axis=0), gains.mean(axis=1)
    value = float(gains.mean())
    own = own_variance(gains)
    counted = rows + 2 * weight
    centre = float(by_row.sum()) / counted
    of_rows = ((float((by_row**2).sum()) + 2.0 * weight**2) / counted - centre**2) / counted
    of_seeds = float(by_seed.var(ddof=1)) / seeds
    return Spread(value, centre, of_rows, max(of_seeds - own, 0.0), rows, seeds)


def own_variance(parts: Floats) -> float:
    """What rows' own dependence on the seed adds to the variance of a mean over rows and seeds.

    Both the variance over rows and that over seeds hold it.

    Args:
        parts: (S, N) of each seed on each row, or cluster of rows, S and N two at least.

    Source: the interaction of a two-way layout without replication.
    """
    seeds, rows = parts.shape
    apart = parts - parts.mean(axis=0) - parts.mean(axis=1)[:, None] + parts.mean()
    return float((apart**2).sum() / ((seeds - 1) * (rows - 1)) / (seeds * rows))


def own_resampled_variance(whole: Floats, drawn: Floats) -> float:
    """The same for a metric that is no mean of rows.

    Args:
        whole: (S,) its value under each seed; drawn: (R, S) on resamples of the rows.
    """
    apart = (drawn - drawn.mean(axis=1)[:, None]) - (whole - whole.mean())
    return float((apart**2).sum(axis=1).mean() / (len(whole) - 1) / len(whole))


def _spread_of(a: Evaluation, attempts: Sequence[Evaluation], metric: Metric) -> Spread | None:
    """The same for a metric that is no mean of rows: what rows do is seen by resampling them, for all together."""
    clusters, rows = a.clusters, a.independent_rows
    sides = [each.statistics(metric) for each in (a, *attempts)]
    sides = sides if clusters is None else [by_group(each, clusters) for each in sides]
    whole, drawn = resampled_values(sides)
    if np.isnan(whole).any() or len(drawn) < 2:
        return None
    gains: Floats = metric.sign * (whole[1:] - whole[0])
    moved: Floats = metric.sign * (drawn[:, 1:] - drawn[:, :1])
    seeds = len(gains)
    mean, own = moved.mean(axis=1), own_resampled_variance(gains, moved)
    of_seeds = max(float(gains.var(ddof=1)) / seeds - own, 0.0)
    value = float(gains.mean())
    # A bootstrap's variance is too small by (n - 1) / n, which matters where clusters are few.
    of_rows = float(mean.var(ddof=1)) * (1.0 if clusters is None else rows / (rows - 1))
    return Spread(value, value, of_rows, of_seeds, rows, seeds)
