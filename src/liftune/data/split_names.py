"""What the name of a part says: train, validation or test; and which column gives each row's part.

In: names of files, hub splits, sheets, cells.  Out: roles.  Not here: dividing the rows (split_roles.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from liftune.data.readers.table import Table
from liftune.data.targets import is_missing
from liftune.errors import DataError, choose

#: Role -> the words in a part's name that give it that role, the usual one first.
ROLES: dict[str, tuple[str, ...]] = {
    "train": ("train", "training", "trn"),
    "validation": ("validation", "valid", "val", "dev", "development", "devel", "validate", "vali", "tuning"),
    "test": ("test", "testing", "tests", "tst", "holdout", "heldout"),
}
#: Validation; but test where another part is validation and none is test.
EITHER = ("eval", "evaluation", "evaluate")
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
_WORD_ROLES = {word: role for role, words in ROLES.items() for word in words} | dict.fromkeys(EITHER, EITHER[0])
#: What names add to a word: testset, traindata, dev_split.
_ENDINGS = ("set", "sets", "data", "split", "file", "rows", "s")
#: A column with more names, or with longer ones, holds something else than parts.
_MOST_NAMES, _MOST_WORDS = 30, 4
_YES_NO = {"true": True, "false": False, "1": True, "0": False, "1.0": True, "0.0": False, "yes": True, "no": False}
#: Rows whose part is written as yes or no, and what no means. Not `is_valid`, which may speak of the row's quality.
_IS_ROLE = {"train": "test", "training": "test", "test": "train", "val": "train", "validation": "train", "dev": "train"}


def words(name: str) -> list[str]:
    """A name's words, in lower case, without numbers.

    >>> words("emotion_TrainSet2-v1"), words("held-out")
    (['emotion', 'train', 'set', 'v'], ['heldout'])
    """
    name = re.sub(r"(?i)\b(held|hold)[ _-]?out", r"\1out", name.strip().replace("_", " "))
    name = re.sub(r"(?<=[^\W\d_])(?<=[a-z])(?=[A-Z])", " ", name)
    return re.findall(r"[^\W\d_]+", name.casefold())


def role_of(name: str) -> str | None:
    """The role that a name says, `eval` for one that may be validation or test, None for another name.

    >>> [role_of(name) for name in ("Dev", "hold-out", "test_matched", "eval", "trainset", "latest", "train-test")]
    ['validation', 'test', 'test', 'eval', 'train', None, None]
    """
    roles = {role for word in words(name) if (role := _word_role(word))}
    return roles.pop() if len(roles) == 1 else None


def _word_role(word: str) -> str | None:
    stems = (word.removesuffix(ending) for ending in _ENDINGS if word.endswith(ending))
    return next((_WORD_ROLES[each] for each in (word, *stems) if each in _WORD_ROLES), None)


def either_is(roles: Collection[str | None]) -> str:
    """What `eval` means among parts of these roles."""
    return "test" if "validation" in roles and "test" not in roles else "validation"


def roles_of(names: Iterable[str]) -> dict[str, str | None]:
    """Each name's role among the others.

    >>> roles_of(["train", "eval", "extra"])
    {'train': 'train', 'eval': 'validation', 'extra': None}
    """
    found = {name: role_of(name) for name in names}
    either = either_is(found.values())
    return {name: either if role == EITHER[0] else role for name, role in found.items()}


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
        f"{name!r} is taken as {role}; if it is {other[role]}: --split {other[role]}={name}"
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
    return next((name for name in (*exact, *likely, *flags) if _names_parts(table, name)), None)


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


def _names_parts(table: Table, column: str) -> bool:
    """Whether cells name train and another part. Not a column of texts, in which some speak of a train and a test."""
    names = set(part_names(table, column))
    roles = {role_of(name) for name in names}
    short = len(names) <= _MOST_NAMES and all(len(words(name)) <= _MOST_WORDS for name in names)
    return short and "train" in roles and len(roles - {None}) > 1
