"""Cells of any length: what looks at them looks at each place once, so that nobody's file can keep it busy."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from liftune.data.column_profiles import is_day_or_time
from liftune.data.label_families import base_of
from liftune.data.label_lists import bare, listed
from liftune.data.label_marks import has_remarks, without_marks, without_note
from liftune.data.numbers import Marks, looks_written, number, unit_and_number
from liftune.data.separators import pieces

PIECES = ("1", "a ", "( ", "a(", "a, ", " ", "a -", "-", "[", "1,111", "1.", "a()", "'a' ", "[1 ", ",dtype=", "_")
LOOKS: dict[str, Callable[[str], object]] = {
    "without_note": without_note,
    "without_marks": without_marks,
    "has_remarks": lambda cell: has_remarks([cell, "a", "1"]),
    "number": number,
    "Marks": lambda cell: [Marks(decimal).number(cell) for decimal in ".,"],
    "unit_and_number": unit_and_number,
    "looks_written": looks_written,
    "base_of": base_of,
    "listed": lambda cell: (listed(f"[{cell}]"), listed(f"array({cell})"), bare(f"[{cell}]")),
    "is_day_or_time": is_day_or_time,
    "pieces": lambda cell: [pieces(cell, each) for each in (",", ";", "|", "/")],
}


@pytest.mark.parametrize("look", LOOKS)
def test_a_cell_of_any_length_is_looked_at_once(look: str) -> None:
    for piece in PIECES:
        for end in ("", "!"):
            for begin in ("", "a"):
                LOOKS[look](begin + piece * (15_000 // len(piece)) + end)


@pytest.mark.parametrize(
    ("label", "bare"),
    [
        ("neg (unsure)", "neg"),
        ("neg (a) (!)", "neg"),
        ("neg (a) (b)", "neg (a)"),
        ("(a) (!)", "(a)"),
        ("(a)", "(a)"),
        ("neg  - see 12", "neg"),
        ("neg -see", "neg -see"),
        ("neg : see", "neg"),
        ("neg:see", "neg:see"),
        ("a (b [c] d)", "a (b [c] d)"),
        ("a (b [c])", "a (b"),
        ("x, check", "x"),
        ("x, y", "x, y"),
        ("- neg", "- neg"),
    ],
)
def test_a_note_begins_where_the_label_ends(label: str, bare: str) -> None:
    assert without_note(label) == bare
