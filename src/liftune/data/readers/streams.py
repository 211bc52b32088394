"""A file's rows one after the other: how every format is read. A Table is a stream, collected.

In: what a format found in a file.  Out: a Stream: its rows in blocks, in constant memory, or all of them as a Table.
Not here: the formats (formats.py), which column is the text (columns.py).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from liftune.data.readers.compression import decompressing
from liftune.data.readers.nested import Opened, with_opened
from liftune.data.readers.table import Fault, Table, lone_surrogate, place
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError

Cells: TypeAlias = Sequence[Any] | dict[str, Any]
"""In the order of the columns, or by column; a column may be missing there."""

Problem: TypeAlias = tuple[str, str]
"""Why a row could not be read, and the hint."""
C = TypeVar("C", bound=Cells)
Record: TypeAlias = tuple[C, int | None, Problem | None]
"""One row as it is in the file: its cells; the 1-based line on which it starts, for formats that have lines; what is
wrong with it, its cells being then empty. A plain tuple, as there may be millions."""

_REPAIR = "write the row in UTF-8, or name the encoding of the whole file with --encoding"


class Line(NamedTuple):
    """One row as text that can be written."""

    cells: dict[str, Any]
    fault: str | None
    """Why it could not be read; its cells are then those that could be."""
    place: str
    """As a message says it."""


@dataclass(frozen=True)
class Stream:
    """A file's rows, in order."""

    where: str
    columns: tuple[str, ...]
    rows: int
    records: Callable[[], Iterable[Record[Cells]]]
    """The rows, from the first one each time."""
    column: Callable[[str], list[Any]]
    """Reads the cells of one column."""
    lines: bool = True
    """Whether the format has lines; without them a row has no faults either."""
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    nested: bool = True
    """Whether cells may be lists and mappings."""
    typed: bool = True
    """As a Table's."""
    notes: tuple[str, ...] = ()
    """As a Table's."""
    opened: Opened = field(default_factory=dict)
    """Names of what is in columns that hold objects."""
    parts: tuple[Stream, ...] = ()
    """Those that it consists of, in order."""
    kinds: Mapping[str, Any] = field(default_factory=dict)
    """Column -> its pyarrow type, where the file says it."""
    flawed: bool = False
    """Whether a row may hold a byte that is no text, or a NUL: such a row is a fault."""

    @property
    def head(self) -> Table:
        """Columns without rows, to look for the text among them."""
        return Table("rows", self.where, with_opened(self.columns, self.opened), 0, lambda column: [])

    def _read(self, name: str) -> list[Any]:
        """The cells of a column, or of what is in one."""
        place = self.opened.get(name)
        return [place.value(cell) for cell in self.column(place.column)] if place else self.column(name)

    def blocks(self, count: int) -> Iterator[list[Line]]:
        """The rows, `count` at a time."""
        with decompressing(self.where):
            lines = self._lines()
            while block := list(islice(lines, count)):
                yield block

    def _lines(self) -> Iterator[Line]:
        for position, (cells, line, problem) in enumerate(self.records(), 1):
            named = cells if isinstance(cells, dict) else dict(zip(self.columns, cells, strict=bool(cells)))
            problem = problem or (_flaw(named.values()) if self.flawed else None)
            yield _writable(Line(named, problem and problem[0], place(self.where, position, line)))

    def collected(self, name: str) -> Table:
        """All rows as a table."""
        table = Table(
            name,
            self.where,
            with_opened(self.columns, self.opened),
            self.rows,
            self._read,
            class_names=self.class_names,
            typed=self.typed,
            notes=self.notes,
            shards=tuple(each.collected(name) for each in self.parts),
        )
        if not (self.lines or self.flawed):
            return table
        lines = [line or 0 for _, line, _ in self.records()] if self.lines else None
        return replace(table, lines=lines, faults=tuple(self._faults()))

    def _faults(self) -> Iterator[Fault]:
        for i, (cells, _, problem) in enumerate(self.records()):
            if self.flawed and not problem:
                problem = _flaw(cells.values() if isinstance(cells, dict) else cells)
            if problem:
                yield Fault(i, *problem)


def named_in_text(stream: Stream) -> Stream:
    """The same, with U+FFFD for what is no character in names of columns: no file of answers could hold it."""
    fresh = {name: _without_surrogates(name) for name in stream.columns}
    if all(name == written for name, written in fresh.items()):
        return stream
    names: dict[str, str] = {}  # as they are written -> as the file has them
    for name, written in fresh.items():
        while written in names:
            written += "\ufffd"
        names[written] = name
    back = {name: written for written, name in names.items()}

    def records() -> Iterator[Record[Cells]]:
        for cells, line, problem in stream.records():
            renamed = {back.get(name, name): cell for name, cell in cells.items()} if isinstance(cells, dict) else cells
            yield renamed, line, problem

    return replace(
        stream,
        columns=tuple(names),
        records=records,
        column=lambda written: stream.column(names.get(written, written)),
        class_names={back.get(name, name): each for name, each in stream.class_names.items()},
        opened={
            back.get(name, name): replace(each, column=back.get(each.column, each.column))
            for name, each in stream.opened.items()
        },
    )


def repeatable(parse: Callable[[], Iterator[Record[C]]], file: RawFile) -> Callable[[], Iterable[Record[C]]]:
    """The records of a file from the first one each time: kept if it is in memory, parsed anew if it is on disk."""
    if isinstance(file.data, Path):
        return parse
    # Three lists: the garbage collector would visit a tuple per row again and again.
    rows: list[C] = []
    lines: list[int | None] = []
    problems: list[Problem | None] = []
    for cells, line, problem in parse():
        rows.append(cells)
        lines.append(line)
        problems.append(problem)
    return lambda: zip(rows, lines, problems, strict=True)


def piped(count: int, *, pairs: bool) -> Iterator[list[Line]]:
    """Standard input, one text per line, or two separated by a tab; a blank line is an empty text.

    Raises:
        DataError: there is no line.
    """
    where = "standard input"
    lines = sys.stdin.buffer
    number = 0
    while block := list(islice(lines, count)):
        read = []
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
            read.append(Line(cells, fault, f"{where}, line {number}"))
        yield read
    if not number:
        raise DataError("no rows", where=where, hint="give one text per line")


def _flaw(cells: Iterable[Any]) -> Problem | None:
    """What makes a row unusable whose bytes are no text."""
    for cell in cells:
        if isinstance(cell, str) and "\0" in cell:
            return "the row holds a NUL byte", "take it out of the row"
        if isinstance(cell, str) and not cell.isascii():
            try:
                cell.encode()
            except UnicodeEncodeError as error:
                return f"the row holds {lone_surrogate(error)}", _REPAIR
    return None


def _writable(line: Line) -> Line:
    """The row with cells that can be written as UTF-8, and a fault if one could not. Bytes that are text become it."""
    if any(isinstance(cell, bytes) for cell in line.cells.values()):
        line = line._replace(cells={name: _decoded(cell) for name, cell in line.cells.items()})
    try:
        json.dumps(line.cells, ensure_ascii=False, default=str).encode()
    except UnicodeEncodeError as error:
        fault = line.fault or f"the row holds {lone_surrogate(error)}"
        return Line(_without_surrogates(line.cells), fault, line.place)
    return line


def _decoded(cell: Any) -> Any:
    try:
        return cell.decode() if isinstance(cell, bytes) else cell
    except UnicodeDecodeError:
        return cell


def _without_surrogates(cell: Any) -> Any:
    """The same with U+FFFD for each lone surrogate."""
    if isinstance(cell, str):
        return "".join("\ufffd" if 0xD800 <= ord(each) <= 0xDFFF else each for each in cell)
    if isinstance(cell, dict):
        return {_without_surrogates(name): _without_surrogates(value) for name, value in cell.items()}
    return [_without_surrogates(each) for each in cell] if isinstance(cell, list) else cell
