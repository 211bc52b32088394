"""Sections as text: for a terminal, and as Markdown.

In: a record, or Sections.  Out: lines.  Not here: what they say (document.py, sections/).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from liftune.formatting import visible
from liftune.records.details import Details
from liftune.reports.base import ReportTable, Section

if TYPE_CHECKING:
    from liftune.reports.document import Reported

#: A longer name is divided all the same: a terminal may have 80 columns.
_MOST_UNDIVIDED = 50


def to_markdown(record: Reported, details: Details | None = None) -> str:
    """The whole report as Markdown; without details, only what the record alone says."""
    from liftune.reports.document import document  # not for a table alone, which needs no numpy

    report = document(record, details)
    parts = [f"# liftune report: {report.run}"]
    for section in (each.section for each in report.sections):
        parts.append(f"## {section.title}")
        parts += [markdown_table(table) for table in section.tables]
        parts += [f"```console\n$ {command}\n```" for command in section.commands]
        if section.said:
            parts.append("\n".join(f"- {_escaped(sentence)}" for sentence in section.said))
        if section.caveats:
            parts.append("\n".join(f"> - {_escaped(caveat)}" for caveat in section.caveats))
    return "\n\n".join(parts) + "\n"


def print_sections(chosen: Iterable[Section], console: Console) -> None:
    """Sections on a terminal, as wide as it is."""
    for section in chosen:
        console.print(_text(section.title, style="bold"))
        parts: list[RenderableType] = []
        for table in section.tables:
            parts += [_text(table.caption, style="dim")] if table.caption else []
            parts.append(_rich_table(table))
        parts += [_text(sentence) for sentence in section.said]
        parts += [_text(f"! {caveat}") for caveat in section.caveats]
        parts += [_text(f"$ {command}") for command in section.commands]
        console.print(Padding(Group(*parts), (0, 0, 1, 2)))


def _text(text: str, style: str = "") -> Text:
    return Text(visible(text), style=style)


def _rich_table(table: ReportTable) -> RichTable:
    rich = RichTable(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    rows, left = table.cut()
    for position, heading in enumerate(table.headings):
        longest = max((len(row[position]) for row in rows), default=0)
        rich.add_column(
            visible(heading),
            justify="right" if position in table.right else "left",
            overflow="fold",
            no_wrap=position in table.whole and longest <= _MOST_UNDIVIDED,
        )
    for row in rows:
        # A value above its interval: the table of scores then fits a terminal of 80 columns.
        rich.add_row(*(_text(cell.replace(" [", "\n[")) for cell in row))
    if left:
        rich.caption, rich.caption_justify = visible(left), "left"
    return rich


def markdown_table(table: ReportTable) -> str:
    """A table as Markdown."""
    rule = ("---:" if position in table.right else "---" for position in range(len(table.headings)))
    rows, left = table.cut()
    lines = (table.headings, tuple(rule), *rows)
    drawn = "\n".join(f"| {' | '.join(_escaped(cell) for cell in line)} |" for line in lines)
    above = f"{_escaped(table.caption)}:\n\n" if table.caption else ""
    return above + drawn + (f"\n\n{left}" if left else "")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
