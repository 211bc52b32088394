"""What a run with --start records: the model that it went on from, the rows that it was tuned on again, what it lost.

Not here: how it is worked out (workflows/start_record.py), how it is shown (reports/sections/start.py).
"""

from __future__ import annotations

from liftune.records.base import Interval, Record
from liftune.records.harm import LabelHarm


class StartPart(Record):
    """The started model as it was, and the tuned one, on a part of the test rows."""

    name: str
    """`old` are the test rows of the run that was started from, `new` those of the new data."""
    rows: int
    """Those that do not leak."""
    before: Interval
    """The started model's score in the run's metric."""
    after: Interval
    """The tuned model's."""
    gain: Interval
    """After less before, signed so that positive is better."""


class Start(Record):
    """The model that a run went on from."""

    folder: str
    """As it was asked for."""
    sha256: str
    """Of its adapter's weights."""
    method: str
    base: str
    labels: tuple[str, ...]
    """Its own."""
    added: tuple[str, ...] = ()
    """Labels that the data added."""
    new_rows: int
    """Train rows of the new data."""
    replayed: int = 0
    """Train rows of the old data beside them."""
    replayed_of: int | None = None
    """How many there were to take from; null where none were at hand."""
    parts: tuple[StartPart, ...] = ()
    """Empty where no old test row is at hand: then what was forgotten cannot be measured."""
    old_labels: tuple[LabelHarm, ...] = ()
    """Each label on the old test rows, before and after; the greatest share of lost rows first."""
    notes: tuple[str, ...] = ()
    """What was taken, and how to say otherwise."""
