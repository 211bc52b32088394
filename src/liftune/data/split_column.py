"""One table whose rows say themselves to which part they belong, in a column such as `split`.

In: a Table, what the spec names.  Out: a Table for each role, and what is said of it.
Not here: what a name says (readers/part_names.py), parts that are files of their own (split_roles.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from liftune.data.readers.part_names import ROLES, roles_of
from liftune.data.readers.table import Table, subset
from liftune.data.split_names import (
    BLANK,
    PLUS,
    UNUSED,
    either_said,
    find_split_column,
    given_role,
    may_be_split,
    names_in,
    part_names,
    pieces,
)
from liftune.errors import DataError, amount, choose
from liftune.option_values import fields, typed
from liftune.spec import DataSpec

_NONE = "none"
_LISTED = 20


def divided(table: Table, spec: DataSpec, notes: list[str], *, strict: bool = True) -> dict[str, Table] | None:
    """Train, validation and test by the column that names each row's part; None where no column does.

    Args:
        notes: what is said is added to it.
        strict: whether a column `split` counts whatever it holds, and `spec.split` speaks of its names.

    Raises:
        DataError: a cell is blank, or names no part.
    """
    column = _split_column(table, spec, strict=strict)
    if column is None:
        notes += _may_be_one(table, spec)
        return None
    cells = part_names(table, column)
    broken = {fault.position for fault in table.faults}  # rows that cannot be read: they are reported with train
    names = list(dict.fromkeys(cell for i, cell in enumerate(cells) if i not in broken))
    given = spec.split if strict else {}
    roles = _roles_in_column(names, table, column, cells, given, spec.source)
    of_row = ["train" if i in broken else roles[cell] for i, cell in enumerate(cells)]
    notes.append(_column_said(column, names, roles, of_row))
    notes += either_said({name: role for name, role in roles.items() if role not in given}, of_row)
    present = [role for role in ROLES if role in of_row]
    if present == ["train"] and UNUSED not in of_row:
        return {"train": table}
    return {role: subset(table, [i for i, each in enumerate(of_row) if each == role], role) for role in present}


def _split_column(table: Table, spec: DataSpec, *, strict: bool) -> str | None:
    if spec.split_column is None:
        return find_split_column(table, _taken(spec), strict=strict)
    if spec.split_column.casefold() == _NONE:
        return None
    folded = {name.strip().casefold(): name for name in table.columns}
    if spec.split_column.strip().casefold() in folded:
        return folded[spec.split_column.strip().casefold()]
    hint = f"name one of these with --split-column, or none: {', '.join(table.columns)}"
    return choose(spec.split_column, table.columns, "column", table.where, error=DataError, hint=hint)


def _taken(spec: DataSpec) -> tuple[str | None, ...]:
    """Columns that are something else."""
    named = [
        name for each in (spec.text, spec.text_pair, spec.label, spec.slices) for name in (each, *fields(each or ""))
    ]
    return (*named, spec.group)


def _roles_in_column(
    names: Sequence[str], table: Table, column: str, cells: Sequence[str], split: Mapping[str, str], source: str
) -> dict[str, str]:
    """The role of each name that a column holds; those that `--split` names come first."""
    given: dict[str, str] = {}
    for each, text in split.items():
        for name in _claimed(names, text, source, column) if text else ():
            given[name] = given_role(each, source)
    fixed = {given_role(each, source) for each in split} - {UNUSED}
    found = roles_of([name for name in names if name not in given])
    known = given | {name: UNUSED if role in fixed else role for name, role in found.items() if role is not None}
    unknown = [name for name in names if name not in known]
    if not unknown:
        return known
    first = unknown[0]
    what = f"{first!r} in column {column!r} is not the name of a part" if first else f"column {column!r} is blank"
    count = sum(cell in unknown for cell in cells)
    more = f", and {count - 1} more such rows" if count > 1 else ""
    without = _spelled({**given, **dict.fromkeys(unknown, UNUSED)})
    left_out = f"leave such rows out: {typed('--split', without)}; " if known else ""
    spelled = _spelled({**known, **_guessed(unknown, known)})
    raise DataError(
        f"{what}{more}; the column holds: {', '.join(each or BLANK for each in names[:_LISTED])}",
        where=table.place(cells.index(first)),
        hint=f"say what it means: {typed('--split', spelled)}; {left_out}or ignore the column: --split-column none",
    )


def _guessed(unknown: Sequence[str], known: Mapping[str, str]) -> dict[str, str]:
    """A role for each name that says none, to begin with in a hint."""
    if not known:
        return dict(zip(unknown, (*ROLES, *[UNUSED] * len(unknown)), strict=False))
    words = {word: role for role, each in ROLES.items() for word in each}
    near = {name: get_close_matches(name.casefold(), words, n=1) for name in unknown}
    return {name: words[match[0]] if match else "train" for name, match in near.items()}


def _spelled(roles: Mapping[str, str]) -> str:
    """Roles as `--split` takes them.

    >>> _spelled({"a": "train", "b": "train", "": "test"})
    'train=a+b,test=blank'
    """
    names = {role: [name or BLANK for name, its in roles.items() if its == role] for role in (*ROLES, UNUSED)}
    return ",".join(f"{role}={PLUS.join(each)}" for role, each in names.items() if each)


def _claimed(names: Sequence[str], text: str, source: str, column: str) -> list[str]:
    """The names of a column that an option's text speaks of."""
    folded: dict[str, list[str]] = {}
    for name in names:
        folded.setdefault(name.casefold() or BLANK, []).append(name)
    spelled = [text] if text.casefold() in folded else pieces(text)
    for piece in spelled:
        if piece.casefold() not in folded:
            hint = f"column {column!r} holds: {', '.join(each or BLANK for each in names[:_LISTED])}"
            choose(piece, [each or BLANK for each in names], "part", source, error=DataError, hint=hint)
    return [name for piece in spelled for name in folded[piece.casefold()]]


def _column_said(column: str, names: Sequence[str], roles: Mapping[str, str], of_row: Sequence[str]) -> str:
    said = []
    for role in (*ROLES, UNUSED):
        own = [name or BLANK for name in names if roles[name] == role]
        if own:
            said.append(f"{role} = {', '.join(own)} ({amount(of_row.count(role), 'row')})")
    return f"column {column!r} names each row's part: {'; '.join(said)}. --split-column none ignores it"


def _may_be_one(table: Table, spec: DataSpec) -> list[str]:
    """What is said of a column that may name each row's part: is_valid may be fastai's, or speak of a row's quality."""
    if spec.split_column is not None:
        return []
    found = may_be_split(table, _taken(spec))
    if found is None:
        return []
    column, roles = found
    holds = ", ".join(dict.fromkeys(cell or BLANK for cell in names_in(table.read(column))))
    each = ",".join(f"{role}={roles[role]}" for role in (*ROLES, UNUSED) if role in roles)
    how = f"{typed('--split-column', column)} {typed('--split', each)}"
    return [f"column {column!r} is not used; it holds {holds}; if it says which part each row is of, such as: {how}"]
