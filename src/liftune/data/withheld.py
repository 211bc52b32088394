"""Parts whose labels are withheld, as in test files of Kaggle and GLUE: they count as absent, and this is said.

In: the tables of each role, the Columns of train.  Out: the tables with labels, and notes.
Not here: single rows without a label (examples.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftune.data.column_names import LABELS
from liftune.data.columns import Columns, same_columns
from liftune.data.readers.table import Table
from liftune.data.targets import is_missing
from liftune.errors import DataError, amount

#: What stands for a label that is withheld, where a whole part has it and train does not.
_PLACEHOLDERS = frozenset(
    ("?", "??", "-", "--", "_", "na", "n/a", "nan", "none", "null", "unlabeled", "unlabelled", "tbd", "-100")
)


def with_labels(
    tables: Mapping[str, Table], columns: Columns, main: str = "train"
) -> tuple[dict[str, Table], tuple[str, ...]]:
    """Without the parts that have no label: all blank, all -1, or no such column.

    Args:
        main: the role whose columns these are; it must have labels.

    Raises:
        DataError: the main part has none.
    """
    kept: dict[str, Table] = {}
    notes: list[str] = []
    for role, table in tables.items():
        why = _why_absent(table, tables[main], columns, role) if role != main else None
        if why is None:
            kept[role] = table
        else:
            notes.append(f"{table.where}: {why}; counted as absent ({amount(table.rows, 'row')})")
    if _blank(tables[main], columns):
        raise DataError(
            f"no row of {main} has a label in column {columns.label!r}",
            where=tables[main].where,
            hint="name the label column with --label, or another part with --split train=NAME",
        )
    return kept, tuple(notes)


def _why_absent(table: Table, main: Table, columns: Columns, role: str) -> str | None:
    """Why a part has no labels; None if it has some, or another column that may hold them."""
    names = {name.strip().casefold() for name in table.columns}
    labels = {name.strip().casefold() for name in columns.labels or (columns.label,)}
    known = {name.strip().casefold() for name in main.columns} - labels
    if not labels & names and not (names - known) & set(LABELS):
        return f"no labels (no column {columns.label!r})"
    own = same_columns(table, columns, role)
    if _blank(table, own):
        return "no labels (all blank or -1)"
    cells = _labels(table, own)
    [cell, *others] = {str(cell).strip() for cell in cells} if cells else {""}
    if others or cell.casefold() not in _PLACEHOLDERS or cell in {str(each).strip() for each in _labels(main, columns)}:
        return None
    return f"no labels (all {cell!r}, which no train row has)"


def _labels(table: Table, columns: Columns) -> list[Any]:
    broken = {fault.position for fault in table.faults}
    return [cell for i, cell in enumerate(columns.label_cells(table)) if i not in broken]


def _blank(table: Table, columns: Columns) -> bool:
    rows = _labels(table, columns)
    cells = [cell for row in rows for cell in row] if columns.labels else rows
    if not cells:
        return False
    return all(is_missing(cell) for cell in cells) or all(
        cell in (-1, "-1") and not isinstance(cell, bool) for cell in cells
    )
