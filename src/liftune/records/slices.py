"""Scores of slices: test rows with one value of a column that `--slices` names.

Not here: how they are found (evaluation/slices.py), how they are shown (reports/sections/slices.py).
"""

from __future__ import annotations

from typing import Literal

from liftune.records.base import Interval, Record, Unit, Verdict


class SliceGain(Record):
    """The tuned model against another contender on the rows of a slice."""

    gain: Interval
    """In the metric's own unit, signed so that positive is better."""
    p_value: float
    adjusted_p_value: float
    """By Holm's method, over all tests of all slices."""
    verdict: Verdict


class SliceScore(Record):
    """One slice under one model."""

    value: str | None
    """The column's value, or a range of numbers; null for rows without one."""
    rows: int
    units: int
    """Independent ones among them: rows, different texts or groups."""
    score: Interval
    rest: float | None = None
    """The score of the other rows; null where there are none."""
    p_value: float | None = None
    """Two-sided, that the slice scores as the other rows do; null where it was not tested: `note` says why."""
    adjusted_p_value: float | None = None
    """By Holm's method, over all tests of all slices."""
    verdict: Verdict | Literal["not tested"] = "not tested"
    """The slice against the other rows."""
    gain: SliceGain | None = None
    """Null where there is no other contender, or the slice was not tested."""
    note: str | None = None


class SliceColumn(Record):
    """The slices of one column: those that were tested first, the worst score before others."""

    column: str
    in_ranges: bool = False
    """Its values are numbers, divided into ranges of about as many rows each."""
    slices: tuple[SliceScore, ...]


class Slices(Record):
    """Scores by slice of all columns that were named."""

    metric: str
    contender: str
    against: str | None = None
    """The contender over which the gains are; null where there is no other."""
    rows: int
    """Test rows that this stands on, those that do not leak."""
    unit: Unit
    tests: int
    """How many p-values Holm's method adjusts together."""
    least: int
    """Independent rows, texts or groups from which on a slice is tested."""
    columns: tuple[SliceColumn, ...]
