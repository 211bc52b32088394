"""One writer to a folder or file at a time: a lock that is held to the end, and a note of who holds it.

In: a folder or file that is about to be written.  Out: a block in which no other process writes it, or `Held`.
Not here: which folder a run takes (workflows/request.py), writing (files.py).

The system gives a lock back when its process ends, however it ends: what a killed process leaves behind refuses nobody.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from liftune.errors import ArtifactError
from liftune.files import disk_errors, nearest_existing, remove_empty
from liftune.json_text import parse_json

#: In a folder that is claimed; beside what is claimed otherwise.
LOCK, HOLDER = ".liftune.lock", ".liftune.holder.json"
#: Seconds: somebody who only looks holds a lock for a moment.
_PATIENCE = 0.3


class Held(ArtifactError):  # noqa: N818 - what it is: the place is held
    """Another process writes to the place."""

    def __init__(self, place: Path, holder: str, where: str) -> None:
        super().__init__(
            f"{place} is being written by {holder}",
            where=where,
            hint="wait until it has ended, or name another place",
        )


@contextlib.contextmanager
def claim_folder(folder: Path, *, where: str = "--out") -> Iterator[None]:
    """A folder that this process alone writes to, made where there is none; removed again if it is empty at the end.

    Raises:
        Held: another process writes to it, and is named.
        ArtifactError: the disk cannot be written.
    """
    existing = nearest_existing(folder)
    try:
        with disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        with _held(folder / LOCK, folder / HOLDER, folder, where):
            yield
    finally:
        with contextlib.suppress(OSError):
            remove_empty(folder, below=existing)


@contextlib.contextmanager
def claim_file(path: Path, *, where: str = "--out") -> Iterator[None]:
    """A file, or a folder that will be put in place whole, that this process alone writes: the lock lies beside it.

    Raises:
        Held, ArtifactError: as `claim_folder`.
    """
    parent = path.absolute().parent
    existing = nearest_existing(parent)
    try:
        with disk_errors(path):
            parent.mkdir(parents=True, exist_ok=True)
        with _held(parent / f".{path.name}{LOCK}", parent / f".{path.name}{HOLDER}", path, where):
            yield
    finally:
        with contextlib.suppress(OSError):
            remove_empty(parent, below=existing)


def refuse_held(folder: Path, *, where: str = "--out") -> None:
    """Refuse a folder that is being written, before anything is computed for it; nothing is claimed yet.

    Raises:
        Held: another process writes to it.
    """
    lock = folder / LOCK
    if not lock.is_file():
        return
    probe = FileLock(lock, thread_local=False)
    try:
        probe.acquire(blocking=False)
    except (Timeout, OSError):
        raise Held(folder, _said(folder / HOLDER), where) from None
    probe.release()


def is_empty(folder: Path, *besides: str) -> bool:
    """Whether nothing is in a folder but what a claim leaves there, and these names."""
    return all(each.name in (LOCK, HOLDER, *besides) for each in folder.iterdir())


@contextlib.contextmanager
def _held(lock: Path, holder: Path, place: Path, where: str) -> Iterator[None]:
    held = FileLock(lock, thread_local=False)
    with disk_errors(place):
        try:
            held.acquire(timeout=_PATIENCE, poll_interval=0.02)
        except Timeout:
            raise Held(place, _said(holder), where) from None
    try:
        with contextlib.suppress(OSError):  # the lock holds without it
            holder.write_text(json.dumps({"process": os.getpid(), "host": platform.node()}), encoding="utf-8")
        yield
    finally:
        # Both go while the lock is held: whoever opened it meanwhile finds it unlinked, and makes another.
        for each in (holder, lock):
            with contextlib.suppress(OSError):  # Windows removes no file that is open
                each.unlink()
        held.release()
        with contextlib.suppress(OSError):
            if os.name == "nt":
                lock.unlink()


def _said(holder: Path) -> str:
    """`process 123`, and of which machine where it is not this one."""
    try:
        values = parse_json(holder.read_bytes())
        process, host = int(values["process"]), str(values["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
    return f"process {process}" + (f" of {host}" if host != platform.node() else "")
