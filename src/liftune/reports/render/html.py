"""A report as one HTML file that needs nothing else.

In: a record and its details.  Out: the page as text.
Not here: what is said (document.py, sections/), the charts (svg.py); the page's structure is page.html, its style
page.css, its searching and sorting page.js.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from liftune.errors import EXTRAS, need
from liftune.records.details import Details
from liftune.reports.base import CHAPTERS
from liftune.reports.document import Reported, document
from liftune.reports.render.svg import svg

#: Rows of a long table that stand in the page before its script takes over.
ROWS_AT_ONCE = 8


def to_html(record: Reported, details: Details | None = None) -> str:
    """The whole report; the same record gives the same bytes.

    Raises:
        MissingExtra: Jinja2 or matplotlib is not installed.
    """
    need(*EXTRAS["report"])
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    report = document(record, details)
    chapters = [
        (name, title, [each for each in report.sections if each.chapter == name]) for name, title in CHAPTERS.items()
    ]
    # Ours, and free of data: the only things that are not escaped.
    style, script = (Markup(_part(name)) for name in ("page.css", "page.js"))
    values: dict[str, Any] = {
        "title": report.title,
        "facts": report.facts,
        "verdict": report.verdict,
        "chapters": [each for each in chapters if each[2]],
        "svg": lambda chart: Markup(svg(chart)),
        "rows_at_once": ROWS_AT_ONCE,
        "style": style,
        "script": script,
        "searchable": any(table.long for _, _, group in chapters for each in group for table in each.section.tables),
    }
    return page.from_string(_part("page.html")).render(values)


def _part(name: str) -> str:
    return files("liftune.reports.render").joinpath(name).read_text(encoding="utf-8")
