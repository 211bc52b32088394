"""A file of rows of any size, a block at a time: what formats.py reads at once, in constant memory.

In: a path.  Out: a Stream: its columns and number of rows, found by reading it once; then its rows in blocks.
Not here: reading a file whole (formats.py), which column is the text (columns.py).
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from liftune.data.readers import delimited
from liftune.data.readers.formats import extension, missing, parquet_faults, read_file, read_object
from liftune.data.readers.table import Table, place
from liftune.data.readers.text_encoding import opener
from liftune.errors import DataError

_BLOCK = 4_096


class Line(NamedTuple):
    """One row as it was read."""

    cells: dict[str, Any]
    fault: str | None
    """Why it could not be read; its cells are then those that could be."""
    place: str
    """As a message names it."""


@dataclass(frozen=True)
class Stream:
    """A file's rows, in order."""

    where: str
    columns: tuple[str, ...]
    rows: int
    blocks: Callable[[int], Iterator[list[Line]]]
    """How many rows a block -> the blocks, from the first row; may be asked for again."""

    @property
    def head(self) -> Table:
        """Columns without rows, for whoever looks for the text among them."""
        return Table("rows", self.where, self.columns, 0, lambda column: [])


Objects: TypeAlias = Iterator[Line]


def open_stream(path: str | Path) -> Stream:
    """Look through a file once.

    Raises:
        DataError: missing, unreadable, of an unknown kind, or without a row that can be read.
    """
    path = Path(path).expanduser()
    where = str(path)
    kind = extension(path.name)
    if not path.is_file():
        if path.exists():
            read_file(path)  # says what it is
        raise missing(path)
    with _reading(where):
        if kind in (".csv", ".tsv"):
            return _delimited(path, where, prefer="\t" if kind == ".tsv" else ",")
        if kind in (".jsonl", ".ndjson") or (kind == ".json" and not _is_list(path, where)):
            return _lines(path, where)
        if kind == ".parquet" and not path.name.lower().endswith(".gz"):
            return _parquet(path, where)
        return _table(read_file(path))


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except (EOFError, zlib.error) as error:
        raise DataError(f"damaged gzip file: {error}", where=where, hint="write or download the file again") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(
            f"the file cannot be read: {reason}", where=where, hint="check the file and its permissions"
        ) from None


def _delimited(path: Path, where: str, *, prefer: str) -> Stream:
    opened = opener(path, where, newline="")
    dialect = delimited.find_dialect(opened, where, prefer=prefer)

    def line(position: int, record: delimited.Record) -> Line:
        fault = dialect.fault(record)
        cells = {} if fault else dict(zip(dialect.columns, record.fields, strict=True))
        return _checked(Line(cells, fault[0] if fault else None, place(where, position, record.line)))

    def blocks(count: int) -> Iterator[list[Line]]:
        records = (record for block in delimited.records(opened, dialect, _BLOCK) for record in block)
        with _reading(where):
            yield from _cut((line(i, record) for i, record in enumerate(records, 1)), count)

    return Stream(where, dialect.columns, dialect.rows, blocks)


def _lines(path: Path, where: str) -> Stream:
    # Only \n ends a line: JSON allows U+2028 and its kin inside a string.
    opened = opener(path, where, newline="\n")

    def objects() -> Objects:
        with opened() as file:
            numbered = ((number, line) for number, line in enumerate(file, 1) if line.strip())
            for position, (number, text) in enumerate(numbered, 1):
                cells, fault = read_object(text.rstrip("\n"), number)
                yield _checked(Line(cells, fault[0] if fault else None, place(where, position, number)))

    columns: dict[str, None] = {}
    rows, good, first = 0, 0, None
    for each in objects():
        columns.update(dict.fromkeys(each.cells))
        rows, good, first = rows + 1, good + (each.fault is None), first or each
    if not good:
        reason = first.fault if first is not None and first.fault else "no rows"
        raise DataError(reason, where=first.place if first else where, hint="write one JSON object a line")

    def blocks(count: int) -> Iterator[list[Line]]:
        with _reading(where):
            yield from _cut(objects(), count)

    return Stream(where, tuple(columns), rows, blocks)


def _parquet(path: Path, where: str) -> Stream:
    import pyarrow.parquet

    with parquet_faults(where), pyarrow.parquet.ParquetFile(path) as file:
        rows, columns = file.metadata.num_rows, tuple(file.schema_arrow.names)
    if not rows or len(set(columns)) < len(columns):
        read_file(path)  # says what is wrong

    def objects() -> Objects:
        with parquet_faults(where), pyarrow.parquet.ParquetFile(path) as file:
            position = 0
            for batch in file.iter_batches(batch_size=_BLOCK):
                for cells in batch.to_pylist():
                    position += 1
                    yield _checked(Line(cells, None, place(where, position)))

    return Stream(where, columns, rows, lambda count: _cut(objects(), count))


def _table(table: Table) -> Stream:
    """What could only be read whole."""
    cells = {column: table.read(column) for column in table.columns}
    faults = {fault.position: fault.reason for fault in table.faults}

    def objects() -> Objects:
        for i in range(table.rows):
            row = {column: values[i] for column, values in cells.items()}
            yield _checked(Line(row, faults.get(i), table.place(i)))

    return Stream(table.where, table.columns, table.rows, lambda count: _cut(objects(), count))


def piped(count: int, *, pairs: bool) -> Iterator[list[Line]]:
    """Standard input, a text a line, of a pair one tab between the two; a blank line is an empty text.

    Raises:
        DataError: there is not a line.
    """
    where = "standard input"
    lines = sys.stdin.buffer
    number = 0
    while block := list(islice(lines, count)):
        found = []
        for raw in block:
            number += 1
            text, fault = raw.decode("utf-8", "replace").removesuffix("\n").removesuffix("\r"), None
            if number == 1:
                text = text.removeprefix("\ufeff")
            try:
                raw.decode()
            except UnicodeDecodeError as error:
                fault = f"not UTF-8: byte 0x{raw[error.start]:02x}"
            first, tab, second = text.partition("\t") if pairs else (text, "", "")
            cells = {"text": first, "text_pair": second} if pairs else {"text": first}
            if pairs and not tab:
                fault = f"line {number} is no pair: it has no tab"
            found.append(Line(cells, fault, f"{where}, line {number}"))
        yield found
    if not number:
        raise DataError("no rows", where=where, hint="give a text a line")


def _cut(lines: Iterable[Line], count: int) -> Iterator[list[Line]]:
    lines = iter(lines)
    while block := list(islice(lines, count)):
        yield block


def _checked(line: Line) -> Line:
    """The row with its cells as text that can be written, and a fault where one could not."""
    try:
        json.dumps(line.cells, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        code = ord(error.object[error.start])
        byte = f"not UTF-8: byte 0x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else "half a surrogate pair"
        return Line(_mended(line.cells), line.fault or f"the row holds {byte}", line.place)
    return line


def _mended(cell: Any) -> Any:
    """The same with U+FFFD for what is no text."""
    if isinstance(cell, str):
        return "".join("\ufffd" if 0xD800 <= ord(each) <= 0xDFFF else each for each in cell)
    if isinstance(cell, dict):
        return {_mended(name): _mended(value) for name, value in cell.items()}
    return [_mended(each) for each in cell] if isinstance(cell, list) else cell


def _is_list(path: Path, where: str) -> bool:
    with opener(path, where, newline="\n")() as file:
        while character := file.read(1):
            if not character.isspace():
                return character == "["
    return False
