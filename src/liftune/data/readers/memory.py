"""Tables that are in memory already: data frames, Arrow tables, data sets, lists of rows, texts and labels.

In: what a caller passes.  Out: TablesInMemory, whose parts are read as a file's are: a frame's cells are those of the
Parquet file that it would be written to, a list's those of a JSON file.
Not here: rows that a predictor takes (inference/rows.py), which column is the text (columns.py).
"""

from __future__ import annotations

import collections.abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

from liftune.data.column_names import PAIRS
from liftune.data.readers.columnar import columnar_stream, plain_cell
from liftune.data.readers.json_objects import stream_of_objects
from liftune.data.readers.json_shapes import rows_of
from liftune.data.readers.options import FileOptions
from liftune.data.readers.services import recognised
from liftune.data.readers.streams import Stream
from liftune.data.readers.table import Parts
from liftune.errors import DataError, lacks_memory

WHERE = "data in memory"
#: Cells of a row that may be a text, its pair and a label.
_MOST_OF_A_PAIR = 3
_KINDS = (
    "a data frame of pandas or polars, an Arrow table, a Dataset or DatasetDict of `datasets`, a list of dicts, a dict "
    "of columns, (texts, labels), or a dict that names such tables train and test"
)


@dataclass(frozen=True, eq=False)
class TablesInMemory:
    """One table, or several by the name of their part. Each is turned into a stream when it is asked for.

    Args:
        given: part -> a table of any kind; a single one is named "rows".
        original: what was passed.
        has_parts: whether that names its parts, be it one.
    """

    given: Mapping[str, Any]
    original: Any = None
    has_parts: bool = False

    def parts(self, options: FileOptions) -> Parts:
        """As of a source that was read.

        Raises:
            DataError: an option is for files of text; a part is no table.
        """
        unused = [name for name in options.given if name != "--columns"]
        if unused:
            raise DataError(
                "rows in memory are not read from a text file, which is what that is for",
                where=", ".join(unused),
                hint="leave it out",
            )
        return {name: partial(self._table, name, options.columns) for name in self.given}

    def stream(self, name: str, columns: Sequence[str] = (), *, or_empty: bool = False) -> Stream:
        """The rows of one part.

        Args:
            columns: the names of the cells, where rows are lists or tuples.
            or_empty: whether a frame may be without rows.

        Raises:
            DataError: it is no table, or has no rows.
        """
        where = WHERE if len(self.given) == 1 else f"{WHERE}, {name}"
        return recognised(stream_of(self.given[name], where, columns, or_empty=or_empty))

    def _table(self, name: str, columns: Sequence[str]) -> Any:
        return self.stream(name, columns).collected(name)

    @cached_property
    def only(self) -> str | None:
        """The one part's name; None where there are several."""
        return next(iter(self.given)) if len(self.given) == 1 else None


def is_table(value: object) -> bool:
    """Whether a value is rows of some kind, and no path."""
    return _is_frame(value) or isinstance(value, Mapping) or (_is_list(value) and not isinstance(value, str))


def tables_of(value: object) -> TablesInMemory:
    """What was passed, by the names of its parts.

    Raises:
        DataError: it is no table.
    """
    if isinstance(value, Mapping) and value and all(is_table(each) for each in value.values()) and _are_parts(value):
        if any(map(_only_iterated, value.values())):
            raise _not_held(value, WHERE)
        return TablesInMemory({str(name): each for name, each in value.items()}, value, has_parts=True)
    if isinstance(value, Mapping):
        _refuse_columns_beside_tables(value)
    if not is_table(value):
        hint = "give what its collect() returns" if hasattr(value, "collect") else f"give {_KINDS}"
        raise DataError(f"a value of type {type(value).__name__} is no table", where=WHERE, hint=hint)
    return TablesInMemory({"rows": value}, value)


def _refuse_columns_beside_tables(value: Mapping[Any, Any]) -> None:
    """Refuse a mapping of tables of which some are one column."""
    tables = [name for name, each in value.items() if _is_frame(each) and _has_columns(each)]
    columns = [name for name, each in value.items() if is_table(each) and not _has_columns(each)]
    if tables and columns:
        raise DataError(
            f"{columns[0]} is one column, not a table, and {tables[0]} is a table",
            where=str(columns[0]),
            hint="give a table of the same columns",
        )


def _are_parts(value: Mapping[Any, Any]) -> bool:
    """Whether a mapping's values are tables, and not columns."""
    return all(map(_has_columns, value.values()))


def _has_columns(value: Any) -> bool:
    """Whether a value is a table by itself; a list of texts or numbers may be a column of one."""
    if _is_frame(value):
        return _is_dataset(value) or any(hasattr(value, name) for name in ("columns", "read_next_batch"))  # no Series
    if isinstance(value, tuple):
        return _is_texts_and_labels(value)
    return isinstance(value, Mapping) or (_is_list(value) and all(isinstance(each, Mapping) for each in value))


def _is_frame(value: Any) -> bool:
    """Whether Arrow can take it: a data frame, an Arrow table, a data set."""
    return hasattr(value, "__arrow_c_stream__") or _is_dataset(value)


def _is_dataset(value: object) -> bool:
    return hasattr(value, "features") and hasattr(value, "with_format")


def _is_list(value: Any) -> bool:
    return isinstance(value, collections.abc.Sequence) and not isinstance(value, bytes | bytearray | memoryview)


def _is_texts_and_labels(value: Sequence[Any]) -> bool:
    return len(value) == 2 and all(
        isinstance(each, Iterable) and not isinstance(each, str | bytes | Mapping) for each in value
    )


# Streams ------------------------------------------------------------------------------------------------------------


def stream_of(value: Any, where: str, columns: Sequence[str] = (), *, or_empty: bool = False) -> Stream:
    """The rows of one table.

    Args:
        columns: the names of the cells, where rows are lists or tuples.
        or_empty: whether a frame may be without rows.

    Raises:
        DataError: it has no rows, or they are not of one kind.
    """
    if _is_frame(value):
        if columns:
            raise DataError("a table names its columns itself", where=where, hint="leave columns out")
        return _of_frame(value, where, or_empty=or_empty)
    if isinstance(value, tuple) and _is_texts_and_labels(value):
        return stream_of_objects(where, _of_texts_and_labels(value, where), ())
    if isinstance(value, Mapping):
        return stream_of_objects(where, _of_columns(value, where), ())
    rows = [_plain(each) for each in value]
    if rows and not columns and all(isinstance(each, str) for each in rows):
        raise DataError(
            "texts without labels", where=where, hint="give both: (texts, labels), or a list of dicts with both"
        )
    if isinstance(value, list) and not columns and len(rows) == 2 and _are_two_columns(rows):
        raise DataError(
            f"two lists of {len(rows[0]):,}, which are not rows",
            where=where,
            hint="texts and labels are a tuple: (texts, labels)",
        )
    objects, notes = rows_of(rows, where, columns)
    return stream_of_objects(where, objects, notes)


def _are_two_columns(rows: Sequence[Any]) -> bool:
    """Whether two rows are rather texts and their labels: as many of both, more than any row has."""
    return all(isinstance(each, list) for each in rows) and len(rows[0]) == len(rows[1]) > _MOST_OF_A_PAIR


def _of_frame(value: Any, where: str, *, or_empty: bool = False) -> Stream:
    import pyarrow as pa

    if _is_dataset(value):
        if _only_iterated(value):
            raise _not_held(value, where)
        return _of_arrow(value.with_format("arrow")[:], where, or_empty=or_empty)
    one = DataError("one column, not a table", where=where, hint="give the table, or (texts, labels)")
    if not hasattr(value, "to_dict") or not hasattr(value, "iloc"):
        try:
            table = pa.table(value)
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            if lacks_memory(error):
                raise
            if hasattr(value, "columns") or hasattr(value, "schema"):
                raise DataError(
                    f"Arrow cannot hold a column of it: {error}",
                    where=where,
                    hint="leave the column out, or turn it into texts or numbers of 64 bits",
                ) from None
            raise one from None  # a Series, an array
        return _of_arrow(table, where, or_empty=or_empty)
    if not hasattr(value, "columns"):  # of pandas
        raise one
    frame = value.set_axis([str(name) for name in value.columns], axis="columns")
    try:
        return _of_arrow(pa.Table.from_pandas(frame, preserve_index=_index_kept(frame)), where, or_empty=or_empty)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:  # a column with cells of several kinds
        if lacks_memory(error):
            raise
        names = list(frame.columns)
        cells = [[_plain(cell) for cell in frame.iloc[:, i].tolist()] for i in range(len(names))]
        _refuse_twins(names, where)
        objects = [dict(zip(names, row, strict=True)) for row in zip(*cells, strict=True)]
        return stream_of_objects(where, objects, (), columns=names)


def _index_kept(frame: Any) -> bool | None:
    """Whether the index is a column, as in a Parquet file: None keeps one that is no mere count of the rows."""
    names = [name for name in frame.index.names if name is not None]
    return None if names and not {str(name) for name in names} & set(frame.columns) else False


def _only_iterated(value: Any) -> bool:
    """Whether it is a data set without a length."""
    return _is_dataset(value) and not hasattr(value, "__len__")


def _not_held(rows: Any, where: str) -> DataError:
    """Of a data set, or parts of one: its features go along, as they name the classes."""
    one = "Dataset.from_list(list({0}), features={0}.features)"
    parts = f"DatasetDict({{name: {one.format('part')} for name, part in rows.items()}})"
    hint = f"{parts if isinstance(rows, Mapping) else one.format('rows')} holds it"
    return DataError("a data set that can only be iterated over", where=where, hint=hint)


def _of_arrow(table: Any, where: str, *, or_empty: bool = False) -> Stream:
    """As of a file of columns."""
    if not table.num_rows and not (or_empty and table.num_columns):
        raise DataError("a table without rows", where=where, hint="give one with rows")

    def batches(columns: tuple[str, ...]) -> Any:
        return iter(table.select(list(columns)).to_batches())

    _refuse_twins(table.schema.names, where)
    return columnar_stream(where, table.schema, table.num_rows, batches, or_empty=or_empty)


def _refuse_twins(names: Sequence[str], where: str) -> None:
    if len(set(names)) < len(names):
        raise DataError("two columns have one name", where=where, hint="give every column its own name")


def _of_texts_and_labels(value: Sequence[Any], where: str) -> list[dict[str, Any]]:
    """Rows with columns of the usual names."""
    if _is_frame(value[0]) and _has_columns(value[0]):
        return _of_table_and_labels(value[0], value[1], where)
    texts, labels = ([_plain(cell) for cell in each] for each in value)
    if texts and all(isinstance(each, list) and len(each) == 1 for each in texts):
        texts = [each[0] for each in texts]
    if len(texts) != len(labels):
        raise DataError(
            f"{len(texts):,} texts and {len(labels):,} labels", where=where, hint="give each text its label"
        )
    if texts and all(isinstance(each, list) and len(each) == 2 for each in texts):
        first, second = PAIRS[0]
        return [{first: a, second: b, "label": label} for (a, b), label in zip(texts, labels, strict=True)]
    return [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]


def _of_table_and_labels(table: Any, labels: Iterable[Any], where: str) -> list[dict[str, Any]]:
    """X and y, as scikit-learn takes them: the table's rows with the label beside them."""
    rows, given = stream_of(table, where).collected("rows"), [_plain(cell) for cell in labels]
    if "label" in rows.columns:
        hint = "give the table alone, or leave that column out of it"
        raise DataError("a table that has a column 'label', and labels beside it", where=where, hint=hint)
    cells = [rows.read(name) for name in rows.columns]
    counts = len(cells[0]) if cells else 0
    if counts != len(given):
        raise DataError(f"{counts:,} rows and {len(given):,} labels", where=where, hint="give each row its label")
    return [
        {**dict(zip(rows.columns, row, strict=True)), "label": label} for *row, label in zip(*cells, given, strict=True)
    ]


def _of_columns(value: Mapping[Any, Any], where: str) -> list[dict[str, Any]]:
    columns = {str(name): each for name, each in value.items()}
    wrong = [name for name, each in columns.items() if isinstance(each, str | bytes) or not isinstance(each, Iterable)]
    if wrong:
        raise DataError(f"column {wrong[0]!r} is no list of cells", where=where, hint=f"give {_KINDS}")
    cells = {name: [_plain(cell) for cell in each] for name, each in columns.items()}
    counts = {name: len(each) for name, each in cells.items()}
    if len(set(counts.values())) > 1:
        said = ", ".join(f"{name}: {count:,}" for name, count in counts.items())
        raise DataError(f"columns of several lengths ({said})", where=where, hint="give every column as many cells")
    return [dict(zip(cells, row, strict=True)) for row in zip(*cells.values(), strict=True)]


def _plain(cell: Any) -> Any:
    """A value as JSON would hold it: no type of numpy or pandas; what is missing is None."""
    if cell is None or isinstance(cell, str | bool | int):
        return cell if type(cell) in (str, bool, int, type(None)) else _built_in(cell)
    if isinstance(cell, float):
        return None if cell != cell else float(cell)
    if type(cell).__name__ in ("NAType", "NaTType"):
        return None
    if hasattr(cell, "as_py"):  # of Arrow
        return _plain(cell.as_py())
    if isinstance(cell, Mapping):
        return {str(name): _plain(each) for name, each in cell.items()}
    if isinstance(cell, list | tuple | set | frozenset) or hasattr(cell, "__array__"):
        to_list: Callable[[], Any] | None = getattr(cell, "tolist", None)
        values = to_list() if to_list else cell
        return (
            [_plain(each) for each in values] if isinstance(values, list | tuple | set | frozenset) else _plain(values)
        )
    return plain_cell(cell)


def _built_in(cell: Any) -> Any:
    """A str, int or bool of its own type, as numpy and enumerations have them."""
    return str.__str__(cell) if isinstance(cell, str) else int(cell)
