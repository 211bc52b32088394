"""The label columns of a file that a model is scored on, where the file has a column for each label of the model.

In: a Table, a spec, the model's labels.  Out: the spec with these columns as the label; a note on labels without one.
Not here: columns of texts that a model remembers (columns.py), labels that are spelt otherwise (label_matching.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from liftune.data.column_names import LABELS, known_name
from liftune.data.columns import Columns
from liftune.data.readers.table import Table
from liftune.data.targets import NO, TICKS, is_missing
from liftune.errors import first_of
from liftune.option_values import joined_fields
from liftune.spec import DataSpec

_NAMED = 8


def with_label_columns(table: Table, spec: DataSpec, labels: Sequence[str]) -> DataSpec:
    """The spec, with the columns that are named like the model's labels, where it names no label and no column is
    called one.

    Args:
        labels: of a model whose rows may have several; none of another.
    """
    if spec.label or not labels or known_name(LABELS, table.columns):
        return spec
    found = dict.fromkeys(filter(None, (known_name((label,), table.columns) for label in labels)))
    marked = [name for name in found if _is_marked(table, name)]
    return spec.model_copy(update={"label": joined_fields(marked)}) if len(marked) > 1 else spec


def as_marks(table: Table, columns: Columns, labels: Sequence[str]) -> Columns:
    """The columns, with one that is named like a label of the model, and holds marks, as the column of that label."""
    if columns.labels or known_name((columns.label,), labels) is None or not _is_marked(table, columns.label):
        return columns
    return replace(columns, labels=(columns.label,))


def lacking_note(columns: Columns, labels: Sequence[str]) -> tuple[str, ...]:
    """Which labels of the model no column is about, where columns say which labels a row has."""
    if not columns.labels:
        return ()
    lacking = [label for label in labels if known_name((label,), columns.labels) is None]
    if not lacking or len(lacking) == len(labels):
        return ()
    said = first_of([repr(each) for each in lacking], _NAMED)
    return (f"no label column for {said}: no row counts as having it, and a prediction of it as wrong",)


def _is_marked(table: Table, name: str) -> bool:
    """Whether a column says yes or no of each row."""
    known = NO | TICKS
    return all(is_missing(cell) or str(cell).strip().casefold() in known for cell in table.read(name))
