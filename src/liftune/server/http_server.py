"""uvicorn with liftune's limits: its connections watched, its log kept short.

In: an app, limits.  Out: a uvicorn.Server.
Not here: one connection (connections.py), what is served and when it stops (server.py).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from liftune.errors import SpecError
from liftune.server import heads
from liftune.server.connections import ConnectionConfig, LimitedConnection, spare
from liftune.server.limits import Limits

#: Connections that the operating system keeps until they are accepted.
BACKLOG = 1_024
#: Turns of uvicorn's own clock, a tenth of a second each, from one look at the connections to the next.
_TURNS = 2
#: Until accepting is tried again: after a failure, and where there is no room.
_RETRY_SECONDS, _ROOM_SECONDS = 1.0, 0.02
#: Turns of the event loop in which a task that has what it waits for ends.
_TURNS_OF_ACCEPTING = 2
#: How long a stop waits at most for requests that are on their way over open connections.
_LONGEST_GRACE_SECONDS = 5.0
_LOG = logging.getLogger("uvicorn.error")
#: Fewer connections are no server.
_LEAST_CONNECTIONS = 4
#: A message is logged once in so many seconds.
_LOG_SECONDS = 60.0
#: Kinds of messages that are told apart.
_KINDS = 1_000


class LimitedServer(uvicorn.Server):
    """Accepts no more connections than it may, and looks at their time limits.

    asyncio's own accepting cannot be paused; and where no file can be opened it tries, and logs, as often in a row as
    its queue is long.
    """

    config: ConnectionConfig

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to accept."""
        await super().startup([])
        self.lifespan.state[heads.LAST] = self._ending = asyncio.Event()
        self._accepting = [asyncio.create_task(self._accept(each)) for each in sockets or ()]

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept no more, and finish what was accepted: whoever has connected or has sent a request by now is answered,
        and told that the connection ends."""
        self._ending.set()
        await asyncio.gather(*self._accepting, return_exceptions=True)
        for listener in sockets or ():
            await self._take_waiting(listener)
        until = time.monotonic() + _LONGEST_GRACE_SECONDS
        while any(each.may_ask_again for each in self._connections()) and time.monotonic() < until:
            await asyncio.sleep(_ROOM_SECONDS)
        await super().shutdown(sockets)

    async def on_tick(self, counter: int) -> bool:
        """Called ten times a second."""
        if counter % _TURNS == 0:
            for connection in self._connections():
                connection.check_time()
        return await super().on_tick(counter)

    async def _accept(self, listener: socket.socket) -> None:
        """One connection after the other; those that there is no room for wait in the operating system's queue."""
        loop = asyncio.get_running_loop()
        listener.setblocking(False)
        listener.listen(BACKLOG)
        ending = asyncio.create_task(self._ending.wait())
        while not ending.done():
            try:
                accepting = asyncio.create_task(loop.sock_accept(listener))
                await asyncio.wait({accepting, ending}, return_when=asyncio.FIRST_COMPLETED)
                for _ in range(_TURNS_OF_ACCEPTING):
                    await asyncio.sleep(0)  # one that is accepted at this moment is not to be lost
                if not accepting.done():
                    accepting.cancel()
                    return
                accepted, _ = accepting.result()
                with _closed_on_error(accepted):
                    await self._room()
                    await loop.connect_accepted_socket(self._protocol, accepted)
            except ConnectionError:
                continue  # it has gone already
            except OSError as error:
                _LOG.error("cannot accept connections, which wait: %s", error.strerror)
                await asyncio.sleep(_RETRY_SECONDS)

    async def _take_waiting(self, listener: socket.socket) -> None:
        """Accept those that wait in the operating system's queue, and close it."""
        waiting: list[socket.socket] = []
        with contextlib.suppress(OSError):  # BlockingIOError: none waits any more
            while len(waiting) < BACKLOG:
                waiting.append(listener.accept()[0])
        listener.close()  # at once: whoever came in between would be lost
        for accepted in waiting:
            with contextlib.suppress(OSError), _closed_on_error(accepted):
                accepted.setblocking(False)
                await asyncio.get_running_loop().connect_accepted_socket(self._protocol, accepted)

    async def _room(self) -> None:
        """Wait until one more connection may be open: others are closed for it if they have no request."""
        most = self.config.connections
        while (count := len(self.server_state.connections)) >= most and not self._ending.is_set():
            vain = [(since, each) for each in self._connections() if (since := each.in_vain_since) is not None]
            if vain:
                min(vain, key=lambda each: each[0])[1].make_room()
                await asyncio.sleep(0)
                return
            if count < most + spare(most):
                return  # it gets a 503
            await asyncio.sleep(_ROOM_SECONDS)

    def _protocol(self) -> asyncio.Protocol:
        return LimitedConnection(self.config, self.server_state, self.lifespan.state)

    def _connections(self) -> list[LimitedConnection]:
        return [each for each in self.server_state.connections if isinstance(each, LimitedConnection)]


@contextmanager
def _closed_on_error(accepted: socket.socket) -> Iterator[None]:
    try:
        yield
    except BaseException:  # a cancelled task among them
        accepted.close()
        raise


def make_server(app: object, limits: Limits) -> LimitedServer:
    """A server whose connections are within the limits.

    Raises:
        SpecError: the process may not open enough files.
    """
    return LimitedServer(ConnectionConfig(app, limits, most_connections(limits)))


def most_connections(limits: Limits) -> int:
    """How many connections are open at a time: the limit, or as many as leave half of the files for everything else.

    Raises:
        SpecError: the process may open too few files.
    """
    allowed = files_allowed()
    if allowed is None:
        return limits.connections
    most = min(limits.connections, allowed // 2)
    while most >= _LEAST_CONNECTIONS and most + spare(most) > allowed // 2:
        most -= 1
    if most < min(_LEAST_CONNECTIONS, limits.connections):
        raise SpecError(
            f"this process may open {allowed} files, too few to serve", where="ulimit -n", hint="ulimit -n 1024"
        )
    return most


def files_allowed() -> int | None:
    """How many files the process may have open, sockets among them; None where there is no such limit."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


class OncePerMinute(logging.Filter):
    """Lets one message of a kind through in a minute, and says with the next how many there were."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._seen: dict[tuple[str, object], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log it."""
        now, kind = self._clock(), (str(record.msg).partition("\n")[0], record.exc_info and record.exc_info[0])
        logged, left_out = self._seen.get(kind, (float("-inf"), 0))
        if now - logged < _LOG_SECONDS:
            self._seen[kind] = (logged, left_out + 1)
            return False
        if len(self._seen) >= _KINDS:
            self._seen.clear()
        self._seen[kind] = (now, 0)
        if left_out:
            record.msg = f"{record.msg} (and {left_out:,} times before, not logged)"
        return True


@contextmanager
def short_log() -> Iterator[None]:
    """Each kind of message of uvicorn and asyncio once a minute: a client must not fill a disk."""
    short = OncePerMinute()
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "asyncio")]
    for each in loggers:
        each.addFilter(short)
    try:
        yield
    finally:
        for each in loggers:
            each.removeFilter(short)
