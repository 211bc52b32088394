"""Error against training rows as a power law, and how far it may be believed beyond them.

In: sizes, and the errors at each, of the whole and of resamples.  Out: a PowerLaw; predictions with a range.
Not here: training on ever more rows (workflows/learning_curve.py).

The form is error(n) = scale n^-exponent + floor: Hestness et al. 2017. How far such fits can be off is the subject of
Mahmood et al. 2022: few sizes fit many forms. So the range spans two forms, with a floor and without, over resamples
of the rows that were scored, each of which also leaves one of the smaller sizes out, as each was trained but once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.statistics.intervals import CONFIDENCE
from liftune.records.base import Interval
from liftune.types import FloatArray

#: Shares of the least error that are tried as the floor.
_FLOORS = np.linspace(0.0, 0.95, 20)
#: Fewer sizes than this say nothing of a law with three unknowns.
LEAST_SIZES = 4
_TINY = 1e-9


@dataclass(frozen=True)
class PowerLaw:
    """error(n) = scale n^-exponent + floor, of R fits at once or of one."""

    scale: NDArray[np.float64]
    exponent: NDArray[np.float64]
    floor: NDArray[np.float64]

    def at(self, rows: float) -> NDArray[np.float64]:
        """(R,) the errors at so many rows."""
        return np.asarray(self.scale * float(rows) ** -self.exponent + self.floor)


def fit(sizes: FloatArray, errors: FloatArray, *, with_floor: bool = True) -> PowerLaw:
    """The law nearest to each row of errors, by squares; it never rises with rows.

    Args:
        sizes: (K,) training rows.
        errors: (R, K), not negative.

    For each floor that is tried the rest is a straight line of logarithms, and the floor whose law comes nearest to
    the errors themselves is taken.
    """
    floors = errors.min(axis=1, keepdims=True) * (_FLOORS if with_floor else _FLOORS[:1])  # (R, J)
    left = np.log(np.maximum(errors[:, None, :] - floors[:, :, None], _TINY))  # (R, J, K)
    steps = np.log(sizes) - np.log(sizes).mean()
    slope = np.minimum(0.0, (left * steps).sum(axis=2) / (steps**2).sum())
    height = left.mean(axis=2)
    fitted = np.exp(height[:, :, None] + slope[:, :, None] * steps) + floors[:, :, None]
    best = ((fitted - errors[:, None, :]) ** 2).sum(axis=2).argmin(axis=1)
    rows = np.arange(len(errors))
    exponent = -slope[rows, best]
    scale = np.exp(height[rows, best] + exponent * np.log(sizes).mean())
    return PowerLaw(scale, exponent, floors[rows, best])


@dataclass(frozen=True)
class Outlook:
    """What more rows would bring.

    Args:
        law: of the errors as they are.
        error: predicted at the rows asked about, with its range.
        saved: the share of today's error that would go, with its range.
    """

    law: PowerLaw
    error: Interval
    saved: Interval


def outlook(
    sizes: Sequence[int], errors: FloatArray, resampled: FloatArray, *, rows: int, seed: int = 0
) -> Outlook | None:
    """The law of the errors, and what it says of so many rows; None for too few sizes, or where nothing errs.

    Args:
        sizes: K, ascending.
        errors: (K,) at each size.
        resampled: (R, K) the same on resamples of the scored rows.
    """
    if len(sizes) < LEAST_SIZES or errors[-1] <= _TINY:
        return None
    known = resampled[np.isfinite(resampled).all(axis=1) & (resampled[:, -1] > _TINY)]
    grid = np.asarray(sizes, dtype=np.float64)
    law = fit(grid, errors[None, :])
    now, then = float(errors[-1]), float(law.at(rows)[0])
    predicted, today = _predictions(grid, known, rows, seed)
    return Outlook(
        law, _ranged(then, predicted), _ranged(1.0 - min(then, now) / now, 1.0 - np.minimum(predicted, today) / today)
    )


def _predictions(sizes: FloatArray, resampled: FloatArray, rows: int, seed: int) -> tuple[FloatArray, FloatArray]:
    """Errors at so many rows by both forms, each resample without one of the smaller sizes; and today's beside them."""
    left_out = np.random.default_rng(seed).integers(0, len(sizes) - 1, size=len(resampled))
    predicted, today = [], []
    for gone in range(len(sizes) - 1):
        stay = np.arange(len(sizes)) != gone
        errors = resampled[left_out == gone]
        for with_floor in (True, False):
            if len(errors):
                predicted.append(fit(sizes[stay], errors[:, stay], with_floor=with_floor).at(rows))
                today.append(errors[:, -1])
    return (np.concatenate(predicted), np.concatenate(today)) if predicted else (np.array([]), np.array([]))


def _ranged(value: float, drawn: FloatArray) -> Interval:
    if len(drawn) == 0:
        return Interval(value=value, note="no range: the resampled rows hold no error")
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    # The whole rows' own fit is a prediction too: the range holds it.
    return Interval(value=value, low=min(float(low), value), high=max(float(high), value))
