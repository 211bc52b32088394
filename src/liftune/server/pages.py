"""The pages for a browser: they load nothing else, and run no script but their own.

In: page.html, its style and scripts, the theme; the OpenAPI description.
Out: HTML, and the headers that make a browser enforce this.
Not here: routes (app.py).
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Any

from starlette.responses import Response

from liftune.reports.render.html import part
from liftune.server.errors import MEDIA_TYPE, Problem

_NEVER = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_COMMON = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-cache"}
_PLAIN_STYLE = (
    ":root{color-scheme:light dark}body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;"
    "padding:0 1rem}pre{overflow:auto;padding:.75rem;border:1px solid #8886;border-radius:.5rem}"
    "h2{margin-top:2rem;font-size:1.1rem}code{font-size:.95em}"
)


@dataclass(frozen=True)
class Page:
    """A page of the package: its markup, into which style and scripts are put."""

    markup: str
    style: str
    scripts: tuple[str, ...]

    @cached_property
    def text(self) -> str:
        """The whole page."""
        style, script = part("theme.css") + _read(self.style), "".join(map(_read, self.scripts))
        return _read(self.markup).replace("/* style */", style).replace("/* script */", script)

    @cached_property
    def headers(self) -> dict[str, str]:
        """They allow the page's own style and script by their hashes, what this server has, and nothing else."""
        style, script = (
            _hash(re.findall(rf"<{tag}>(.*?)</{tag}>", self.text, re.DOTALL)) for tag in ("style", "script")
        )
        policy = f"default-src 'none'; style-src {style}; script-src {script}; img-src 'self'; connect-src 'self'"
        policy = f"{policy}; {_NEVER}"
        return {"Content-Security-Policy": policy, **_COMMON}


def _read(name: str) -> str:
    return (files("liftune.server") / name).read_text(encoding="utf-8")


def icon() -> Response:
    """What a browser shows beside a page's title."""
    return Response(part("icon.svg"), media_type="image/svg+xml", headers=_ICON_HEADERS)


def _hash(sources: list[str]) -> str:
    digests = (base64.b64encode(hashlib.sha256(source.encode()).digest()).decode() for source in sources)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


#: What browsers ask for by themselves.
ICON = "/favicon.ico"
_ICON_HEADERS = {"Content-Security-Policy": f"default-src 'none'; {_NEVER}", **_COMMON}
FRONT = Page("page.html", "page.css", ("page_file.js", "page.js"))
#: A report is the run's own file: its scripts may run, but cannot reach this server's pages.
REPORT_HEADERS = {
    "Content-Security-Policy": "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; "
    f"script-src 'unsafe-inline'; img-src data:; font-src data:; {_NEVER}",
    **_COMMON,
}
DOCS_HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src {_hash([_PLAIN_STYLE])}; img-src 'self'; {_NEVER}",
    **_COMMON,
}


def docs_page(description: dict[str, Any]) -> str:
    """The OpenAPI description as a page for people."""
    parts = [f"<p>{html.escape(description['info'].get('description', ''))}</p>"]
    parts.append('<p>As OpenAPI: <a href="/openapi.json">/openapi.json</a>.</p>')
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>")
            parts.append(f"<p>{html.escape(operation.get('description', ''))}</p>")
            if "requestBody" in operation:
                parts.append(_schema("Request", operation["requestBody"]["content"], description))
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    parts.append(_schema(f"Response ({status})", response.get("content", {}), description))
    parts.append(f"<h2>Errors</h2><p>Every error is one object after RFC 9457, as <code>{MEDIA_TYPE}</code>:</p>")
    parts.append(_code(description["components"]["schemas"][Problem.__name__]["properties"]))
    title = html.escape(f"{description['info']['title']} {description['info']['version']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_PLAIN_STYLE}</style></head>'
        f"<body><main><h1>{title}</h1>{''.join(parts)}</main></body></html>"
    )


def _schema(title: str, content: dict[str, Any], description: dict[str, Any]) -> str:
    schema = content.get("application/json", {}).get("schema", {})
    named = description["components"]["schemas"].get(schema.get("$ref", "").rpartition("/")[2])
    return f"<p>{title}:</p>{_code(named['properties'])}" if named else ""


def _code(value: Any) -> str:
    return f"<pre><code>{html.escape(json.dumps(value, indent=2))}</code></pre>"
