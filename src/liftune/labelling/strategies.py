"""Ways to choose rows from a pool, by name.

In: Candidates, a budget.  Out: positions among the candidates, in the order in which they are best labelled.
Not here: which rows are candidates (pool.py), margins (tasks/), features (candidates.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from liftune.registry import Registry
from liftune.types import FloatArray, IntArray

#: The strategy where none is asked for: what docs/log.md measured.
DEFAULT = "margin-diverse"
#: Of so many times the budget, the most uncertain rows, a batch of unlike ones is made. Zhdanov (2019) uses 10 as well.
PRESELECTED = 10
#: Steps of k-means, which only has to spread rows; rows times centres from which on it sees a part of them at a time.
_STEPS, _WHOLE = 30, 20_000_000


class Candidates(Protocol):
    """Rows that may be chosen; what is asked of them is worked out when it is asked for."""

    def __len__(self) -> int: ...

    @property
    def margins(self) -> FloatArray | None:
        """(N,) how far each row's decision is from another one; None where the model decides nothing."""
        ...

    def features(self, positions: IntArray) -> FloatArray:
        """(M, D) of some rows."""
        ...


@dataclass(frozen=True)
class Strategy:
    """A registered strategy."""

    name: str
    summary: str
    build: Callable[[Candidates, int, int], IntArray] = field(repr=False)
    """Candidates, how many to choose (at most as many as there are), a seed -> their positions."""
    by_margin: bool = False
    """Whether it goes by margins: of a regression, which has none, it goes by diversity alone."""


STRATEGIES: Registry[Strategy] = Registry("strategy", Strategy, group="liftune.strategies")


@STRATEGIES.entry("margin-diverse", summary="Unlike rows among the most uncertain ones.", by_margin=True)
def margin_diverse(candidates: Candidates, budget: int, seed: int) -> IntArray:
    """Of the most uncertain rows one of each cluster, the most uncertain first.

    Source: Zhdanov (2019), Diverse mini-batch active learning: k-means weighted by uncertainty.
    """
    if candidates.margins is None:
        return diverse(candidates, budget, seed)
    margins = np.asarray(candidates.margins)
    likely = np.argsort(margins, kind="stable")[: PRESELECTED * budget]
    chosen = likely[spread(candidates.features(likely), budget, seed, weights=1.0 - margins[likely])]
    return np.asarray(chosen[np.argsort(margins[chosen], kind="stable")])


@STRATEGIES.entry("margin", summary="The most uncertain rows, however alike.", by_margin=True)
def margin(candidates: Candidates, budget: int, seed: int) -> IntArray:
    """The smallest margins."""
    if candidates.margins is None:
        return diverse(candidates, budget, seed)
    return np.argsort(candidates.margins, kind="stable")[:budget]


@STRATEGIES.entry("diverse", summary="Unlike rows of the whole pool: one of each cluster.")
def diverse(candidates: Candidates, budget: int, seed: int) -> IntArray:
    """The row nearest each centre of k-means, those of the largest clusters first."""
    return spread(candidates.features(np.arange(len(candidates))), budget, seed)


@STRATEGIES.entry("random", summary="Rows drawn evenly, the rule that others are measured against.")
def random(candidates: Candidates, budget: int, seed: int) -> IntArray:
    """Without repeats."""
    return np.random.default_rng(seed).permutation(len(candidates))[:budget]


def spread(features: FloatArray, count: int, seed: int, *, weights: FloatArray | None = None) -> IntArray:
    """Positions of `count` rows far from each other: of each cluster of k-means the row nearest its centre.

    Args:
        features: (N, D); their directions are compared, not their lengths.
        weights: (N,) how much each row pulls its centre; None is one for all.
    """
    import warnings

    from sklearn.cluster import KMeans, MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning

    if count >= len(features):
        return np.arange(len(features))
    lengths = np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)
    directions = np.asarray(features / lengths, dtype=np.float32)
    kind = KMeans if len(features) * count <= _WHOLE else MiniBatchKMeans
    if weights is not None:
        weights = np.maximum(np.asarray(weights, dtype=np.float64), 1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different rows than centres
        found = kind(n_clusters=count, n_init=1, max_iter=_STEPS, random_state=seed).fit(
            directions, sample_weight=weights
        )
    distances = np.linalg.norm(directions - found.cluster_centers_[found.labels_], axis=1)
    sizes = np.bincount(found.labels_, minlength=count)
    nearest: list[int] = []
    for cluster in np.argsort(-sizes, kind="stable"):
        members = np.flatnonzero(found.labels_ == cluster)
        if len(members):
            nearest.append(int(members[distances[members].argmin()]))
    left = np.setdiff1d(np.arange(len(features)), nearest)  # where rows are alike, clusters stay empty
    return np.array([*nearest, *left[: count - len(nearest)]], dtype=np.int64)
