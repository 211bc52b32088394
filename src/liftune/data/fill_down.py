"""Columns in which a value stands for the rows below it: what is left of merged cells in a CSV file.

In: a Table, the columns that the user names.  Out: it with their blank cells filled, or a DataError.
Not here: merged cells of workbooks (readers/merged_cells.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from liftune.data.column_names import named_columns
from liftune.data.columns import Columns
from liftune.data.readers.table import NotedParts, Parts, Table
from liftune.data.targets import is_missing
from liftune.errors import DataError, pasted
from liftune.option_values import joined_fields
from liftune.spec import DataSpec

#: Of the cells that hold something, how many must stand above a blank one for a column of blocks.
_MOST = 0.95


def filled_down(table: Table, spec: DataSpec) -> Table:
    """With the blank cells of the columns of --fill-down filled from the row above.

    Raises:
        DataError: there is no such column.
    """
    if not spec.fill_down:
        return table
    names = named_columns(table, spec.fill_down, "--fill-down")

    def read(name: str) -> list[Any]:
        cells, above = table.read(name), None
        if name not in names:
            return cells
        filled = []
        for cell in cells:
            above = above if is_missing(cell) else cell
            filled.append(above)
        return filled

    return replace(table, read=read)


def parts_filled_down(parts: Parts, spec: DataSpec) -> Parts:
    """Parts of a source, each filled when it is read: before a column divides it, as rows stand in the file."""
    if not spec.fill_down:
        return parts

    def filled(read: Callable[[], Table]) -> Callable[[], Table]:
        return lambda: filled_down(read(), spec)

    files, notes = getattr(parts, "files", {}), getattr(parts, "notes", ())
    return NotedParts({name: filled(read) for name, read in parts.items()}, files=files, notes=notes)


def refuse_blocks(table: Table, columns: Columns, spec: DataSpec) -> None:
    """Refuse a label column in which most cells are blank, and each value stands above some of them.

    Raises:
        DataError: with the option that fills them.
    """
    if spec.fill_down or spec.skip_bad_rows or columns.labels:
        return
    broken = {fault.position for fault in table.faults}
    cells = [cell for i, cell in enumerate(table.read(columns.label)) if i not in broken]
    blank = [is_missing(cell) for cell in cells]
    starts = [i for i, each in enumerate(blank) if not each]
    if len(starts) < 2 or starts[0] != 0 or 2 * len(starts) > len(cells):
        return
    followed = sum(i + 1 == len(cells) or blank[i + 1] for i in starts)
    if followed >= _MOST * len(starts):
        raise DataError(
            f"column {columns.label!r} is blank in {sum(blank):,} of {len(cells):,} rows, as where a value stands for "
            "the rows below it",
            where=table.where,
            hint=f"if it does: --fill-down {pasted(joined_fields([columns.label]))}; else drop such rows with "
            "--skip-bad-rows",
        )
