"""CSV and TSV as people and Excel write them: any of `,` `;` tab, `sep=` lines, quoted line breaks, unquoted TSV.

In: text.  Out: a Table whose ragged lines are faults, or its rows a block at a time.
Not here: bytes to text (encoded.py).
"""

from __future__ import annotations

import csv
import io
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, NamedTuple, TypeAlias

from liftune.data.readers.table import Fault, Table
from liftune.errors import DataError

_DELIMITERS = (",", ";", "\t")
_SAMPLE_RECORDS = 20
_BLOCK = 4_096
_FIELD_LIMIT = threading.Lock()

Opened: TypeAlias = Callable[[], IO[str]]
"""Gives a text from its start."""


class Record(NamedTuple):
    """One row as it was cut, and the 1-based line on which it starts."""

    line: int
    fields: list[str]


@dataclass(frozen=True)
class Dialect:
    """How a text is cut, found by reading all of it once."""

    columns: tuple[str, ...]
    rows: int
    """Below the header."""
    delimiter: str
    quoted: bool
    skipped_lines: int
    """Lines above the header: Excel's `sep=`."""

    def fault(self, record: Record) -> tuple[str, str] | None:
        """What is wrong with a row, and the hint; None where it has as many fields as the header."""
        if len(record.fields) == len(self.columns):
            return None
        return (
            f"line {record.line} has {len(record.fields)} field{'s' * (len(record.fields) != 1)}, "
            f"the header has {len(self.columns)}",
            f'put "double quotes" around a field that holds {_named(self.delimiter)}, a line break or a quote',
        )


def read_delimited(text: str, name: str, where: str, *, prefer: str = ",") -> Table:
    """A table from delimited text whose first line names the columns.

    Args:
        prefer: the delimiter that the file's extension promises; it wins a tie, and a tab wins wherever it occurs.

    Raises:
        DataError: no rows, two columns of one name, or a quote that never closes.
    """

    def opened() -> io.StringIO:
        return io.StringIO(text, newline="")  # line breaks inside quotes stay as they are

    dialect = find_dialect(opened, where, prefer=prefer)
    body = [record for block in records(opened, dialect, _BLOCK) for record in block]
    found = ((position, dialect.fault(record)) for position, record in enumerate(body))
    faults = tuple(Fault(position, *fault) for position, fault in found if fault)
    ragged = {fault.position for fault in faults}
    index = {column: i for i, column in enumerate(dialect.columns)}

    def read(column: str) -> list[str | None]:
        i = index[column]
        return [None if position in ragged else record.fields[i] for position, record in enumerate(body)]

    return Table(name, where, dialect.columns, len(body), read, lines=[each.line for each in body], faults=faults)


def find_dialect(opened: Opened, where: str, *, prefer: str = ",") -> Dialect:
    """How a text is to be cut; one that is read from a disk is not held in memory.

    Args:
        opened: gives the text from its start, its line breaks as they are.

    Raises:
        DataError: no rows, two columns of one name, or a quote that never closes.
    """
    with opened() as start:
        first = start.readline().rstrip("\r\n")
    skipped, delimiter = (1, first[4]) if first[:4].casefold() == "sep=" and len(first) == 5 else (0, None)
    if delimiter is None:
        delimiter = _sniffed(opened, prefer)
    quoted, shape = _quoting(opened, skipped, delimiter, where)
    if shape.header is None:
        raise DataError("the file is empty", where=where, hint="give a file with a header and rows")
    columns = _header(shape.header.fields, where, line=shape.header.line)
    if shape.records == 1:
        raise DataError(
            f"a header ({', '.join(columns)}) and no rows", where=where, hint="add rows below the header line"
        )
    return Dialect(columns, shape.records - 1, delimiter, quoted, skipped)


def records(opened: Opened, dialect: Dialect, count: int) -> Iterator[list[Record]]:
    """The rows below the header, `count` at a time; blank lines are left out."""
    parsed = _parsed(opened, dialect.skipped_lines, dialect.delimiter, quoted=dialect.quoted)
    header = True
    for block in _blocks(parsed, count):
        yield block[1:] if header else block
        header = False


def _sniffed(opened: Opened, prefer: str) -> str:
    """The delimiter that cuts the header into the most fields; among equals, the one that most rows agree with."""

    def fitness(delimiter: str) -> tuple[int, int, bool]:
        sample = islice(_parsed(opened, 0, delimiter), _SAMPLE_RECORDS)
        with _unlimited_fields():
            found = [record.fields for record in sample]
        width = len(found[0]) if found else 0
        return width, sum(len(fields) == width for fields in found), delimiter == prefer

    if prefer == "\t" and fitness(prefer)[0] > 1:
        return prefer
    return max(_DELIMITERS, key=fitness)


@dataclass(frozen=True)
class _Shape:
    """What one way of cutting comes to."""

    header: Record | None
    records: int
    widths: frozenset[int]

    @property
    def even(self) -> bool:
        return len(self.widths) == 1


def _quoting(opened: Opened, skipped: int, delimiter: str, where: str) -> tuple[bool, _Shape]:
    """Whether quotes mean anything, and what the text then comes to."""
    plain = _shape(_parsed(opened, skipped, delimiter, quoted=False)) if delimiter == "\t" else None
    try:
        shape = _shape(_parsed(opened, skipped, delimiter, strict=True))
    except csv.Error as error:
        if plain is not None and plain.even:
            return False, plain
        if "end of data" in str(error):
            raise DataError(
                "a quote that is opened and never closed",
                where=f"{where}, line {_last_start(opened, skipped, delimiter)}",
                hint='close it, and write a quote inside a quoted field as ""',
            ) from None
        shape = _shape(_parsed(opened, skipped, delimiter))
    # Many TSV files know no quoting: there a text that begins with a quote would swallow rows up to the next one.
    # Where every physical line has the header's width, the file is of that kind.
    if plain is not None and plain.even and (plain.records > shape.records or not shape.even):
        return False, plain
    return True, shape


def _shape(parsed: Iterator[Record]) -> _Shape:
    header: Record | None = None
    count, widths = 0, set()
    for block in _blocks(parsed, _BLOCK):
        header = header or block[0]
        count += len(block)
        widths |= {len(record.fields) for record in block}
    return _Shape(header, count, frozenset(widths))


def _parsed(
    opened: Opened, skipped: int, delimiter: str, *, quoted: bool = True, strict: bool = False
) -> Iterator[Record]:
    with opened() as stream:
        for _ in range(skipped):
            stream.readline()
        reader = csv.reader(
            stream, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=strict
        )
        start = 1 + skipped
        for fields in reader:
            if fields:
                yield Record(start, fields)
            start = reader.line_num + 1 + skipped


def _blocks(parsed: Iterator[Record], count: int) -> Iterator[list[Record]]:
    """So many at a time, as the lock on the length of fields may not be held while somebody else works."""
    while True:
        with _unlimited_fields():
            block = list(islice(parsed, count))
        if not block:
            return
        yield block


def _last_start(opened: Opened, skipped: int, delimiter: str) -> int:
    """The line on which the record starts that runs into the end of the file."""
    last = 1
    for block in _blocks(_parsed(opened, skipped, delimiter), _BLOCK):
        last = block[-1].line
    return last


def _header(fields: Sequence[str], where: str, *, line: int) -> tuple[str, ...]:
    # pandas writes its index under an empty name.
    names = tuple(field.strip() or f"column {i + 1}" for i, field in enumerate(fields))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"two columns are named {twice[0]!r}",
            where=f"{where}, line {line}",
            hint="give every column its own name; line 1 must be the header",
        )
    return names


def _named(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else f"a {delimiter!r}"


@contextmanager
def _unlimited_fields() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters a field, one setting for the whole process, and put it back."""
    with _FIELD_LIMIT:
        before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        try:
            yield
        finally:
            csv.field_size_limit(before)
