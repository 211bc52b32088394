"""The first thing that a request meets: may it come in, and how large is it.

In: ASGI messages.  Out: the same to the app behind, or a refusal; a count of each request.
Not here: what the app does with it (app.py).
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liftune.serve.errors import Refused, refusal
from liftune.serve.limits import Limits

#: What anyone may see: it holds nothing of the models.
OPEN = frozenset({"/", "/docs", "/openapi.json", "/healthz", "/readyz"})
#: Methods that change which models there are.
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Count = Callable[[str, int, float], None]
"""Called with the route, the status and the seconds of each request."""


@dataclass(frozen=True)
class Credentials:
    """Who may come in. Neither token is shown anywhere, not even in this object's repr."""

    token: str | None = field(default=None, repr=False)
    """For everything but the open pages; None lets all in."""
    admin_token: str | None = field(default=None, repr=False)
    """To load and unload models; None lets nobody."""
    hosts: frozenset[str] | None = None
    """Names that a request's Host may have, so that no web page reaches a local server under a name of its own."""

    def check(self, scope: Scope) -> None:
        """Raise Refused (401, 403) unless the request may come in."""
        headers = dict(scope["headers"])
        if self.hosts is not None and _host(headers) not in self.hosts:
            raise Refused(403, "this server answers to its own machine alone", where="Host", hint="ask for 127.0.0.1")
        given = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        admin = _equal(given, self.admin_token)
        if scope["path"].startswith("/v1/models") and scope["method"] in _CHANGES:
            if self.admin_token is None:
                raise Refused(
                    403,
                    "models cannot be loaded or unloaded: this server was started without an admin token",
                    where="Authorization",
                    hint="start it with --admin-token or LIFTUNE_ADMIN_TOKEN",
                )
            if not admin:
                raise _unknown("the admin token")
        elif self.token is not None and scope["path"] not in OPEN and not admin and not _equal(given, self.token):
            raise _unknown("a token")


def _equal(given: bytes, token: str | None) -> bool:
    """In a time that does not depend on how much of it is right."""
    return token is not None and hmac.compare_digest(given, token.encode())


def _unknown(asked: str) -> Refused:
    return Refused(
        401,
        f"{asked} is needed, and none or another was given",
        where="Authorization",
        hint="send the header Authorization: Bearer TOKEN",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _host(headers: dict[bytes, bytes]) -> str:
    host = headers.get(b"host", b"").decode("latin-1").lower()
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


class AuthMiddleware:
    """Stands before the app."""

    def __init__(self, app: ASGIApp, *, keys: Credentials, limits: Limits, count: Count) -> None:
        self._app, self._keys, self._limits, self._count = app, keys, limits, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.monotonic(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._keys.check(scope)
            if scope["method"] in _CHANGES:
                receive = await self._whole(scope, receive)
            await self._app(scope, receive, sending)
        except Refused as error:
            await refusal(error)(scope, receive, sending)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._count(route, status, time.monotonic() - begun)

    async def _whole(self, scope: Scope, receive: Receive) -> Receive:
        """The body, read as far as it may be, to be received again by the app."""
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._limits.body_bytes:
            raise self._too_large()
        body = bytearray()
        try:
            async with asyncio.timeout(self._limits.seconds):
                while True:
                    message = await receive()
                    body += message.get("body", b"")
                    if len(body) > self._limits.body_bytes:
                        raise self._too_large()
                    if not message.get("more_body", False):
                        break
        except TimeoutError:
            raise Refused(408, "the body did not come in time", hint="send it again, or a smaller one") from None
        left = [message if message["type"] == "http.disconnect" else {"type": "http.request", "body": bytes(body)}]

        async def again() -> Message:
            return left.pop() if left else await receive()

        return again

    def _too_large(self) -> Refused:
        mib = self._limits.body_bytes / 2**20
        return Refused(413, f"a body of more than {mib:g} MiB", where="body", hint="send fewer texts at a time")
