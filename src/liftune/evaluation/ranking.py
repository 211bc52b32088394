"""Many contenders on the same rows, ranked by score, with letters: those that share one are not told apart.

In: each contender's evaluations, one a seed.  Out: Places, best first.
Not here: two contenders (compare.py), what a metric is (metrics/).

With one evaluation on each side, the one rule of compare.py gives a pair's p-value: it speaks of these two models.
With several seeds, rows and seeds both vary: the variance of the difference is that of rows plus that of each side's
mean over seeds, shrunk towards that of all entrants (statistics/shrinkage.py), each with its own t quantile
(compare_seeds.py). Both hold what rows' own dependence on the seed does; it is taken off that of rows, which is known
well, and not off that of two or three seeds, which may be too small by chance. The seeds' degrees of freedom are
Welch's, as two methods need not spread alike. It speaks of the methods. All pairs are corrected together by Holm. False
claims and power by simulation are in docs/log.md.

"Not told apart" does not carry over: of three, the first and the third may be told apart from each other and neither
from the second. So a rank says where a score stands and nothing else, and letters say which pairs are told apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import combinations
from string import ascii_lowercase

import numpy as np

from liftune.errors import DataError
from liftune.evaluation.compare import LEAST_GROUPS, paired_p_value
from liftune.evaluation.compare_seeds import Spread, own_resampled_variance, own_variance
from liftune.evaluation.evaluate import Evaluation, score_interval, within_bounds
from liftune.evaluation.statistics.bootstrap import resampled_values
from liftune.evaluation.statistics.clustered import by_group, cluster_means
from liftune.evaluation.statistics.intervals import ALPHA, CONFIDENCE
from liftune.evaluation.statistics.multiple_tests import holm
from liftune.evaluation.statistics.shrinkage import shrunk_variances
from liftune.metrics.metric import Metric
from liftune.metrics.registry import check_metric
from liftune.metrics.row_statistics import Floats
from liftune.records.base import Interval
from liftune.types import FloatArray


@dataclass(frozen=True)
class Entrant:
    """A contender by name, with one evaluation a seed; all entrants are scored on the same rows."""

    name: str
    evaluations: tuple[Evaluation, ...]


@dataclass(frozen=True)
class Place:
    """Where an entrant stands.

    Args:
        rank: 1 and up by score alone; equal scores share one. An undefined score comes after all others.
        letters: two that share one are not told apart, two that share none are; empty for an undefined score.
        as_best: whether it is not told from the one with the best score, or is that one.
        score: the mean over seeds; its interval allows for other rows, and for other seeds where there are several.
        spread: the standard deviation over seeds; None for one.
    """

    name: str
    rank: int
    letters: str
    as_best: bool
    score: Interval
    spread: float | None


def rank(entrants: Sequence[Entrant], metric: str | None = None, *, alpha: float = ALPHA) -> tuple[Place, ...]:
    """Best first: by score, with the letters of those that are not told apart at alpha.

    Raises:
        DataError: there is no entrant, or they were scored on different rows.
    """
    if not entrants:
        raise DataError("there is nothing to rank", hint="evaluate one contender at least")
    first = entrants[0].evaluations[0]
    if any(each.ids != first.ids for entrant in entrants for each in entrant.evaluations):
        raise DataError("the contenders were scored on different rows", hint="evaluate all on the same test rows")
    measure = check_metric(metric, first.task)
    sides = _shrunk({entrant.name: _Side.of(entrant, measure) for entrant in entrants}, measure)
    worst_last = sorted(sides, key=lambda name: sides[name].signed, reverse=True)
    known = [name for name in worst_last if sides[name].score.value is not None]
    apart = _separated({name: sides[name] for name in known}, measure, alpha)
    letters = letters_of(known, apart)
    ranks = positions([sides[name].signed for name in worst_last])
    return tuple(
        Place(
            name,
            position,
            letters.get(name, ""),
            name in known and (known[0], name) not in apart,
            sides[name].score,
            sides[name].spread,
        )
        for name, position in zip(worst_last, ranks, strict=True)
    )


def positions(signed: Sequence[float]) -> tuple[int, ...]:
    """Ranks of scores in falling order, 1 and up; equal ones share the first.

    >>> positions([0.9, 0.8, 0.8, 0.7])
    (1, 2, 2, 4)
    """
    return tuple(signed.index(value) + 1 for value in signed)


def letters_of(names: Sequence[str], apart: Set[tuple[str, str]]) -> dict[str, str]:
    """A compact letter display: name -> letters, such that two names share one just where they are not apart.

    Args:
        names: best first; the best's letters come first.
        apart: pairs, the better first.

    >>> letters_of(["x", "y", "z"], {("x", "z")})
    {'x': 'a', 'y': 'ab', 'z': 'b'}

    Source: Piepho (2004), An algorithm for a letter-based representation of all-pairwise comparisons. A letter is a set
        in which no two are apart; the sets are grown pair by pair, as in the heuristics of Gramm et al. (2007): to
        find the fewest is hard, and there may be a few more here.
    """
    sets: list[set[str]] = []
    for i, name in enumerate(names):
        for other in names[i + 1 :]:
            if (name, other) in apart or any({name, other} <= each for each in sets):
                continue
            grown = {name, other}
            for third in names:
                if all((third, each) not in apart and (each, third) not in apart for each in grown):
                    grown.add(third)
            sets.append(grown)
        if not any(name in each for each in sets):
            sets.append({name})
    return {name: "".join(_letter(i) for i, each in enumerate(sets) if name in each) for name in names}


def _letter(number: int) -> str:
    """a to z, then a' to z', and so on."""
    return ascii_lowercase[number % 26] + "'" * (number // 26)


def _separated(sides: dict[str, _Side], metric: Metric, alpha: float) -> set[tuple[str, str]]:
    """Pairs, the better first as `sides` are sorted, whose difference is significant after correction for all pairs."""
    pairs = list(combinations(sides, 2))
    most = sum(len(side.values) - 1 for side in sides.values())
    p_values = np.array([_p_value(sides[a], sides[b], metric, most) for a, b in pairs])
    return {pair for pair, p_value in zip(pairs, holm(p_values), strict=True) if p_value <= alpha}


def _shrunk(sides: dict[str, _Side], metric: Metric) -> dict[str, _Side]:
    """Each side with the variance of its seeds drawn towards that of all, and the interval that follows."""
    several = {name: side for name, side in sides.items() if len(side.values) > 1}
    shrunk = shrunk_variances(
        np.array([side.values.var(ddof=1) for side in several.values()]),
        np.array([len(side.values) - 1.0 for side in several.values()]),
    )
    with_shrunk = {
        name: replace(
            side,
            seed_variance=float(variance) / len(side.values),
            freedom=float(freedom),
            score=within_bounds(with_seeds(side.score, float(variance) / len(side.values), float(freedom)), metric),
        )
        for (name, side), variance, freedom in zip(several.items(), shrunk.variances, shrunk.freedom, strict=True)
    }
    return {**sides, **with_shrunk}


@dataclass(frozen=True)
class _Side:
    """What comparisons need of an entrant: its evaluations, each seed's value, the mean with its interval."""

    evaluations: tuple[Evaluation, ...]
    values: FloatArray
    score: Interval
    signed: float
    seed_variance: float = 0.0
    """Of the mean over seeds."""
    freedom: float = math.inf
    """Degrees of freedom of that."""

    @classmethod
    def of(cls, entrant: Entrant, metric: Metric) -> _Side:
        each = [one.score(metric) for one in entrant.evaluations]
        if any(value is None for value in each):
            return cls(entrant.evaluations, np.array([]), Interval(value=None, note="undefined"), -math.inf)
        values = np.array(each, dtype=np.float64)
        score = score_interval(metric, entrant.evaluations)
        return cls(entrant.evaluations, values, score, metric.sign * float(values.mean()))

    @property
    def spread(self) -> float | None:
        return float(self.values.std(ddof=1)) if len(self.values) > 1 else None


def with_seeds(over_rows: Interval, variance: float, freedom: float) -> Interval:
    """An interval over rows, widened by what another draw of seeds would change.

    Args:
        variance: of the mean over seeds; freedom: its degrees of freedom.

    Source: the variance estimates of the two parts recovered from their own intervals and added, Zou and Donner (2008).
    """
    from scipy.stats import t

    if over_rows.value is None or over_rows.low is None or over_rows.high is None:
        return over_rows
    half = float(t.ppf(0.5 + CONFIDENCE / 2, freedom)) * math.sqrt(variance)
    middle = over_rows.value
    low, high = (math.hypot(middle - over_rows.low, half), math.hypot(over_rows.high - middle, half))
    return over_rows.model_copy(update={"low": middle - low, "high": middle + high})


def _p_value(a: _Side, b: _Side, metric: Metric, most: int) -> float:
    """Two-sided, that the two are alike.

    Args:
        most: degrees of freedom that the seeds of all entrants have together.
    """
    if len(a.values) == len(b.values) == 1:
        return paired_p_value(metric, a.evaluations[0], b.evaluations[0])
    rows = a.evaluations[0].independent_rows
    if rows < LEAST_GROUPS:  # so few tell nothing apart, however they agree
        return 1.0
    difference = float(a.values.mean() - b.values.mean())
    over_rows = _row_variance(a, b, metric)
    over_seeds = a.seed_variance + b.seed_variance
    if over_rows + over_seeds <= 0.0:
        return 1.0 if difference == 0.0 else 0.0
    seeds = max(len(a.values), len(b.values))
    return Spread(difference, difference, over_rows, over_seeds, rows, seeds, _freedom(a, b, most)).p_value()


def _freedom(a: _Side, b: _Side, most: int) -> float:
    """Degrees of freedom of the sum of two sides' variances over seeds. Source: Welch (1938)."""
    if a.seed_variance + b.seed_variance <= 0.0:
        return min(a.freedom, b.freedom)
    squares = a.seed_variance**2 / a.freedom + b.seed_variance**2 / b.freedom
    return min((a.seed_variance + b.seed_variance) ** 2 / squares, most)


def _row_variance(a: _Side, b: _Side, metric: Metric) -> float:
    """Of the difference of the two means over seeds, as other rows (or clusters of rows) would change it.

    Without what rows' own dependence on the seed adds: a side's variance over seeds holds it, unless that is smaller.
    """
    if metric.proportion:
        whole, own = _of_proportion(a, b, metric)
    else:
        whole, own = _of_resamples(a, b, metric)
    twice = sum(min(each, side.seed_variance) for each, side in zip(own, (a, b), strict=True))
    return max(whole - twice, 0.0)


def _of_proportion(a: _Side, b: _Side, metric: Metric) -> tuple[float, list[float]]:
    """The variance by rows, and what of it is each side's rows' own dependence on the seed."""
    clusters = a.evaluations[0].clusters
    hits = [np.stack([one.hits(metric) for one in side.evaluations]).astype(np.float64) for side in (a, b)]
    gain = hits[0].mean(axis=0) - hits[1].mean(axis=0)
    if clusters is not None:
        hits, gain = [cluster_means(each, clusters) for each in hits], cluster_means(gain, clusters)[0]
    if len(gain) < 2:
        return 0.0, [0.0, 0.0]
    return float(gain.var(ddof=1)) / len(gain), [own_variance(each) if len(each) > 1 else 0.0 for each in hits]


def _of_resamples(a: _Side, b: _Side, metric: Metric) -> tuple[float, list[float]]:
    """The same for a metric that is no mean of rows."""
    clusters, rows = a.evaluations[0].clusters, a.evaluations[0].independent_rows
    statistics = [each.statistics(metric) for side in (a, b) for each in side.evaluations]
    whole, drawn = resampled_values(
        statistics if clusters is None else [by_group(each, clusters) for each in statistics]
    )
    if len(drawn) < 2:
        return 0.0, [0.0, 0.0]
    count = len(a.evaluations)
    sides = [slice(count), slice(count, None)]
    gain: Floats = drawn[:, :count].mean(axis=1) - drawn[:, count:].mean(axis=1)
    # A bootstrap's variance is too small by (n - 1) / n, which matters where clusters are few.
    known = float(gain.var(ddof=1)) * (1.0 if clusters is None else rows / (rows - 1))
    own = [own_resampled_variance(whole[one], drawn[:, one]) if len(whole[one]) > 1 else 0.0 for one in sides]
    return known, own
