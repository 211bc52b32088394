"""Dynamic batching: the rows of concurrent requests are gathered into batches and computed on one thread.

In: rows and the executor that computes them, from any number of requests at once.  Out: each request's logits.
Not here: which rows go together (queue.py), the computing (adapter_engine.py, bundle_engine.py), HTTP (app.py).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from liftune.server.engine import BatchExecutor, Work
from liftune.server.errors import RequestError
from liftune.server.limits import Limits
from liftune.server.queue import Batch, RequestQueue, Ticket, deliver

#: What a giant request adds to a batch that others wait for, where a machine is so fast.
_BULK_SECONDS = 0.005
#: Of the seconds that a request may take: what the queue may hold.
_LONGEST_WAIT = 0.5

OnBatch = Callable[[Batch, float], None]
"""Called with each batch and the seconds that it took."""


class DynamicBatcher:
    """The one queue of a server, and the one thread that computes.

    Args:
        clock: in seconds, for the time that rows wait.
        on_batch: called after each batch.
    """

    def __init__(
        self, limits: Limits, *, clock: Callable[[], float] = time.monotonic, on_batch: OnBatch | None = None
    ) -> None:
        self.queue = RequestQueue(limits)
        self._clock, self._on_batch, self._seconds = clock, on_batch, limits.seconds
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="liftune")
        self._changed = asyncio.Event()
        self._loop: asyncio.Task[None] | None = None
        self._closing = False
        self._tokens_per_second = 0.0

    def start(self) -> None:
        """Start to compute; to be called where an event loop runs."""
        self._loop = asyncio.get_running_loop().create_task(self._run())

    @property
    def ready(self) -> bool:
        """Whether it accepts rows."""
        return self._loop is not None and not self._loop.done() and not self._closing

    def check_room(self, rows: int) -> None:
        """Refuse rows before any work is spent on them.

        Raises:
            RequestError: the queue is full (503), or the server is stopping.
        """
        if not self.ready:
            raise RequestError(
                503, "the server is stopping", hint="send the request again in a moment", headers={"Retry-After": "5"}
            )
        # As requests take turns, all of those in a queue that is too long would be late. A giant is in nobody's way.
        if not self.queue.has_room(rows) or self._wait_of(rows) > _LONGEST_WAIT * self._seconds:
            raise self._full(rows)

    async def compute(self, executor: BatchExecutor, works: Sequence[Work]) -> list[NDArray[np.float32]]:
        """(C,) logits of each row, in order. Cancelling this call takes its rows out of the queue.

        Raises:
            RequestError: the queue is full (503), or the server is stopping.
        """
        self.check_room(len(works))
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def done(ticket: Ticket) -> None:
            if not future.done():
                future.set_result(None)

        ticket = Ticket(executor, works, self._clock(), done)
        self.queue.add(ticket)
        self._changed.set()
        try:
            await future
        except asyncio.CancelledError:
            self.queue.drop(ticket)
            raise
        if ticket.error is not None:
            self.queue.drop(ticket)
            raise ticket.error
        return ticket.logits

    async def close(self) -> None:
        """Accept no more rows, and compute those in the queue."""
        self._closing = True
        self._changed.set()
        if self._loop is not None:
            await self._loop
        self._worker.shutdown()

    def _wait_of(self, rows: int) -> float:
        """Seconds before a request of so many rows is computed, or about; 0 where nothing was computed yet."""
        return self.queue.tokens_before(rows) / self._tokens_per_second if self._tokens_per_second else 0.0

    def _full(self, rows: int) -> RequestError:
        seconds = math.ceil(self._wait_of(rows))
        return RequestError(
            503,
            f"the queue is full: {self.queue.rows:,} rows wait, and there is no room for {rows:,} more",
            hint="send the request again later, or with fewer texts",
            headers={"Retry-After": str(min(max(seconds, 1), 60))},
        )

    async def _run(self) -> None:
        while True:
            due = self.queue.next(math.inf if self._closing else self._clock())
            if isinstance(due, Batch):
                await self._compute(due)
            elif due is None and self._closing:
                return
            else:
                await self._wait(due)

    async def _wait(self, seconds: float | None) -> None:
        """Wait for new rows, or for so long."""
        self._changed.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _compute(self, batch: Batch) -> None:
        works = [entry.work for entry in batch.entries]
        started = time.monotonic()
        try:
            logits = await asyncio.get_running_loop().run_in_executor(self._worker, batch.executor.logits, works)
        except Exception as error:  # it goes to the requests of this batch, and the next batch may be fine
            deliver(batch, error)
            return
        seconds = time.monotonic() - started
        rate = batch.tokens / max(seconds, 1e-6)
        self._tokens_per_second = 0.8 * (self._tokens_per_second or rate) + 0.2 * rate
        self.queue.bulk_tokens = max(self.queue.least_bulk_tokens, int(_BULK_SECONDS * self._tokens_per_second))
        deliver(batch, logits)
        if self._on_batch is not None:
            self._on_batch(batch, seconds)
