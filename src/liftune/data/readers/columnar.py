"""Cells of Arrow columns, in Parquet and Arrow files, as Python values that the rest of liftune knows.

In: pyarrow batches and schemas.  Out: str, bool, int, float, lists of these; class names that `datasets` declares.
Not here: opening files (parquet.py, arrow.py).

Decimals become numbers, bytes in UTF-8 become text. Dates and times stay what they are, and are refused as labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from liftune.data.readers.arrow_types import TextOf, text_of_field
from liftune.data.readers.nested import Nesting, Opened
from liftune.data.readers.streams import Record, Stream
from liftune.data.readers.table import NoRows
from liftune.errors import DataError
from liftune.json_text import parse_json


def columnar_stream(
    where: str,
    schema: Any,
    rows: int,
    batches: Callable[[tuple[str, ...]], Iterator[Any]],
    *,
    or_empty: bool = False,
) -> Stream:
    """The rows of a file of columns.

    Args:
        schema: a pyarrow.Schema.
        batches: names of columns -> the file's pyarrow.RecordBatches with these.
        or_empty: whether it may be without rows.

    Raises:
        DataError: no rows, or two columns of one name.
    """
    columns = tuple(name for name in schema.names if not _is_index(name))
    kinds = {name: schema.field(schema.get_field_index(name)).type for name in columns if columns.count(name) == 1}
    if not rows and not or_empty:
        message = f"columns ({', '.join(columns)}) and no rows"
        raise NoRows(message, where=where, hint="give a file with rows", columns=columns, kinds=kinds)
    if len(set(columns)) < len(columns):
        raise DataError("two columns have one name", where=where, hint="give every column its own name")

    texts = {name: text_of_field(schema.field(name)) for name in columns}

    def records() -> Iterator[Record[dict[str, Any]]]:
        for batch in batches(columns):
            cells = {name: cells_of(batch.column(name), texts[name]) for name in columns}
            for i in range(batch.num_rows):
                yield {name: column[i] for name, column in cells.items()}, None, None

    def column(name: str) -> list[Any]:
        cells = [cell for batch in batches((name,)) for cell in cells_of(batch.column(name), texts[name])]
        if len(cells) != rows:
            raise DataError(
                f"damaged: column {name!r} has {len(cells):,} cells, and the file has {rows:,} rows",
                where=where,
                hint="write the file again",
            )
        return cells

    names = declared_names(schema.metadata or {})
    opened = _opened(schema, tuple(name for name in columns if texts[name] is None), columns, column)
    return Stream(where, columns, rows, records, column, lines=False, class_names=names, opened=opened, kinds=kinds)


def _opened(
    schema: Any, plain: tuple[str, ...], columns: tuple[str, ...], column: Callable[[str], list[Any]]
) -> Opened:
    """What is in the columns of structures.

    Args:
        plain: those whose cells are not of another's type.
    """
    from pyarrow import types

    nesting = Nesting()
    for name in plain:
        kind = schema.field(name).type
        kind = kind.value_type if types.is_list(kind) or types.is_large_list(kind) else kind
        if types.is_struct(kind):
            for cell in column(name):
                nesting.add({name: cell})
    return nesting.opened(columns)


def cells_of(array: Any, text: TextOf | None = None) -> list[Any]:
    """A pyarrow array's cells.

    Args:
        text: what makes a text of a cell of its storage, where the column is of another's type.
    """
    import pyarrow as pa
    from pyarrow import types

    if text is not None:
        return _texts_of(array, text)
    kind = array.type.value_type if types.is_dictionary(array.type) else array.type
    if types.is_timestamp(kind) and kind.unit == "ns":  # pyarrow gives these to pandas alone
        array = array.cast(pa.timestamp("us", kind.tz), safe=False)
    elif types.is_duration(kind) and kind.unit == "ns":
        array = array.cast(pa.duration("us"), safe=False)
    elif types.is_interval(kind):
        return [None if each is None else str(each) for each in array.to_pylist()]
    elif types.is_time64(kind) and kind.unit == "ns":
        array = array.cast(pa.time64("us"), safe=False)
    try:
        cells: list[Any] = array.to_pylist()
    except (ValueError, OverflowError):  # a text that is not UTF-8, a day in the year 50,000
        return [_cell_of(each) for each in array]
    plain = types.is_integer(kind) or types.is_boolean(kind) or types.is_string(kind) or types.is_large_string(kind)
    return cells if plain else [plain_cell(cell) for cell in cells]


def _texts_of(array: Any, text: TextOf) -> list[Any]:
    """The cells of an array of another's type, each distinct one of a dictionary worked out once."""
    from pyarrow import types

    if types.is_dictionary(array.type):
        values = _texts_of(array.dictionary, text)
        return [None if i is None else values[i] for i in array.indices.to_pylist()]
    return [text(cell) for cell in cells_of(getattr(array, "storage", array))]


def _cell_of(scalar: Any) -> Any:
    """A pyarrow scalar's cell: bytes where a text is not UTF-8, nothing where Python has no such time."""
    try:
        return plain_cell(scalar.as_py())
    except UnicodeDecodeError:
        return scalar.as_buffer().to_pybytes() if hasattr(scalar, "as_buffer") else None
    except (ValueError, OverflowError):
        return None


def plain_cell(cell: Any) -> Any:
    """Decimals as numbers, bytes as text, and the same within lists.

    >>> plain_cell([Decimal("2"), Decimal("2.50"), b"caf\\xc3\\xa9", b"\\xff"])
    [2, 2.5, 'café', b'\\xff']
    """
    if isinstance(cell, Decimal):
        return int(cell) if cell.is_finite() and cell == cell.to_integral_value() else float(cell)
    if isinstance(cell, UUID) or (type(cell).__module__.partition(".")[0] == "pandas" and _is_span(cell)):
        return str(cell)
    if isinstance(cell, bytes):
        try:
            return cell.decode()
        except UnicodeDecodeError:
            return cell  # a bad row where it is needed
    if isinstance(cell, list):
        return [plain_cell(each) for each in cell]
    if type(cell).__name__ == "float16":
        return float(cell)
    return cell


def _is_span(cell: Any) -> bool:
    """Whether it is one of pandas' periods or intervals: (0, 5], the year 2020."""
    return type(cell).__name__ in ("Period", "Interval")


def _is_index(name: str) -> bool:
    """Whether pandas wrote a column for its own index, which holds no data."""
    return name.startswith("__index_level_") and name.endswith("__")


def declared_names(metadata: Mapping[bytes, bytes]) -> dict[str, tuple[str, ...]]:
    """ClassLabel names that `datasets` writes into a file's schema, by column."""
    try:
        features = parse_json(metadata.get(b"huggingface", b"{}"))["info"]["features"]
        return {column: names for column, feature in features.items() if (names := _names(feature))}
    except (KeyError, TypeError, AttributeError, ValueError):
        return {}  # written by another tool, or by a version with another layout: numbers stay numbers


def _names(feature: Any) -> tuple[str, ...]:
    if isinstance(feature, list):  # how older versions write a list of labels
        return _names(feature[0])
    if feature.get("_type") in ("Sequence", "List", "LargeList"):
        return _names(feature["feature"])
    return tuple(feature["names"]) if feature.get("_type") == "ClassLabel" else ()
