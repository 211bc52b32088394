"""CSV and TSV as people and Excel write them: any of `,` `;` tab, `sep=` lines, quoted line breaks, unquoted TSV.

In: a RawFile.  Out: a Stream; a line with more or fewer fields than the header is a fault.
Not here: bytes to text (text_encoding.py).
"""

from __future__ import annotations

import csv
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import TypeAlias

from liftune.data.readers.streams import Problem, Record, Stream, repeatable
from liftune.data.readers.text_encoding import Opened, RawFile
from liftune.errors import DataError

_DELIMITERS = (",", ";", "\t")
_SAMPLE_RECORDS = 20
_BLOCK = 4_096
_FIELD_LIMIT = threading.Lock()

Parsed: TypeAlias = tuple[int, list[str]]
"""The 1-based line on which a row starts, and its fields."""


@dataclass(frozen=True)
class Dialect:
    """How a text is delimited, known after reading all of it once."""

    columns: tuple[str, ...]
    rows: int
    """Below the header."""
    delimiter: str
    quoted: bool
    skipped_lines: int
    """Lines above the header: Excel's `sep=`."""

    def problem(self, line: int, fields: Sequence[str]) -> Problem:
        """What is wrong with a row that has not as many fields as the header."""
        count = len(fields)
        return (
            f"line {line} has {count} field{'s' * (count != 1)}, the header has {len(self.columns)}",
            f'put "double quotes" around a field that holds {_named(self.delimiter)}, a line break or a quote',
        )


def open_delimited(file: RawFile, *, prefer: str = ",") -> Stream:
    """The rows below a header. The file is first read once, to find out how it is delimited.

    Args:
        prefer: the delimiter that the file's extension promises; it wins a tie, and a tab wins wherever it occurs.

    Raises:
        DataError: no rows, two columns of one name, or a quote that never closes.
    """
    opened = file.text_opener(newline="")  # line breaks inside quotes stay as they are
    dialect = _find_dialect(opened, file.where, prefer=prefer)
    records = repeatable(lambda: _below_header(opened, dialect), file)
    index = {column: i for i, column in enumerate(dialect.columns)}

    def column(name: str) -> list[str | None]:
        i = index[name]
        return [cells[i] if cells else None for cells, _, _ in records()]

    return Stream(file.where, dialect.columns, dialect.rows, records, column, nested=False, typed=False)


def _find_dialect(opened: Opened, where: str, *, prefer: str) -> Dialect:
    with opened() as start:
        first = start.readline().rstrip("\r\n")
    skipped, delimiter = (1, first[4]) if first[:4].casefold() == "sep=" and len(first) == 5 else (0, None)
    if delimiter is None:
        delimiter = _sniffed(opened, prefer)
    quoted, shape = _quoting(opened, skipped, delimiter, where)
    if shape.header is None:
        raise DataError("the file is empty", where=where, hint="give a file with a header and rows")
    columns = _header(*shape.header, where)
    if shape.records == 1:
        raise DataError(
            f"a header ({', '.join(columns)}) and no rows", where=where, hint="add rows below the header line"
        )
    return Dialect(columns, shape.records - 1, delimiter, quoted, skipped)


def _below_header(opened: Opened, dialect: Dialect) -> Iterator[Record[list[str]]]:
    """The rows; blank lines are left out."""
    width = len(dialect.columns)
    parsed = _parsed(opened, dialect.skipped_lines, dialect.delimiter, quoted=dialect.quoted)
    for line, fields in islice(chain.from_iterable(_blocks(parsed)), 1, None):
        yield (fields, line, None) if len(fields) == width else ([], line, dialect.problem(line, fields))


def _sniffed(opened: Opened, prefer: str) -> str:
    """The delimiter that divides the header into the most fields; among equals, the one that most rows agree with."""

    def fitness(delimiter: str) -> tuple[int, int, bool]:
        sample = islice(_parsed(opened, 0, delimiter), _SAMPLE_RECORDS)
        with _unlimited_fields():
            widths = [len(fields) for _, fields in sample]
        width = widths[0] if widths else 0
        return width, widths.count(width), delimiter == prefer

    if prefer == "\t" and fitness(prefer)[0] > 1:
        return prefer
    return max(_DELIMITERS, key=fitness)


@dataclass(frozen=True)
class _Shape:
    """What a text holds if it is delimited in one way."""

    header: Parsed | None
    records: int
    widths: frozenset[int]

    @property
    def even(self) -> bool:
        return len(self.widths) == 1


def _quoting(opened: Opened, skipped: int, delimiter: str, where: str) -> tuple[bool, _Shape]:
    """Whether quotes have a meaning, and what the text then holds."""
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
    # Many TSV files do not use quoting: in them, a text that begins with a quote would swallow rows up to the next one.
    # If every physical line has the header's width, the file is of that kind.
    if plain is not None and plain.even and (plain.records > shape.records or not shape.even):
        return False, plain
    return True, shape


def _shape(parsed: Iterator[Parsed]) -> _Shape:
    header: Parsed | None = None
    count, widths = 0, set()
    for block in _blocks(parsed):
        header = header or block[0]
        count += len(block)
        widths |= {len(fields) for _, fields in block}
    return _Shape(header, count, frozenset(widths))


def _parsed(
    opened: Opened, skipped: int, delimiter: str, *, quoted: bool = True, strict: bool = False
) -> Iterator[Parsed]:
    with opened() as stream:
        for _ in range(skipped):
            stream.readline()
        reader = csv.reader(
            stream, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE, strict=strict
        )
        start = 1 + skipped
        for fields in reader:
            if fields:
                yield start, fields
            start = reader.line_num + 1 + skipped


def _blocks(parsed: Iterator[Parsed]) -> Iterator[list[Parsed]]:
    """A few thousand at a time, as the lock on the length of fields must not be held while other code runs."""
    while True:
        with _unlimited_fields():
            block = list(islice(parsed, _BLOCK))
        if not block:
            return
        yield block


def _last_start(opened: Opened, skipped: int, delimiter: str) -> int:
    """The line on which the row starts that runs into the end of the file."""
    last = 1
    for block in _blocks(_parsed(opened, skipped, delimiter)):
        last = block[-1][0]
    return last


def _header(line: int, fields: Sequence[str], where: str) -> tuple[str, ...]:
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
