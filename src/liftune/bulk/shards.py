"""The files of a folder that are predicted, here or in a store; and those that are not, by name.

In: a folder.  Out: Shards in order of name; the names of other files, and why each is left out.
Not here: reading a file (data/readers/), where its predictions go (place.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from liftune.addresses import Address
from liftune.data.readers.folders import is_junk
from liftune.data.readers.formats import OPENERS, extension
from liftune.data.readers.stores import below, listed
from liftune.errors import DataError, first_of, pasted
from liftune.files import sha256_of_files
from liftune.inference.writers import unwritable

_NAMED = 10


@dataclass(frozen=True)
class Shard:
    """A file of rows."""

    name: str
    """Below its folder, with slashes."""
    source: str
    """Its path, or its Address."""
    stamp: str
    """Its size, and its time or what a store calls its version: where this is the same, so is the file."""

    @property
    def fresh(self) -> str:
        """The path; or an Address that keeps no copy for others."""
        return Address(self.source.full) if isinstance(self.source, Address) else self.source

    def holds(self, sha256: str) -> bool:
        """Whether the file, which has another stamp by now, still holds these bytes; never of one elsewhere."""
        if isinstance(self.source, Address):
            return False
        try:
            return sha256_of_files(Path(self.source)) == sha256
        except OSError:
            return False


@dataclass(frozen=True)
class Found:
    """What is in a folder."""

    shards: tuple[Shard, ...]
    left_out: dict[str, str]
    """Name of what is no file of rows, or cannot be written as one -> why."""
    unreadable: dict[str, str]
    """Name of what may hold rows and cannot be looked at -> why."""


@dataclass(frozen=True)
class _Seen:
    """Something in a folder."""

    name: str
    place: str = ""
    stamp: str = ""
    fault: str | None = None
    readable: bool = True


def find_shards(source: str) -> Found:
    """The files to be predicted.

    Raises:
        DataError: there is none, or the folder cannot be listed.
    """
    shards: list[Shard] = []
    left_out: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    for each in (
        _elsewhere(source) if isinstance(source, Address) else _inside(Path(os.path.abspath(source)), "", frozenset())
    ):
        why = each.fault or _why_not(each.name)
        if why is None:
            shards.append(Shard(each.name, each.place, each.stamp))
        else:
            (left_out if each.readable else unreadable)[each.name] = why
    if not shards:
        left_out |= unreadable
        there = first_of([f"{name} ({why})" for name, why in sorted(left_out.items())], _NAMED)
        raise DataError(
            "no file in the folder is Parquet, JSONL or CSV" + (f": {there}" if left_out else ": it is empty"),
            where=source,
            hint="give the folder that holds them"
            if not left_out
            else f"predict another kind of file by itself: --in {pasted(f'{source}/{min(left_out)}')} --out FILE.csv",
        )
    return Found(
        tuple(sorted(shards, key=lambda each: each.name)),
        dict(sorted(left_out.items())),
        dict(sorted(unreadable.items())),
    )


def _why_not(name: str) -> str | None:
    """Why a file is none to be predicted; None where it is one."""
    if any(part.startswith("_") and "=" not in part for part in PurePosixPath(name).parts):
        return "its name begins with _, as names of what programs keep for themselves do"
    kind = extension(name)
    if kind not in OPENERS:
        return "it is no table"
    if wrong := unwritable(name):
        return f"{wrong} is read, but not written"
    return None


def _elsewhere(source: Address) -> Iterator[_Seen]:
    for name, stamp in listed(source).items():
        if not any(is_junk(part) for part in PurePosixPath(name).parts):
            yield _Seen(name, below(source, name), stamp)


def _here(source: str) -> Iterator[_Seen]:
    """With paths that processes understand which work in another folder."""
    return _inside(Path(os.path.abspath(source)), "", frozenset())


def _inside(folder: Path, prefix: str, above: frozenset[Path]) -> Iterator[_Seen]:
    """What is in a folder and in those below it; links are followed."""
    try:
        above |= {folder.resolve()}
        entries = sorted(os.scandir(folder), key=lambda each: each.name)
    except OSError as error:
        reason = f"the folder cannot be read: {(error.strerror or str(error)).lower()}"
        if not prefix:
            raise DataError(reason, where=str(folder), hint="check its permissions") from None
        yield _Seen(prefix, fault=reason, readable=False)
        return
    for each in entries:
        name, path = f"{prefix}{each.name}", Path(each.path)
        if is_junk(each.name):
            continue
        try:
            if each.is_dir():
                if path.resolve() in above:
                    yield _Seen(f"{name}/", fault="it leads back to a folder above it")
                else:
                    yield from _inside(path, f"{name}/", above)
            elif each.is_file():
                yield _Seen(name, str(path), stamp_of(path))
            elif each.is_symlink():
                yield _Seen(name, fault="it is a link to nothing", readable=_why_not(name) is not None)
            else:
                yield _Seen(name, fault="it is no file")
        except OSError as error:
            yield _Seen(name, fault=f"it cannot be read: {(error.strerror or str(error)).lower()}", readable=False)


def stamp_of(path: Path) -> str:
    """Size and time of a file."""
    stat = path.stat()
    return f"{stat.st_size} bytes, {stat.st_mtime_ns}"
