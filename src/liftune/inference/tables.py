"""Predictions of tables in memory, given back as what they were given: a data frame gets columns, a list of dicts keys.

In: a Predictor, TablesInMemory.  Out: a table of the same kind with the columns that a file of predictions has.
Not here: which tables there are (data/readers/memory.py), names of the columns (files.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
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
    original = tables.given
    held = {name: _held(each) for name, each in tables.given.items()}
    tables = replace(tables, given=held)
    found = {name: _predicted(predictor, tables, name, text, text_pair, tell) for name in tables.given}
    found = {
        name: each.to_reader() if hasattr(original[name], "read_next_batch") else each for name, each in found.items()
    }
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


def _held(table: Any) -> Any:
    """A table that can be read more than once: what a stream of Arrow gives is gone once it is read."""
    import pyarrow as pa

    if hasattr(table, "read_next_batch"):
        return table.read_all()
    if hasattr(table, "__arrow_c_stream__") and not any(hasattr(table, name) for name in ("columns", "features")):
        return pa.table(table)
    return table


def _predicted(
    predictor: Predictor,
    tables: TablesInMemory,
    name: str,
    text: str | None,
    second: str | None,
    tell: Callable[[str], None],
) -> Any:
    given, stream = tables.given[name], tables.stream(name, or_empty=True)
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
    kinds = {column: builder.kinds.get(column) for column in columns}
    kinds |= dict.fromkeys(builder.of_label, typed.arrow)
    return _with_columns(given, {column: _cells(values, kinds[column]) for column, values in columns.items()}, typed)


def _cells(values: list[Any], kind: Any) -> Any:
    """A pyarrow array, of a type that does not depend on which rows there are: those of the next table have it too."""
    import pyarrow as pa

    return pa.array(values) if kind is None or pa.types.is_null(kind) else pa.array(values, type=kind)


def _with_columns(given: Any, columns: Mapping[str, Any], typed: LabelType) -> Any:
    """The table and these columns, as pyarrow arrays, after its own."""
    import pyarrow as pa

    if isinstance(given, Mapping):
        return {**given, **{name: cells.to_pylist() for name, cells in columns.items()}}
    if hasattr(given, "assign"):  # of pandas: its index stays
        return given.assign(**{name: _series(given, cells, typed.column) for name, cells in columns.items()})
    if hasattr(given, "hstack"):  # of polars
        return given.hstack(type(given)(pa.table(dict(columns))))
    if hasattr(given, "with_format"):  # of datasets
        return _with_features(given, columns, typed)
    table = given if isinstance(given, pa.Table | pa.RecordBatch) else pa.table(given)
    if isinstance(table, pa.RecordBatch):
        whole = pa.Table.from_batches([table])
        for name, cells in columns.items():
            whole = whole.append_column(name, cells)
        return pa.RecordBatch.from_arrays(
            [pa.concat_arrays(each.chunks) if each.num_chunks else each.combine_chunks() for each in whole.columns],
            schema=whole.schema,
        )
    for name, cells in columns.items():
        table = table.append_column(name, cells)
    return table


def _with_features(given: Any, columns: Mapping[str, Any], typed: LabelType) -> Any:
    """Of `datasets`: labels are of the declared classes, where the table's own are."""
    import pyarrow as pa
    from datasets import Features

    declared = given.features.get(typed.column) if typed.declared else None
    for name, cells in columns.items():
        plain = Features.from_arrow_schema(pa.schema([(name, cells.type)]))[name]
        is_label = declared is not None and pa.types.is_integer(cells.type)
        given = given.add_column(name, cells.to_pylist(), feature=declared if is_label else plain)
    return given


def _series(frame: Any, cells: Any, labels: str) -> Any:
    """Cells as a column of pandas: whole numbers and booleans stay what they are where a row has no prediction.

    Args:
        labels: the table's own label column, which may be of a type that holds missing values.
    """
    import pandas as pd
    from pyarrow import types

    values = cells.to_pylist()
    if types.is_integer(cells.type) or types.is_boolean(cells.type):
        nullable = None in values or isinstance(frame.dtypes.get(labels), pd.BooleanDtype | pd.Int64Dtype)
        whole = ("int64", "Int64") if types.is_integer(cells.type) else ("bool", "boolean")
        return pd.Series(values, index=frame.index, dtype=whole[nullable])
    if types.is_floating(cells.type):
        return pd.Series(values, index=frame.index, dtype="float64")
    if types.is_string(cells.type):
        return pd.Series(values, index=frame.index, dtype=pd.Series([""]).dtype)
    return pd.Series(values, index=frame.index, dtype=object)
