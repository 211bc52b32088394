"""What more labels should bring, by a run's learning curve.

In: a TuneRecord, a number of rows.  Out: Expected.
Not here: the curve (workflows/learning_curve.py), its law (evaluation/statistics/power_law.py).
"""

from __future__ import annotations

from liftune.metrics.registry import METRICS
from liftune.records.base import Interval
from liftune.records.labelling import Expected
from liftune.records.run import TuneRecord


def expected_gain(record: TuneRecord, more: int) -> Expected | None:
    """The gain of the tuned contender by so many more train rows; None where its curve shows no law.

    The law gives the value. Its range is known at twice the rows, where the curve looks ahead to; before that
    it is taken in proportion to what the law gains until then. Beyond, it is not told.
    """
    curve = record.curve
    ahead = next((each for each in curve.outlooks if each.contender == "tuned"), None) if curve else None
    if curve is None or ahead is None or ahead.saved.value is None:
        return None
    now, then = ahead.rows // 2, min(ahead.rows // 2 + more, ahead.rows)

    def error(rows: int) -> float:
        return float(ahead.scale * float(rows) ** -ahead.exponent + ahead.floor)

    scores = [each for each in curve.points if each.contender == "tuned" and each.rows == now]
    if not scores or scores[0].score.value is None:
        return None
    score = scores[0].score.value
    today = 1.0 - score if METRICS[curve.metric].higher_is_better else score
    whole = error(now) - error(ahead.rows)
    share = (error(now) - error(then)) / whole if whole > 0 else 0.0
    ends = [None if each is None else each * share * today for each in (ahead.saved.low, ahead.saved.high)]
    gain = Interval(value=ahead.saved.value * share * today, low=ends[0], high=ends[1])
    return Expected(metric=curve.metric, rows=then, gain=gain)
