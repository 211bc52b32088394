"""Which part is train, which validation, which test.

In: a source's Parts, what the spec names.  Out: a Table for each role that the data have, and what else there was.
Not here: what a name says (readers/part_names.py), splitting off a part that is missing (load.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from liftune.addresses import Address
from liftune.data.fill_down import filled_down, parts_filled_down
from liftune.data.readers.formats import read_file
from liftune.data.readers.memory import TablesInMemory
from liftune.data.readers.options import FileOptions
from liftune.data.readers.parallel_files import pair_of, read_pair
from liftune.data.readers.part_names import EITHER, ROLES, roles_of
from liftune.data.readers.sources import find_parts
from liftune.data.readers.table import Parts, Table, joined
from liftune.data.split_column import divided
from liftune.data.split_names import PLUS, UNUSED, either_said, given_role, pieces
from liftune.errors import DataError, choose
from liftune.files import expanded
from liftune.option_values import typed
from liftune.spec import DataSpec


class Roles(NamedTuple):
    """The parts that the data have."""

    tables: dict[str, Table]
    """Role -> its rows."""
    notes: tuple[str, ...]
    """What gave the roles, and what is not used."""


def read_roles(spec: DataSpec, in_memory: TablesInMemory | None = None, *, train: bool = True) -> Roles:
    """The tables of a source by role: always train; validation and test where the data have them.

    `spec.split` names parts (an empty name leaves that role out); `spec.validation` and `spec.test` are files for a
    role. A single part is train, whatever its name, unless a column names the part of every row: `spec.split` then
    speaks of the names in it.

    Args:
        in_memory: the tables; None reads the source.
        train: whether data without train rows are refused.

    Raises:
        DataError: no part is train, no part has a given name, a row's part is unknown, or a file cannot be read.
    """
    options = FileOptions.of(spec)
    parts = find_parts(spec.source, options) if in_memory is None else in_memory.parts(options)
    parts = parts_filled_down(parts, spec)
    notes = list(getattr(parts, "notes", ()))
    if len(parts) == 1:
        tables = _one_part(parts, spec, notes)
    else:
        chosen = assign_roles(parts, spec)
        notes += _unused_parts(parts, chosen, spec)
        tables = {role: _read(parts, name, role) for role, name in chosen.items()}
        tables = _within_train(tables, spec, notes)
    for role, path in (("validation", spec.validation), ("test", spec.test)):
        if path is not None:
            if role in tables:
                notes.append(f"{tables[role].where}: not used, as --{role} gives the {role} rows")
            tables[role] = filled_down(_read_extra(path, role, options), spec)
    if train and "train" not in tables:
        have = ", ".join(f"{role} ({table.rows} rows)" for role, table in tables.items())
        raise DataError(
            f"no rows are train; there are: {have}",
            where=spec.source,
            hint="name train rows with --split train=NAME, or take all rows together with --split-column none",
        )
    return Roles(tables, tuple(notes))


def assign_roles(parts: Parts, spec: DataSpec) -> dict[str, str]:
    """Role -> name of the part; several names with a + between them are joined."""
    given = {role: name for each, name in spec.split.items() if (role := given_role(each, spec.source)) != UNUSED}
    unused = {
        piece for each, name in spec.split.items() if given_role(each, spec.source) == UNUSED for piece in pieces(name)
    }
    chosen = {role: PLUS.join(_named(parts, name, spec)) for role, name in given.items() if name}
    claimed = {piece for name in chosen.values() for piece in _named(parts, name, spec)}
    claimed |= {piece for name in unused for piece in _named(parts, name, spec)}
    replaced = {role for role, path in (("validation", spec.validation), ("test", spec.test)) if path is not None}
    left = [name for name in parts if name not in claimed]
    roles = roles_of(parts)
    for role in ROLES:
        if role in given or role in replaced:
            continue
        name = _recognised([name for name in left if roles[name] == role], role, spec)
        if name is not None:
            chosen[role] = name
    if "train" not in chosen and "train" not in given and len(parts) == 1:
        chosen = {"train": next(iter(parts))}
    if "train" not in chosen:
        left = [name for name in left if name not in chosen.values()] or list(parts)
        together = ", or several together: " + typed("--split", f"train={PLUS.join(left)}") if len(left) > 1 else ""
        raise DataError(
            f"no part is train; there are: {', '.join(parts)}",
            where=spec.source,
            hint=f"name it: {typed('--split', f'train={left[0]}')}{together}",
        )
    return {role: name for role, name in chosen.items() if role == "train" or role not in replaced}


def _one_part(parts: Parts, spec: DataSpec, notes: list[str]) -> dict[str, Table]:
    name, read = next(iter(parts.items()))
    table = read()
    tables = divided(table, spec, notes)
    if tables is None:
        file = getattr(parts, "files", {}).get(name, name)
        wrong = {role: each for role, each in spec.split.items() if each and each.split(".")[0] != file.split(".")[0]}
        if wrong or any(each and given_role(role, spec.source) != "train" for role, each in spec.split.items()):
            raise DataError(
                f"--split names parts, and the data are one: {file}",
                where=spec.source,
                hint="leave --split out, or name the column that holds each row's part with --split-column "
                f"(one of: {', '.join(table.columns)})",
            )
        tables = {"train": table}
    return tables


def _read(parts: Parts, name: str, role: str) -> Table:
    names = [name] if name in parts else name.split(PLUS)
    return joined([parts[each]() for each in names], role if len(names) > 1 else name)


def _read_extra(path: str, role: str, options: FileOptions) -> Table:
    """A file for a role; of a folder its only part, or the part of that role."""
    if isinstance(path, Address):
        from liftune.data.readers.remote import remote_table

        return remote_table(path, lambda local: _read_extra(local, role, options))
    if not expanded(path).is_dir():
        pair = pair_of(expanded(path)) if expanded(path).is_file() else None
        if pair:
            return read_pair(pair, role, options)
        return read_file(path, name=role, options=options)
    parts = find_parts(path, options)
    names = list(parts) if len(parts) == 1 else [name for name, each in roles_of(parts).items() if each == role]
    if len(names) != 1:
        raise DataError(
            f"which part is {role}? the folder has: {', '.join(parts)}",
            where=path,
            hint=f"name its file: --{role} FILE",
        )
    return parts[names[0]]()


def _unused_parts(parts: Parts, chosen: Mapping[str, str], spec: DataSpec) -> list[str]:
    """What is said of parts without a role, and of `eval`, which could be two things."""
    used = {piece for name in chosen.values() for piece in ((name,) if name in parts else name.split(PLUS))}
    files: Mapping[str, str] = getattr(parts, "files", {})
    left = [files.get(name, name) for name in parts if name not in used]
    found = {name: role for role, name in chosen.items() if role not in spec.split}
    notes = either_said(found, chosen)
    if left:
        notes.append(
            f"not used: {', '.join(left)}; --split train=NAME,validation=NAME,test=NAME says which part is what"
        )
    return notes


def _within_train(tables: dict[str, Table], spec: DataSpec, notes: list[str]) -> dict[str, Table]:
    """The tables, train's rows of other parts taken out where a column of it names them."""
    found = divided(tables["train"], spec, notes, strict=False) or {}
    both = [role for role in found if role != "train" and role in tables]
    if both:
        raise DataError(
            f"{tables[both[0]].where} is {both[0]}, and so are {found[both[0]].rows} rows of train, by a column of it",
            where=tables["train"].where,
            hint=f"leave the file out with {typed('--split', f'{both[0]}=')}, or ignore the column with "
            "--split-column none",
        )
    return {**tables, **found}


def _named(parts: Parts, name: str, spec: DataSpec) -> list[str]:
    """The parts of that name: that of the source, or of the file; several with a + between them."""
    if name in parts:
        return [name]
    found = []
    for piece in pieces(name) if PLUS in name else [name]:
        stems = [each for each in parts if piece == each or piece.split(".", 1)[0] == each]
        if not stems:
            hint = f"name one of these with --split: {', '.join(parts)}"
            choose(piece, parts, "part", spec.source, error=DataError, hint=hint)
        found.append(stems[0])
    return found


def _recognised(names: Iterable[str], role: str, spec: DataSpec) -> str | None:
    """The part whose name is the role's word, the usual word first, else the one whose name contains it."""
    names = list(names)
    for word in (*ROLES[role], *EITHER):
        plain = [name for name in names if name.strip().casefold().split(".", 1)[0] == word]
        if plain:
            return _only(plain, role, spec)
    return _only(names, role, spec) if names else None


def _only(names: list[str], role: str, spec: DataSpec) -> str:
    if len(names) > 1:
        raise DataError(
            f"more than one part could be {role}: {', '.join(names)}",
            where=spec.source,
            hint=f"name it: {typed('--split', f'{role}={names[0]}')}, or take them together: "
            + typed("--split", f"{role}={PLUS.join(names)}"),
        )
    return names[0]
