"""Connections: how many at a time, and how long each may take over what it sends and reads.

In: what uvicorn gives its protocol.  Out: the same protocol, with these limits.
Not here: HTTP (uvicorn and h11), the limits of a request (auth.py, bodies.py), accepting (http_server.py).

What uvicorn has is used: its time limit between requests, h11's limit of an incomplete head. Its limit_concurrency is
not: it counts a connection, but answers it only once a request has come, so that idle ones keep everyone else out and
use up the files that the process may open.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol

from liftune.server import heads
from liftune.server.errors import RequestError, problem_response
from liftune.server.limits import Limits

if TYPE_CHECKING:
    from uvicorn.server import ServerState

#: Seconds without a request after which a connection may be closed in favour of a new one: one that has never sent a
#: whole head, and one that has, as its client may be about to send the next.
_UNUSED_SECONDS, _USED_SECONDS = 0.5, 5.0
#: Seconds in which a client that is answered, or has connected, sends its next request, if it has one.
_MOMENT_SECONDS = 1.0
#: Seconds that a refused connection is kept, so that its client can read why.
_REFUSED_SECONDS = 2.0


class ConnectionConfig(Config):
    """uvicorn's options, with the limits that are ours."""

    def __init__(self, app: Any, limits: Limits, connections: int) -> None:
        super().__init__(
            app,
            http=LimitedConnection,
            ws="none",
            log_level="warning",
            access_log=False,  # it would log whole paths, and /metrics counts requests
            server_header=False,
            timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]  # it is given to loop.call_later
            h11_max_incomplete_event_size=heads.HEAD_BYTES,
            # A stop finishes accepted requests; none takes longer than its limit.
            timeout_graceful_shutdown=int(limits.seconds) + 5,
        )
        self.limits, self.connections = limits, connections


def spare(connections: int) -> int:
    """Connections beyond the limit that are open until they have their refusal."""
    return max(4, connections // 4)


class LimitedConnection(H11Protocol):
    """A connection with limits of number and time."""

    config: ConnectionConfig

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._since = self.loop.time()
        """When it began what it does now: to send a head, to be idle, to be refused."""
        self._idle = self._refused = False
        self._sending: float | None = None
        """Since when there is something that the client has not read."""

    @property
    def _in_request(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        """Mark it where it is one too many: its request gets a 503."""
        super().connection_made(transport)
        if len(self.connections) > self.config.connections:
            self.app_state = {**self.app_state, heads.FULL: True}

    @property
    def in_vain_since(self) -> float | None:
        """Since when it has been open without a request, so long that it may be closed; None if it may not."""
        settled = _UNUSED_SECONDS if self.cycle is None else _USED_SECONDS
        if self._in_request or self.transport.is_closing() or self.loop.time() - self._since < settled:
            return None
        return self._since

    @property
    def may_ask_again(self) -> bool:
        """Whether a request may be on its way: opened or answered a moment ago, or answered as if it stayed open."""
        if self.transport.is_closing() or self._refused:
            return False
        if self._in_request:
            return bool(self.cycle.response_started and self.cycle.keep_alive)
        return self.loop.time() - self._since < _MOMENT_SECONDS

    def make_room(self) -> None:
        """Close, in favour of another."""
        self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Bytes of the client; what a refused one still sends is thrown away."""
        if self._refused or self.transport.is_closing():
            return
        if self._idle and not self._in_request:
            self._idle, self._since = False, self.loop.time()
        super().data_received(data)

    def eof_received(self) -> None:
        """The client sends no more."""
        if self._refused:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._idle, self._since = True, self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what h11 does not take: no HTTP, or a head that is too long."""
        pending = self.conn.trailing_data[0]
        if len(pending) <= heads.HEAD_BYTES:
            self._refuse(heads.no_request())
        elif b"\n" in pending:
            self._refuse(heads.headers_too_long())
        else:
            self._refuse(heads.path_too_long())

    def check_time(self) -> None:
        """Refuse or close the connection where it takes too long; to be called now and then."""
        now = self.loop.time()
        if self.transport.get_write_buffer_size() == 0:
            self._sending = None
        elif self._sending is None:
            self._sending = now
        elif now - self._sending > self.config.limits.seconds:
            self.transport.abort()
        if self._in_request or self._idle or self.transport.is_closing():
            return
        if self._refused or heads.FULL in self.app_state:
            if now - self._since > _REFUSED_SECONDS:
                self.transport.close()
        elif now - self._since > self.config.limits.header_seconds:
            if self.conn.trailing_data[0]:
                self._refuse(heads.header_too_slow())
            else:
                self.transport.close()

    def _refuse(self, error: RequestError) -> None:
        """Send an answer without the app, and no more; close once the client has had time to read it."""
        if self._in_request:  # the app waits for a body that cannot be read
            started = self.cycle.response_started
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if started:
                self.transport.close()
                return
        answer = problem_response(error)
        lines = [f"HTTP/1.1 {error.status} {error.phrase}".encode()]
        lines += [name + b": " + value for name, value in [*answer.raw_headers, (b"connection", b"close")]]
        self._refused, self._idle, self._since = True, False, self.loop.time()
        self._unset_keepalive_if_required()
        self.transport.write(b"\r\n".join([*lines, b"", bytes(answer.body)]))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.flow.resume_reading()
