"""A Table is one file, or one split of a hub data set, as it was read: columns of cells, not yet interpreted.

In: a Stream (streams.py) or a hub split (hub.py).  Out: cells by column name, and the rows that could not be read.
Not here: which column is the text (columns.py), what a cell means (targets.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from liftune.errors import DataError, pasted


@dataclass(frozen=True)
class Fault:
    """Why one row cannot be used."""

    position: int
    """0-based row in its file, the header and blank lines not counted."""
    reason: str
    hint: str = "fix the row"


@dataclass(frozen=True)
class Table:
    """Cells by column. A column is read on request, so that one that nobody needs costs nothing."""

    name: str
    """The part's own name: a file's stem, a hub split, or `rows` for a single file."""
    where: str
    """What a message calls it: a path, or a hub id and split."""
    columns: tuple[str, ...]
    rows: int
    read: Callable[[str], list[Any]]
    """Column name -> its cells, `rows` of them."""
    lines: Sequence[int] | None = None
    """1-based line on which each row starts, for files that have lines."""
    class_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of columns whose whole numbers are class ids: a hub set's ClassLabel."""
    typed: bool = True
    """Whether the format itself tells a text from a number, as JSON and Parquet do, and CSV does not."""
    faults: tuple[Fault, ...] = ()
    """Rows that could not be read; all their cells are None."""
    files: Sequence[str] | None = None
    """Each row's file below `where`, where every row is a file of its own."""
    shards: tuple[Table, ...] = ()
    """The files that this part consists of, in order."""
    notes: tuple[str, ...] = ()
    """What was taken where the file could be read in two ways, and how to say otherwise: a sentence each."""

    def origin(self, position: int) -> tuple[Table, int]:
        """The file that holds a row, and its 0-based position there."""
        for shard in self.shards:
            if position < shard.rows:
                return shard, position
            position -= shard.rows
        return self, position

    def place(self, position: int) -> str:
        """Where a row is, as messages say it: the row counted from 1, and its line."""
        table, position = self.origin(position)
        if table.files is not None:
            return f"{table.where}/{table.files[position]}"
        return place(table.where, position + 1, table.lines[position] if table.lines is not None else None)


def place(where: str, row: int, line: int | None = None) -> str:
    """Where a row is, as messages say it.

    >>> place("x.csv", 1, 2), place("x.jsonl", 1, 1)
    ('x.csv, row 1 (line 2)', 'x.jsonl, row 1')
    """
    return f"{where}, row {row}" + (f" (line {line})" if line not in (None, row) else "")


def lone_surrogate(error: UnicodeEncodeError) -> str:
    """What keeps a text from being written as UTF-8: a byte that could not be decoded, or half a character."""
    code = ord(error.object[error.start])
    if 0xDC80 <= code <= 0xDCFF:
        return f"a byte that is not UTF-8: 0x{code - 0xDC00:02x}"
    return "half a character (a lone surrogate)"


class NoRows(DataError):  # noqa: N818 - what is wrong: no rows
    """A file that is what its name says, and has no rows."""

    def __init__(
        self,
        message: str,
        *,
        where: str,
        hint: str,
        columns: Sequence[str] = (),
        kinds: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.columns = tuple(columns)
        """Those that it names."""
        self.kinds = dict(kinds or {})
        """Column -> its pyarrow type, where the file says it."""


#: Name of a part -> a function that reads it. Only the parts that a run needs are read.
Parts: TypeAlias = Mapping[str, Callable[[], Table]]


class NotedParts(dict[str, Callable[[], Table]]):
    """Parts that know more of themselves. A source may as well return a plain mapping."""

    def __init__(
        self,
        parts: Parts = MappingProxyType({}),
        *,
        files: Mapping[str, str] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        super().__init__(parts)
        self.files = dict(files or {})
        """Part -> the file's name."""
        self.notes = tuple(notes)
        """What was passed over, a sentence each."""


def joined(tables: Sequence[Table], name: str) -> Table:
    """Shards of one part as one table, in order.

    Raises:
        DataError: the shards have different columns.
    """
    first = tables[0]
    if len(tables) == 1:
        return first
    for table in tables:
        if sorted(table.columns) != sorted(first.columns):
            raise DataError(
                f"the shards of {name!r} have different columns: "
                f"{', '.join(first.columns)} and {', '.join(table.columns)}",
                where=table.where,
                hint=_merged(tables) or "give every shard the same columns",
            )
        differing = [name for name in first.columns if table.class_names.get(name) != first.class_names.get(name)]
        if differing:
            raise DataError(
                f"the shards of {name!r} declare different class names for column {differing[0]!r}",
                where=table.where,
                hint="write them again with one list of names, or with names in place of numbers",
            )
    starts = [sum(table.rows for table in tables[:i]) for i in range(len(tables))]
    return Table(
        name=name,
        where=f"{first.where} and {len(tables) - 1} more",
        columns=first.columns,
        rows=sum(table.rows for table in tables),
        read=lambda column: [cell for table in tables for cell in table.read(column)],
        class_names=first.class_names,
        typed=all(table.typed for table in tables),
        shards=tuple(tables),
        notes=tuple(dict.fromkeys(note for table in tables for note in table.notes)),
        faults=tuple(
            Fault(start + fault.position, fault.reason, fault.hint)
            for start, table in zip(starts, tables, strict=True)
            for fault in table.faults
        ),
    )


def _merged(tables: Sequence[Table]) -> str:
    """How to put two tables side by side, where a column of both says which rows belong together."""
    if len(tables) != 2:
        return ""
    one, other = tables
    for name in one.columns:
        ids = [tuple(table.read(name)) for table in tables] if name in other.columns else []
        if len({*map(len, ids)}) == 1 and ids[0] and len({*ids[0]}) == len(ids[0]) and {*ids[0]} == {*ids[1]}:
            read = [f'pandas.read_csv({_typed(table.where)}, sep=None, engine="python")' for table in tables]
            code = f'import pandas; {read[0]}.merge({read[1]}, on={_typed(name)}).to_csv("rows.csv", index=False)'
            return (
                f"column {name!r} says which rows belong together: write them as one file, in a spreadsheet program or "
                f"with pandas: python -c {pasted(code)}"
            )
    return ""


def _typed(text: str) -> str:
    """As a command in single quotes can hold it."""
    return json.dumps(text, ensure_ascii=False)


def subset(table: Table, positions: Sequence[int], name: str) -> Table:
    """Some rows of a table as a part of its own."""
    at = {position: i for i, position in enumerate(positions)}

    def read(column: str) -> list[Any]:
        cells = table.read(column)
        return [cells[i] for i in positions]

    return Table(
        name=name,
        where=f"{table.where} (its {name} rows)",
        columns=table.columns,
        rows=len(positions),
        read=read,
        lines=None if table.lines is None else [table.lines[i] for i in positions],
        files=None if table.files is None else [table.files[i] for i in positions],
        class_names=table.class_names,
        typed=table.typed,
        notes=table.notes,
        faults=tuple(
            Fault(at[fault.position], fault.reason, fault.hint) for fault in table.faults if fault.position in at
        ),
    )
