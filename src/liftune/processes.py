"""Work in worker processes: one that dies costs its item another try, never the others.

In: items, and what is done with one.  Out: each item with what came of it, in the order in which they finish; no
process is left.
Not here: what is done with an item (sweeps/, bulk/), how a worker notices that its parent has gone (stopping.py).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterable, Sized
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any, Generic, TypeVar

from liftune.errors import LiftuneError, SpecError
from liftune.stopping import Signalled, follow, leave, signals_held

Item = TypeVar("Item")
Result = TypeVar("Result")
#: Told by a worker while it works: anything that can be pickled.
Say = Callable[[Any], None]
#: Done in the worker: it is pickled, with what it is given.
Work = Callable[[Item, Say], Result]
#: What a worker sends first of all.
STARTED = "started"
#: Seconds that workers have to save and to end, once they are told.
_PATIENCE = 120.0


@dataclass(frozen=True)
class Trouble:
    """Work on an item that came to nothing, and that another try may do: the process died, or the work says so."""

    reason: str
    died: bool = False


@dataclass(frozen=True)
class _Said:
    """What a worker tells while it works."""

    what: Any


class Tries(Generic[Item]):
    """Items that are still to be done, each begun so often at most.

    Args:
        items: in order. They are taken one by one, as there is a worker for them, so that what came of some may decide
            which are next; None among them says that there is nothing to do until another item is done.
        most: how often one is begun.
        again: is told of an item that is tried again, and why.
    """

    def __init__(self, items: Iterable[Item | None], most: int, again: Callable[[Item, str], None]) -> None:
        self._items, self._most, self._again = iter(items), most, again
        # Of items that are made as they are taken, some may be left until they say that there is none.
        self._endless = 0 if isinstance(items, Collection) else 1
        self._left = len(items) if isinstance(items, Sized) else 1
        self._waiting: deque[Item] = deque()
        self._failed: dict[Item, int] = {}

    def __len__(self) -> int:
        """How many wait, as far as that is known: 0 is sure."""
        return max(self._left, 0) + len(self._waiting)

    def next(self) -> Item | None:
        """An item to begin with; None where none waits."""
        if self._waiting and self._endless:  # what is made next may depend on it
            return self._waiting.popleft()
        if self._left > 0:
            try:
                item = next(self._items)
            except StopIteration:
                self._left = 0
            else:
                if item is not None:
                    self._left = max(self._left - 1, self._endless)
                    return item
        return self._waiting.popleft() if self._waiting else None

    def settles(self, item: Item, outcome: object) -> bool:
        """Whether an outcome is an item's last; one that is not goes to the end of the queue: fewer run then."""
        if not isinstance(outcome, Trouble):
            self._failed.pop(item, None)
            return True
        self._failed[item] = self._failed.get(item, 0) + 1
        if self._failed[item] >= self._most:
            return True
        self._again(item, outcome.reason)
        self._waiting.append(item)
        return False


def in_processes(
    items: Iterable[Item | None],
    work: Work[Item, Result],
    jobs: int,
    *,
    tries: int,
    again: Callable[[Item, str], None],
    heard: Say = lambda what: None,
    call: str,
) -> Generator[tuple[Item, Result | Trouble], None, None]:
    """Items in so many new processes.

    Args:
        work: may give `Trouble` too.
        tries: how often an item is begun, at most.
        again: is told of an item that is tried again, and why.
        heard: gets what `work` says meanwhile.
        call: of Python, that began it: for the message where no process starts.

    Raises:
        LiftuneError: what `work` raised; or no process starts.
    """
    waiting = Tries(items, tries, again)
    with _Crew(work, call) as crew:
        while waiting or crew.members:
            while len(crew.members) < jobs and (item := waiting.next()) is not None:
                crew.hire(item)
            for member in crew.heard():
                outcome = member.outcome()
                if outcome == STARTED:
                    member.started = True
                    continue
                if isinstance(outcome, _Said):
                    heard(outcome.what)
                    continue
                if isinstance(outcome, LiftuneError):
                    raise outcome
                done = member.item
                if outcome is None:
                    outcome = Trouble(crew.bury(member), died=True)
                    if waiting.settles(done, outcome):
                        yield done, outcome
                    continue
                if waiting.settles(done, outcome):
                    yield done, outcome  # what came of it may decide what is next
                crew.give(member, waiting.next())


@dataclass
class _Member:
    """A worker process, and what it works on."""

    process: SpawnProcess
    link: Connection
    item: Any
    started: bool = False

    def outcome(self) -> Any:
        """What it says; None where it died instead."""
        try:
            return self.link.recv()
        except (EOFError, OSError):
            return None


class _Crew:
    """Worker processes: all end with the block, and with this process."""

    def __init__(self, work: Work[Any, Any], call: str) -> None:
        self._work, self._call, self._context = work, call, multiprocessing.get_context("spawn")
        self.members: list[_Member] = []
        self._leaving: list[_Member] = []
        # Its other end is held by this process alone: when it closes, workers follow.
        self._heard, self._said = self._context.Pipe(duplex=False)

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._said.close()
        for member in (*self.members, *self._leaving):
            member.process.join(_PATIENCE)
            if member.process.is_alive():
                member.process.kill()
                member.process.join()
        self._heard.close()

    def hire(self, item: object) -> None:
        """A new process, for an item to begin with."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._work, theirs, self._heard))
        # A terminal's Ctrl-C reaches it too, and must not find it half imported.
        with signals_held():
            process.start()
        theirs.close()
        self.members.append(_Member(process, ours, item))
        self.give(self.members[-1], item)

    def heard(self) -> list[_Member]:
        """Those that have said something, or died."""
        ready = connection.wait([member.link for member in self.members])
        return [member for member in self.members if member.link in ready]

    def give(self, member: _Member, item: object) -> None:
        """Another item, or the end of its work."""
        member.item = item
        with contextlib.suppress(OSError):  # it has died: that is heard next
            member.link.send(item)
        if item is None:
            self.members.remove(member)
            self._leaving.append(member)

    def bury(self, member: _Member) -> str:
        """How a process died.

        Raises:
            SpecError: it never started, for a reason that the next one would have too.
        """
        self.members.remove(member)
        member.process.join()
        member.link.close()
        code = member.process.exitcode or 0
        if not member.started and 0 < code < 128:
            raise SpecError(
                f"a worker process ended with exit code {code} before it began",
                where="--jobs",
                hint=f"leave --jobs out; in a script, call {self._call} below `if __name__ == '__main__':`",
            )
        return cause_of_death(code)


def cause_of_death(code: int) -> str:
    """How a process ended, from its exit code.

    >>> cause_of_death(-9)
    'its process was ended by SIGKILL (the system does that when memory is short)'
    >>> cause_of_death(3)
    'its process ended with exit code 3'
    """
    signum = -code if code < 0 else code - 128
    if signum not in [int(each) for each in signal.Signals]:
        return f"its process ended with exit code {code}"
    name = signal.Signals(signum).name
    often = {
        "SIGKILL": " (the system does that when memory is short)",
        "SIGABRT": " (a library gave up, which it may do when memory is short)",
        "SIGSEGV": " (a fault in a library, which may come from too little memory)",
        "SIGBUS": " (the disk or the memory of a file that it read is short)",
    }
    return f"its process was ended by {name}{often.get(name, '')}"


def _serve(work: Work[Any, Any], link: Connection, parent: Connection) -> None:
    """In the worker: items, one after the other, until it is told to end."""
    follow(parent)
    try:
        link.send(STARTED)
        while (item := link.recv()) is not None:
            link.send(_outcome(work, item, lambda what: link.send(_Said(what))))
    except (EOFError, OSError):  # the parent has gone
        os._exit(1)
    except Signalled as stopped:
        leave(stopped.signum)


def _outcome(work: Work[Any, Any], item: object, say: Say) -> object:
    try:
        return work(item, say)
    except LiftuneError as error:
        return error
