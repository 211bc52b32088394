"""Where predictions of a folder go: a folder here, or one of a store. A file appears under its name once it is whole.

In: Shards, files that are complete, Notes.  Out: the folder; which files of it are done.
Not here: what is predicted (shard_work.py), what a note says (notes.py).
"""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from liftune.addresses import Address, addressed
from liftune.bulk.notes import BEGUN, DONE, WORK, Begun, Note, key
from liftune.bulk.shards import Shard, stamp_of
from liftune.claims import claim_folder, is_empty
from liftune.data.readers.folders import is_junk
from liftune.data.readers.stores import listed, put, put_text, texts
from liftune.errors import ArtifactError
from liftune.files import atomic_write, check_writable, disk_errors, sha256_of_files, sync_folder, write_text


class Place(Protocol):
    """A folder of predictions. It can be pickled."""

    @property
    def name(self) -> str:
        """As messages say it."""
        ...

    def claimed(self) -> Any:
        """A block in which no other process of this machine writes there."""
        ...

    def begin(self, begun: Begun) -> Begun:
        """What the folder was begun with; that is written where no file is done yet.

        Raises:
            SpecError: it is of another model or other options.
            ArtifactError: something else is there; or it cannot be written.
        """
        ...

    def notes(self) -> dict[str, Note]:
        """Those of files that are there as they were written, by name."""
        ...

    def work(self, shard: Shard) -> Any:
        """A block with the path at which a shard's file is made, and what is kept of it when it is interrupted."""
        ...

    def deliver(self, file: Path, note: Note) -> Note:
        """Put a whole file under its name, and what there is to say of it.

        Returns:
            the same note with the stamp of what is written.
        """
        ...

    def tidy(self) -> None:
        """Take away what is kept of files that are not complete, once all are."""
        ...


def place_of(out: str, *, apart: bool = False) -> Place:
    """The place at a path or an address.

    Args:
        apart: as of Here.
    """
    out = addressed(out)
    return InStore(out) if isinstance(out, Address) else Here(os.path.abspath(out), apart)


@dataclass(frozen=True)
class Here:
    """A folder of this machine, or one that all machines see at this path."""

    name: str
    apart: bool = False
    """Whether each process makes its files by itself, and goes on with none of another: a process of a machine that is
    lost to a cluster may still be writing."""

    @property
    def _folder(self) -> Path:
        return Path(self.name)

    def claimed(self) -> Any:
        """As of Place."""
        return claim_folder(self._folder)

    def begin(self, begun: Begun) -> Begun:
        """As of Place."""
        check_writable(self._folder)
        path, done = self._folder / BEGUN, self._folder / DONE
        if path.is_file() and done.is_dir() and any(done.iterdir()):
            return begun.gone_on_with(path.read_bytes(), self.name)
        if not is_empty(self._folder, *filter(is_junk, os.listdir(self._folder))):
            raise _foreign(self.name)
        write_text(path, begun.to_text())
        return begun

    def notes(self) -> dict[str, Note]:
        """As of Place."""
        folder = self._folder / DONE
        found = {}
        for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
            note = Note.of(path.read_bytes())
            if note is not None and self._holds(note):
                found[note.name] = note
        return found

    def _holds(self, note: Note) -> bool:
        """Whether a file is there as it was written; it is put there where that alone was left to do."""
        out, made = self._folder / note.name, self._folder / WORK / key(note.name)
        try:
            if out.is_file() and (stamp_of(out) == note.written or sha256_of_files(out) == note.out_sha256):
                return True
            if made.is_file() and sha256_of_files(made) == note.out_sha256:
                self._rename(made, out)
                return True
        except OSError:
            return False
        return False

    @contextmanager
    def work(self, shard: Shard) -> Iterator[Path]:
        """As of Place."""
        folder = self._folder / WORK
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        whose = f"{platform.node()}-{os.getpid()}." if self.apart else ""
        yield folder / f"{whose}{key(shard.name)}"

    def deliver(self, file: Path, note: Note) -> Note:
        """As of Place."""
        note = replace(note, written=stamp_of(file))
        with atomic_write(self._folder / DONE / f"{key(note.name)}.json") as target:
            target.write(note.to_text().encode())
        self._rename(file, self._folder / note.name)
        return note

    def _rename(self, file: Path, out: Path) -> None:
        with disk_errors(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, out)
            sync_folder(out.parent)

    def tidy(self) -> None:
        """Take away what is kept of files that are not complete, once all are."""
        shutil.rmtree(self._folder / WORK, ignore_errors=True)


@dataclass(frozen=True)
class InStore:
    """A folder of s3 or gs: a file is made here, and put there by one put."""

    address: Address

    @property
    def name(self) -> str:
        """As of Place."""
        return str(self.address)

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """As of Place."""
        yield

    def begin(self, begun: Begun) -> Begun:
        """As of Place."""
        there = listed(self.address)
        if BEGUN in there and any(name.startswith(f"{DONE}/") for name in there):
            return begun.gone_on_with(texts(self.address, [BEGUN])[BEGUN], self.name)
        if not all(map(is_junk, (name.partition("/")[0] for name in there))):
            raise _foreign(self.name)
        put_text(self.address, BEGUN, begun.to_text())
        return begun

    def notes(self) -> dict[str, Note]:
        """As of Place."""
        there = listed(self.address)
        kept = texts(self.address, [name for name in there if name.startswith(f"{DONE}/")])
        notes = [note for text in kept.values() if (note := Note.of(text)) is not None]
        return {note.name: note for note in notes if there.get(note.name) == note.written}

    @contextmanager
    def work(self, shard: Shard) -> Iterator[Path]:
        """As of Place."""
        with tempfile.TemporaryDirectory(prefix="liftune-") as folder:
            yield Path(folder) / key(shard.name)

    def deliver(self, file: Path, note: Note) -> Note:
        """As of Place."""
        note = replace(note, written=put(self.address, note.name, file))
        put_text(self.address, f"{DONE}/{key(note.name)}.json", note.to_text())
        return note

    def tidy(self) -> None:
        """Nothing is kept of files that are not complete."""


def _foreign(name: str) -> ArtifactError:
    return ArtifactError(
        f"{name} holds other files, and no predictions of a folder",
        where="--out",
        hint="name a new folder, or an empty one",
    )
