"""Columns that hold objects: what is in them, as columns of their own named by a path, `annotation.label`.

In: rows as mappings.  Out: which columns are opened, under which names, and the value of such a name in a row.
Not here: shapes of whole files (json_shapes.py), which column is what (columns.py).

In a list of objects a name stands for what all of them hold: one value where no row has more, else a list. A list of
messages has a name for each role. A mapping that says of each label whether a row has it stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from liftune.data.column_names import LABELS, TEXTS
from liftune.data.numbers import number
from liftune.data.targets import is_missing, truth

_DEEPEST, _MOST_NAMES = 8, 60
_KNOWN = frozenset((*TEXTS, *LABELS))
#: How chats name who says what.
_CHATS = (("role", "content"), ("from", "value"))


@dataclass(frozen=True)
class Place:
    """Where a value stands: a column, and the keys below it."""

    column: str
    keys: tuple[str, ...]
    several: bool = False
    """Whether a row may hold several values there: it is a list."""

    def value(self, cell: Any) -> Any:
        """The value in a cell of the column; None where there is none."""
        found = [value for keys, value in _leaves(cell) if keys == self.keys]
        if self.several:
            return [each for value in found for each in (value if isinstance(value, list) else [value])]
        return found[0] if len(found) == 1 else (found or None)


Opened = Mapping[str, Place]


@dataclass
class _Column:
    rows: int = 0
    listed: bool = False
    plain: bool = False
    """Whether a cell of it is no object."""
    most: dict[tuple[str, ...], int] = field(default_factory=dict)
    """Keys -> the most values that a row holds there."""
    held: set[tuple[str, ...]] = field(default_factory=set)
    """Keys at which some row holds more than an empty list."""
    says_yes_or_no: bool = True
    """Whether it only says of each key whether a row has it, or how surely."""

    def add(self, cell: Any) -> None:
        self.rows += 1
        self.listed |= isinstance(cell, list)
        counts: dict[tuple[str, ...], int] = {}
        for keys, value in _leaves(cell):
            counts[keys] = counts.get(keys, 0) + 1
            if value != []:
                self.held.add(keys)
            if self.says_yes_or_no and not (len(keys) == 1 and _is_share(value)):
                self.says_yes_or_no = False
        for keys, count in counts.items():
            if count > self.most.get(keys, 0) and len(self.most) <= _MOST_NAMES:
                self.most[keys] = count

    @property
    def places(self) -> dict[tuple[str, ...], int]:
        """As `most`, without lists that are empty where they are no objects: names below stand for them."""
        above = {keys[:i] for keys in self.most for i in range(1, len(keys))} - self.held
        return {keys: most for keys, most in self.most.items() if keys not in above}

    @property
    def opens(self) -> bool:
        if self.plain or not self.most or len(self.most) > _MOST_NAMES:
            return False
        known = any(key.strip().casefold() in _KNOWN for keys in self.most for key in keys)
        return known or self.listed or not (self.says_yes_or_no and len(self.most) > 1)


class Nesting:
    """Looks at rows, to find the columns that hold objects."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._plain: set[str] = set()

    def add(self, row: Mapping[str, Any]) -> None:
        """See a row."""
        for name, cell in row.items():
            if isinstance(cell, dict) or (isinstance(cell, list) and cell and all(isinstance(e, dict) for e in cell)):
                self._columns.setdefault(name, _Column()).add(cell)
            elif cell is not None and cell != [] and cell != "":
                self._plain.add(name)

    def opened(self, columns: Sequence[str]) -> dict[str, Place]:
        """Name -> where it stands, for the columns that hold objects alone."""
        found: dict[str, Place] = {}
        for name in columns:
            column = self._columns.get(name)
            if column and name not in self._plain and column.opens:
                for keys, most in column.places.items():
                    found.setdefault(".".join((name, *keys)), Place(name, keys, most > 1))
        return {name: place for name, place in found.items() if name not in columns}


def with_opened(columns: Sequence[str], opened: Opened) -> tuple[str, ...]:
    """The columns, and in the place of those that are opened what is in them."""
    below: dict[str, list[str]] = {}
    for name, place in opened.items():
        below.setdefault(place.column, []).append(name)
    return tuple(name for column in columns for name in below.get(column, [column]))


def cell_of(cells: Mapping[str, Any], name: str, opened: Opened) -> Any:
    """A row's cell by the name of a column, or of what is in one."""
    place = opened.get(name)
    return place.value(cells.get(place.column)) if place else cells.get(name)


def _leaves(cell: Any, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What is in an object, at every depth, with the keys that lead there; lists of objects have no key."""
    if isinstance(cell, list) and cell and all(isinstance(each, dict) for each in cell) and len(keys) < _DEEPEST:
        for each in cell:
            yield from _leaves(_said(each), keys)
    elif isinstance(cell, dict) and len(keys) < _DEEPEST and not (keys and _says_of_each(cell)):
        for key, value in cell.items():
            yield from _leaves(value, (*keys, str(key)))
    elif cell is not None and keys:
        yield keys, cell


def _said(message: dict[str, Any]) -> dict[str, Any]:
    """A message of a chat under its role."""
    for role, content in _CHATS:
        if isinstance(message.get(role), str) and isinstance(message.get(content), str):
            return {message[role]: message[content]}
    return message


def _says_of_each(cell: dict[str, Any]) -> bool:
    """Whether it only says of each of several labels whether a row has it, or how surely."""
    return (
        len(cell) > 1 and all(map(_is_share, cell.values())) and not any(str(key).casefold() in _KNOWN for key in cell)
    )


def _is_share(value: Any) -> bool:
    share = number(value)
    return is_missing(value) or truth(value) is not None or (share is not None and 0 <= share <= 1)
