"""The share of some rows that are something: exact where rows are independent, by whole groups where they are not.

In: (N,) numbers of each row, and its group.  Out: Intervals.
Not here: metrics of all rows (evaluate.py).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.statistics.clustered import group_bootstrap
from liftune.evaluation.statistics.intervals import clopper_pearson
from liftune.metrics.row_statistics import Floats, Ints, Sums
from liftune.records.base import Interval


def share_interval(part: NDArray[Any], whole: NDArray[Any], clusters: Ints | None) -> Interval:
    """The share of the rows in `whole` that are also in `part`, with its 95% interval.

    Clopper-Pearson; where those rows come in clusters, a bootstrap of whole clusters of them, or if all or none of them
    are in `part`, Clopper-Pearson of the clusters.

    Args:
        part, whole: (N,) booleans; at least one row is in `whole`.
        clusters: (N,) each row's cluster; None where rows are independent.
    """
    rows = int(whole.sum())
    inside = part[whole]
    if clusters is None:
        return clopper_pearson(int(inside.sum()), rows)
    kept, number = np.unique(clusters[whole], return_inverse=True)
    if len(kept) == rows:
        return clopper_pearson(int(inside.sum()), rows)
    if len(kept) > 1 and (inside.all() or not inside.any()):
        return clopper_pearson(len(kept) * float(inside[0]), len(kept))
    return ratio_interval(inside, np.ones(rows, dtype=bool), np.asarray(number, dtype=np.int64))


def ratio_interval(part: NDArray[Any], whole: NDArray[Any], clusters: Ints) -> Interval:
    """The sum of `part` over that of `whole`, in [0, 1], with a 95% interval by a bootstrap of whole groups.

    Args:
        part, whole: (N,) numbers of each row, `part` never the larger.
        clusters: (N,) each row's group.
    """
    sums = Sums(np.column_stack([part, whole]).astype(np.float64), np.arange(len(clusters)), _ratio)
    return group_bootstrap([sums], lambda values: values[0], clusters).interval


def _ratio(totals: Floats, rows: Floats) -> Floats:
    """(R,) first over second column; NaN where a resample holds no row of the whole."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(totals[:, 1] > 0.5, totals[:, 0] / totals[:, 1], np.nan))
