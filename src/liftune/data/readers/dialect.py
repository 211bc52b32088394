"""How a text is delimited: by what, and whether quotes have a meaning. Quotes that do not match are refused.

In: a text that can be opened again and again.  Out: a Dialect, and the Shape that the text has by it.
Not here: what the first line is (header.py), titles above it (preamble.py), rows (delimited.py), quotes that
swallow rows (quotes.py).
"""

from __future__ import annotations

import csv
import sys
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TypeAlias

from liftune.data.readers.comments import comments_above, said_comments
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.data.readers.preamble import doubtful_titles, find_above, said_above, said_nameless
from liftune.data.readers.quotes import Span, Spans
from liftune.data.readers.table import NoRows
from liftune.data.readers.text_encoding import Opened
from liftune.errors import DataError, pasted

#: The first one wins where several divide all lines alike: a comma occurs in texts, a tab hardly ever.
_DELIMITERS = ("\t", ";", ",", "|")
_SNIFFED_RECORDS = 50
_SAMPLE_RECORDS = 1_000
_BLOCK = 4_096
_MOST_GAPS = 3
#: Rows of empty fields that are held back until it shows whether a row is below them.
_MOST_EMPTY = 100_000
#: With fewer rows above a blank line than this, what is below it is no second table.
_LEAST_ROWS = 5
_FIELD_LIMIT = threading.Lock()
_REPAIR = 'write the field in "double quotes" and each quote inside it as "", or save the file as JSON lines'

Parsed: TypeAlias = tuple[int, list[str]]
"""The 1-based line on which a row starts, and its fields."""


class Mismatch(Exception):  # noqa: N818 - caught here
    """What a strict reader says of quotes, and where."""

    def __init__(self, start: int, end: int, line: str, *, open_: bool) -> None:
        super().__init__(start, end)
        self.start, self.end, self.line, self.open = start, end, line, open_

    def refusal(self, where: str) -> DataError:
        """As an error: by the line on which the quote opens."""
        at = f"{where}, line {self.start}"
        if self.open:
            return DataError("a quote that is opened and never closed", where=at, hint=f"close it: {_REPAIR}")
        if '\\"' in self.line:
            command = rf"""sed 's/\\"/""/g' {pasted(where)} > rows.csv"""
            repair = rf"""write a quote inside a quoted field as "", not as \": {command}"""
            return DataError(r"a quote inside a quoted field is written as \"", where=at, hint=repair)
        closing = "" if self.start == self.end else f" that opens in line {self.start}"
        return DataError(f"a quote{closing} closes within a field of line {self.end}", where=at, hint=_REPAIR)


@dataclass(frozen=True)
class Dialect:
    """How a text is delimited."""

    delimiter: str
    quoted: bool = True
    skipped_lines: int = 0
    """Lines at the start that are left out: Excel's `sep=`, titles."""
    spaced: bool = False
    """Whether blanks stand between a delimiter and the quote after it."""

    def parsed(self, opened: Opened, *, spans: Spans | None = None) -> Iterator[Parsed]:
        """The rows of a text; blank lines are left out, and so are rows of empty fields alone below the last row.

        Args:
            spans: is told of every row, and what quotes mean is then strict.

        Raises:
            Mismatch: a quoted field goes on after its closing quote, or never ends.
        """
        with opened() as stream:
            for _ in range(self.skipped_lines):
                stream.readline()
            reader = csv.reader(
                stream if spans is None else spans.watched(stream),
                delimiter=self.delimiter,
                quoting=csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
                skipinitialspace=self.spaced,
                strict=spans is not None,
            )
            start = 1 + self.skipped_lines
            empty: list[Parsed] = []
            try:
                for fields in reader:
                    if len(fields) > 1 and len(empty) < _MOST_EMPTY and not any(map(str.strip, fields)):
                        empty.append((start, fields))
                    elif fields:
                        yield from empty
                        empty.clear()
                        yield start, fields
                    if spans is not None:
                        spans.row(start, fields)
                    start = reader.line_num + 1 + self.skipped_lines
            except csv.Error as error:
                end = reader.line_num + self.skipped_lines
                line = spans.last_line if spans else ""
                raise Mismatch(start, end, line, open_="end of data" in str(error)) from None


@dataclass
class Shape:
    """What a text holds if it is delimited in one way."""

    first: Parsed = (1, [])
    records: int = 0
    widths: Counter[int] = field(default_factory=Counter)
    """Fields -> rows that have so many."""
    sample: list[list[str]] = field(default_factory=list)
    """The rows after the first one, up to a thousand."""
    lines: list[int] = field(default_factory=list)
    """On which the first rows start, as many as the sample has, and one more."""
    filled: Counter[int] = field(default_factory=Counter)
    """Fields up to the last one that is not empty -> rows that have so many."""
    gaps: list[tuple[int, int]] = field(default_factory=list)
    """Line and 0-based row below each blank line, the first few."""
    above: int = 0
    """Lines above the header that were left out unasked."""
    notes: tuple[str, ...] = ()

    @property
    def even(self) -> bool:
        """Whether all rows have as many fields."""
        return len(self.widths) == 1

    @property
    def row_names(self) -> bool:
        """Whether the first fields count the rows, as those of R do."""
        numbers = [each[0] for each in self.sample]
        return all(each.isdecimal() for each in numbers) and len(set(numbers)) == len(numbers)


def find_dialect(
    opened: Opened, where: str, *, prefer: str, options: FileOptions = NONE_GIVEN
) -> tuple[Dialect, Shape]:
    """How a text is delimited, and where its header is, after reading all of it.

    Raises:
        DataError: nothing in it, quotes that do not match, or first lines that may be titles or a header.
    """
    said = comments_above(opened, options, lambda above: _sniffed(opened, prefer, above))
    above = len(said) if options.skip_lines is None else options.skip_lines
    with opened() as start:
        for _ in range(above):
            start.readline()
        first = start.readline().rstrip("\r\n")
    if first[:4].casefold() == "sep=" and len(first) == 5:
        dialect = Dialect(first[4], skipped_lines=above + 1)
    else:
        dialect = Dialect(_sniffed(opened, prefer, above), skipped_lines=above)
    dialect, shape = _quoting(opened, replace(dialect, spaced=_is_spaced(opened, dialect)), where)
    if not shape.records:
        kind = DataError if options.skip_lines else NoRows  # rows may be above
        raise kind("the file is empty", where=where, hint="give a file with a header and rows")
    if said:
        shape = replace(shape, notes=(*shape.notes, said_comments(said, where)))
    return (dialect, shape) if options.skip_lines is not None else _below_titles(opened, dialect, shape, where, options)


def _below_titles(
    opened: Opened, dialect: Dialect, shape: Shape, where: str, options: FileOptions
) -> tuple[Dialect, Shape]:
    """The same from the header on."""
    found = find_above([shape.first[1], *shape.sample], options.named, shape.lines)
    if options.headerless or not found.rows:
        notes = said_nameless(shape.first[1], found, shape.first[0], where, options)
        return dialect, replace(shape, notes=(*shape.notes, *notes))
    with _unlimited_fields():
        rows = list(islice(dialect.parsed(opened), found.rows + 1))
    line, header = rows[-1]
    if found.doubtful:
        raise doubtful_titles(shape.first[0], line, where)
    dialect, below = _quoting(opened, replace(dialect, skipped_lines=line - 1), where)
    below = replace(below, notes=tuple(dict.fromkeys((*shape.notes, *below.notes))))
    note = said_above([fields for _, fields in rows[:-1]], header, shape.first[0], line, where)
    return dialect, replace(below, above=line - 1, notes=(*below.notes, note))


def _sniffed(opened: Opened, prefer: str, above: int) -> str:
    """The delimiter by which most of the first rows have as many fields as the first one."""

    def fitness(delimiter: str) -> tuple[bool, float, bool, bool, bool, int, int]:
        sample = islice(Dialect(delimiter, skipped_lines=above).parsed(opened), _SNIFFED_RECORDS)
        with _unlimited_fields():
            rows = [fields for _, fields in sample]
        titles = find_above(rows).rows
        rows = rows[titles:]
        width = len(rows[0]) if rows else 0
        agreeing = sum(len(fields) == width for fields in rows) / max(1, len(rows))
        # Names are short: such a line is divided even where most rows hold a delimiter too many.
        names = width > 1 and all(len(field.split()) <= 3 for field in rows[0])
        # In prose, a blank comes after a comma or a semicolon.
        prose = 2 * sum(field[:1] == " " for fields in rows for field in fields[1:]) > sum(map(len, rows)) - len(rows)
        divided = names or (width > 1 and agreeing > 0.5 and not prose)
        usual, count = Counter(len(fields) for fields in rows[1:]).most_common(1)[0] if rows[1:] else (0, 0)
        if width == 1 < usual and not prose and count >= max(3, 0.9 * len(rows[1:])):  # a title above the header
            divided, agreeing = True, 0.0
        return (
            divided,
            round(agreeing, 1),
            not titles,
            not prose,
            not divided and delimiter == prefer,
            -_DELIMITERS.index(delimiter),
            width,
        )

    if prefer == "\t" and fitness(prefer)[-1] > 1:
        return prefer
    return max(_DELIMITERS, key=fitness)


def _is_spaced(opened: Opened, dialect: Dialect) -> bool:
    """Whether fields in quotes stand behind blanks, as in `Fine, "pos"`: else the quotes would be part of them."""

    def rows(dialect: Dialect, spans: Spans | None = None) -> list[list[str]]:
        with _unlimited_fields():
            return [fields for _, fields in islice(dialect.parsed(opened, spans=spans), _SNIFFED_RECORDS)]

    as_it_stands = rows(dialect)
    if not any(each[:1] == " " and each.lstrip(" ")[:1] == '"' for fields in as_it_stands for each in fields[1:]):
        return False
    try:
        spaced = rows(replace(dialect, spaced=True), Spans(dialect.delimiter))
    except Mismatch:  # the text begins with a word in quotes
        return False
    agreeing = [sum(len(each) == len(found[0]) for each in found) for found in (as_it_stands, spaced)]
    return agreeing[1] >= agreeing[0]


def _quoting(opened: Opened, dialect: Dialect, where: str) -> tuple[Dialect, Shape]:
    """Whether quotes have a meaning, and what the text then holds."""
    literal = Dialect(dialect.delimiter, False, dialect.skipped_lines)
    plain = _shape(literal.parsed(opened)) if dialect.delimiter == "\t" else None
    # Many TSV files do not use quoting: in them, a text that begins with a quote would swallow rows.
    unquoted = (f"{where}: quotes are read as they stand, since they do not go together as those of CSV do",)
    spans = Spans(dialect.delimiter)
    try:
        shape = _shape(dialect.parsed(opened, spans=spans))
    except Mismatch as error:
        if plain is not None and plain.widths[len(plain.first[1])] > 0.5 * plain.records:
            return literal, replace(plain, notes=unquoted)
        raise error.refusal(where) from None
    mistaken, doubtful = spans.judged(shape.sample)
    if plain is not None and (mistaken or (plain.even and (plain.records > shape.records or not shape.even))):
        return literal, replace(plain, notes=unquoted)
    if mistaken:
        raise DataError(
            f"a quote that opens in line {mistaken.start} closes only in line {mistaken.end}: "
            f"{len(mistaken.lines)} rows would become one",
            where=f"{where}, line {mistaken.start}",
            hint=_REPAIR,
        )
    return dialect, replace(shape, notes=_said(shape, spans, doubtful, where))


def _said(shape: Shape, spans: Spans, doubtful: Sequence[Span], where: str) -> tuple[str, ...]:
    """Rows of several lines that may be several rows, which nothing in the file can tell."""
    if len(shape.first[1]) == 1 and spans.count:
        what, start = f"{spans.count} of {shape.records} rows take several lines", spans.start
    elif doubtful:
        what, start = f"lines {doubtful[0].start} to {doubtful[0].end} are one row", doubtful[0].start
    else:
        return _said_gap(shape, where)
    return (f"{where}: {what}, as a quote opens in line {start}; where each line is a row, take that quote out",)


def _said_gap(shape: Shape, where: str) -> tuple[str, ...]:
    """Rows below the only blank line, which may be another table."""
    below = [(line, row) for line, row in shape.gaps if row >= _LEAST_ROWS]
    if len(shape.gaps) == _MOST_GAPS or len(below) != 1:
        return ()
    [(line, row)] = below
    count = shape.records - row
    return (
        f"{where}: a blank line stands above line {line}, and {count:,} row{'s' * (count != 1)} from there on are read "
        "as the others; if they are another table, take them out",
    )


def _shape(parsed: Iterator[Parsed]) -> Shape:
    shape = Shape()
    due, last = 0, [""]
    for block in blocks_of(parsed):
        for number, (line, fields) in enumerate(block, shape.records):
            if (
                line > due > 0
                and len(shape.gaps) < _MOST_GAPS
                and not any("\n" in each or "\r" in each for each in last)
            ):
                shape.gaps.append((line, number))
            due, last = line + 1, fields
        if not shape.records:
            shape.first = block[0]
        for number, (line, fields) in enumerate(block[: _SAMPLE_RECORDS + 1], shape.records):
            if number <= _SAMPLE_RECORDS:
                shape.lines.append(line)
            if 0 < number <= _SAMPLE_RECORDS:
                shape.sample.append(fields)
        shape.records += len(block)
        shape.widths.update(len(fields) for _, fields in block)
        shape.filled.update(max((i for i, each in enumerate(fields, 1) if each), default=0) for _, fields in block)
    return shape


def blocks_of(parsed: Iterator[Parsed]) -> Iterator[list[Parsed]]:
    """A few thousand at a time, as the lock on the length of fields must not be held while other code runs."""
    while True:
        with _unlimited_fields():
            block = list(islice(parsed, _BLOCK))
        if not block:
            return
        yield block


@contextmanager
def _unlimited_fields() -> Iterator[None]:
    """Lift the csv module's limit of 131,072 characters a field, one setting for the whole process, and put it back."""
    with _FIELD_LIMIT:
        before = csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
        try:
            yield
        finally:
            csv.field_size_limit(before)
