"""Below which confidence to give no answer, so that the answers given are as precise as was asked.

In: logits (M, C) and targets of validation; later a precision.  Out: a table of Cutoffs; the one that serves.
Not here: answering (predict.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.errors import SpecError
from liftune.evaluation.statistics.intervals import ALPHA, clopper_pearson
from liftune.metrics.registry import right
from liftune.records.calibration import Cutoff
from liftune.tasks.base import TaskKind, probabilities
from liftune.types import FloatArray

#: Shares of the rows answered, of which each is judged.
CUTOFFS = 20


def cutoffs(logits: FloatArray, targets: NDArray[Any], task: TaskKind) -> tuple[Cutoff, ...]:
    """What answering the most confident 5, 10, ... 100 % of validation gives; empty for tasks without one answer a row.

    Each accuracy's lower limit is Clopper and Pearson's, one-sided at 0.05 over the number of cutoffs (Bonferroni): all
    of them hold together with 95 %, and so does the one that is picked, whichever precision is asked for. A cutoff is
    the confidence of the surest row that is not answered, so that those above it are a fair sample of such rows.

    Args:
        logits: (M, C) of validation, calibrated.
        targets: encoded.
    """
    if task is not TaskKind.SINGLE_LABEL or len(targets) == 0:
        return ()
    confidence = probabilities(logits, task).max(axis=1)
    falling = -np.sort(-confidence)
    hits = right(targets, logits)
    found: dict[int, Cutoff] = {}
    for step in range(1, CUTOFFS + 1):
        planned = round(len(falling) * step / CUTOFFS)
        above = 0.0 if planned == len(falling) else float(falling[planned])
        answered = confidence > above
        rows = int(answered.sum())
        if rows:
            accuracy = clopper_pearson(float(hits[answered].sum()), rows, confidence=1.0 - 2.0 * ALPHA / CUTOFFS)
            found[rows] = Cutoff(above=above, rows=rows, share=rows / len(falling), accuracy=accuracy)
    return tuple(found.values())


def cutoff_for(table: Sequence[Cutoff], precision: float) -> Cutoff:
    """The cutoff that answers the most rows at this precision or better, by the lower limit of its accuracy.

    Raises:
        SpecError: no share of the rows reaches it, with the highest that one does; or there is no table; or it is no
            share between 0 and 1, both excluded.
    """
    if not 0.0 < precision < 1.0:
        raise SpecError(
            f"a precision of {precision:g} cannot be asked for",
            where="--min-precision",
            hint="give a share between 0 and 1, such as 0.95",
        )
    if not table:
        raise SpecError(
            "this model has no table of confidences to abstain by",
            where="--min-precision",
            hint="abstaining is for models of one label a row, tuned by a liftune that measures them: leave it out",
        )
    fitting = [each for each in table if _sure(each) >= precision]
    if fitting:
        return max(fitting, key=lambda each: each.rows)
    best = max(table, key=_sure)
    raise SpecError(
        f"a precision of {precision:g} cannot be promised: however few of the {max(each.rows for each in table):,} "
        f"validation rows are answered, their answers do not make it sure (with 95 %)",
        where="--min-precision",
        hint=f"ask for at most {np.floor(_sure(best) * 1000) / 1000:g}, at which {best.share:.0%} of the rows are "
        "answered; or tune again with more validation rows",
    )


def _sure(cutoff: Cutoff) -> float:
    assert cutoff.accuracy.low is not None
    return cutoff.accuracy.low
