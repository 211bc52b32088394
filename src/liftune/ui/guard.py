"""Who may send a request to the page: this machine's browser, from the page itself, with the token of this start.

In: ASGI messages.  Out: the same to the app; or a refusal.
Not here: what the app does with a request (app.py), how long a body may be (incoming.py).

A page of another site can send requests to this machine, too. So every request must name a host of this machine (a name
that was rebound to it does not), come from the page's own origin if it comes from a page at all, and carry the token:
in the address at first, then in a cookie that no script can read and no other site can send.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from liftune.server.auth import check_head
from liftune.server.errors import RequestError, problem_response
from liftune.ui.pages import LOCKED, LOCKED_HEADERS

#: Names of this machine by which the page may be asked for.
LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})
#: Methods that change something: a browser sends their origin always.
_CHANGES = frozenset({"POST", "DELETE"})
_READS = frozenset({"GET", "HEAD"})
#: What a browser says of a request of the page itself, and of one that the user typed or clicked outside of any page.
_OWN_SITE = frozenset({"same-origin", "none"})
PARAMETER = "token"
_OPEN_AGAIN = "open the address that `liftune ui` printed when it started"


@dataclass(frozen=True)
class Guard:
    """The middleware before the app; its repr leaves the token out."""

    app: ASGIApp
    token: str = field(repr=False)
    hosts: frozenset[str] = LOCAL_NAMES

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or refuse it."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":  # a WebSocket: there is none
            await send({"type": "websocket.close", "code": 1008})
            return
        request = Request(scope)
        try:
            check_head(scope)
            self._check_origin(request)
            fresh = self._check_token(request)
        except RequestError as error:
            await _refusal(request, error)(scope, receive, send)
            return
        await self.app(scope, receive, _with_cookie(send, cookie_of(request, self.token)) if fresh else send)

    def _check_origin(self, request: Request) -> None:
        """Refuse another host's name, another origin and an unknown method.

        Raises:
            RequestError: 405, 421 or 403.
        """
        method = request.method
        if method not in _CHANGES | _READS:
            raise RequestError(405, "the page sends GET, POST and DELETE alone", where=method[:20])
        hosts = request.headers.getlist("host")
        host = hosts[0] if len(hosts) == 1 else ""
        if _name_of(host) not in self.hosts:
            raise RequestError(421, "the request names another host than this machine", where="Host", hint=_OPEN_AGAIN)
        origins = request.headers.getlist("origin")
        own = f"http://{host}"
        if any(each.lower() != own.lower() for each in origins) or (method in _CHANGES and len(origins) != 1):
            raise RequestError(403, "the request does not come from this page", where="Origin", hint=_OPEN_AGAIN)
        site = request.headers.get("sec-fetch-site", "none")
        if site not in _OWN_SITE and not _is_visit(request):
            raise RequestError(403, "the request comes from another site", where="Sec-Fetch-Site", hint=_OPEN_AGAIN)

    def _check_token(self, request: Request) -> bool:
        """Whether the token came in the address, so that it is to be kept in the cookie.

        Raises:
            RequestError: 401, there is none, or another.
        """
        given = request.query_params.get(PARAMETER)
        if given is not None and request.url.path == "/" and request.method in _READS:
            if self._is_token(given):
                return True
        elif self._is_token(request.cookies.get(_cookie_name(request), "")):
            return False
        raise RequestError(401, "the token of this start is missing, or is another's", where="token", hint=_OPEN_AGAIN)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), self.token.encode())


def cookie_of(request: Request, token: str) -> str:
    """The header that has a browser keep the token: no script reads it, no other site sends it."""
    return f"{_cookie_name(request)}={token}; Path=/; HttpOnly; SameSite=Strict"


def _cookie_name(request: Request) -> str:
    """Cookies are shared by all ports of a host: each server has a name of its own."""
    server = request.scope.get("server") or ("", 0)
    return f"liftune-ui-{server[1]}"


def _name_of(host: str) -> str:
    """A Host header without the port.

    >>> _name_of("localhost:8010"), _name_of("[::1]:80"), _name_of("[::1]"), _name_of("evil.example:80")
    ('localhost', '[::1]', '[::1]', 'evil.example')
    """
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


def _is_visit(request: Request) -> bool:
    """Whether a person followed a link to the page: nothing is changed by it, and nobody else reads the answer."""
    return request.method in _READS and request.url.path == "/" and request.headers.get("sec-fetch-mode") == "navigate"


def _refusal(request: Request, error: RequestError) -> Response:
    if error.status == 401 and "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(LOCKED, 401, headers=LOCKED_HEADERS)
    return problem_response(error)


def _with_cookie(send: Send, cookie: str) -> Send:
    async def sending(message: dict[str, object]) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"set-cookie", cookie.encode())]  # type: ignore[misc]
            message = {**message, "headers": headers}
        await send(message)

    return sending  # type: ignore[return-value]
