"""What is refused by the head of a request alone: one rule for the connection and for the app.

In: nothing.  Out: limits, and the errors of what is beyond them.
Not here: where they are checked (connections.py, auth.py).
"""

from __future__ import annotations

from liftune.server.errors import RequestError

#: Of a path with its query, of all headers, and of a head whose end has not arrived.
PATH_BYTES, HEADER_BYTES, HEAD_BYTES = 8_192, 16_384, 24_576
#: Name in a request's state: its connection is one too many.
FULL = "liftune.full"
#: ... and an event: once it is set, the server is stopping, and each connection ends with its answer.
LAST = "liftune.last"


def path_too_long() -> RequestError:
    """414."""
    return RequestError(
        414, f"the path has more than {PATH_BYTES:,} bytes", where="path", hint="a model's name has at most 100 letters"
    )


def headers_too_long() -> RequestError:
    """431."""
    return RequestError(
        431, f"the headers have more than {HEADER_BYTES:,} bytes", where="headers", hint="send fewer, or shorter ones"
    )


def header_too_slow() -> RequestError:
    """408."""
    return RequestError(408, "the head of the request did not arrive in time", hint="send it again")


def no_request() -> RequestError:
    """400."""
    return RequestError(400, "this is no request of HTTP/1.1", hint="see /docs for what is expected")


def too_many_connections() -> RequestError:
    """503."""
    return RequestError(
        503,
        "too many connections are open",
        hint="try again in a moment, over fewer connections",
        headers={"Retry-After": "1"},
    )
