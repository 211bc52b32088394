"""What was found of the learning curve over train rows.

Not here: how it was drawn up (curve.py, evidence/powerlaw.py).
"""

from __future__ import annotations

from typing import Literal

from liftune.records.base import Interval, Record

NextStep = Literal["data", "base", "undecided"]


class CurvePoint(Record):
    """One contender fitted on so many train rows."""

    contender: str
    rows: int
    score: Interval
    """On all validation rows."""
    train_seconds: float | None = None
    """Null for all rows, whose time stands in the ladder, and for what fits in no time."""


class CurveOutlook(Record):
    """One contender's law, error(n) = scale n^-exponent + floor, and what it says of more rows.

    The error is one less the score, or the score itself where lower is better. Ranges hold 95 % of resamples of the
    validation rows under two forms of the law; they know nothing of other seeds.
    """

    contender: str
    rows: int
    """Asked about: twice those of train."""
    scale: float
    exponent: float
    floor: float
    error: Interval
    """Predicted at those rows."""
    saved: Interval
    """Share of today's error that would go."""


class Curve(Record):
    """The learning curve over training rows, on validation."""

    metric: str
    points: tuple[CurvePoint, ...]
    outlooks: tuple[CurveOutlook, ...] = ()
    """Of each contender with four sizes or more that stand above the majority's guess, and an error left."""
    next_step: NextStep
    """data: twice the rows would take a tenth of the errors away, and half that at the least. base: they would not,
    even at the most."""
