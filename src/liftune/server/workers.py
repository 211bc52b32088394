"""Several processes behind one socket: started, held together, started again, stopped.

In: ServeOptions, a socket.  Out: nothing; it serves until a signal stops it.
Not here: one process (worker.py), questions and answers (channel.py).

Each process accepts from the one socket, which this one never reads: a process that dies takes no waiting connection
with it. What changes the models goes through here: every process opens the new one, and only when all have does the
first serve it.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from queue import Empty, SimpleQueue
from typing import Any

from liftune.errors import LiftuneError, amount
from liftune.inference.onnx_bundle import usable_cpus
from liftune.processes import cause_of_death
from liftune.server.channel import Answer, GoneError
from liftune.server.errors import RequestError
from liftune.server.http_server import most_connections
from liftune.server.limits import limits_of
from liftune.server.member import Member, check_memory, no_start
from liftune.server.opening import libraries_of, wanted_models
from liftune.server.server import ServeOptions, address_of
from liftune.server.sums import Family, Snapshot, of_the_dead, summed, without
from liftune.server.whole import Wanted
from liftune.server.worker import Job

#: Seconds that a process has for its counts, and beyond the longest request for its end.
_COUNT_SECONDS, _END_SECONDS = 2.0, 10.0
#: A process that ends so soon after it was ready, or before, is started again only after a while, which doubles.
_SOON, _LONGEST_PAUSE = 10.0, 60.0

Say = Callable[[str], None]


class Crew:
    """The worker processes of a server."""

    def __init__(self, options: ServeOptions, listener: socket.socket, *, log: Say, tell: Say) -> None:
        self.log, self.tell = log, tell
        self._options, self._listener = options, listener
        self.threads = max(1, usable_cpus() // options.workers)
        self._models: list[Wanted] = wanted_models(options)
        self._libraries = libraries_of(options)
        self._changing = threading.Lock()
        self._members: dict[int, Member] = {}
        self._dead: Snapshot = {}
        self._restarts = 0
        self._pauses: dict[int, float] = {}
        self._due: dict[int, float] = {}
        self._stopping = False
        self._events: SimpleQueue[tuple[str, Any]] = SimpleQueue()

    def happened(self, what: str, whom: Any = None) -> None:
        """Put on the list of what `run` looks at; called from any thread, and from a signal's handler."""
        self._events.put((what, whom))

    def __enter__(self) -> Crew:
        """Start all of them: the first alone, as it finds what is wrong with the models, and measures the machine."""
        try:
            self._start(1, says_models=True)
            first = self._wait_ready(1)
            self._models = [replace(each, name=name) for each, name in zip(self._models, first.names, strict=True)]
            check_memory(first.process.pid, self._options.workers)
            for number in range(2, self._options.workers + 1):
                self._start(number)
            for number in range(2, self._options.workers + 1):
                self._wait_ready(number)
        except BaseException:  # Ctrl-C too must leave no process behind
            self._kill()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._kill()

    def run(self) -> None:
        """Until a signal: start processes again that end."""
        self._tell_state()
        while not self._stopping:
            with contextlib.suppress(Empty):
                what, whom = self._events.get(timeout=self._pause())
                self._handle(what, whom)
            self._start_due()
        self._finish()

    def _pause(self) -> float | None:
        return max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None

    def _handle(self, what: str, whom: Any) -> None:
        if what == "stop":
            self._stopping = True
        elif what == "gone":
            self._bury(whom)
        elif what == "ready" and whom.number in self._pauses:
            self._tell_state()
            self.log(f"worker {whom.number} serves again, as process {whom.process.pid}")

    def _bury(self, member: Member) -> None:
        """One has ended though nobody told it to."""
        if self._members.get(member.number) is not member:
            return
        member.ready = False
        member.process.join()
        self._dead = summed([self._dead, of_the_dead(member.counted)])
        self._restarts += 1
        lasted = time.monotonic() - member.since if member.names else 0.0
        before = self._pauses.get(member.number, 0.0)
        pause = 0.0 if lasted > _SOON or (not before and member.names) else min(max(1.0, 2 * before), _LONGEST_PAUSE)
        self._pauses[member.number] = max(pause, 0.5)
        reason = (
            " ".join(str(member.failure).split()) if member.failure else cause_of_death(member.process.exitcode or 0)
        )
        when = f"in {pause:.0f} s" if pause else "now"
        self.log(f"worker {member.number} has ended: {reason}; it is started again {when}, the others serve on")
        del self._members[member.number]
        self._due[member.number] = time.monotonic() + pause
        self._tell_state()

    def _start_due(self) -> None:
        for number in [each for each, when in self._due.items() if when <= time.monotonic()]:
            del self._due[number]
            with self._changing:  # a model that is being loaded everywhere is one that the new process begins with
                self._start(number)

    def _start(self, number: int, *, says_models: bool = False) -> None:
        job = Job(self._options, tuple(self._models), says_models, self._libraries)
        asked: dict[str, Answer] = {"load": self.load, "unload": self.unload, "metrics": self.metrics}
        said = {"log": self.log, "tell": self.tell}
        self._members[number] = Member(
            number, job, self._listener, self.threads, {**asked, **said}, happened=self.happened
        )

    def _wait_ready(self, number: int) -> Member:
        """Wait until one has its models, at the start; those that have are told how many they are.

        Raises:
            LiftuneError: it could not load them, or ended.
        """
        while not (member := self._members[number]).ready:
            what, whom = self._events.get()
            if what == "gone":
                whom.process.join()
                if whom.failure is not None:
                    raise whom.failure
                raise no_start(whom.process.exitcode or 0)
            self._tell_state()
        self._tell_state()
        return member

    def _ready(self) -> list[Member]:
        return [each for each in list(self._members.values()) if each.ready]

    def _tell_state(self) -> None:
        ready = self._ready()
        for each in ready:
            each.channel.tell("processes", len(ready), self._options.workers)

    # Asked by a worker, each in a thread of its own.

    def load(self, wanted: Wanted, replacing: bool) -> str:
        """Load a model in all of them, or in none; its name.

        Raises:
            LiftuneError: why it is loaded in none.
        """
        with self._changing:
            members = self._all_ready()
            asked = [(each, each.channel.asked("prepare", wanted, replacing)) for each in members]
            try:
                names = _answers(asked)
            except BaseException:  # whatever it is, none may keep a model that the others do not serve
                for each in members:
                    each.channel.tell("drop")
                raise
            kept = [each for each in self._models if each.name != names[0]]
            self._models = [*kept, replace(wanted, name=names[0])]  # one that dies from here on begins with it
            self._told(members, "serve")
            return str(names[0])

    def unload(self, name: str) -> None:
        """Unload a model in all of them.

        Raises:
            RequestError: there is none of that name, or not all are ready.
        """
        with self._changing:
            members = self._all_ready()
            if all(each.name != name for each in self._models):
                _answers([(members[0], members[0].channel.asked("unload", name))])  # it says which there are
            self._models = [each for each in self._models if each.name != name]
            self._dead = without(self._dead, {"model": name})
            self._told(members, "unload", name)

    def metrics(self) -> Snapshot:
        """The counts of all, and of those that have ended; one that does not answer counts as it did last."""
        asked = [(each, each.channel.asked("metrics")) for each in self._ready()]
        until = time.monotonic() + _COUNT_SECONDS
        for member, future in asked:
            with contextlib.suppress(TimeoutError, GoneError, LiftuneError):
                member.counted = future.result(max(0.0, until - time.monotonic()))
        living = [each.counted for each in list(self._members.values())]
        workers = Family("Worker processes that are ready.", "gauge", {("liftune_workers", ()): len(asked)})
        restarts = Family(
            "Worker processes that ended and were started again.",
            "counter",
            {("liftune_worker_restarts_total", ()): self._restarts},
        )
        return {**summed([self._dead, *living]), "liftune_workers": workers, "liftune_worker_restarts": restarts}

    def _all_ready(self) -> list[Member]:
        members = self._ready()
        if len(members) < self._options.workers or self._stopping:
            raise RequestError(
                503,
                f"only {len(members)} of {self._options.workers} worker processes are ready: nothing was changed",
                hint="send the request again in a moment",
                headers={"Retry-After": "5"},
            )
        return members

    def _told(self, members: list[Member], name: str, *what: Any) -> None:
        """Done in all of them; one that ends meanwhile is started again with the models as they are now."""
        for future in [each.channel.asked(name, *what) for each in members]:
            with contextlib.suppress(GoneError):
                future.result()

    def _finish(self) -> None:
        """All finish what they have accepted; a second signal ends them at once."""
        self._listener.close()
        for each in self._members.values():
            each.channel.tell("stop")
        until = time.monotonic() + limits_of(self._options.limits).seconds + _END_SECONDS
        left = set(self._members.values())
        while left and (wait := until - time.monotonic()) > 0:
            try:
                what, whom = self._events.get(timeout=wait)
            except Empty:
                break
            if what == "stop":
                break
            if what == "gone":
                left.discard(whom)
            elif what == "ready":
                whom.channel.tell("stop")
        for each in self._members.values():
            if each not in left:
                each.process.join()

    def _kill(self) -> None:
        for each in self._members.values():
            if each.process.is_alive():
                each.process.kill()
            each.process.join()


def _answers(asked: list[tuple[Member, Any]]) -> list[Any]:
    """What all of them answered, once all have; else the first error."""
    found: list[Any] = []
    errors: list[LiftuneError] = []
    for member, future in asked:
        try:
            found.append(future.result())
        except GoneError:
            message = f"worker process {member.number} has ended: nothing was changed"
            errors.append(
                RequestError(503, message, hint="send the request again in a moment", headers={"Retry-After": "5"})
            )
        except LiftuneError as error:
            errors.append(error)
    if errors:
        raise errors[0]
    return found


def serve_workers(options: ServeOptions, listener: socket.socket, *, log: Say, tell: Say) -> None:
    """Serve by so many processes until SIGTERM or SIGINT.

    Raises:
        LiftuneError: a model cannot be loaded, or there is too little memory.
    """
    limits, count = limits_of(options.limits), options.workers
    most = most_connections(limits)
    with Crew(options, listener, log=log, tell=tell) as crew, _stopping_at_signals(crew):
        log(
            f"serving {amount(len(options.models), 'model')} by {count} processes of {crew.threads} "
            f"{'thread' if crew.threads == 1 else 'threads'} each; each takes at most {most:,} connections and "
            f"{limits.queue_rows:,} waiting rows, together {count * most:,} and {count * limits.queue_rows:,}, "
            f"at {address_of(listener)}"
        )
        crew.run()
    log("stopped")


@contextlib.contextmanager
def _stopping_at_signals(crew: Crew) -> Iterator[None]:
    names = [each for each in ("SIGTERM", "SIGINT", "SIGHUP") if hasattr(signal, each)]
    wanted = [getattr(signal, each) for each in names]
    wanted = [each for each in wanted if each != signal.SIGHUP or signal.getsignal(each) != signal.SIG_IGN]
    before = {each: signal.signal(each, lambda *_: crew.happened("stop")) for each in wanted}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
