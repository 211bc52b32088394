"""Merged cells of a sheet: a range has one value, which the file holds in its first cell alone.

In: rows of cells as they stand, and the ranges.  Out: the same with the value in every row of a range, and what to say.
Not here: reading workbooks (sheets.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeAlias

Range: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""The first and the last cell, each as row and column, from 0."""


def filled_down(rows: Sequence[list[Any]], ranges: Iterable[Range], start: tuple[int, int]) -> dict[int, int]:
    """Write the value of each range into the rows that it covers, in place.

    A range within one row stays as it is: it is a title, or the name of a group of columns.

    Args:
        rows: of one width, without what is empty above and left of them.
        start: the cell in the sheet at which the rows begin.

    Returns:
        Column -> how many of its cells were filled.
    """
    counts: dict[int, int] = {}
    for (top, left), (bottom, _) in ranges:
        first, column = top - start[0], left - start[1]
        if not (0 <= first < len(rows) and 0 <= column < len(rows[first])) or _is_blank(rows[first][column]):
            continue
        for row in rows[first + 1 : bottom - start[0] + 1]:
            # A row with nothing in it is none, whatever range covers it.
            if _is_blank(row[column]) and not all(map(_is_blank, row)):
                row[column] = rows[first][column]
                counts[column] = counts.get(column, 0) + 1
    return counts


def said_merged(counts: dict[int, int], header: Sequence[Any], where: str) -> tuple[str, ...]:
    """A note on the columns that were filled.

    Args:
        header: the cells that name the columns.
    """
    if not counts:
        return ()
    named = (header[column] if column < len(header) else None for column in sorted(counts))
    names = [
        str(name) if name is not None else f"column {i + 1}" for i, name in zip(sorted(counts), named, strict=True)
    ]
    total = sum(counts.values())
    return (
        f"{where}: cells are merged in {', '.join(map(repr, names))}: each row that a merged cell covers is read with "
        f"its value ({total:,} cells)",
    )


def _is_blank(cell: Any) -> bool:
    return cell is None or (isinstance(cell, str) and not cell.strip())
