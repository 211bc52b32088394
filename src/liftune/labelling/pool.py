"""A pool of rows without labels: read, and cut down to those that are worth a label.

In: a source or tables, what a run has seen.  Out: a Pool; positions of its fresh rows, and why others are none.
Not here: choosing among them (strategies.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from liftune.addresses import Address
from liftune.data.column_names import LABELS, TEXTS, known_name
from liftune.data.near_duplicates import find_near
from liftune.data.numbers import number
from liftune.data.readers.formats import path_of
from liftune.data.readers.memory import TablesInMemory, tables_of
from liftune.data.readers.options import NONE_GIVEN, FileOptions
from liftune.data.readers.sources import find_parts
from liftune.data.readers.streams import Line, Record, Stream
from liftune.data.readers.table import NoRows, NotedParts, Parts, Table
from liftune.data.targets import is_missing
from liftune.data.tuned_on import TunedOn, hash_of
from liftune.errors import DataError, pasted, shown
from liftune.inference.row_texts import Texts
from liftune.option_values import fields
from liftune.records.base import TextColumns
from liftune.types import Row

#: A column of the pool's own names for its rows.
IDS = ("id", "row_id", "rowid", "uid", "uuid", "guid", "_id", "key")
#: Of a larger pool so many rows are looked at, drawn evenly: more take minutes, and hardly change what is chosen.
MOST_ROWS = 100_000


@dataclass(frozen=True)
class PoolRow:
    """A row that can be chosen."""

    row: Row
    """As the model reads it."""
    number: int | str
    """From 1; with its file's name where the pool has several files."""
    id: int | str | None
    """The pool's own name for it."""
    cells: dict[str, Any]
    """Its text columns as they stand."""


@dataclass(frozen=True)
class Pool:
    """The usable rows of a pool."""

    where: str
    rows: tuple[PoolRow, ...]
    unusable: int
    """Rows without a text."""
    id_column: str | None
    notes: tuple[str, ...]


def read_pool(
    source: str,
    tables: TablesInMemory | None,
    *,
    pairs: bool,
    text: str | None = None,
    text_pair: str | None = None,
    options: FileOptions,
    known: TextColumns | None,
    seed: int = 0,
    most: int | None = MOST_ROWS,
) -> Pool:
    """Every row of a source, whatever its part. Labels in it are not looked at.

    Args:
        tables: those in memory; None reads the source.
        pairs: whether the model reads pairs.
        known: the columns that it was tuned on.
        seed: of the rows that are looked at, where there are more than `most`.
        most: None looks at all.

    Raises:
        DataError: the source cannot be read, has no row with a text, or its text column is unclear.
    """
    given = [each for each in (text, text_pair) if each]
    options = replace(options, named=options.named | {*given, *(name for each in given for name in fields(each))})
    parts = _parts(source, options.checked()) if tables is None else tables.parts(options)
    notes = list(getattr(parts, "notes", ()))
    read = [each() for each in parts.values()]
    if len(read) > 1:
        notes.append(f"all parts are the pool: {', '.join(parts)}")
    rows: list[PoolRow] = []
    unusable, first_fault, id_column = 0, "", None
    for table in read:
        notes += [note for note in table.notes if note not in notes]
        found = _rows_of(table, pairs=pairs, text=text, text_pair=text_pair, known=known, several=len(read) > 1)
        rows += found.rows
        unusable += found.unusable
        first_fault = first_fault or found.fault
        id_column = id_column or found.id_column
        if found.label and (note := _label_note(found.label)) not in notes:
            notes.append(note)
    if not rows:
        if unusable:
            several = any(len(table.columns) > 1 for table in read)
            hint = "give rows that have one" + ("; or name another column with --text" if several else "")
            raise DataError(f"no row of the pool has a text: {first_fault}", where=source, hint=hint)
        raise NoRows("the pool has no rows", where=source, hint="give a file or folder that has some")
    if most is not None and len(rows) > most:
        notes.append(f"{len(rows):,} rows are many: {most:,} of them, drawn evenly, are looked at")
        drawn = np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])
        rows = [rows[i] for i in drawn]
    return Pool(source, tuple(rows), unusable, id_column, tuple(notes))


def _parts(source: str, options: FileOptions) -> Parts:
    """As the ordinary readers have them; a text file without columns, which these refuse, holds a text a line."""
    parts = find_parts(source, options)
    path = path_of(source)
    if isinstance(source, Address) or options.given or path.suffix.lower() != ".txt" or not path.is_file():
        return parts
    try:
        tables = {name: read() for name, read in parts.items()}
        return {name: partial(_as_it_is, table) for name, table in tables.items()}
    except DataError:
        lines = _lines_of(path)
        if lines is None:
            raise
        held = tables_of([{"text": line} for line in lines]).parts(NONE_GIVEN)
        return NotedParts(held, notes=[f"{source} has no columns: each line is a text"])


def _as_it_is(table: Table) -> Table:
    return table


def _lines_of(path: Path) -> list[str] | None:
    """The lines of a text in UTF-8 that have something to read; None of any other file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
    lines = [line for line in text.splitlines() if line.strip()]
    return lines if lines and all(line.replace("\t", " ").isprintable() for line in lines) else None


def _label_note(column: str) -> str:
    return f"the column {column!r} is not looked at: every row of the pool counts as one without a label"


@dataclass(frozen=True)
class _Found:
    rows: list[PoolRow]
    unusable: int
    fault: str
    id_column: str | None
    label: str | None


def _rows_of(
    table: Table, *, pairs: bool, text: str | None, text_pair: str | None, known: TextColumns | None, several: bool
) -> _Found:
    if not table.columns:
        raise NoRows("the pool has no columns", where=table.where, hint="give rows with a text each")
    texts = Texts.of(_stream_of(table), pairs=pairs, text=text, text_pair=text_pair, known=known)
    names = [name for name, _ in texts.joined] or [texts.text]
    names += [texts.text_pair] if texts.text_pair else []
    cells = {name: table.read(name) for name in names}
    if not text:
        _refuse_numbers(table, cells, known)
    id_column = next((name for name in table.columns if name.strip().casefold() in IDS and name not in names), None)
    ids = _ids(table.read(id_column)) if id_column else None
    broken = {fault.position: fault.reason for fault in table.faults}
    rows, unusable, first = [], 0, ""
    for i in range(table.rows):
        line = Line({name: each[i] for name, each in cells.items()}, broken.get(i), table.place(i))
        row, fault = texts.row(line)
        if fault:
            unusable, first = unusable + 1, first or f"{line.place}: {fault}"
            continue
        rows.append(PoolRow(row, _number(table, i, several=several), ids[i] if ids else None, line.cells))
    others = [name for name in table.columns if name not in names]
    label = next((name for name in others if name.strip().casefold() in LABELS), None)
    return _Found(rows, unusable, first, id_column if ids else None, label)


def _refuse_numbers(table: Table, cells: Mapping[str, Sequence[Any]], known: TextColumns | None) -> None:
    """Refuse a column of numbers that was taken for texts because it is the only one.

    Raises:
        DataError: naming it.
    """
    usual = (*TEXTS, *(known.texts if known else ()))
    for name, column in cells.items():
        present = [cell for cell in column if not is_missing(cell)]
        if known_name(usual, (name,)) is None and present and all(number(cell) is not None for cell in present):
            raise DataError(
                f"the column {name!r} holds numbers, such as {shown(present[0])}, and no texts",
                where=table.where,
                hint=f"give rows with a text each; if these are texts, name the column with --text {pasted(name)}",
            )


def _ids(cells: Sequence[Any]) -> list[int | str] | None:
    """The pool's own names for its rows; None where they are no names: missing, repeated, or no text or number."""
    if not all(isinstance(each, str | int) and not isinstance(each, bool) and str(each).strip() for each in cells):
        return None
    return list(cells) if len({str(each) for each in cells}) == len(cells) else None


def _number(table: Table, position: int, *, several: bool) -> int | str:
    """A row's number in its file, from 1, with the file's name where there are several."""
    one, within = table.origin(position)
    if one.files is not None:
        return one.files[within]
    if not (several or table.shards):
        return within + 1
    return f"{one.where.replace(chr(92), '/').rpartition('/')[2]}:{within + 1}"


def _stream_of(table: Table) -> Stream:
    """A table as a stream, by which its text columns are found."""

    def records() -> Any:
        cells = [table.read(name) for name in table.columns]
        found: list[Record[Any]] = [(list(row), None, None) for row in zip(*cells, strict=True)]
        return found

    return Stream(table.where, table.columns, table.rows, records, table.read, lines=False)


def stream_of_rows(where: str, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> Stream:
    """The same of rows that are at hand; a cell may be missing."""

    def records() -> Any:
        found: list[Record[Any]] = [({name: row.get(name) for name in columns}, None, None) for row in rows]
        return found

    return Stream(where, tuple(columns), len(rows), records, lambda name: [row.get(name) for row in rows], lines=False)


@dataclass(frozen=True)
class Fresh:
    """Rows of a pool that nobody has labelled."""

    positions: tuple[int, ...]
    left_out: dict[str, int]
    """Why rows are not among them -> how many; in the order in which it is looked for."""


def fresh_rows(pool: Pool, seen: TunedOn, test: Sequence[Row], validation: Sequence[Row], *, threshold: float) -> Fresh:
    """Rows whose text the run has not, each once, and none that all but repeats another, or a row to be scored on.

    Args:
        seen: the run's train and validation rows.
        test, validation: the run's.
        threshold: least similarity of near duplicates; 0 looks for none.
    """
    tested = frozenset(map(hash_of, test))
    left: Counter[str] = Counter()
    once: dict[bytes, int] = {}
    for i, each in enumerate(pool.rows):
        hashed = hash_of(each.row)
        if hashed in seen.train:
            left["in the run's train rows"] += 1
        elif hashed in seen.validation or hashed in tested:
            left["in the run's validation or test rows"] += 1
        elif hashed in once:
            left["the same text as another"] += 1
        else:
            once[hashed] = i
    positions = list(once.values())
    if threshold and positions:
        kind = type(pool.rows[positions[0]].row)
        guards = [row for row in (*validation, *test) if isinstance(row, kind)]
        positions = _apart(pool, positions, guards, threshold, left)
    return Fresh(tuple(positions), dict(left))


def _apart(
    pool: Pool, positions: Sequence[int], guards: Sequence[Row], threshold: float, left: Counter[str]
) -> list[int]:
    """The first of those that are alike, unless one of the guards is alike."""
    near = find_near([*guards, *(pool.rows[i].row for i in positions)], threshold)
    guarded = set(near.keys[: len(guards)].tolist())
    kept: set[int] = set()
    apart = []
    for i, key in zip(positions, near.keys[len(guards) :].tolist(), strict=True):
        around = {other for other, _ in near.around(key)}
        if around & guarded:
            left["near duplicates of validation or test rows"] += 1
        elif around & kept:
            left["near duplicates of another"] += 1
        else:
            kept.add(key)
            apart.append(i)
    return apart
