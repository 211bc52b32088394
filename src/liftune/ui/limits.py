"""How much the page takes on.

In: values of `--limit`.  Out: UiLimits, frozen.
Not here: where they are enforced (incoming.py, check_file.py, queue.py, trying.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from liftune.server.limits import assigned


@dataclass(frozen=True)
class UiLimits:
    """The most that a file, a request and the queue may hold."""

    upload_bytes: int = 64 * 2**20
    """Of a file as it is sent."""
    unpacked_bytes: int = 512 * 2**20
    """Of its contents: unpacked, and as the texts of all cells."""
    rows: int = 200_000
    columns: int = 1_000
    check_seconds: float = 120.0
    """In which a file must have been read once, and inspected."""
    check_memory: int = 3 * 2**30
    """Bytes of memory that reading it may take, where the system can limit that."""
    uploads: int = 50
    """Files that are kept; beyond it the oldest goes that no run has used."""
    waiting: int = 20
    """Runs in the queue."""
    texts: int = 64
    """That are tried at a time."""
    characters: int = 20_000
    """Of one of these texts."""


def ui_limits_of(assignments: Sequence[str]) -> UiLimits:
    """The default limits, but for those given as `NAME=VALUE`.

    >>> ui_limits_of(["rows=5"]).rows
    5

    Raises:
        SpecError: an unknown name, or a value that is not a number above zero, whole where the default is.
    """
    return assigned(UiLimits(), assignments)
