"""Errors as a client gets them: a status, and JSON of message, where and hint.

In: LiftuneErrors and what FastAPI raises.  Out: responses.  Not here: what is refused (gate.py, rows.py, app.py).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from liftune.errors import LiftuneError


class Refused(LiftuneError):  # noqa: N818 - it says what became of the request
    """A request that is not answered, with the status that says so."""

    def __init__(
        self,
        status: int,
        what: str,
        *,
        where: str | None = None,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(what, where=where, hint=hint)
        self.status, self.headers = status, dict(headers or {})


def refusal(error: LiftuneError) -> Response:
    """The response to a request that a LiftuneError ended: its own status, or 422."""
    status, headers = (error.status, error.headers) if isinstance(error, Refused) else (422, {})
    return _response(status, error.message, error.where, error.hint, headers)


def _response(
    status: int, what: str, where: str | None, hint: str | None, headers: Mapping[str, str] | None = None
) -> Response:
    body = json.dumps({"what": what, "where": where, "hint": hint})
    return Response(body, status_code=status, media_type="application/json", headers=dict(headers or {}))


def install(app: FastAPI) -> None:
    """Let every error of an app be answered so."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, LiftuneError)
        return refusal(error)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return refusal(misread(error.errors()))

    async def missed(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        where = f"{request.method} {request.url.path}"
        return _response(error.status_code, str(error.detail).lower(), where, "see /docs", error.headers)

    async def broken(request: Request, error: Exception) -> Response:
        return _response(500, f"a defect of liftune: {type(error).__name__}", request.url.path, "see the server's log")

    app.add_exception_handler(LiftuneError, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, missed)
    app.add_exception_handler(Exception, broken)


def misread(errors: Any) -> Refused:
    """All that is wrong with a body or a query, as one refusal."""
    told = [f"{_place(each['loc'])}: {each['msg'][:1].lower()}{each['msg'][1:]}" for each in errors]
    first = _place(errors[0]["loc"]) if errors else "body"
    return Refused(422, "; ".join(told[:5]), where=first, hint="see /docs for what is expected")


def _place(location: Any) -> str:
    """`texts.3` of the body; what was given may be any text at all, so that it is not repeated."""
    named = [str(each) for each in location if each not in ("body", "query", "path")]
    return ".".join(named).encode("ascii", "replace").decode() or "body"
