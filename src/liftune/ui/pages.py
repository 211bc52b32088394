"""The page's own files, and the headers that hold a browser to them.

In: the files of static/.  Out: responses.
Not here: routes (app.py), who may ask for them (guard.py).
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from starlette.responses import Response

#: File -> its type. What is not named here is not there for a browser.
STATIC = {
    "page.html": "text/html",
    "page.css": "text/css",
    "dom.js": "text/javascript",
    "data.js": "text/javascript",
    "runs.js": "text/javascript",
    "result.js": "text/javascript",
    "page.js": "text/javascript",
}
FRONT = "page.html"
_NEVER = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
#: The page runs its own files alone, sends requests to this server alone, and may make no markup of any text.
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    f"require-trusted-types-for 'script'; trusted-types 'none'; {_NEVER}"
)
#: Of every answer.
COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cache-Control": "no-store",
}
HEADERS = {"Content-Security-Policy": _POLICY, **COMMON}
LOCKED_HEADERS = {"Content-Security-Policy": f"default-src 'none'; {_NEVER}", **COMMON}
#: What a browser shows that has no token, or that of an earlier start.
LOCKED = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>liftune</title></head><body><main>'
    "<h1>This page needs the token of its start</h1><p>Open the address that <code>liftune ui</code> printed when it "
    "started: it ends in <code>?token=</code> and a word of its own. After a restart there is a new one; your files "
    "and runs are still there.</p></main></body></html>"
)


def static(name: str) -> Response:
    """One of the files of STATIC."""
    return Response(_text(name), media_type=STATIC[name], headers=HEADERS)


@cache
def _text(name: str) -> str:
    return (files("liftune.ui") / "static" / name).read_text(encoding="utf-8")
