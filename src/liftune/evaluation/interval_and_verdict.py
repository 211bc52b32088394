"""Why a verdict and the interval that stands beside it seem to say different things: the one rule, and its words.

In: a verdict, its interval and p-values.  Out: a clause; empty where the two agree.
Not here: the tests (compare.py), the correction (contrasts.py), where the clause is shown (reports/).
"""

from __future__ import annotations

from liftune.evaluation.statistics.intervals import ALPHA
from liftune.records.base import Verdict

_BY_OTHER_WAYS = "the two are computed in different ways, and the test decides"


def why_unlike(verdict: Verdict, low: float | None, high: float | None, p_value: float, *, tests: int = 1) -> str:
    """A verdict that no interval gives, in words.

    Args:
        low, high: of the gain, by itself.
        p_value: of the gain, by itself.
        tests: under one correction, which decides; 1 where the test decides by itself.

    >>> why_unlike("undecided", 0.01, 0.05, 0.03, tests=3)
    'the interval excludes zero, but is of this comparison alone; the verdict is corrected for all 3'
    >>> why_unlike("undecided", 0.001, 0.05, 0.06)
    'the interval excludes zero, but p is above 0.05: the two are computed in different ways, and the test decides'
    >>> why_unlike("better", -0.001, 0.05, 0.04)
    'the interval includes zero, but p is not above 0.05: the two are computed in different ways, and the test decides'
    >>> why_unlike("undecided", -0.01, 0.05, 0.2), why_unlike("undecided", None, None, 1.0)
    ('', '')
    """
    if low is None or high is None:
        return ""
    excludes = low > 0.0 or high < 0.0
    if excludes is (verdict != "undecided"):
        return ""
    if not excludes:
        return f"the interval includes zero, but p is not above {ALPHA}: {_BY_OTHER_WAYS}"
    if tests > 1 and p_value <= ALPHA:
        return f"the interval excludes zero, but is of this comparison alone; the verdict is corrected for all {tests}"
    return f"the interval excludes zero, but p is above {ALPHA}: {_BY_OTHER_WAYS}"
