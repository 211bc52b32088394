"""One worker process as its parent has it: started with its share of the CPUs, asked, looked at.

In: what it is started with.  Out: a Member; why one did not start, or has no room.
Not here: several of them (workers.py), the process itself (worker.py).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import time
from collections.abc import Callable, Iterator
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from liftune.errors import LiftuneError, OutOfMemory, SpecError
from liftune.hardware.memory import MIB, room
from liftune.processes import cause_of_death
from liftune.server.channel import Answer, Channel
from liftune.server.sums import Snapshot
from liftune.server.worker import Job, work
from liftune.stopping import signals_held

#: Called with what happened, and to whom.
Happened = Callable[[str, "Member"], None]


class Member:
    """A worker process, from its start on.

    Args:
        threads: of one computation in it.
        answers: to what it asks and tells.
        happened: is told that it is `ready`, and that it is `gone`.
    """

    def __init__(
        self,
        number: int,
        job: Job,
        listener: socket.socket,
        threads: int,
        answers: dict[str, Answer],
        happened: Happened,
    ) -> None:
        self.number, self.ready = number, False
        self.failure: LiftuneError | None = None
        self.names: list[str] = []
        self.counted: Snapshot = {}
        self.since = time.monotonic()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(job.libraries))
        ours, theirs = context.Pipe()
        self.process: ForkServerProcess = context.Process(target=work, args=(job, listener, theirs), daemon=True)
        # A terminal's Ctrl-C must not find it half imported.
        with signals_held(), _environment("OMP_NUM_THREADS", str(threads)):
            self.process.start()
        theirs.close()
        own: dict[str, Answer] = {"ready": self._begun, "failed": self._failed, "counted": self._count}
        self._happened = happened
        self.channel = Channel(ours, {**answers, **own}, gone=lambda: self._happened("gone", self))
        self.channel.start()

    def _begun(self, names: list[str]) -> None:
        self.names, self.ready, self.since = names, True, time.monotonic()
        self._happened("ready", self)

    def _failed(self, error: LiftuneError) -> None:
        self.failure = error

    def _count(self, counted: Snapshot) -> None:
        self.counted = counted


@contextlib.contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """A variable for processes that are started in the block."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def no_start(code: int) -> LiftuneError:
    """Why a process ended before it served, of itself or by the system."""
    if 0 < code < 128:
        hint = "leave --workers out; in a script, call liftune.serve below `if __name__ == '__main__':`"
        return SpecError(f"a worker process ended with exit code {code} before it served", where="--workers", hint=hint)
    return OutOfMemory(f"a worker never served: {cause_of_death(code)}", where="--workers", hint="give fewer workers")


def check_memory(pid: int | None, workers: int, root: Path = Path("/")) -> None:
    """Refuse more processes than there is memory for, by what the first one holds for itself alone.

    Raises:
        OutOfMemory: it says how many there may be.
    """
    own, free = own_memory(pid, root), room(root)
    if own is None or free is None or (workers - 1) * own <= free.bytes:
        return
    most = 1 + max(0, free.bytes) // own
    raise OutOfMemory(
        f"a worker holds {own / MIB:,.0f} MiB for itself, so that {workers - 1} more would need "
        f"{(workers - 1) * own / MIB:,.0f} MiB; there are {free}",
        where="--workers",
        hint=f"--workers {most}" if most > 1 else "leave --workers out",
    )


def own_memory(pid: int | None, root: Path = Path("/")) -> int | None:
    """Bytes that a process shares with no other; None where the system does not say."""
    try:
        lines = (root / f"proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return None
    return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith(("Private_Clean:", "Private_Dirty:")))
