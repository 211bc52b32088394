"""The file whose rows are predicted: which one it is, and that it stays the same while it is read.

In: the path of --in.  Out: what a resumed call must find again; a DataError where the file was written meanwhile.
Not here: reading it (data/readers/), what is written of it (writers.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from liftune.addresses import Address
from liftune.data.readers.fetching import fetched
from liftune.data.readers.formats import path_of, sheet_of
from liftune.errors import DataError


def identity(source: str) -> dict[str, Any]:
    """Which file: its path, its size and when it was last written; of one elsewhere, which is brought anew each
    time, what it holds."""
    if isinstance(source, Address):
        return {"in": source, "bytes": fetched(source).bytes, "sha256": fetched(source).sha256}
    path, sheet = path_of(source), sheet_of(source)
    stat = path.stat()
    return {
        "in": f"{path.resolve()}#{sheet}" if sheet else str(path.resolve()),
        "bytes": stat.st_size,
        "modified": stat.st_mtime_ns,
    }


@contextmanager
def unchanged(source: str) -> Iterator[None]:
    """Refuse what was read of a file that was written or replaced meanwhile: its rows are of two files, or none.

    Raises:
        DataError: it is no longer the same; what reading it raised is then only a consequence.
    """
    before = _stamp(source)
    try:
        yield
    except Exception:  # half a file may raise anything
        _refuse_changed(source, before)
        raise
    _refuse_changed(source, before)


def _stamp(source: str) -> tuple[int, ...] | None:
    """What changes with a file's contents; None for what is no file, such as a named pipe, or is not there; and for a
    file elsewhere, of which nobody but this process has the copy."""
    if isinstance(source, Address):
        return None
    path = path_of(source)
    try:
        stat = path.stat()
        return (stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns) if path.is_file() else None
    except OSError:
        return None


def _refuse_changed(source: str, before: tuple[int, ...] | None) -> None:
    if before is None:
        return
    now = _stamp(source)
    if now != before:
        raise DataError(
            f"{source} was {'written' if now else 'removed'} while its rows were predicted",
            where="--in",
            hint="run the same command again when nothing writes to it; what was predicted of it is not kept",
        )
