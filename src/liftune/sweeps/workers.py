"""Cells in worker processes: one that dies costs its cell a second try, never the sweep.

In: cells, and what is done with one.  Out: their records, in the order in which they finish; no process is left.
Not here: what is done with a cell (run.py, cells.py), how a worker notices that its parent has gone (stopping.py).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType

from liftune.errors import LiftuneError, SpecError
from liftune.records.sweep import CellRecord
from liftune.stopping import Signalled, follow, leave, signals_held
from liftune.sweeps.grid import Cell

#: Done in the worker: it is pickled, with what it is given.
Work = Callable[[Cell], CellRecord]
#: What a worker sends first of all.
STARTED = "started"
#: How often a cell is begun, at most, when its process dies.
TRIES = 2
#: Seconds that workers have to save and to end, once they are told.
_PATIENCE = 120.0


def in_processes(
    cells: Sequence[Cell], work: Work, jobs: int, tell: Callable[[str], None]
) -> Generator[CellRecord, None, None]:
    """Cells in so many new processes.

    Args:
        tell: is told of a process that has died.

    Raises:
        LiftuneError: what `work` raised; or no process starts.
    """
    waiting, tries = deque(cells), Counter[Cell]()
    with _Crew(work) as crew:
        while waiting or crew.members:
            while waiting and len(crew.members) < jobs:
                crew.hire(waiting.popleft())
            for member in crew.heard():
                outcome = member.outcome()
                if outcome == STARTED:
                    member.started = True
                elif isinstance(outcome, CellRecord):
                    crew.give(member, waiting.popleft() if waiting else None)
                    yield outcome
                elif isinstance(outcome, LiftuneError):
                    raise outcome
                else:
                    cell, death = crew.bury(member)
                    tries[cell] += 1
                    if tries[cell] < TRIES:
                        tell(f"  {cell.model} {cell.method} seed {cell.seed}: {death}; it is tried once more")
                        waiting.append(cell)  # last: fewer others run then
                    else:
                        yield _failed(cell, death)


def _failed(cell: Cell, death: str) -> CellRecord:
    reason = f"{death}, twice; the same command tries it again, and needs less memory with fewer --jobs"
    return CellRecord(model=cell.model, method=cell.method, seed=cell.seed, state="failed", reason=reason)


@dataclass
class _Member:
    """A worker process, and what it works on."""

    process: SpawnProcess
    link: Connection
    cell: Cell | None
    started: bool = False

    def outcome(self) -> object:
        """What it says; None where it died instead."""
        try:
            return self.link.recv()
        except (EOFError, OSError):
            return None


class _Crew:
    """Worker processes: all end with the block, and with this process."""

    def __init__(self, work: Work) -> None:
        self._work, self._context = work, multiprocessing.get_context("spawn")
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

    def hire(self, cell: Cell) -> None:
        """A new process, for a cell to begin with."""
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(self._work, theirs, self._heard))
        # A terminal's Ctrl-C reaches it too, and must not find it half imported.
        with signals_held():
            process.start()
        theirs.close()
        self.members.append(_Member(process, ours, cell))
        self.give(self.members[-1], cell)

    def heard(self) -> list[_Member]:
        """Those that have said something, or died."""
        ready = connection.wait([member.link for member in self.members])
        return [member for member in self.members if member.link in ready]

    def give(self, member: _Member, cell: Cell | None) -> None:
        """Another cell, or the end of its work."""
        member.cell = cell
        with contextlib.suppress(OSError):  # it has died: that is heard next
            member.link.send(cell)
        if cell is None:
            self.members.remove(member)
            self._leaving.append(member)

    def bury(self, member: _Member) -> tuple[Cell, str]:
        """What a process that died had to do, and how it died.

        Raises:
            SpecError: it never started, for a reason that the next one would have too.
        """
        assert member.cell is not None
        self.members.remove(member)
        member.process.join()
        member.link.close()
        code = member.process.exitcode or 0
        if not member.started and 0 < code < 128:
            raise SpecError(
                f"a worker process ended with exit code {code} before it began",
                where="--jobs",
                hint="leave --jobs out; in a script, call liftune.sweep below `if __name__ == '__main__':`",
            )
        return member.cell, cause_of_death(code)


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


def _serve(work: Work, link: Connection, parent: Connection) -> None:
    """In the worker: cells, one after the other, until it is told to end."""
    follow(parent)
    try:
        link.send(STARTED)
        while (cell := link.recv()) is not None:
            link.send(_outcome(work, cell))
    except (EOFError, OSError):  # the parent has gone
        os._exit(1)
    except Signalled as stopped:
        leave(stopped.signum)


def _outcome(work: Work, cell: Cell) -> CellRecord | LiftuneError:
    try:
        return work(cell)
    except LiftuneError as error:
        return error
