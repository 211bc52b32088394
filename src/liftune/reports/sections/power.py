"""What so few test rows can show, and what it costs to test all of them, in plain words.

In: counts of rows.  Out: sentences.
Not here: the power itself (evaluation/statistics/power.py), what the rows lack (coverage.py).
"""

from __future__ import annotations

import math

from liftune.evaluation.statistics.intervals import ALPHA
from liftune.evaluation.statistics.power import mcnemar_detectable_gain
from liftune.records.base import RowCounts
from liftune.tasks import TaskKind, task_of

#: With fewer test rows than this, cross-validation is worth its time: they cannot detect a gain under 4 points of
#: accuracy, nor one under 6 where a tenth of the rows differ.
FEW_TEST_ROWS = 200
#: The folds that a hint names.
HINTED_FOLDS = 5


def power_before(task: TaskKind, counts: RowCounts, *, hint: bool = True) -> tuple[str, ...]:
    """What a small test part can show at best, before any model is known; nothing of a large one.

    Args:
        hint: say how to test on all rows.
    """
    if counts.test >= FEW_TEST_ROWS:
        return ()
    rows = f"{counts.test:,} test {'example' if counts.test == 1 else 'examples'}"
    way = testing_all(counts) if hint else ""
    if not task_of(task).outputs_labels:
        least = _telling_correlation(counts.test)
        if least is None:
            return (f"{rows}: too few to tell any correlation from none{way}",)
        return (f"{rows}: a correlation below {least:.2f} cannot be told from none{way}",)
    gain = mcnemar_detectable_gain(counts.test)
    if gain is None:
        return (
            f"{rows}: no gain can be shown; the test needs {_least_rows()} that only one of two models has right{way}",
        )
    return (
        f"{rows}: a gain of less than {math.ceil(gain * 100 - 1e-9)} points of accuracy will probably go undetected, "
        f"even if no example gets worse{way}",
    )


def testing_all(counts: RowCounts) -> str:
    """How to test on all rows, where these are many more than the test rows; else nothing."""
    rows = counts.train + counts.validation + counts.test
    if counts.test >= FEW_TEST_ROWS or rows < max(2 * counts.test, 4 * HINTED_FOLDS):
        return ""
    return f"; --folds {HINTED_FOLDS} would test on all {rows:,} examples"


def undetectable(rows: int) -> tuple[str, ...]:
    """That the test cannot decide on so few rows, whatever the models do; nothing of more rows."""
    if rows >= _least_rows():
        return ()
    return (
        f"{rows:,} test examples cannot show that one model is better: the test needs at least {_least_rows()} that "
        "only one of the two has right.",
    )


def cost_of_folds(folds: int, seeds: int, rows: int, *, with_full: bool, chosen: bool) -> str:
    """What cross-validation costs, and how not to pay it.

    Args:
        seeds: tunings in each fold.
        chosen: nobody asked for it: the rows are few.
    """
    without = seeds + with_full
    # A fold trains on (K - 1) / K of the rows, and so K folds on K - 1 times all rows; what is kept on all of them.
    tunings, times = (folds + 1) * without, folds
    said = f"cross-validation in {folds} folds: {tunings} tunings instead of {without}, about {times} times the time"
    if not chosen:
        return said
    why = f"{rows:,} rows and no test part"
    return f"{why}: {said}, so that every row is tested; --folds none splits a test part off instead"


def _least_rows() -> int:
    """Discordant rows, all in one direction, from which on the exact McNemar test can be significant."""
    return math.ceil(1 - math.log2(ALPHA))


def _telling_correlation(rows: int) -> float | None:
    """The least correlation that Student's t test tells from 0 on so many rows; None on fewer than 3."""
    from scipy.stats import t

    if rows < 3:
        return None
    bound = float(t.ppf(1 - ALPHA / 2, rows - 2))
    return bound / math.sqrt(rows - 2 + bound**2)
