"""Requests' rows gathered into batches, computed on one thread, and handed back.

In: rows and the lane that computes them, from any number of requests at once.  Out: each request's logits.
Not here: which rows go together (waiting.py), the computing (tuned.py, bundled.py), HTTP (app.py).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from liftune.serve.engine import BatchExecutor, Work
from liftune.serve.errors import Refused
from liftune.serve.limits import Limits
from liftune.serve.queue import Batch, Full, RequestQueue, Ticket, deliver

Seen = Callable[[Batch, float], None]
"""Called with each batch and the seconds that it took."""


class DynamicBatcher:
    """The one queue of a server, and the one thread that computes.

    Args:
        clock: seconds, for the rows' waiting.
    """

    def __init__(
        self, limits: Limits, *, clock: Callable[[], float] = time.monotonic, seen: Seen | None = None
    ) -> None:
        self.waiting = RequestQueue(limits)
        self._clock, self._seen = clock, seen
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="liftune")
        self._changed = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._closing = False
        self._tokens_per_second = 0.0

    def start(self) -> None:
        """Begin to compute; to be called where a loop runs."""
        self._loop = asyncio.get_running_loop().create_task(self._run())

    @property
    def ready(self) -> bool:
        """Whether rows are taken."""
        return self._loop is not None and not self._loop.done() and not self._closing

    async def ask(self, lane: BatchExecutor, works: Sequence[Work]) -> list[NDArray[np.float32]]:
        """(C,) logits of each row, in order. Who is cancelled here leaves the queue.

        Raises:
            Refused: the queue is full (503), or the server is stopping.
        """
        if not self.ready:
            raise Refused(503, "the server is stopping", hint="ask again in a moment", headers={"Retry-After": "5"})
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(ticket: Ticket) -> None:
            if not future.done():
                future.set_result(None)

        ticket = Ticket(lane, works, self._clock(), done)
        try:
            self.waiting.add(ticket)
        except Full:
            raise self._full(len(works)) from None
        self._changed.set()
        try:
            await future
        except asyncio.CancelledError:
            self.waiting.drop(ticket)
            raise
        if ticket.error is not None:
            self.waiting.drop(ticket)
            raise ticket.error
        return ticket.found

    async def close(self) -> None:
        """Take no more, and finish what was taken."""
        self._closing = True
        self._changed.set()
        if self._loop is not None:
            await self._loop
        self._worker.shutdown()

    def _full(self, rows: int) -> Refused:
        seconds = math.ceil(self.waiting.tokens / self._tokens_per_second) if self._tokens_per_second else 1
        return Refused(
            503,
            f"the queue is full: {self.waiting.rows:,} rows wait, and {rows:,} more have no room",
            hint="ask again later, or with fewer texts",
            headers={"Retry-After": str(min(max(seconds, 1), 60))},
        )

    async def _run(self) -> None:
        while True:
            found = self.waiting.next(math.inf if self._closing else self._clock())
            if isinstance(found, Batch):
                await self._compute(found)
            elif found is None and self._closing:
                return
            else:
                await self._wait(found)

    async def _wait(self, seconds: float | None) -> None:
        """Until something has come, or for so long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _compute(self, batch: Batch) -> None:
        works = [entry.work for entry in batch.entries]
        begun = time.monotonic()
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._worker, batch.lane.logits, works)
        except Exception as error:  # whatever it is belongs to those who asked, and the next batch may be fine
            deliver(batch, error)
            return
        seconds = time.monotonic() - begun
        rate = batch.tokens / max(seconds, 1e-6)
        self._tokens_per_second = 0.8 * (self._tokens_per_second or rate) + 0.2 * rate
        deliver(batch, found)
        if self._seen is not None:
            self._seen(batch, seconds)
