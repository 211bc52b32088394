"""Which part is train, which validation, which test.

In: a source's Parts, what the spec names.  Out: a Table for each role that the data have.
Not here: splitting off a part that is missing (load.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from liftune.data.readers.formats import read_file
from liftune.data.readers.options import FileOptions
from liftune.data.readers.sources import find_parts
from liftune.data.readers.table import Parts, Table, subset
from liftune.errors import DataError, choose
from liftune.spec import DataSpec

#: Role -> the words in a part's name that give it that role, the usual one first.
ROLES: dict[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing"),
}

#: A single file may name each row's part in this column.
SPLIT_COLUMN = "split"


def read_roles(spec: DataSpec) -> dict[str, Table]:
    """The tables of a source by role: always train; validation and test where the data have them.

    `spec.split` names parts (an empty name leaves that role out); `spec.validation` and `spec.test` are files for a
    role. A single part is train, whatever its name, unless its column `split` names the part of every row.

    Raises:
        DataError: no part is train, no part has a given name, or a file cannot be read.
    """
    parts = find_parts(spec.source, options := FileOptions.of(spec))
    chosen = assign_roles(parts, spec)
    tables = {role: parts[name]() for role, name in chosen.items()}
    if len(parts) == 1 and not spec.split:
        tables = _by_column(tables["train"])
    for role, path in (("validation", spec.validation), ("test", spec.test)):
        if path is not None:
            tables[role] = read_file(path, name=role, options=options)
    return tables


def assign_roles(parts: Parts, spec: DataSpec) -> dict[str, str]:
    """Role -> name of the part."""
    given = {_role(role, spec): name for role, name in spec.split.items()}
    claimed = {_named(parts, name, spec) for name in given.values() if name}
    chosen = {role: _named(parts, name, spec) for role, name in given.items() if name}
    replaced = {role for role, path in (("validation", spec.validation), ("test", spec.test)) if path is not None}
    left = [name for name in parts if name not in claimed]
    for role in ROLES:
        if role in given or role in replaced:
            continue
        name = _recognised(left, role, spec)
        if name is not None:
            chosen[role] = name
    if "train" not in chosen and "train" not in given and len(parts) == 1:
        chosen = {"train": next(iter(parts))}
    if "train" not in chosen:
        raise DataError(
            f"no part is train; there are: {', '.join(parts)}", where=spec.source, hint="name it: --split train=NAME"
        )
    return {role: name for role, name in chosen.items() if role == "train" or role not in replaced}


def _by_column(table: Table) -> dict[str, Table]:
    """One table divided by its column `split`; undivided if it has none, or if that names other things than parts."""
    if SPLIT_COLUMN not in table.columns:
        return {"train": table}
    words = {word: role for role, each in ROLES.items() for word in each}
    broken = {fault.position for fault in table.faults}  # rows that cannot be read: they are reported with train
    cells = [
        "train" if i in broken else words.get(str(cell).strip().casefold())
        for i, cell in enumerate(table.read(SPLIT_COLUMN))
    ]
    if None in cells or len(set(cells)) < 2 or "train" not in cells:
        return {"train": table}
    return {
        role: subset(table, [i for i, cell in enumerate(cells) if cell == role], role)
        for role in ROLES
        if role in cells
    }


def _role(role: str, spec: DataSpec) -> str:
    known = next((each for each, words in ROLES.items() if role.casefold() in words), None)
    if known is None:
        hint = "write --split train=NAME,validation=NAME,test=NAME"
        return choose(role, ROLES, "part", spec.source, error=DataError, hint=hint)
    return known


def _named(parts: Parts, name: str, spec: DataSpec) -> str:
    """The part of that name: that of the source, or of the file."""
    if name in parts:
        return name
    stems = [each for each in parts if name.split(".", 1)[0] == each]
    if stems:
        return stems[0]
    hint = f"name one of these with --split: {', '.join(parts)}"
    return choose(name, parts, "part", spec.source, error=DataError, hint=hint)


def _recognised(names: Iterable[str], role: str, spec: DataSpec) -> str | None:
    """The part whose name is the role's word, else the one whose name contains it as a word."""
    names = list(names)
    for word in ROLES[role]:
        plain = [name for name in names if name.casefold().split(".", 1)[0] == word]
        if plain:
            return _only(plain, role, spec)
    words = set(ROLES[role])
    others = {word for other, each in ROLES.items() if other != role for word in each}
    holding = [name for name in names if words & (held := _words(name)) and not others & held]
    return _only(holding, role, spec) if holding else None


def _only(names: list[str], role: str, spec: DataSpec) -> str:
    if len(names) > 1:
        raise DataError(
            f"more than one part could be {role}: {', '.join(names)}",
            where=spec.source,
            hint=f"name it: --split {role}={names[0]}",
        )
    return names[0]


def _words(name: str) -> set[str]:
    """
    >>> sorted(_words("emotion_Train2-v1"))
    ['emotion', 'train', 'v']
    """
    return set(re.findall(r"[^\W\d_]+", name.casefold()))
