"""Bodies of requests: read within limits of size, time and all of them together; drained where nobody read them.

In: ASGI messages.  Out: the same, or what is wrong with the body.
Not here: what the app does with a body (app.py), who may send one (auth.py).

A server that closes a connection while bytes wait to be read resets it, and the client may lose an answer that was
sent. So an answer to a body that nobody read goes out at once, and the rest of the body is read and thrown away, up to
a limit, before the connection is closed.
"""

from __future__ import annotations

import asyncio

from starlette.types import Message, Receive, Scope, Send

from liftune.server.errors import RequestError
from liftune.server.limits import Limits

#: Of the largest body: all bodies that are read or answered at one time, and what is drained of one.
HELD, DRAINED = 16, 16
#: Seconds that a client gets to send the rest of a body that was refused.
_DRAIN_SECONDS = 10.0


class BodyRoom:
    """Bytes of all bodies that are held at the same time."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.held = 0


class RequestBody:
    """The body of one request."""

    def __init__(self, scope: Scope, receive: Receive, room: BodyRoom) -> None:
        headers = dict(scope["headers"])
        declared = headers.get(b"content-length", b"0")
        self._declared = int(declared) if declared.isdigit() else 0
        self._receive, self._room, self._limits = receive, room, room.limits
        self._more = self._declared > 0 or b"transfer-encoding" in headers
        self._asks_first = b"expect" in headers
        self._held = 0

    async def receive(self) -> Message:
        """The next message, of which this object knows whether it is the last of the body."""
        message = await self._receive()
        self._asks_first = False
        self._more = message["type"] == "http.request" and bool(message.get("more_body", False))
        return message

    async def read(self) -> Receive:
        """The whole body, to be received again by the app.

        Raises:
            RequestError: it is too large (413) or too slow (408), or there is no room for it now (503).
        """
        if self._declared > self._limits.body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await self.receive()
                    part = message.get("body", b"")
                    self._hold(len(part))
                    body += part
                    if len(body) > self._limits.body_bytes:
                        raise self._too_large()
                    if not self._more:
                        break
        except TimeoutError:
            raise RequestError(408, "the body did not arrive in time", hint="send it again, or a smaller one") from None
        messages = [message if message["type"] == "http.disconnect" else {"type": "http.request", "body": bytes(body)}]

        async def receive_again() -> Message:
            return messages.pop() if messages else await self.receive()

        return receive_again

    def sending(self, send: Send) -> Send:
        """`send`, but for what is left of the body when the answer has been sent: it is drained."""

        async def send_and_drain(message: Message) -> None:
            if not self._more:
                await send(message)
            elif message["type"] == "http.response.start":
                headers = [*message.get("headers", []), (b"connection", b"close")]
                await send({**message, "headers": headers})
            elif message.get("more_body", False):
                await send(message)
            else:
                await send({**message, "more_body": True})
                await self._drain()
                await send({"type": "http.response.body", "body": b""})

        return send_and_drain

    def release(self) -> None:
        """The request has ended."""
        self._room.held -= self._held
        self._held = 0

    async def _drain(self) -> None:
        if self._asks_first:  # it waits to be told to send the body, and was told otherwise
            return
        left = DRAINED * self._limits.body_bytes
        try:
            async with asyncio.timeout(_DRAIN_SECONDS):
                while self._more and left > 0:
                    left -= len((await self.receive()).get("body", b""))
        except TimeoutError:
            return

    def _hold(self, count: int) -> None:
        self._room.held += count
        self._held += count
        if self._room.held > HELD * self._limits.body_bytes:
            raise RequestError(
                503,
                "too many large requests arrive at the same time",
                where="body",
                hint="send it again in a moment, or a smaller one",
                headers={"Retry-After": "1"},
            )

    def _too_large(self) -> RequestError:
        mib = self._limits.body_bytes / 2**20
        return RequestError(413, f"the body has more than {mib:g} MiB", where="body", hint="send fewer texts at a time")
