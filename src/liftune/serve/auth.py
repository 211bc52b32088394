"""Who may send a request, and how large it may be: the middleware before the app.

In: ASGI messages.  Out: the same to the app, or a problem; a count of each request.
Not here: what the app does with a request (app.py).
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liftune.serve.errors import RequestError, problem_response
from liftune.serve.limits import Limits

#: Pages without a token: they show nothing of the models.
OPEN = frozenset({"/", "/docs", "/openapi.json", "/healthz", "/readyz"})
#: Methods that change something.
_CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})

Count = Callable[[str, int, float], None]
"""Called with the route, the status and the seconds of each request."""


@dataclass(frozen=True)
class Credentials:
    """Who may send requests. Neither token is shown anywhere, not even in this object's repr."""

    token: str | None = field(default=None, repr=False)
    """For everything but the open pages; None asks for none."""
    admin_token: str | None = field(default=None, repr=False)
    """For loading and unloading models; None allows nobody to."""
    hosts: frozenset[str] | None = None
    """What a request's Host may be; None allows any. It keeps web pages from reaching a local server by a name of
    their own that resolves to this machine."""

    def check(self, scope: Scope) -> None:
        """Refuse a request without the right token or Host.

        Raises:
            RequestError: 401 or 403.
        """
        headers = dict(scope["headers"])
        if self.hosts is not None and _host(headers) not in self.hosts:
            raise RequestError(
                403, "this server only serves its own machine", where="Host", hint="send requests to 127.0.0.1"
            )
        given = headers.get(b"authorization", b"").removeprefix(b"Bearer ")
        admin = _equal(given, self.admin_token)
        if scope["path"].startswith("/v1/models") and scope["method"] in _CHANGES:
            if self.admin_token is None:
                raise RequestError(
                    403,
                    "models cannot be loaded or unloaded: this server was started without an admin token",
                    where="Authorization",
                    hint="start it with --admin-token or LIFTUNE_ADMIN_TOKEN",
                )
            if not admin:
                raise _unauthorized("the admin token")
        elif self.token is not None and scope["path"] not in OPEN and not admin and not _equal(given, self.token):
            raise _unauthorized("a token")


def _equal(given: bytes, token: str | None) -> bool:
    """In a time that does not depend on how much of it is right."""
    return token is not None and hmac.compare_digest(given, token.encode())


def _unauthorized(needed: str) -> RequestError:
    return RequestError(
        401,
        f"{needed} is needed, and the request has none or a wrong one",
        where="Authorization",
        hint="send the header Authorization: Bearer TOKEN",
        headers={"WWW-Authenticate": "Bearer"},
    )


def _host(headers: dict[bytes, bytes]) -> str:
    host = headers.get(b"host", b"").decode("latin-1").lower()
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.partition(":")[0]


class AuthMiddleware:
    """Checks each request before the app gets it, and counts it.

    Args:
        count: called when a request has ended.
    """

    def __init__(self, app: ASGIApp, *, credentials: Credentials, limits: Limits, count: Count) -> None:
        self._app, self._credentials, self._limits, self._count = app, credentials, limits, count

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            self._credentials.check(scope)
            if scope["method"] in _CHANGES:
                receive = await self._read_body(scope, receive)
            await self._app(scope, receive, send_counted)
        except RequestError as error:
            await problem_response(error)(scope, receive, send_counted)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._count(route, status, time.monotonic() - started)

    async def _read_body(self, scope: Scope, receive: Receive) -> Receive:
        """The whole body, within its limits, to be received again by the app.

        Raises:
            RequestError: it is too large (413) or too slow (408).
        """
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
            raise RequestError(408, "the body did not arrive in time", hint="send it again, or a smaller one") from None
        messages = [message if message["type"] == "http.disconnect" else {"type": "http.request", "body": bytes(body)}]

        async def receive_again() -> Message:
            return messages.pop() if messages else await receive()

        return receive_again

    def _too_large(self) -> RequestError:
        mib = self._limits.body_bytes / 2**20
        return RequestError(413, f"the body has more than {mib:g} MiB", where="body", hint="send fewer texts at a time")
