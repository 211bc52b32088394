"""CSV and TSV as people and Excel write them: any of `,` `;` `|` tab, `sep=` lines, quoted line breaks, unquoted TSV.

In: a RawFile.  Out: a Stream; a line with more or fewer fields than the header is a fault.
Not here: how a text is delimited (dialect.py), whether line 1 is a header (header.py), bytes to text
(text_encoding.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain, islice

from liftune.data.readers.dialect import Dialect, Shape, blocks_of, find_dialect
from liftune.data.readers.header import Header, find_header
from liftune.data.readers.preamble import is_footer, lines_of_header, no_row, said_more, texts_of
from liftune.data.readers.streams import Problem, Record, Stream, repeatable
from liftune.data.readers.table import NoRows
from liftune.data.readers.text_encoding import Opened, RawFile
from liftune.data.readers.undivided import refuse_single_quotes, refuse_undivided
from liftune.errors import DataError


@dataclass(frozen=True)
class _Layout:
    """What a row must look like."""

    dialect: Dialect
    header: Header
    unnamed: int
    """Fields before those that the header names: the row names that R writes."""
    names: tuple[str, ...]
    """The header's fields as they stand, or the names that are given."""
    rows: int
    where: str

    @property
    def columns(self) -> tuple[str, ...]:
        """With one for row names, where there are any."""
        return ("row name",) * self.unnamed + self.header.columns

    def problem(self, line: int, fields: Sequence[str]) -> Problem:
        """What is wrong with a row that has not as many fields as the header."""
        count = len(fields)
        named = "--columns names" if self.header.given else "the header has"
        return (
            f"line {line} has {count} field{'s' * (count != 1)}, {named} {len(self.columns)}",
            f'put "double quotes" around a field that holds {_named(self.dialect.delimiter)}, a line break or a quote',
        )


def open_delimited(file: RawFile, *, prefer: str = ",") -> Stream:
    """The rows below a header. The file is first read once, to find out how it is delimited.

    Args:
        prefer: the delimiter that the file's extension promises; it wins a tie, and a tab wins wherever it occurs.

    Raises:
        DataError: no rows, two columns of one name, quotes that do not match, or a first line that is no header.
    """
    _refuse_json(file)
    opened = file.text_opener(newline="")  # line breaks inside quotes stay as they are
    dialect, shape = find_dialect(opened, file.where, prefer=prefer, options=file.options)
    if len(shape.first[1]) == 1:
        refuse_undivided(shape.first[1][0], [each[0] for each in shape.sample if each], file.where)
    else:
        refuse_single_quotes(shape.first[1], shape.sample, dialect.delimiter, file.where)
    options = replace(file.options, skip_lines=shape.above) if shape.above else file.options
    more = 0 if options.headerless else lines_of_header(shape.first[1], shape.sample)
    header = find_header(shape.first, shape.sample[more:], file.where, options)
    if more:
        header = replace(header, lines=1 + more, notes=(*header.notes, said_more(shape.sample[:more], file.where)))
    layout = _layout(opened, dialect, shape, header, file.where)
    rows = layout.rows
    if not rows:
        raise NoRows(
            f"a header ({', '.join(header.columns)}) and no rows",
            where=file.where,
            hint="add rows below the header line, or say that it is a row with --no-header",
            columns=header.columns,
        )
    records = repeatable(lambda: _rows(opened, layout), file)
    index = {column: i for i, column in enumerate(layout.columns)}

    def column(name: str) -> list[str | None]:
        i = index[name]
        return [cells[i] if cells else None for cells, _, _ in records()]

    notes = [*file.decoding.notes, *header.notes, *shape.notes]
    if layout.unnamed:
        notes.append(f"{file.where}: line 1 names one column fewer than the rows have; the first one holds row names")
    return Stream(
        file.where,
        layout.columns,
        rows,
        records,
        column,
        nested=False,
        typed=False,
        notes=tuple(notes),
        flawed=file.decoding.flawed,
    )


def _rows(opened: Opened, layout: _Layout) -> Iterator[Record[list[str]]]:
    """The rows; blank lines are left out, and so are empty fields beyond the last column."""
    width = len(layout.columns)
    parsed = chain.from_iterable(blocks_of(layout.dialect.parsed(opened)))
    below = False
    for position, (line, fields) in enumerate(islice(parsed, layout.header.lines, None)):
        if len(fields) > width and not any(fields[width:]):
            fields = fields[:width]
        if len(fields) != width:
            yield [], line, layout.problem(line, fields)
        elif problem := no_row(fields, layout.names, line, position, layout.rows, layout.where, below_footer=below):
            below |= is_footer(fields)
            yield [], line, problem
        else:
            yield fields, line, None


def _layout(opened: Opened, dialect: Dialect, shape: Shape, header: Header, where: str) -> _Layout:
    """Refuse a first line that no row agrees with: then it is at fault, and not every row."""
    width, widths = len(header.columns), Counter(shape.widths)
    names = texts_of(shape.first[1] if header.lines else header.columns)
    made = partial(_Layout, dialect, header, names=names, rows=shape.records - header.lines, where=where)
    if header.lines:
        widths[len(shape.first[1])] -= 1
    agreeing = sum(count for each, count in widths.items() if each == width)
    usual, count = max(widths.items(), key=lambda each: each[1], default=(width, 0))
    if usual > width:  # empty fields at the end do not count
        agreeing += sum(shape.filled[each] for each in range(width + 1)) - header.lines
    if agreeing > 0 or count < 2:
        return made(0)
    if header.lines and usual == width + 1 and count == sum(widths.values()) and shape.row_names:
        return made(1)
    at = next((line for line, each in dialect.parsed(opened) if len(each) == usual), 0)
    below = "" if header.given else f"if line {at} is the header: --skip-lines {at - 1}"
    said = "--columns names" if header.given else f"line {shape.first[0]} has"
    raise DataError(
        f"{said} {width} field{'s' * (width != 1)}, and no row has so many: {count} rows have {usual}",
        where=where if header.given else f"{where}, line {shape.first[0]}",
        hint=f"{below}; else give every column a name in line {shape.first[0]}" if below else "name every column",
    )


def _refuse_json(file: RawFile) -> None:
    start = file.first.removeprefix(b"\xef\xbb\xbf").lstrip()[:200]
    if start.startswith((b'{"', b'[{"', b'[["')) or (start[:1] in (b"{", b"[") and start[1:].lstrip()[:2] in (b'{"',)):
        raise DataError(
            "this is JSON, not delimited text", where=file.where, hint="name the file .jsonl (or .json), as it is"
        )


def _named(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else f"a {delimiter!r}"
