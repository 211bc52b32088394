"""Who may send a request: the middleware before the app.

In: ASGI messages.  Out: the same to the app, or a problem; a count of each request.
Not here: what the app does with a request (app.py), its body (bodies.py), its connection (connections.py).
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from liftune.server.bodies import BodyRoom, RequestBody
from liftune.server.errors import RequestError, problem_response
from liftune.server.heads import (
    FULL,
    HEADER_BYTES,
    LAST,
    PATH_BYTES,
    headers_too_long,
    path_too_long,
    too_many_connections,
)
from liftune.server.limits import Limits

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
        self._app, self._credentials, self._count = app, credentials, count
        self._room = BodyRoom(limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.monotonic(), 500
        body = RequestBody(scope, receive, self._room)
        send = body.sending(send)

        async def send_counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if (ending := scope.get("state", {}).get(LAST)) and ending.is_set():
                    message["headers"] = [*message.get("headers", ()), (b"connection", b"close")]
            await send(message)

        try:
            check_head(scope)
            self._credentials.check(scope)
            receive = await body.read() if scope["method"] in _CHANGES else body.receive
            await self._app(scope, receive, send_counted)
        except RequestError as error:
            await problem_response(error)(scope, receive, send_counted)
        finally:
            body.release()
            route = getattr(scope.get("route"), "path", "other")
            self._count(route, status, time.monotonic() - started)


def check_head(scope: Scope) -> None:
    """Refuse a request that finds the server full, or whose path or headers are too long.

    Raises:
        RequestError: 503, 414 or 431.
    """
    if scope.get("state", {}).get(FULL):
        raise too_many_connections()
    if len(scope.get("raw_path") or b"") + len(scope.get("query_string") or b"") > PATH_BYTES:
        raise path_too_long()
    if sum(len(name) + len(value) for name, value in scope["headers"]) > HEADER_BYTES:
        raise headers_too_long()
