"""The winner's curse: by how much the best of many looks better than it is, found by choosing on half of the rows.

In: evaluations of many contenders on the same rows.  Out: an Optimism.
Not here: which contenders there are (sweeps/search.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from liftune.evaluation.evaluate import Evaluation
from liftune.metrics.metric import Metric
from liftune.metrics.row_statistics import Floats
from liftune.records.sweep import Optimism
from liftune.types import BoolArray

HALVINGS = 400
#: With fewer independent rows, a half says nothing.
LEAST_ROWS = 8
#: Of the largest matrix of row weights held at once.
_ENTRIES = 4_000_000


def optimism(
    contenders: Sequence[Sequence[Evaluation]], metric: Metric, *, halvings: int = HALVINGS, seed: int = 0
) -> Optimism | None:
    """How much better what a half of the rows chooses looks to that half than to the other one.

    Rows of one cluster go into one half. The choice is by the mean over a contender's evaluations, one a seed. Half of
    the rows choose worse than all would: the value is rather too large than too small.

    Args:
        contenders: at least one evaluation each, all of the same rows.

    Returns:
        None for fewer than two contenders, too few rows, or a metric that is undefined on nearly every half.

    Source: split-sample selection, as in nested cross-validation (Cawley and Talbot 2010, "On Over-fitting in Model
    Selection and Subsequent Selection Bias in Performance Evaluation").
    """
    first = contenders[0][0] if contenders else None
    if first is None or len(contenders) < 2 or first.independent_rows < LEAST_ROWS:
        return None
    clusters = first.clusters
    units = np.arange(len(first)) if clusters is None else np.asarray(clusters)
    halves = _halves(first.independent_rows, halvings, seed)[:, units]
    here, there = _scores(contenders, metric, halves), _scores(contenders, metric, ~halves)
    chosen = np.argmax(np.where(np.isfinite(here), here, -np.inf), axis=0)
    columns = np.arange(halvings)
    found = here[chosen, columns] - there[chosen, columns]
    known = np.isfinite(found)
    if known.sum() < halvings / 2:
        return None
    whole = _scores(contenders, metric, np.ones((1, len(first)), dtype=bool))[:, 0]
    best = int(np.argmax(np.where(np.isfinite(whole), whole, -np.inf)))
    low, high = np.quantile(found[known], (0.025, 0.975))
    return Optimism(
        value=float(found[known].mean()),
        low=float(low),
        high=float(high),
        halvings=int(known.sum()),
        again=float((chosen[known] == best).mean()),
    )


def _halves(units: int, count: int, seed: int) -> BoolArray:
    """(R, U) which units are in the half that chooses."""
    order = np.random.default_rng(seed).permuted(np.tile(np.arange(units), (count, 1)), axis=1)
    return np.asarray(order < units // 2)


def _scores(contenders: Sequence[Sequence[Evaluation]], metric: Metric, taken: BoolArray) -> Floats:
    """(T, R) each contender's score on each choice of rows, higher is better; NaN where undefined."""
    statistics = [[each.statistics(metric) for each in evaluations] for evaluations in contenders]
    at_once = max(1, _ENTRIES // taken.shape[1])
    parts = []
    for start in range(0, len(taken), at_once):
        weights = taken[start : start + at_once].astype(np.float64)
        parts.append(np.stack([np.mean([each.values(weights) for each in seeds], axis=0) for seeds in statistics]))
    return np.asarray(metric.sign * np.concatenate(parts, axis=1))
