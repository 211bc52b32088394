"""Below which confidence to predict nothing, so that what is predicted is as precise as was asked.

In: an Evaluation of validation; later a precision.  Out: a table of Cutoffs; the one to use.
Not here: predicting (inference/).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from liftune.arguments import number
from liftune.errors import SpecError
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.statistics.clustered import agreement, effective_rows
from liftune.evaluation.statistics.intervals import ALPHA, clopper_pearson
from liftune.records.calibration import Cutoff
from liftune.tasks import task_of

#: Shares of the rows predicted, each with an accuracy of its own.
CUTOFFS = 20


def cutoffs(validation: Evaluation) -> tuple[Cutoff, ...]:
    """What predicting only the most confident 5, 10, ... 100% of validation gives; empty for tasks without one
    prediction a row.

    Each accuracy's lower limit is Clopper and Pearson's, one-sided at 0.05 over the number of cutoffs (Bonferroni): all
    of them hold together with 95%, and so does the one that is picked, whichever precision is asked for. Where rows are
    not independent, it is that of as many rows as they are worth: see `effective_rows`. A cutoff is the confidence of
    the surest row that is left out, so that those above it are a fair sample of such rows.

    Args:
        validation: of M rows, calibrated.
    """
    task = task_of(validation.task)
    if not task.has_confidence or len(validation) == 0:
        return ()
    confidence = task.confidence(validation.logits)
    falling = -np.sort(-confidence)
    right, clusters = validation.is_right, validation.clusters
    alike = 0.0 if clusters is None else agreement(right.astype(np.float64), clusters)
    level = 1.0 - 2.0 * ALPHA / CUTOFFS
    table: dict[int, Cutoff] = {}
    for step in range(1, CUTOFFS + 1):
        planned = round(len(falling) * step / CUTOFFS)
        above = 0.0 if planned == len(falling) else float(falling[planned])
        predicted = confidence > above
        rows = int(predicted.sum())
        if rows:
            worth = float(rows) if clusters is None else effective_rows(clusters[predicted], alike, level)
            accuracy = clopper_pearson(float(right[predicted].sum()) * (worth / rows), worth, confidence=level)
            table[rows] = Cutoff(above=above, rows=rows, share=rows / len(falling), accuracy=accuracy)
    return tuple(table.values())


def cutoff_for(table: Sequence[Cutoff], precision: float) -> Cutoff:
    """The cutoff that predicts the most rows at this precision or better, by the lower limit of its accuracy.

    Raises:
        SpecError: no share of the rows reaches it, with the highest that one does; or there is no table; or it is no
            share between 0 and 1, both excluded.
    """
    precision = number(precision, "min_precision")
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
    fitting = [each for each in table if _lower_limit(each) >= precision]
    if fitting:
        return max(fitting, key=lambda each: each.rows)
    best = max(table, key=_lower_limit)
    raise SpecError(
        f"a precision of {precision:g} cannot be promised: however few of the {max(each.rows for each in table):,} "
        f"validation rows are predicted, they do not make it sure (with 95% confidence)",
        where="--min-precision",
        hint=f"ask for at most {np.floor(_lower_limit(best) * 1000) / 1000:g}, at which {best.share:.0%} of the rows "
        "are predicted; or tune again with more validation rows",
    )


def _lower_limit(cutoff: Cutoff) -> float:
    assert cutoff.accuracy.low is not None
    return cutoff.accuracy.low
