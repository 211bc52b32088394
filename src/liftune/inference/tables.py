"""Predictions of tables in memory, given back as what they were given: a data frame gets columns, a list of dicts keys.

In: a Predictor, TablesInMemory.  Out: a table of the same kind with the columns that a file of predictions has.
Not here: which tables there are (data/readers/memory.py), names of the columns (files.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftune.data.readers.memory import TablesInMemory
from liftune.errors import DataError
from liftune.inference.files import CHUNK, InputRows, RecordBuilder
from liftune.inference.prediction import Prediction
from liftune.inference.predictor import Predictor
from liftune.inference.row_texts import Texts
from liftune.inference.writers import flat


def predict_tables(
    predictor: Predictor, tables: TablesInMemory, *, text: str | None = None, text_pair: str | None = None
) -> Any:
    """Each table with its predictions; a mapping of tables is given back as a mapping.

    Raises:
        DataError: it is no table, or its text column is unclear.
    """
    found = {name: _predicted(predictor, tables, name, text, text_pair) for name in tables.given}
    if not isinstance(tables.original, Mapping) or tables.only:
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


def _predicted(predictor: Predictor, tables: TablesInMemory, name: str, text: str | None, second: str | None) -> Any:
    given, stream = tables.given[name], tables.stream(name)
    texts = Texts.of(stream, pairs=predictor.pairs, text=text, text_pair=second, known=predictor.columns)
    rows = InputRows(stream.columns, texts, stream.rows, lambda: stream.blocks(CHUNK), nested=False)
    builder = RecordBuilder(rows, predictor)
    added = [each for block in rows.blocks() for each in builder.added(block)]
    if isinstance(given, list):  # of mappings
        return [{**row, **more} for row, more in zip(given, added, strict=True)]
    columns: dict[str, list[Any]] = {column: [] for column in builder.columns if column not in stream.columns}
    for each in added:
        cells = dict(flat(each))
        for column, values in columns.items():
            values.append(cells.get(column))
    return _with_columns(given, columns)


def _with_columns(given: Any, columns: Mapping[str, list[Any]]) -> Any:
    """The table and these columns after its own."""
    import pyarrow as pa

    if isinstance(given, Mapping):
        return {**given, **columns}
    if hasattr(given, "assign"):  # of pandas: its index stays
        return given.assign(**columns)
    if hasattr(given, "hstack"):  # of polars
        return given.hstack(type(given)(dict(columns)))
    if hasattr(given, "with_format"):  # of datasets
        for name, cells in columns.items():
            given = given.add_column(name, cells)
        return given
    table = given if isinstance(given, pa.Table) else pa.table(given)
    for name, cells in columns.items():
        table = table.append_column(name, pa.array(cells))
    return table
