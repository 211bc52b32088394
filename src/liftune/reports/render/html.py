"""A report as one HTML file that needs nothing else.

In: a record and its details.  Out: the page as text.
Not here: what is said (document.py, sections/), the charts (svg.py), the explained terms (terms.py); the page's
structure is page.html, its style theme.css and page.css, its searching and opening page.js.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from liftune.errors import EXTRAS, need
from liftune.records.details import Details
from liftune.reports.base import CHAPTERS, FIRST_ROWS, FIRST_SCREEN, ReportTable
from liftune.reports.document import NamedSection, Reported, document
from liftune.reports.render.svg import svg

#: A table that is wider, in characters, is a block for each row on a phone; so much stands between two columns.
_PHONE, _BETWEEN = 44, 2
#: A column with a longer cell has a line to itself there.
_LONG_CELL = 24


def to_html(record: Reported, details: Details | None = None) -> str:
    """The whole report; the same record gives the same bytes.

    Raises:
        MissingExtra: Jinja2 or matplotlib is not installed.
    """
    need(*EXTRAS["report"])
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    from liftune.reports.render.terms import Terms, breakable

    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    report = document(record, details)
    first = [each for each in report.sections if _is_first(each)]
    first.sort(key=lambda each: FIRST_SCREEN.index(each.name) if each.name in FIRST_SCREEN else 0)
    others = [each for each in report.sections if not _is_first(each)]
    chapters = [(name, title, [each for each in others if each.chapter == name]) for name, title in CHAPTERS.items()]
    # Ours, and free of data: the only things that are not escaped.
    style, script = Markup(part("theme.css") + part("page.css")), Markup(part("page.js"))
    values: dict[str, Any] = {
        "title": report.title,
        "facts": report.facts,
        "verdict": report.verdict,
        "summary": CHAPTERS["short"],
        "first": first,
        "first_screen": FIRST_SCREEN,
        "chapters": [each for each in chapters if each[2]],
        "terms": Terms(),
        "svg": lambda chart: Markup(svg(chart)),
        "rows_at_once": FIRST_ROWS,
        "bracketed": _bracketed,
        "breakable": breakable,
        "style": style,
        "script": script,
        "wide": _is_wide,
        "sentences_in": _of_sentences,
    }
    return page.from_string(part("page.html")).render(values)


def _bracketed(table: ReportTable) -> frozenset[int]:
    """The columns of numbers some of which have an interval: the others keep its place, so that values are aligned."""
    return frozenset(at for at in table.right if any(row[at].endswith("]") for row in table.rows))


def _is_wide(table: ReportTable) -> bool:
    """Whether a phone cannot show the table's columns beside each other."""
    longest = [max(map(len, cells)) for cells in zip(table.headings, *table.rows, strict=True)]
    return not table.long and len(longest) > 2 and sum(longest) + _BETWEEN * len(longest) > _PHONE


def _of_sentences(table: ReportTable) -> frozenset[int]:
    """The columns that hold more than a few words."""
    columns = range(len(table.headings))
    return frozenset(at for at in columns if any(len(row[at]) > _LONG_CELL for row in table.rows)) - table.right


def _is_first(each: NamedSection) -> bool:
    return each.chapter == "short" or each.name in FIRST_SCREEN


def part(name: str) -> str:
    """A file of this package, such as `theme.css`: the colours that all pages share."""
    return files("liftune.reports.render").joinpath(name).read_text(encoding="utf-8")
