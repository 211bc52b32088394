"""The queue of rows, and which of them are computed together next. Pure: the time is an argument.

In: tickets of rows, and the time.  Out: batches of one executor within the limits, a row of each request in turn; or
how long to wait.
Not here: threads, futures and clocks (batcher.py).

A request that fits into a quarter of a batch is small, any other is bulk. While small ones come, bulk gets only a part
of each batch: a small request waits for the batch that is being computed, so that one should not be long.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from liftune.server.engine import BatchExecutor, Work
from liftune.server.limits import Limits

#: So long after the last small request another one is expected, in seconds.
COMPANY_SECONDS = 1.0
#: A small request's tokens, and what bulk gets of a batch while small ones come, as shares of a batch's tokens.
SMALL_SHARE, BULK_SHARE = 1 / 4, 1 / 8


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
        self.tokens = sum(work.tokens for work in self.works)


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


class _Waiting:
    """The rows of one executor, by ticket, in the order of their turns.

    Args:
        turn: of the executor among the others; the lowest is next.
    """

    def __init__(self, turn: float) -> None:
        self.turn = turn
        self.bulk_first = False
        self.tickets: OrderedDict[Ticket, deque[QueuedRow]] = OrderedDict()
        self.rows = self.tokens = 0

    @property
    def arrived(self) -> float:
        return min(ticket.arrived for ticket in self.tickets)

    def add(self, ticket: Ticket) -> None:
        self.tickets[ticket] = deque(QueuedRow(ticket, i) for i in range(len(ticket.works)))
        self._count(self.tickets[ticket], 1)

    def drop(self, ticket: Ticket) -> None:
        self._count(self.tickets.pop(ticket, ()), -1)

    def take(self, tickets: Iterable[Ticket], batch: list[QueuedRow], limits: tuple[int, int], least: int) -> int:
        """Move rows of these tickets to the batch, one of each in turn, while it has fewer rows and tokens.

        Args:
            limits: rows and tokens of the batch.
            least: rows that are taken whatever their tokens.

        Returns:
            The batch's tokens.
        """
        rows, most = limits
        tokens = sum(entry.work.tokens for entry in batch)
        turns = deque(tickets)
        taken: list[QueuedRow] = []
        while turns and len(batch) < rows:
            ticket = turns.popleft()
            entry = self.tickets[ticket][0]
            if len(taken) >= least and tokens + entry.work.tokens > most:
                continue  # a shorter row of another may still fit
            self.tickets[ticket].popleft()
            taken.append(entry)
            batch.append(entry)
            tokens += entry.work.tokens
            if self.tickets[ticket]:
                self.tickets.move_to_end(ticket)
                turns.append(ticket)
            else:
                del self.tickets[ticket]
        self._count(taken, -1)
        return tokens

    def _count(self, entries: Iterable[QueuedRow], sign: int) -> None:
        for entry in entries:
            self.rows += sign
            self.tokens += sign * entry.work.tokens


class RequestQueue:
    """The rows of all executors."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._waiting: dict[int, _Waiting] = {}
        self._batches = 0
        self._small_arrived = float("-inf")
        self.bulk_tokens = self.least_bulk_tokens = max(1, int(BULK_SHARE * limits.batch_tokens))
        """What bulk gets of a batch while small requests come; more where the machine is fast."""

    @property
    def rows(self) -> int:
        """That wait."""
        return sum(each.rows for each in self._waiting.values())

    @property
    def tokens(self) -> int:
        """Of all rows that wait."""
        return sum(each.tokens for each in self._waiting.values())

    def tokens_before(self, rows: int) -> float:
        """Tokens that are computed before a request of so many rows is done: of each other, as many rows at most, as
        they take turns."""
        return sum(
            ticket.tokens * min(rows, len(left)) / len(ticket.works)
            for waiting in self._waiting.values()
            for ticket, left in waiting.tickets.items()
        )

    def has_room(self, rows: int) -> bool:
        """Whether so many more rows fit."""
        return self.rows + rows <= self._limits.queue_rows

    def add(self, ticket: Ticket) -> None:
        """Append a ticket's rows.

        Raises:
            QueueFullError: there is no room for all of them; none is appended.
        """
        if not self.has_room(len(ticket.works)):
            raise QueueFullError
        if not ticket.works:
            return
        # Who comes now is before an executor that has just had its turn, and behind one that still waits for it.
        waiting = self._waiting.setdefault(id(ticket.executor), _Waiting(self._batches - 0.5))
        waiting.add(ticket)
        if self._is_small(ticket):
            self._small_arrived = max(self._small_arrived, ticket.arrived)

    def drop(self, ticket: Ticket) -> None:
        """Remove a ticket whose client has gone; rows that are being computed stay in their batch."""
        ticket.pending = 0
        waiting = self._waiting.get(id(ticket.executor))
        if waiting is None:
            return
        waiting.drop(ticket)
        self._forget_empty(ticket.executor)

    def next(self, now: float) -> Batch | float | None:
        """The batch to compute now; or in how many seconds to ask again; or None where nothing waits.

        An executor's batch is due when it reaches a limit, or its oldest row has waited long enough. Of several that
        are due, the one whose last batch is longest ago is next, then the one with the oldest row.
        """
        soonest = None
        for waiting in sorted(self._waiting.values(), key=lambda each: (each.turn, each.arrived)):
            left = waiting.arrived + self._limits.wait_seconds - now
            if left <= 0 or self._is_full(waiting):
                return self._take(waiting, now)
            soonest = left if soonest is None else min(soonest, left)
        return soonest

    def _is_small(self, ticket: Ticket) -> bool:
        return ticket.tokens <= SMALL_SHARE * self._limits.batch_tokens

    def _is_full(self, waiting: _Waiting) -> bool:
        return waiting.rows >= self._limits.batch_rows or waiting.tokens >= self._limits.batch_tokens

    def _take(self, waiting: _Waiting, now: float) -> Batch:
        batch: list[QueuedRow] = []
        rows, most = self._limits.batch_rows, self._limits.batch_tokens
        bulk = [ticket for ticket in waiting.tickets if not self._is_small(ticket)]
        small = [ticket for ticket in waiting.tickets if self._is_small(ticket)]
        if small or now < self._small_arrived + COMPANY_SECONDS:
            tokens = 0
            # Who is second may find no room, so they are first in turn.
            waiting.bulk_first = bool(bulk) and not (small and waiting.bulk_first)
            for tickets in (bulk, small) if waiting.bulk_first else (small, bulk):
                limit = min(most, tokens + self.bulk_tokens) if tickets is bulk else most
                tokens = waiting.take(tickets, batch, (rows, limit), 0 if batch else 1)
        else:
            tokens = waiting.take(bulk, batch, (rows, most), 1)
        executor = batch[0].ticket.executor
        self._batches += 1
        waiting.turn = self._batches
        self._forget_empty(executor)
        return Batch(executor, tuple(batch), tokens)

    def _forget_empty(self, executor: BatchExecutor) -> None:
        if not self._waiting[id(executor)].rows:
            del self._waiting[id(executor)]


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
