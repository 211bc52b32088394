"""The queue of rows, and which of them are computed together next. Pure: the time is an argument.

In: tickets of rows, and the time.  Out: batches of one executor within the limits, oldest rows first; or how long to
wait.
Not here: threads, futures and clocks (batcher.py).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from liftune.serve.engine import BatchExecutor, Work
from liftune.serve.limits import Limits


@dataclass(eq=False)
class Ticket:
    """One request's rows for one model."""

    executor: BatchExecutor
    works: Sequence[Work]
    arrived: float
    """When, in seconds of any clock."""
    done: Callable[[Ticket], None]
    """Called once, when every row is computed or one has failed."""
    logits: list[Any] = field(default_factory=list)
    """(C,) of each row."""
    error: BaseException | None = None
    pending: int = 0
    """Rows that are not computed yet; 0 once the ticket is done or dropped."""

    def __post_init__(self) -> None:
        self.logits, self.pending = [None] * len(self.works), len(self.works)


@dataclass(frozen=True)
class QueuedRow:
    """One row of a ticket."""

    ticket: Ticket
    position: int

    @property
    def work(self) -> Work:
        """The row."""
        return self.ticket.works[self.position]


@dataclass(frozen=True)
class Batch:
    """Rows that are computed together."""

    executor: BatchExecutor
    entries: tuple[QueuedRow, ...]
    tokens: int


class QueueFullError(Exception):
    """There is no room for more rows."""


class RequestQueue:
    """The rows of all executors."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._queues: OrderedDict[int, deque[QueuedRow]] = OrderedDict()
        self.rows = self.tokens = 0

    def add(self, ticket: Ticket) -> None:
        """Append a ticket's rows.

        Raises:
            QueueFullError: there is no room for all of them; none is appended.
        """
        if self.rows + len(ticket.works) > self._limits.queue_rows:
            raise QueueFullError
        rows = self._queues.setdefault(id(ticket.executor), deque())
        rows.extend(QueuedRow(ticket, i) for i in range(len(ticket.works)))
        self.rows += len(ticket.works)
        self.tokens += sum(work.tokens for work in ticket.works)

    def drop(self, ticket: Ticket) -> None:
        """Remove a ticket whose client has gone; rows that are being computed stay in their batch."""
        ticket.pending = 0
        rows = self._queues.get(id(ticket.executor))
        if rows is None:
            return
        kept = deque(entry for entry in rows if entry.ticket is not ticket)
        self._subtract([entry for entry in rows if entry.ticket is ticket])
        if kept:
            self._queues[id(ticket.executor)] = kept
        else:
            del self._queues[id(ticket.executor)]

    def next(self, now: float) -> Batch | float | None:
        """The batch to compute now; or in how many seconds to ask again; or None where nothing waits.

        An executor's batch is due when it reaches a limit, or its oldest row has waited long enough. Of several that
        are due, the one whose oldest row has waited longest is next.
        """
        soonest = None
        for rows in sorted(self._queues.values(), key=lambda each: each[0].ticket.arrived):
            left = rows[0].ticket.arrived + self._limits.wait_seconds - now
            if left <= 0 or self._is_full(rows):
                return self._take(rows)
            soonest = left if soonest is None else min(soonest, left)
        return soonest

    def _is_full(self, rows: deque[QueuedRow]) -> bool:
        if len(rows) >= self._limits.batch_rows:
            return True
        tokens = accumulate(entry.work.tokens for entry in rows)
        return any(each >= self._limits.batch_tokens for each in tokens)

    def _take(self, rows: deque[QueuedRow]) -> Batch:
        taken: list[QueuedRow] = []
        tokens = 0
        while rows and len(taken) < self._limits.batch_rows:
            if taken and tokens + rows[0].work.tokens > self._limits.batch_tokens:
                break
            tokens += rows[0].work.tokens
            taken.append(rows.popleft())
        self._subtract(taken)
        if not rows:
            del self._queues[id(taken[0].ticket.executor)]
        return Batch(taken[0].ticket.executor, tuple(taken), tokens)

    def _subtract(self, entries: Sequence[QueuedRow]) -> None:
        self.rows -= len(entries)
        self.tokens -= sum(entry.work.tokens for entry in entries)


def deliver(batch: Batch, result: Sequence[Any] | BaseException) -> None:
    """Give a batch's logits, or its error, to its tickets, but for those that were dropped."""
    for position, entry in enumerate(batch.entries):
        ticket = entry.ticket
        if not ticket.pending:
            continue
        if isinstance(result, BaseException):
            ticket.error, ticket.pending = result, 0
        else:
            ticket.logits[entry.position] = result[position]
            ticket.pending -= 1
        if not ticket.pending:
            ticket.done(ticket)
