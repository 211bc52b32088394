"""Many contenders in order, with ties: who is not shown to be worse than the best.

In: each contender's score of every row, in one row order.  Out: Places, the best first.
Not here: how rows are scored (metrics.py), how a table looks (report/).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from liftune.errors import DataError
from liftune.evidence.intervals import ALPHA, clopper_pearson, discordant, mcnemar_exact
from liftune.evidence.multiple import holm
from liftune.evidence.resampling import bca_bootstrap, randomisation_test
from liftune.record import Interval
from liftune.rowstats import Sums, mean

Scores = NDArray[np.float64]

#: Draws of a randomisation test: its least p-value must stay below 0.05 when Holm counts a few hundred pairs.
DRAWS = 19_999


@dataclass(frozen=True)
class Place:
    """One contender's place.

    Args:
        score: its mean over rows, with the interval that the choice of rows leaves.
        rank: 1 for the best and all who tie with it; the next group's is one more than the contenders before it.
        p_value: that it equals the best of its group, corrected; 1 for that best itself.
    """

    name: str
    score: Interval
    rank: int
    p_value: float


def rank(scores: Mapping[str, NDArray[np.floating] | NDArray[np.bool_]], *, seed: int = 0) -> list[Place]:
    """Contenders by mean score, the highest first, in groups of those that are not told apart from the best of the
    group.

    The best is who these very rows make the best, so that a correction for comparisons with it alone would be too weak:
    Holm's counts all pairs. Scores of nought and one are compared by the exact McNemar test, others by a paired
    randomisation test.

    Args:
        scores: name -> (N,) one score a row, higher is better: right or not, a mean over seeds, minus a loss.

    Raises:
        DataError: there is no contender or no row, or the lengths differ, or a score is not finite.
    """
    rows = {name: np.asarray(each, dtype=np.float64) for name, each in scores.items()}
    _check(rows)
    names = sorted(rows, key=lambda name: -rows[name].mean())
    pairs = list(combinations(names, 2))
    adjusted = dict(zip(pairs, holm([_p_value(rows[a], rows[b], seed) for a, b in pairs]), strict=True))
    places: list[Place] = []
    left: Sequence[str] = names
    while left:
        best, number = left[0], len(places) + 1
        chance = {name: adjusted.get((best, name), 1.0) for name in left}
        tied = [name for name in left if chance[name] > ALPHA]
        places += [Place(name, _interval(rows[name], seed), number, chance[name]) for name in tied]
        left = [name for name in left if name not in tied]
    return places


def _check(rows: Mapping[str, Scores]) -> None:
    lengths = {each.shape for each in rows.values()}
    if len(lengths) != 1 or any(len(shape) != 1 or shape[0] == 0 for shape in lengths):
        raise DataError(
            f"cannot rank {len(rows)} contenders with scores of shapes {sorted(lengths)}",
            mend="give each contender one score for each of the same rows",
        )
    bad = [name for name, each in rows.items() if not np.isfinite(each).all()]
    if bad:
        raise DataError(f"scores of {', '.join(bad)} are not all finite", mend="leave out what has no score")


def _p_value(a: Scores, b: Scores, seed: int) -> float:
    if _of_right_and_wrong(a) and _of_right_and_wrong(b):
        return mcnemar_exact(*discordant(a > 0, b > 0))
    return randomisation_test(_sums(a), _sums(b), draws=DRAWS, seed=seed)


def _interval(scores: Scores, seed: int) -> Interval:
    if _of_right_and_wrong(scores):
        return clopper_pearson(float(scores.sum()), len(scores))
    return bca_bootstrap([_sums(scores)], lambda values: values[0], seed=seed).interval


def _of_right_and_wrong(scores: Scores) -> bool:
    return bool(np.isin(scores, (0.0, 1.0)).all())


def _sums(scores: Scores) -> Sums:
    """Rows of one score are one cell."""
    return Sums(scores[:, None], np.unique(scores, return_inverse=True)[1].reshape(-1), mean)
