"""Labels to break even: how many train rows tuning needs to overtake what needs none.

In: the tuned model's logits on validation at each size, the contenders.  Out: BreakEvens.
Not here: training at each size (learning_curve.py), the statistics (evaluation/statistics/break_even.py).

Where the other has answers for validation, both are scored on its rows, and resamples draw them together. Answers that
are known for test rows alone keep their score on test, which is drawn apart: test has no part in the curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from liftune.data.folds import Folds
from liftune.data.splits import Splits
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.ladder import Ladder
from liftune.evaluation.statistics.break_even import crossing
from liftune.evaluation.statistics.clustered import by_group
from liftune.metrics.metric import Metric
from liftune.metrics.registry import METRICS
from liftune.metrics.row_statistics import Statistics
from liftune.records.learning_curve import BreakEven
from liftune.types import FloatArray

RESAMPLES = 1_000


@dataclass(frozen=True)
class Rival:
    """A contender that needs no labelled rows.

    Args:
        evaluation: on the curve's validation rows, or on test.
        paired: whether it is on the curve's.
    """

    name: str
    evaluation: Evaluation
    paired: bool


def rivals_of(ladder: Ladder, splits: Splits, folds: Folds | None) -> tuple[Rival, ...]:
    """The base as it is, and each contender that the run did not fit.

    Args:
        splits: those of the curve.
        folds: with cross-validation, whose test rows hold the curve's validation rows.
    """
    wanted = [name for name, each in ladder.results.items() if name == "base" or each.contender.outside]
    return tuple(_rival(ladder, name, splits, folds) for name in wanted)


def _rival(ladder: Ladder, name: str, splits: Splits, folds: Folds | None) -> Rival:
    result = ladder.results[name]
    about = result.contender.outside
    if folds is not None:
        place = {row: i for i, row in enumerate(result.evaluation.ids)}
        found = result.evaluation.take([place[row] for row in splits.validation.ids])
        return Rival(name, found, paired=True)
    if about is not None and not about.chosen_on_validation:
        return Rival(name, result.evaluation, paired=False)
    attempt = result.attempts[0]
    thresholds = attempt.thresholds.out_of_fold if attempt.thresholds else None
    found = Evaluation.of(name, attempt.validation, splits, splits.validation, thresholds=thresholds)
    return Rival(name, replace(found, sure=result.evaluation.sure), paired=True)


def break_evens(
    rivals: Sequence[Rival], tuned: Mapping[int, FloatArray], splits: Splits, metric: str
) -> tuple[BreakEven, ...]:
    """Where the tuned model overtakes each; nothing of one that the metric cannot score.

    Args:
        tuned: train rows -> (M, C) logits on all of validation.
    """
    sizes = sorted(tuned)
    if len(sizes) < 2:
        return ()
    own = [Evaluation.of("tuned", tuned[rows], splits, splits.validation) for rows in sizes]
    return tuple(found for each in rivals if (found := _break_even(each, own, sizes, METRICS[metric])) is not None)


def _break_even(rival: Rival, own: Sequence[Evaluation], sizes: Sequence[int], metric: Metric) -> BreakEven | None:
    if rival.evaluation.lacks(metric) or not len(rival.evaluation):
        return None
    errors, resampled = _errors_of(own, metric, seed=0)
    level, levels = _errors_of([rival.evaluation], metric, seed=0 if rival.paired else 1)
    if not (np.isfinite(errors).all() and np.isfinite(level).all()):
        return None
    found = crossing(sizes, errors, float(level[0]), resampled, levels[:, 0])
    rows, low, high = (None if math.isinf(each) else math.ceil(each) for each in (found.rows, found.low, found.high))
    return BreakEven(
        contender=rival.name, rows=rows, low=low, high=high, least=sizes[0], most=sizes[-1], paired=rival.paired
    )


def _errors_of(each: Sequence[Evaluation], metric: Metric, *, seed: int) -> tuple[FloatArray, FloatArray]:
    """(K,) errors of evaluations of the same rows, and (R, K) on resamples of their rows or clusters."""
    clusters, count = each[0].clusters, len(each[0])
    statistics: list[Statistics] = [one.statistics(metric) for one in each]
    if clusters is not None:
        statistics, count = [by_group(one, clusters) for one in statistics], int(clusters.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=RESAMPLES)
    weights = drawn.astype(np.float64)
    whole = np.array([one.values(np.ones((1, count)))[0] for one in statistics])
    return _error(whole, metric), _error(np.stack([one.values(weights) for one in statistics], axis=1), metric)


def _error(values: FloatArray, metric: Metric) -> NDArray[np.float64]:
    """What is left to gain: one less the score, or the score itself where lower is better."""
    return np.asarray(1.0 - values if metric.higher_is_better else values, dtype=np.float64)
