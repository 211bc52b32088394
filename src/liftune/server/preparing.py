"""Texts to tokens, beside the event loop and a slice of each request in turn.

In: an engine and the rows of a request.  Out: its rows, ready to be computed.
Not here: how a row becomes tokens (the engines), the queue of what is ready (queue.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from liftune.server.engine import Engine, Work
from liftune.types import Row

T = TypeVar("T")

#: Characters of a slice: what is tokenised at a time, and at once in the event loop where nobody else tokenises.
SLICE_CHARACTERS = 8_000
#: Rows whose predictions are made in the event loop; those of more are made in the thread.
_ROWS_AT_ONCE = 64


class Preparer:
    """One thread; whoever has more for it comes again at the end of the line."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="liftune-text")
        self._waiting = 0

    async def prepare(self, engine: Engine, rows: Sequence[Row]) -> list[Work]:
        """The rows as the engine's executor takes them, in order."""
        parts = list(slices(rows))
        if len(parts) == 1 and not self._waiting:
            return engine.prepare(rows)
        works: list[Work] = []
        for part in parts:
            works += await self._run(lambda part=part: engine.prepare(part))  # type: ignore[misc]
        return works

    async def finish(self, count: int, work: Callable[[], T]) -> T:
        """The result of some work over so many rows."""
        return work() if count <= _ROWS_AT_ONCE else await self._run(work)

    async def _run(self, work: Callable[[], T]) -> T:
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1

    def close(self) -> None:
        """End the thread, once it has done what it was given."""
        self._thread.shutdown()


def slices(rows: Sequence[Row], characters: int = SLICE_CHARACTERS) -> Iterator[Sequence[Row]]:
    """Neighbouring rows of so many characters together, or one row of more.

    >>> list(slices(["ab", "c", ("de", "f"), "ghijkl"], characters=4))
    [['ab', 'c'], [('de', 'f')], ['ghijkl']]
    """
    start = length = 0
    for position, row in enumerate(rows):
        size = len(row) if isinstance(row, str) else sum(map(len, row))
        if position > start and length + size > characters:
            yield rows[start:position]
            start, length = position, 0
        length += size
    yield rows[start:]
