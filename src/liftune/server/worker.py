"""One of several processes behind one socket: its models, its share of the CPUs, and what its parent asks.

In: the options, the socket, a pipe to the parent, the models to begin with.  Out: nothing; it serves until it is told.
Not here: what is asked when (workers.py), routes (app.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

from liftune.errors import LiftuneError, lacks_memory
from liftune.server.channel import Answer, Channel
from liftune.server.connections import ConnectionConfig
from liftune.server.engine import ServedModel
from liftune.server.errors import RequestError
from liftune.server.http_server import LimitedServer, most_connections, short_log
from liftune.server.limits import limits_of
from liftune.server.metrics import ServerMetrics
from liftune.server.opening import Opener, load_wanted, model_opener
from liftune.server.registry import ModelRegistry
from liftune.server.server import SWITCH_SECONDS, ServeOptions, app_of
from liftune.server.sums import Snapshot
from liftune.server.whole import OneOfMany, Wanted
from liftune.stopping import SIGNALS

#: Turns of uvicorn's clock, a tenth of a second each, after which the parent gets the counts: what a process that is
#: killed has counted since is lost.
_BEAT = 10
#: Seconds in which the event loop has to count.
_COUNT_SECONDS = 2.0


@dataclass(frozen=True)
class Job:
    """What a worker process is started with; its repr leaves the tokens out."""

    options: ServeOptions
    models: tuple[Wanted, ...]
    says_models: bool
    """Whether it logs its models: all have the same."""
    libraries: tuple[str, ...] = ()
    """Modules that all share the memory of: imported once, in the process that the workers are forked from."""


class _Server(LimitedServer):
    """Tells when it has begun, and now and then what was counted; its parent alone gets the terminal's signals."""

    def __init__(self, config: ConnectionConfig, begun: Callable[[], None], beat: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun, self._beat = begun, beat

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to the process."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept, and say so."""
        await super().startup(sockets)
        self._begun()

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if counter % _BEAT == 0:
            self._beat()
        return await super().on_tick(counter)


class _Worker:
    """The process, as its parent sees it."""

    def __init__(self, job: Job, link: Connection) -> None:
        self._job, self._limits = job, limits_of(job.options.limits)
        self._metrics = ServerMetrics()
        self._open: Opener = model_opener(job.options, self._limits.batch_tokens)
        self._models = ModelRegistry(self._open)
        self._prepared: ServedModel | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: _Server | None = None
        answers: dict[str, Answer] = {
            "prepare": self._prepare,
            "serve": self._serve_prepared,
            "drop": self._drop,
            "unload": self._unload,
            "metrics": self._counted,
            "processes": self._know,
            "stop": self.stop,
        }
        self.parent = Channel(link, answers, gone=self.stop)
        self._whole = OneOfMany(self.parent, job.options.workers)

    def load(self) -> None:
        """Load the models to begin with."""
        silent: Callable[[str], None] = lambda text: None  # noqa: E731
        log = (lambda text: self.parent.tell("log", text)) if self._job.says_models else silent
        tell = (lambda text: self.parent.tell("tell", text)) if self._job.says_models else silent
        for wanted in self._job.models:
            load_wanted(self._models, wanted, self._job.options, self._open, log=log, tell=tell)

    def run(self, listener: socket.socket) -> None:
        """Serve until the parent says so or is gone."""
        app = app_of(self._job.options, self._models, metrics=self._metrics, whole=self._whole)
        config = ConnectionConfig(app, self._limits, most_connections(self._limits))
        self._server = _Server(config, self._begun, lambda: self.parent.tell("counted", self._metrics.snapshot()))
        sys.setswitchinterval(SWITCH_SECONDS)
        with short_log():
            asyncio.run(self._server.serve(sockets=[listener]))
        self.parent.tell("counted", self._metrics.snapshot())

    def stop(self) -> None:
        """End: at once where nothing is served yet, else when all that was accepted has its answer."""
        if self._server is None:
            os._exit(1)
        self._server.should_exit = True

    def _begun(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.parent.tell("ready", [each.name for each in self._models])

    def _know(self, ready: int, wanted: int) -> None:
        self._whole.processes = (ready, wanted)

    def _prepare(self, wanted: Wanted, replace: bool) -> str:
        self._prepared = None
        self._prepared = self._models.opened(wanted.path, wanted.name, use=wanted.use, replace=replace)
        return self._prepared.name

    def _serve_prepared(self) -> None:
        assert self._prepared is not None
        self._models.put(self._prepared)
        self._prepared = None

    def _drop(self) -> None:
        self._prepared = None

    def _unload(self, name: str) -> None:
        self._models.unload(name)
        self._metrics.forget(name)

    def _counted(self) -> Snapshot:
        async def counted() -> Snapshot:
            return self._metrics.snapshot()

        if self._loop is None:
            raise RequestError(503, "not ready")
        return asyncio.run_coroutine_threadsafe(counted(), self._loop).result(_COUNT_SECONDS)


def work(job: Job, listener: socket.socket, link: Connection) -> None:
    """The process, from its first to its last moment."""
    worker = _Worker(job, link)
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda signum, frame: worker.stop())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    worker.parent.start()
    try:
        worker.load()
        worker.run(listener)
    except LiftuneError as error:
        _fail(worker, error)
    except Exception as error:
        if not lacks_memory(error):
            raise
        from liftune.hardware.memory import short_of_memory

        _fail(worker, short_of_memory(error))
    link.close()
    sys.stderr.flush()
    os._exit(0)  # a load that is still going on must not hold up the end


def _fail(worker: _Worker, error: LiftuneError) -> None:
    worker.parent.tell("failed", error)
    os._exit(LiftuneError.exit_code)
