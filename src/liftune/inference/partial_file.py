"""A file of predictions that is not complete yet, so that an interrupted one can be resumed.

    OUT.part         what is written so far
    OUT.part.json    how many rows and bytes of it are complete, their hash, and what they depend on

In: blocks of bytes.  Out: the file, in place once it is complete.
Not here: the formats (writers.py), which rows (files.py).
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO, Any

from liftune.errors import ArtifactError, LiftuneError, SpecError
from liftune.files import atomic_write, damaged, disk_errors, read_json_object
from liftune.inference.writers import Writer
from liftune.json_text import parse_json

_AGAIN = "leave --resume out to begin again"


@dataclass(frozen=True)
class _State:
    """How much of a partial file is complete, and of what it is."""

    rows: int
    errors: int
    bytes: int
    settings: dict[str, Any]
    sha256: str | None = None
    """Over these bytes; None in files begun by an earlier version."""
    counts: dict[str, int] = field(default_factory=dict)
    """How many rows were given each label."""

    @classmethod
    def read(cls, path: Path) -> _State:
        """As it was written.

        Raises:
            ArtifactError: the file is damaged.
        """
        values = read_json_object(path, hint=_AGAIN)
        rows, errors, size = (_count(values.get(name), path) for name in ("rows", "errors", "bytes"))
        settings, sha256 = values.get("settings"), values.get("sha256")
        if not isinstance(settings, dict) or not isinstance(sha256, str | None):
            raise damaged(path, "it does not say what the rows were predicted by", hint=_AGAIN)
        counts = values.get("counts", {})
        if not isinstance(counts, dict):
            raise damaged(path, "its counts of labels are none", hint=_AGAIN)
        return cls(rows, errors, size, settings, sha256, {name: _count(each, path) for name, each in counts.items()})


def _count(value: Any, path: Path) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= sys.maxsize:
        raise damaged(path, f"{value!r} is no count of rows or bytes", hint=_AGAIN)
    return value


def _sha256_of_first(file: IO[bytes], count: int) -> Any:
    """A digest of so many bytes, to be gone on with."""
    digest = hashlib.sha256()
    while count > 0 and (block := file.read(min(count, 1 << 20))):
        digest.update(block)
        count -= len(block)
    return digest


class PartialFile:
    """A file that is not complete: what is written of it is kept beside it.

    Args:
        settings: what its contents depend on, as JSON.

    Attributes:
        counts: how many of its rows were given each label.
    """

    def __init__(self, out: Path, settings: Mapping[str, Any], writer: Writer) -> None:
        self._out, self._settings, self.writer = out, parse_json(json.dumps(settings)), writer
        self.path = out.with_name(f"{out.name}.part")
        self._state = out.with_name(f"{out.name}.part.json")
        self._digest = hashlib.sha256()
        self.counts = Counter[str]()

    def note(self, *, resume: bool) -> str | None:
        """What to say before it begins, where that is not what whoever gave the command may think."""
        there = self._state.is_file()
        if there and not resume:
            return f"{self.path} of an interrupted prediction is begun anew; --resume would have gone on with it"
        if resume and not there:
            also = ", and replaces it once it is complete" if self._out.is_file() else ""
            return f"there is nothing to go on with ({self.path} is not there): {self._out} is begun anew{also}"
        return None

    def begin(self, *, resume: bool, or_anew: bool = False) -> tuple[int, int]:
        """How many rows are written already, and how many of them have an error: none, unless it is resumed.

        Args:
            or_anew: begin anew what cannot be resumed.

        Raises:
            SpecError: it was begun with other rows, another model or other options.
        ArtifactError: what is written of it, or the file that says how much that is, is damaged.
        """
        with disk_errors(self.path):
            if resume and self._state.is_file():
                try:
                    return self._resumed()
                except LiftuneError:
                    if not or_anew:
                        raise
            self._state.unlink(missing_ok=True)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            start = self.writer.start()
            self.path.write_bytes(start)
            self._digest = hashlib.sha256(start)
        return 0, 0

    def _resumed(self) -> tuple[int, int]:
        state = _State.read(self._state)
        changed = [name for name, value in self._settings.items() if state.settings.get(name) != value]
        if changed:
            raise SpecError(
                f"{self.path.name} was begun with other settings: {', '.join(changed)} differ",
                where="--resume",
                hint="give the same options as before, or leave --resume out to begin again",
            )
        if not self.path.is_file() and self._in_place(state):
            os.replace(self._out, self.path)  # the last step is done again, whatever the format
        held = self.path.stat().st_size if self.path.is_file() else 0
        if held < state.bytes:
            raise ArtifactError(
                f"{self.path.name} is damaged: it holds {held:,} of the {state.bytes:,} bytes that were written",
                where=str(self.path),
                hint=_AGAIN,
            )
        with self.path.open("rb") as file:
            self._digest = _sha256_of_first(file, state.bytes)
        if state.sha256 and self._digest.hexdigest() != state.sha256:
            raise ArtifactError(
                f"{self.path.name} is damaged: it holds other bytes than were written",
                where=str(self.path),
                hint=_AGAIN,
            )
        os.truncate(self.path, state.bytes)
        self.counts = Counter(state.counts)
        return state.rows, state.errors

    def _in_place(self, state: _State) -> bool:
        """Whether the bytes that were written are the file already: the process ended between its last two steps."""
        if state.sha256 is None or not self._out.is_file() or self._out.stat().st_size != state.bytes:
            return False
        with self._out.open("rb") as file:
            return bool(_sha256_of_first(file, state.bytes).hexdigest() == state.sha256)

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """The partial file, to be appended to; an interruption gets a note that it can be resumed."""
        try:
            with disk_errors(self.path), self.path.open("ab") as file:
                yield file
        except BaseException as error:  # Ctrl-C too
            if self._state.is_file():
                error.add_note(f"kept: {self.path}; continue with --resume")
            raise

    def add(self, file: IO[bytes], data: bytes, rows: int, errors: int) -> None:
        """Append a block, once `counts` has its labels.

        Args:
            rows, errors: how many there are now, this block included.
        """
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
        self._digest.update(data)
        state = _State(rows, errors, file.tell(), self._settings, self._digest.hexdigest(), dict(self.counts))
        with atomic_write(self._state) as target:
            target.write(json.dumps(asdict(state)).encode())

    def finish(self) -> None:
        """Put the file in place."""
        with disk_errors(self._out):
            if self.writer.needs_finalize:
                with atomic_write(self._out) as file, self.path.open("rb") as partial:
                    self.writer.finalize(partial, file)
                self._state.unlink(missing_ok=True)  # first: without the bytes that it speaks of it would be refused
                self.path.unlink()
            else:
                os.replace(self.path, self._out)
                self._state.unlink(missing_ok=True)
