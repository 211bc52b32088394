"""How many labels are likely wrong: what labels flipped on purpose, in these very rows, show of the others.

In: self-confidence of rows whose labels were flipped, and of the rest.  Out: how deep in the list labels are more
likely wrong than right, for flips that are drawn at random.
Not here: flipping and fitting (label_errors.py).

Of the rows as they are, a share e has wrong labels; if these are as random as the planted ones, at least e times the
share of planted rows below any score is below it too. So e is at most the least ratio of the two shares over all scores
(the bound of mixture proportion estimation: Blanchard, Lee and Scott 2010, Semi-Supervised Novelty Detection, JMLR 11),
and close to it where the models put some wrong labels below nearly all right ones. Where they do not, the ratio is
large, and nothing can be told. Right labels that the models find as unlikely make the least ratio too large; that it is
the least of several, each with its chance error, makes it too small. As it is, the two about cancel, measured on five
sets (docs/log.md): with a standard error added to each, what was said was ten points too high.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftune.metrics.row_statistics import Floats

#: The least share of wrong labels among those that are flagged.
LEAST_PRECISION = 0.5
#: Models know too little of the labels where the ratio is larger, or where fewer pairs of a planted and another row
#: have the planted one lower: on labels drawn at random half do, and 0.82 on six emotions of which a fifth are wrong.
MOST_WRONG, LEAST_PAIRS = 1 / 3, 0.7
#: Shares of the planted rows at which ratios are taken; with fewer planted rows in all nothing is told.
_SHARES = np.array([*np.arange(0.15, 0.96, 0.05), 0.975, 0.99])
_LEAST_PLANTED = 20


@dataclass(frozen=True)
class Planted:
    """What the planted labels show.

    Args:
        bound: self-confidence up to which labels are flagged.
        flips: labels that were planted in all.
        known: whether the models know enough of the labels for it.
        precision: of the rows up to the bound, the share whose labels are wrong, for random flips; None without one.
        recall: of wrong labels, the share up to the bound, for random flips.
    """

    bound: float = -1.0
    flips: int = 0
    known: bool = False
    precision: float | None = None
    recall: float | None = None


def judge(flipped: Floats, others: Floats, rows: int) -> Planted:
    """The bound at which the flagged agree best with the wrong, by F1, among those where at least half of them are.

    Args:
        flipped, others: (F,) and (O,) probability of the given label by models that did not see the row.
        rows: how many different ones they are.
    """
    if len(flipped) < _LEAST_PLANTED:
        return Planted(flips=len(flipped))
    scores = np.quantile(flipped, _SHARES)
    below = np.array([np.mean(others <= score) for score in scores])
    found = np.array([np.mean(flipped <= score) for score in scores])
    ratios = below / found
    wrong = float(ratios.min())
    error = 1 / np.sqrt(np.maximum(below * rows, 1.0))  # of a count, in proportion to it
    pairs = float(np.mean(np.searchsorted(np.sort(flipped), others) / len(flipped)))
    if (ratios * (1 + error)).min() > MOST_WRONG or pairs < LEAST_PAIRS:
        return Planted(flips=len(flipped))
    precision = np.minimum(np.divide(wrong * found, below, out=np.zeros_like(below), where=below > 0), 1.0)
    f1 = np.where(precision >= LEAST_PRECISION, 2 * precision * found / (precision + found), 0.0)
    at = int(f1.argmax())
    if not f1[at]:
        return Planted(flips=len(flipped), known=True)
    return Planted(float(scores[at]), len(flipped), True, float(min(precision[at], 1.0)), float(found[at]))
