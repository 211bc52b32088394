"""Sections as HTML for a notebook's cell: nothing but elements with a few styles of their own.

In: Sections.  Out: an HTML fragment, in which options have the names of Python.
Not here: the report's page (html.py), what a record shows (display.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from liftune.formatting import visible
from liftune.python_names import in_python
from liftune.reports.base import ReportTable, Section

_CELL = "padding: 2px 10px 2px 0; vertical-align: top; text-align: "


def notebook_html(title: str, sections: Iterable[Section]) -> str:
    """Title, sentences, tables and warnings; every text of a user's data is escaped."""
    parts = [f"<p><strong>{_text(title)}</strong></p>"]
    for section in sections:
        parts.append(f'<p style="margin: 0.6em 0 0.2em"><strong>{_text(section.title)}</strong></p>')
        parts += [_table(table) for table in section.tables]
        parts += [f'<p style="margin: 0.2em 0">{_text(in_python(each))}</p>' for each in section.said]
        parts += [f'<p style="margin: 0.2em 0">&#9888; {_text(in_python(each))}</p>' for each in section.caveats]
        parts += [f'<pre style="margin: 0.2em 0">{_text(each)}</pre>' for each in section.commands]
    return f'<div class="liftune">{"".join(parts)}</div>'


def _table(table: ReportTable) -> str:
    rows, left = table.cut()

    def line(tag: str, cells: Iterable[str]) -> str:
        sides = ("right" if i in table.right else "left" for i in range(len(table.headings)))
        return "".join(
            f'<{tag} style="{_CELL}{side}">{_text(cell)}</{tag}>' for cell, side in zip(cells, sides, strict=False)
        )

    caption = f"<caption style='text-align: left'>{_text(table.caption)}</caption>" if table.caption else ""
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    more = f"<p>{_text(left)}</p>" if left else ""
    return f"<table>{caption}<thead><tr>{line('th', table.headings)}</tr></thead><tbody>{body}</tbody></table>{more}"


def _text(text: str) -> str:
    return escape(visible(text))
