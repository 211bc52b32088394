"""The learning curve over train rows.

Not here: how it is computed (workflows/learning_curve.py, evaluation/statistics/power_law.py).
"""

from __future__ import annotations

from typing import Literal

from liftune.records.base import Interval, Record

NextStep = Literal["data", "base", "undecided"]


class CurvePoint(Record):
    """One contender fitted on a number of train rows."""

    contender: str
    rows: int
    score: Interval
    """On all validation rows."""
    train_seconds: float | None = None
    """Null for all rows, whose time is in the ladder, and for what fits at once."""


class CurveOutlook(Record):
    """One contender's power law, error(n) = scale n^-exponent + floor, and what it predicts for more rows.

    The error is one less the score, or the score itself where lower is better. Ranges hold 95% of resamples of the
    validation rows under two forms of the law; they do not cover other seeds.
    """

    contender: str
    rows: int
    """Twice those of train: the number that the prediction is for."""
    scale: float
    exponent: float
    floor: float
    error: Interval
    """Predicted at those rows."""
    saved: Interval
    """Share of today's error that would disappear."""


class BreakEven(Record):
    """How many train rows the tuned model needs to be as good as a contender that needs none.

    The interval holds 95% of resamples of the scored rows, each of which leaves out a size between the ends too; it
    does not cover other seeds.
    """

    contender: str
    rows: int | None
    """Null: more than `most`. As few as `least`: no more than that."""
    low: int | None
    high: int | None
    """As `rows`."""
    least: int
    most: int
    """The sizes that were trained on, the smallest and the largest."""
    paired: bool
    """Whether both were scored on the same validation rows; else the contender's score is that on test."""


class Curve(Record):
    """The learning curve over training rows, on validation."""

    metric: str
    points: tuple[CurvePoint, ...]
    outlooks: tuple[CurveOutlook, ...] = ()
    """Of each contender with an error left and four sizes or more at which it is better than the majority baseline."""
    break_even: tuple[BreakEven, ...] = ()
    """With the untrained base, and with each contender that the run did not fit."""
    next_step: NextStep
    """data: twice the rows would remove a tenth of the errors, and at the least half of that. base: they would not,
    even at the most."""
