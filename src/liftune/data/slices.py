"""Columns that are kept with the rows, by whose values test rows are scored in slices: `--slices`.

In: a Table and names of its columns; kept columns.  Out: each row's value as text; each row's slice.
Not here: the scores (evaluation/slices.py), finding the other columns (column_search.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from liftune.data.readers.table import Table
from liftune.data.splits import KeptColumn, Split
from liftune.data.targets import is_missing
from liftune.errors import DataError, first_of, shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: Values of a column, each of which is a slice; with more, no slice would have rows enough.
MOST_SLICES = 50
#: Different numbers that are a slice each; more are divided into RANGES of about as many rows.
MOST_NUMBERS = 12
RANGES = 5
#: Rows from which on a column is refused where most of them have a value of their own.
_ENOUGH = 20


@dataclass(frozen=True)
class Sliced:
    """A column's rows, by slice."""

    column: str
    names: tuple[str | None, ...]
    """Of the slices; None is that of rows without a value."""
    of_row: NDArray[Any]
    """(N,) each row's place in `names`."""
    in_ranges: bool = False
    """Numbers, divided into ranges of about as many rows each."""


def refuse_slices(
    table: Table, slices: Sequence[str], texts: Sequence[str | None], labels: Sequence[str | None]
) -> None:
    """Refuse a slice by what a row's score is made of.

    Raises:
        DataError: a column of `--slices` is the text's or the label's.
    """
    for name in slices:
        what = "text" if name in texts else "label" if name in labels else None
        if what is None:
            continue
        left = [each for each in table.columns if each not in (*texts, *labels, *slices)]
        others = f"name another column with --slices: {first_of(left, 8)}" if left else "leave --slices out"
        others += f", or the {what}'s with --{what}"
        why = {"text": "the report has scores by its length", "label": "the report has scores by label"}[what]
        raise DataError(
            f"column {name!r} is the {what}, and cannot be a slice too", where=table.where, hint=f"{others}; {why}"
        )


#: Names of columns that have this role where no other column is named for it.
_SURELY = {"text": ("text",), "label": ("label", "labels", "target")}


def surely(names: Sequence[str], role: str) -> tuple[str, ...]:
    """Those whose names leave no doubt that they are the text, or the label.

    >>> surely(("Label", "lang"), "label")
    ('Label',)
    """
    return tuple(name for name in names if name.strip().casefold() in _SURELY[role])


def kept_values(table: Table, name: str) -> KeptColumn:
    """Each row's value as text; of a blank cell None.

    Raises:
        DataError: a cell holds several values.
    """
    cells = table.read(name)
    odd = next((cell for cell in cells if isinstance(cell, list | tuple | dict | set)), None)
    if odd is not None:
        raise DataError(
            f"column {name!r} holds several values in one row, such as {shown(odd)}",
            where=table.where,
            hint="name a column with one value a row with --slices",
        )
    return KeptColumn(name, tuple(None if is_missing(cell) else _text(cell) for cell in cells))


def _text(cell: Any) -> str:
    """3 and 3.0 are one value, as a column of whole numbers with a blank cell is read as floats."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    return " ".join(str(cell).split())


def check_slices(split: Split, where: str) -> None:
    """Refuse, before anything is computed, a column whose values are no slices.

    Raises:
        DataError: it has no value at all, or too many that are no numbers.
    """
    for column in split.kept:
        values = dict.fromkeys(value for value in column.values if value is not None)
        if not values and len(split):
            raise DataError(
                f"column {column.name!r} is blank in all of the {len(split):,} test rows",
                where=where,
                hint="name another column with --slices",
            )
        known = sum(value is not None for value in column.values)
        lone = known >= _ENOUGH and 2 * len(values) > known
        if (len(values) > MOST_SLICES or lone) and _numbers(column.values) is None:
            most = "most rows have one of their own" if lone else f"{MOST_SLICES} slices are the most"
            raise DataError(
                f"column {column.name!r} has {len(values):,} different values in {len(split):,} test rows, such as "
                f"{first_of([shown(each) for each in values], 3)}: {most}",
                where=where,
                hint="name a column of fewer values with --slices, such as the month of a day or the domain of an "
                "address; a column of numbers is divided into ranges",
            )


def sliced(column: KeptColumn) -> Sliced:
    """The rows of each value; of many numbers, of each range. Rows without a value are a slice of their own, the last.

    >>> found = sliced(KeptColumn("lang", ("de", "en", None, "de")))
    >>> found.names, found.of_row.tolist()
    (('de', 'en', None), [0, 1, 2, 0])
    """
    import numpy as np

    numbers = _numbers(column.values)
    different = {value for value in column.values if value is not None}
    in_ranges = numbers is not None and len(different) > MOST_NUMBERS
    names: Sequence[str | None] = column.values
    if in_ranges and numbers is not None:
        names = _ranges(numbers)
    order = sorted({name for name in names if name is not None})
    if numbers is not None:
        least = {name: number for name, number in zip(names, numbers, strict=True) if name is not None}
        order.sort(key=lambda name: least[name] or 0.0)
    every: list[str | None] = [*order, *([None] if None in names else [])]
    place = {name: i for i, name in enumerate(every)}
    return Sliced(column.name, tuple(every), np.array([place[name] for name in names], dtype=np.int64), in_ranges)


def _numbers(values: Sequence[str | None]) -> list[float | None] | None:
    """The values as numbers; None where one is none."""
    found: list[float | None] = []
    for value in values:
        try:
            number = None if value is None else float(value)
        except ValueError:
            return None
        if number is not None and not math.isfinite(number):
            return None
        found.append(number)
    return found


def _ranges(numbers: Sequence[float | None]) -> list[str | None]:
    """(N,) the range of each, by quantiles: ranges hold about as many rows each, and equal numbers lie in one."""
    import numpy as np

    known = np.array([number for number in numbers if number is not None])
    ends = np.unique(np.quantile(known, np.arange(1, RANGES + 1) / RANGES, method="higher"))
    place = np.searchsorted(ends, known)
    spans = [known[place == i] for i in range(len(ends))]
    bounds = dict.fromkeys(bound for span in spans if len(span) for bound in (float(span.min()), float(span.max())))
    plain = dict(zip(bounds, _told_apart(list(bounds)), strict=True))
    names = [f"{plain[float(span.min())]} to {plain[float(span.max())]}" if len(span) else "" for span in spans]
    each = iter(place.tolist())
    return [None if number is None else names[next(each)] for number in numbers]


#: Significant digits of a number in a name: as many as tell the bounds apart. 17 are enough for any two floats.
_DIGITS = range(6, 18)


def _told_apart(numbers: Sequence[float]) -> list[str]:
    """Different numbers as different texts, as short as that allows.

    >>> _told_apart([1234567.0, 0.123456789]), _told_apart([1.7e9 + 0.25, 1.7e9 + 10.5, 1.7e9 + 30])
    (['1234567', '0.123457'], ['1700000000', '1700000010', '1700000030'])
    """
    texts: list[str] = []
    for digits in _DIGITS:
        texts = [_plain(number, digits) for number in numbers]
        if len({float(text) for text in texts}) == len(numbers):
            break
    return texts


def _plain(number: float, digits: int) -> str:
    if not 1 <= abs(number) < 1e15:
        return f"{number:.{digits}g}"
    whole = str(int(number))
    return whole if number.is_integer() else f"{number:.{max(digits, len(whole.lstrip('-')))}g}"
