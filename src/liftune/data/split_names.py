"""What `--split` says, and which column gives each row's part.

In: options, tables.  Out: roles, the column.
Not here: what a name says (readers/part_names.py), dividing the rows (split_column.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from liftune.data.column_names import LABELS, TEXTS, known_name
from liftune.data.readers.part_names import EITHER, ROLES, role_of, roles_of, words
from liftune.data.readers.table import Table
from liftune.data.targets import is_missing
from liftune.errors import DataError, choose
from liftune.option_values import typed

#: Role of `--split` for what is left out.
UNUSED = "unused"
#: The column that names each row's part; any other name in it is a fault.
SPLIT_COLUMN = "split"
#: How a cell without a name is called in `--split`.
BLANK = "blank"
#: What joins several names in `--split`.
PLUS = "+"

#: Words in the names of columns that may give each row's part. They do where their cells say so.
_SPLIT_WORD = re.compile(
    "splits?|set|subset|dataset|partition|part|portion|fold|usage|phase|stage|type|kind|group|role|purpose|source|mode"
    "|section|tvt|sample|use"
)
#: Of these, words that say little else.
_SURE_WORD = re.compile("splits?|subset|partition|fold|tvt")
#: A column with more names, or with longer ones, holds something else than parts; one that may be, with more than ten.
_MOST_NAMES, _MOST_WORDS, _MOST_MAYBE = 30, 4, 10
_TEXT_LABEL_AND_PART = 3
_YES_NO = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False, "yes": True, "no": False}
#: Rows whose part is written as yes or no, and what no means. Not `is_valid`, which may speak of the row's quality.
_IS_ROLE = {"train": "test", "training": "test", "test": "train", "val": "train", "validation": "train", "dev": "train"}


def either_said(found: Mapping[str, str], roles: Collection[str]) -> list[str]:
    """What is said of names such as `eval` that could be two things, where the data have both.

    Args:
        found: name -> its role, where nobody gave it.
        roles: those that the data have.
    """
    if not {"validation", "test"} <= set(roles):
        return []
    other = {"validation": "test", "test": "validation"}
    return [
        f"{name!r} is taken as {role}; if it is {other[role]}: {typed('--split', f'{other[role]}={name}')}"
        for name, role in found.items()
        if role in other and role_of(name) == EITHER[0]
    ]


def given_role(word: str, source: str) -> str:
    """The role that a key of `--split` names.

    Raises:
        DataError: it is none.
    """
    if word.strip().casefold() == UNUSED:
        return UNUSED
    role = roles_of([word])[word]
    hint = "write --split train=NAME,validation=NAME,test=NAME"
    return role or choose(word, [*ROLES, UNUSED], "part", source, error=DataError, hint=hint)


def pieces(text: str) -> list[str]:
    """The names that a value of `--split` joins.

    >>> pieces("dev+extra")
    ['dev', 'extra']
    """
    return [piece.strip() for piece in text.split(PLUS) if piece.strip()]


def names_in(cells: Sequence[Any]) -> list[str]:
    """The names that a column's cells hold; an empty one for a blank cell."""
    return ["" if is_missing(cell) else str(cell).strip() for cell in cells]


def find_split_column(table: Table, taken: Collection[str | None], *, strict: bool) -> str | None:
    """The column that gives each row's part: one named `split`, or one whose cells name train and another part.

    Args:
        taken: columns that are something else.
        strict: whether a column `split` counts whatever its cells hold.
    """
    left = [name for name in table.columns if name not in taken]
    exact = [name for name in left if name.strip().casefold() == SPLIT_COLUMN]
    if exact and strict:
        return exact[0]
    likely = [name for name in left if name not in exact and any(map(_SPLIT_WORD.fullmatch, words(name)))]
    flags = [name for name in left if _is_role(name)]
    found = next((name for name in (*exact, *likely, *flags) if _names_parts(table, name)), None)
    return found or next((name for name in _unnamed(table, left) if _names_parts(table, name, only=True)), None)


def may_be_split(table: Table, taken: Collection[str | None]) -> tuple[str, dict[str, str]] | None:
    """A column that may say each row's part, though neither its name nor its cells say so for sure.

    Returns:
        its name; a role -> the name in it that may stand for that role. None where no column looks so.
    """
    left = _unnamed(table, [name for name in table.columns if name not in taken])
    for column in left:
        rows_of = Counter(name for name in part_names(table, column) if name)
        names = sorted(rows_of, key=lambda name: (-rows_of[name], name))
        if not 2 <= len(names) <= _MOST_MAYBE or not _short(names):
            continue
        marked = _marks(column)
        if marked and len(names) == 2 and all(name.casefold() in _YES_NO for name in names):
            yes = {_YES_NO[name.casefold()]: name for name in names}
            if len(yes) == 2:
                return column, {marked: yes[True], _IS_ROLE[marked]: yes[False]}
        roles = roles_of(names)
        known = {role: name for name, role in roles.items() if role}
        unknown = [name for name in names if roles[name] is None]
        if any(map(_SURE_WORD.fullmatch, words(column))) or len(known) > 1:
            return column, known | _shared_out(unknown, [role for role in ROLES if role not in known])
    return None


def _shared_out(names: Sequence[str], roles: Sequence[str]) -> dict[str, str]:
    """A role for each name, as a hint begins: one for each of the last roles, the rest for the first.

    Args:
        names: those of most rows first.

    >>> _shared_out(["0", "1", "2", "3", "4"], ["train", "validation", "test"]), _shared_out(["x"], [])
    ({'train': '0+1+2', 'validation': '3', 'test': '4'}, {'unused': 'x'})
    """
    if not names:
        return {}
    roles = [roles[0], *roles[1:][1 - len(names) :]] if len(names) > 1 and roles else roles[:1] or [UNUSED]
    first = len(names) - len(roles) + 1
    return {roles[0]: PLUS.join(names[:first])} | dict(zip(roles[1:], names[first:], strict=True))


def _unnamed(table: Table, left: Sequence[str]) -> list[str]:
    """Columns that may say each row's part under any name: not those that are named as labels and texts are."""
    if len(table.columns) < _TEXT_LABEL_AND_PART:
        return []
    return [name for name in left if not known_name((*LABELS, *TEXTS), (name,))]


def _marks(column: str) -> str | None:
    """The part whose rows a column of yes and no may mark: test for `test`, `in_test` and `TestSet`."""
    said = [word for word in words(column) if word not in ("is", "in")]
    role = role_of(column) if said and len(said) <= 2 else None
    return role if role in _IS_ROLE else None


def part_names(table: Table, column: str) -> list[str]:
    """The part of each row, as its cell names it; yes and no in `is_test` become test and train."""
    cells = names_in(table.read(column))
    role = _is_role(column)
    if role and all(cell.casefold() in _YES_NO for cell in cells if cell):
        said: Mapping[bool, str] = {True: role, False: _IS_ROLE[role]}
        return [said[_YES_NO[cell.casefold()]] if cell else "" for cell in cells]
    return cells


def _is_role(column: str) -> str | None:
    """The word after `is` in a column's name: test for `is_test` and `IsTest`."""
    said = words(column)
    return said[1] if len(said) == 2 and said[0] == "is" and said[1] in _IS_ROLE else None


def _names_parts(table: Table, column: str, *, only: bool = False) -> bool:
    """Whether cells name train and another part. Not a column of texts, in which some speak of a train and a test.

    Args:
        only: whether every cell must name a part.
    """
    names = set(part_names(table, column))
    roles = {role_of(name) for name in names}
    known = "train" in roles and len(roles - {None}) > 1
    return known and _short(names) and not (only and None in roles)


def _short(names: Collection[str]) -> bool:
    return len(names) <= _MOST_NAMES and all(len(words(name)) <= _MOST_WORDS for name in names)
