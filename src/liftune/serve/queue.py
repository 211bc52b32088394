"""Rows that wait to be computed, and which of them go together next. Pure: time is handed in.

In: tickets of rows, and the time.  Out: batches of one lane within the budget, oldest rows first; or how long to wait.
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

    lane: BatchExecutor
    works: Sequence[Work]
    arrived: float
    """When, in seconds of any clock."""
    done: Callable[[Ticket], None]
    """Called once, when every row is answered or one has failed."""
    found: list[Any] = field(default_factory=list)
    """(C,) logits of each row."""
    error: BaseException | None = None
    open: int = 0
    """Rows without an answer; 0 once the ticket is done or dropped."""

    def __post_init__(self) -> None:
        self.found, self.open = [None] * len(self.works), len(self.works)


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
    """Rows that are computed in one go."""

    lane: BatchExecutor
    entries: tuple[QueuedRow, ...]
    tokens: int


class Full(Exception):  # noqa: N818 - it says what the queue is
    """As many rows wait as may."""


class RequestQueue:
    """The queue of all lanes."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._lanes: OrderedDict[int, deque[QueuedRow]] = OrderedDict()
        self.rows = self.tokens = 0

    def add(self, ticket: Ticket) -> None:
        """Let a ticket's rows wait.

        Raises:
            Full: there is no room for all of them; none waits.
        """
        if self.rows + len(ticket.works) > self._limits.queue_rows:
            raise Full
        lane = self._lanes.setdefault(id(ticket.lane), deque())
        lane.extend(QueuedRow(ticket, i) for i in range(len(ticket.works)))
        self.rows += len(ticket.works)
        self.tokens += sum(work.tokens for work in ticket.works)

    def drop(self, ticket: Ticket) -> None:
        """Forget a ticket whose asker has gone; rows that are being computed are left alone."""
        ticket.open = 0
        lane = self._lanes.get(id(ticket.lane))
        if lane is None:
            return
        kept = deque(entry for entry in lane if entry.ticket is not ticket)
        gone = [entry for entry in lane if entry.ticket is ticket]
        self._count(gone)
        if kept:
            self._lanes[id(ticket.lane)] = kept
        else:
            del self._lanes[id(ticket.lane)]

    def next(self, now: float) -> Batch | float | None:
        """The batch to compute now; or in how many seconds to ask again; or None, as nothing waits.

        A lane's batch is due when it fills the budget, or its oldest row has waited long enough. Of those that are due
        the one goes whose oldest row has waited longest.
        """
        soonest = None
        for lane in sorted(self._lanes.values(), key=lambda each: each[0].ticket.arrived):
            left = lane[0].ticket.arrived + self._limits.wait_seconds - now
            if left <= 0 or self._fills(lane):
                return self._take(lane)
            soonest = left if soonest is None else min(soonest, left)
        return soonest

    def _fills(self, lane: deque[QueuedRow]) -> bool:
        if len(lane) >= self._limits.batch_rows:
            return True
        tokens = accumulate(entry.work.tokens for entry in lane)
        return any(each >= self._limits.batch_tokens for each in tokens)

    def _take(self, lane: deque[QueuedRow]) -> Batch:
        taken: list[QueuedRow] = []
        tokens = 0
        while lane and len(taken) < self._limits.batch_rows:
            if taken and tokens + lane[0].work.tokens > self._limits.batch_tokens:
                break
            tokens += lane[0].work.tokens
            taken.append(lane.popleft())
        self._count(taken)
        if not lane:
            del self._lanes[id(taken[0].ticket.lane)]
        return Batch(taken[0].ticket.lane, tuple(taken), tokens)

    def _count(self, gone: Sequence[QueuedRow]) -> None:
        self.rows -= len(gone)
        self.tokens -= sum(entry.work.tokens for entry in gone)


def deliver(batch: Batch, found: Sequence[Any] | BaseException) -> None:
    """Hand a batch's answers, or what went wrong, to its tickets; those that were dropped get none."""
    for position, entry in enumerate(batch.entries):
        ticket = entry.ticket
        if not ticket.open:
            continue
        if isinstance(found, BaseException):
            ticket.error, ticket.open = found, 0
        else:
            ticket.found[entry.position] = found[position]
            ticket.open -= 1
        if not ticket.open:
            ticket.done(ticket)
