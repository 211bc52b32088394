"""How the numbers of a label column are written: asked for where it is unclear, and said where it was taken.

In: the cells of train, the decimal mark that the user gives.  Out: Marks, and notes.
Not here: reading a number (numbers.py), whether a column holds numbers or classes (recognise.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from liftune.data.numbers import PERCENT, Marks, both_ways, marks_of, unit_and_number
from liftune.errors import DataError

#: A number with a dot between thousands.
_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(\.\d{3})+")


def known_marks(present: Sequence[Any], decimal: str | None, where: str | None) -> Marks:
    """How the numbers are written, where the labels are to be numbers.

    Raises:
        DataError: a comma may set thousands or decimals apart, and the user does not say which.
    """
    marks = marks_of(present, decimal)
    if decimal and not any(marks.number(cell) is not None for cell in present):
        raise DataError(
            f"--decimal is given, and the labels are no numbers, such as {present[0] if present else ''!r}",
            where=where,
            hint="leave --decimal out, or name another column with --label",
        )
    if marks.unclear is None:
        return marks
    one, other = both_ways(marks.unclear)
    raise DataError(
        f"the label {marks.unclear!r} may be the number {one:.12g} or {other:.12g}",
        where=where,
        hint=f"say what its decimal mark is: --decimal . reads {one:.12g}, --decimal , reads {other:.12g}; "
        "or take classes with --task single_label",
    )


def number_notes(texts: Sequence[str], marks: Marks, *, asked: bool = False) -> tuple[str, ...]:
    """What was taken where numbers have thousands or a unit.

    Args:
        asked: whether the user said which mark is the decimal one.
    """
    notes: tuple[str, ...] = ()
    if marks.unit:
        shown = next((text for text in texts if marks.unit in text and marks.number(text) is not None), None)
        what = "percentages" if marks.unit == PERCENT else f"amounts in {marks.unit}"
        notes += (f"labels are {what}: {shown!r} is read as {marks.number(shown):.12g}",) if shown else ()
    if asked:
        return notes
    if marks.decimal is None:
        return notes + _thousands_note(texts)
    # By itself, such a number may be another one.
    ways = {text: both_ways(unit_and_number(text)[1]) for text in {*texts}}
    unclear = sorted(text for text, each in ways.items() if None not in each and each[0] != each[1])
    if unclear:
        notes += (
            f"numbers are read with {marks.decimal!r} as their decimal mark, as others show: {unclear[0].strip()!r} "
            f"is {marks.number(unclear[0]):.12g}; --decimal {',' if marks.decimal == '.' else '.'} says otherwise",
        )
    return notes or _comma_note(texts, marks)


def _comma_note(texts: Sequence[str], marks: Marks) -> tuple[str, ...]:
    """Where a comma is the decimal mark."""
    shown = next((text for text in texts if "," in text and "." not in text and marks.number(text) is not None), None)
    return (f"labels have decimal commas: {shown.strip()!r} is read as {marks.number(shown):.12g}",) if shown else ()


def _thousands_note(texts: Sequence[str]) -> tuple[str, ...]:
    """Where each dot may set thousands apart, as in German: that is no decimal.

    >>> _thousands_note(["950", "1.250", "2.400"])[0][:47]
    "labels such as '1.250' may be thousands: they a"
    >>> _thousands_note(["0.125", "1.250"]), _thousands_note(["1.25", "2.400"])
    ((), ())
    """
    dotted = sorted({text.strip() for text in texts if "." in text})
    if len(dotted) < 2 or not all(_GROUPED.fullmatch(each) for each in dotted):
        return ()
    value, other = both_ways(dotted[0])
    return (
        f"labels such as {dotted[0]!r} may be thousands: they are read as {value:.12g}; --decimal , reads {other:.12g}",
    )
