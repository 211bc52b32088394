"""Errors as a client gets them: RFC 9457 problem details (`application/problem+json`).

    title     the status in words
    status    the HTTP status
    detail    what went wrong, with the value that is wrong
    where     the field, header or path; null where there is none
    hint      what to do; null where there is nothing
    type      always "about:blank": the status says what kind of problem it is

In: LiftuneErrors, and whatever FastAPI raises.  Out: responses, and their description for OpenAPI.
Not here: what liftune refuses (auth.py, validation.py, app.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from liftune.errors import LiftuneError

MEDIA_TYPE = "application/problem+json"
#: Nobody reads it, as the client has gone; nginx's number for that.
CLIENT_CLOSED_REQUEST = 499


class Problem(BaseModel):
    """Why a request failed, after RFC 9457."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    where: str | None
    hint: str | None


class RequestError(LiftuneError):
    """A request that fails with a status of its own.

    Args:
        status: of HTTP, 4xx or 5xx.
        headers: of the response.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, where=where, hint=hint)
        self.status, self.headers = status, dict(headers or {})

    def __reduce__(self) -> tuple[Any, ...]:
        """For pickle: it goes from one process of the server to another."""
        return _request_error, (self.status, self.message, self.where, self.hint, self.headers)

    @property
    def phrase(self) -> str:
        """The status in words."""
        return "Client Closed Request" if self.status == CLIENT_CLOSED_REQUEST else HTTPStatus(self.status).phrase


def _request_error(
    status: int, message: str, where: str | None, hint: str | None, headers: dict[str, str]
) -> RequestError:
    return RequestError(status, message, where=where, hint=hint, headers=headers)


#: Characters of a client's own that a message repeats, and of a message.
_REPEATED, _TOLD = 80, 2_000


def cut(text: str) -> str:
    """What a client sent, in quotes and short enough to repeat.

    >>> cut("mood"), len(cut("a" * 4_000_000))
    ("'mood'", 83)
    """
    return repr(text) if len(text) <= _REPEATED else repr(text[:_REPEATED] + "…")


def shortened(message: str) -> str:
    """A message that may quote what a client sent."""
    return message if len(message) <= _TOLD else message[:_TOLD] + "…"


def problem_response(error: LiftuneError) -> Response:
    """The response to a request that an error ended: with its own status, or 422."""
    if not isinstance(error, RequestError):
        error = RequestError(422, error.message, where=error.where, hint=error.hint)
    problem = Problem(
        title=error.phrase,
        status=error.status,
        detail=shortened(error.message),
        where=None if error.where is None else shortened(error.where),
        hint=None if error.hint is None else shortened(error.hint),
    )
    # ASCII, as a message may quote half of a surrogate pair.
    return Response(json.dumps(problem.model_dump()), error.status, error.headers, MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Let an app answer every error with a problem, and describe its errors so."""

    async def of_liftune(request: Request, error: Exception) -> Response:
        assert isinstance(error, LiftuneError)
        return problem_response(error)

    async def of_validation(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return problem_response(validation_error(error.errors()))

    async def of_routing(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if error.status_code == 400 and "parsing the body" in str(error.detail):  # FastAPI's, of bytes it cannot decode
            return problem_response(
                RequestError(400, "the body cannot be read as JSON in UTF-8", where="body", hint=_BODY_HINT)
            )
        return problem_response(
            RequestError(
                error.status_code,
                str(error.detail).lower(),
                where=_route(request),
                hint="see /docs",
                headers=error.headers,
            )
        )

    async def unexpected(request: Request, error: Exception) -> Response:
        message = f"an error inside liftune: {type(error).__name__}"
        return problem_response(RequestError(500, message, where=_route(request), hint="see the server's log"))

    app.add_exception_handler(LiftuneError, of_liftune)
    app.add_exception_handler(RequestValidationError, of_validation)
    app.add_exception_handler(HTTPException, of_routing)
    app.add_exception_handler(Exception, unexpected)
    described = app.openapi
    app.openapi = lambda: _with_media_type(described())  # type: ignore[method-assign]  # FastAPI's documented way


def _with_media_type(description: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI description whose problems have their media type: FastAPI gives every model that of the route."""
    for methods in description["paths"].values():
        for operation in methods.values():
            for status, response in operation["responses"].items():
                if not status.startswith("2"):
                    response["content"] = {MEDIA_TYPE: {"schema": {"$ref": f"#/components/schemas/{Problem.__name__}"}}}
    return description


def validation_error(errors: Any) -> RequestError:
    """All that is wrong with a body or a query, as one error.

    Args:
        errors: as pydantic lists them.
    """
    for each in errors:
        if tuple(each["loc"][:1]) == ("body",) and (of_body := _of_body(each)) is not None:
            return RequestError(422, of_body, where="body", hint=_BODY_HINT)
    messages = [f"{_place(each['loc'])}: {_begun_small(each['msg'])}" for each in errors]
    first = _place(errors[0]["loc"]) if errors else "body"
    return RequestError(422, "; ".join(messages[:5]), where=first, hint="see /docs for what is expected")


_BODY_HINT = "send a JSON object with the header Content-Type: application/json; see /docs for what is expected"


def _of_body(error: Mapping[str, Any]) -> str | None:
    """What is wrong with a body as a whole; None where it is one of its fields."""
    if error["type"] == "json_invalid":
        reason = _begun_small(str(error.get("ctx", {}).get("error", "it cannot be read")))
        at = error["loc"][-1]
        return f"the body is not JSON: {reason}" + (f", at character {at + 1}" if isinstance(at, int) else "")
    if len(error["loc"]) > 1:
        return None
    return "the request has no body" if error["type"] == "missing" else "the body is not a JSON object"


def _begun_small(message: str) -> str:
    """With a small first letter, but for a name such as JSON.

    >>> _begun_small("Field required"), _begun_small("JSON decode error")
    ('field required', 'JSON decode error')
    """
    return message if message[1:2].isupper() else message[:1].lower() + message[1:]


def _route(request: Request) -> str:
    return f"{request.method[:_REPEATED]} {request.url.path[:_REPEATED]}"


def _place(location: Any) -> str:
    """`texts.3` of the body; what was sent may be any text at all, so it is not repeated."""
    names = [str(each)[:_REPEATED] for each in location if each not in ("body", "query", "path")]
    return ".".join(names)[:_REPEATED].encode("ascii", "replace").decode() or "body"
