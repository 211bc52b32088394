"""Predictions of tables in memory, given back as what they were given: a data frame gets columns, a list of dicts keys.

In: a Predictor, TablesInMemory.  Out: a table of the same kind with the columns that a file of predictions has.
Not here: which tables there are (data/readers/memory.py), names of the columns (files.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from liftune.data.readers.memory import TablesInMemory
from liftune.errors import DataError
from liftune.inference.files import CHUNK, InputRows, RecordBuilder
from liftune.inference.label_type import LabelType, own_type
from liftune.inference.prediction import Prediction
from liftune.inference.predictor import Predictor
from liftune.inference.row_texts import Texts
from liftune.inference.writers import flat


def predict_tables(
    predictor: Predictor,
    tables: TablesInMemory,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    tell: Callable[[str], None] = lambda note: None,
) -> Any:
    """Each table with its predictions; a mapping of tables is given back as a mapping.

    Args:
        tell: is called with what is to be said of the predicted labels.

    Raises:
        DataError: it is no table, or its text column is unclear.
    """
    found = {name: _predicted(predictor, tables, name, text, text_pair, tell) for name in tables.given}
    if not tables.has_parts:
        return found[tables.only or ""]
    # A DatasetDict stays one.
    kind: Any = type(tables.original)
    return kind(found) if hasattr(tables.original, "map") else found


def predictions_of(
    predictor: Predictor, tables: TablesInMemory, *, text: str | None = None, text_pair: str | None = None
) -> list[Prediction]:
    """The predictions of one table, a row each.

    Raises:
        DataError: it is no table, its text column is unclear, or a row has no text.
    """
    stream = tables.stream(tables.only or next(iter(tables.given)))
    texts = Texts.of(stream, pairs=predictor.pairs, text=text, text_pair=text_pair, known=predictor.columns)
    found: list[Prediction] = []
    for block in stream.blocks(CHUNK):
        rows = []
        for line in block:
            row, fault = texts.row(line)
            if fault:
                raise DataError(fault, where=line.place, hint="leave the row out, or give it a text")
            rows.append(row)
        found += predictor.predict(rows)
    return found


def _predicted(
    predictor: Predictor,
    tables: TablesInMemory,
    name: str,
    text: str | None,
    second: str | None,
    tell: Callable[[str], None],
) -> Any:
    given, stream = tables.given[name], tables.stream(name)
    texts = Texts.of(stream, pairs=predictor.pairs, text=text, text_pair=second, known=predictor.columns)
    rows = InputRows(stream.columns, texts, stream.rows, lambda: stream.blocks(CHUNK), nested=False)
    builder = RecordBuilder(rows, predictor)
    added = [each for block in rows.blocks() for each in builder.added(block)]
    typed = own_type(predictor, stream)
    for note in typed.notes:
        tell(note)
    for each in added:
        each.update({name: typed.of(each[name]) for name in builder.of_label if each.get(name) is not None})
    if isinstance(given, list):  # of mappings
        return [{**row, **more} for row, more in zip(given, added, strict=True)]
    columns: dict[str, list[Any]] = {column: [] for column in builder.columns if column not in stream.columns}
    for each in added:
        cells = dict(flat(each))
        for column, values in columns.items():
            values.append(cells.get(column))
    return _with_columns(given, columns, typed, builder.of_label)


def _with_columns(given: Any, columns: Mapping[str, list[Any]], typed: LabelType, of_label: Sequence[str]) -> Any:
    """The table and these columns after its own."""
    import pyarrow as pa

    if isinstance(given, Mapping):
        return {**given, **columns}
    if hasattr(given, "assign"):  # of pandas: its index stays
        return given.assign(**{name: _series(given, cells, typed, name in of_label) for name, cells in columns.items()})
    if hasattr(given, "hstack"):  # of polars
        return given.hstack(type(given)(dict(columns)))
    if hasattr(given, "with_format"):  # of datasets
        for name, cells in columns.items():
            declared = given.features.get(typed.column) if typed.declared and name in of_label else None
            given = given.add_column(name, cells, feature=declared) if declared else given.add_column(name, cells)
        return given
    table = given if isinstance(given, pa.Table | pa.RecordBatch) else pa.table(given)
    if isinstance(table, pa.RecordBatch):
        whole = pa.Table.from_batches([table])
        for name, cells in columns.items():
            whole = whole.append_column(name, pa.array(cells))
        batches = whole.combine_chunks().to_batches()
        return batches[0]
    for name, cells in columns.items():
        table = table.append_column(name, pa.array(cells))
    return table


def _series(frame: Any, cells: list[Any], typed: LabelType, of_label: bool) -> Any:
    """Cells as a column of pandas: whole numbers stay whole where a row has no prediction."""
    if of_label and typed.kind is int and None in cells:
        import pandas as pd

        return pd.array(cells, dtype="Int64")
    return cells
