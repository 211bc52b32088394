"""How many training rows a contender needs until it is as good as another that needs none.

In: sizes, the errors at each, the other's error; the same on resamples of the scored rows.  Out: a Crossing.
Not here: training on ever more rows (workflows/learning_curve.py), who is compared (workflows/break_even.py).

Errors are first made to fall with rows (isotonic regression), then a straight line in log rows joins two sizes. Nothing
is read off beyond the largest one. Each resample also leaves out one of the sizes between the ends, as each was trained
but once.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.statistics.intervals import CONFIDENCE
from liftune.types import FloatArray


@dataclass(frozen=True)
class Crossing:
    """Rows at which the error first is no larger than the other's; infinite beyond the largest size."""

    rows: float
    low: float
    high: float


def falling(errors: FloatArray) -> NDArray[np.float64]:
    """(R, K) the nearest errors, by squares, that never rise with rows.

    >>> falling(np.array([[0.5, 0.25, 0.5, 0.125]])).tolist()
    [[0.5, 0.375, 0.375, 0.125]]

    Source: Barlow et al. (1972), the min-max form of isotonic regression.
    """
    values = np.asarray(errors, dtype=np.float64)
    count = values.shape[1]
    sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
    best = np.empty_like(values)
    for i in range(count):
        over = [
            np.max([(sums[:, b + 1] - sums[:, a]) / (b + 1 - a) for b in range(i, count)], axis=0) for a in range(i + 1)
        ]
        best[:, i] = np.min(over, axis=0)
    return best


def crossings(sizes: FloatArray, errors: FloatArray, levels: FloatArray) -> NDArray[np.float64]:
    """(R,) rows at which each row of errors reaches its level; the least size where it has it from the start.

    Args:
        sizes: (K,) ascending.
        errors: (R, K).
        levels: (R,).

    >>> crossings(np.array([16.0, 64.0]), np.array([[0.5, 0.3], [0.5, 0.3], [0.5, 0.3]]), np.array([0.4, 0.6, 0.2]))
    array([32., 16., inf])
    """
    fallen, logs = falling(errors), np.log(sizes)
    reached = fallen <= levels[:, None] + 1e-12
    first = reached.argmax(axis=1)
    before, rows = np.maximum(first - 1, 0), np.arange(len(fallen))
    above, below = fallen[rows, before], fallen[rows, first]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(above > below, (above - levels) / (above - below), 0.0)
    found = np.exp(logs[before] + np.clip(share, 0.0, 1.0) * (logs[first] - logs[before]))
    return np.where(reached.any(axis=1), found, np.inf)


def crossing(
    sizes: Sequence[int],
    errors: FloatArray,
    level: float,
    resampled: FloatArray,
    levels: FloatArray,
    *,
    seed: int = 0,
) -> Crossing:
    """Where the errors reach the level, with the range of resamples.

    Args:
        sizes: K, ascending.
        errors: (K,) at each size.
        level: the other's error.
        resampled: (R, K) the same on resamples of the scored rows.
        levels: (R,) the other's error on each resample, of the same rows where both were scored on the same.
    """
    grid = np.asarray(sizes, dtype=np.float64)
    rows = float(crossings(grid, errors[None, :], np.array([level]))[0])
    known = np.isfinite(resampled).all(axis=1) & np.isfinite(levels)
    resampled, levels = resampled[known], levels[known]
    inner = range(1, len(grid) - 1) or (len(grid),)  # where there is none, none is left out
    gone = np.random.default_rng(seed).choice(list(inner), size=len(resampled))
    drawn = [
        crossings(grid[stay], resampled[gone == out][:, stay], levels[gone == out])
        for out in inner
        if (stay := np.arange(len(grid)) != out).any() and (gone == out).any()
    ]
    found = np.sort(np.concatenate(drawn)) if drawn else np.array([rows])
    at = [(1 - CONFIDENCE) / 2 * (len(found) - 1), (1 + CONFIDENCE) / 2 * (len(found) - 1)]
    low, high = float(found[math.floor(at[0])]), float(found[math.ceil(at[1])])
    return Crossing(rows, min(low, rows), max(high, rows))
