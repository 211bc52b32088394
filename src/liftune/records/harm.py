"""What `compare --max-harm` reports: whether a new model can be much worse than the old one, and where it is.

Not here: how it is worked out (evaluation/harm.py), how it is shown (reports/sections/harm.py).
"""

from __future__ import annotations

from liftune.records.base import Interval, Record


class LabelHarm(Record):
    """The rows of one label under the old model and under the new one."""

    label: str
    rows: int
    """Compared rows that carry it."""
    before: Interval
    """Share of them that the old model has right."""
    after: Interval
    """Share of them that the new model has right."""
    lost: int
    """Rows that the old model has right and the new one wrong."""
    won: int
    """Rows that the new model has right and the old one wrong."""
    lost_share: Interval
    """Of the label's rows; each label's interval stands by itself, at 95%."""


class Harm(Record):
    """Whether the new model is worse than the old one by more than was allowed, on the old one's test rows."""

    most: float
    """The harm that is allowed, in the metric's own unit, above 0."""
    ruled_out: bool
    """Whether more is ruled out: the 95% interval of the gain does not reach below -most, and a one-sided test at 0.05
    says the same."""
    because: str
    """What decided, in words."""
    rows_needed: int | None = None
    """Where it is not ruled out: rows, or independent texts or groups, at which it would be 80% of the time if the two
    models are equally good; null where more rows would not help or nothing is known of it."""
    lost: int | None = None
    """Rows that the old model has right and the new one wrong; null for values, which are not right or wrong."""
    won: int | None = None
    lost_share: Interval | None = None
    """Of all compared rows."""
    labels: tuple[LabelHarm, ...] = ()
    """The greatest share of lost rows first. A row with several labels counts under each."""
