"""README.md of a run folder: what was found, what to use, and what each file is.

In: a TuneRecord, nothing else.  Out: Markdown.
Not here: the tuned model's own card (model_card.py), the whole report (document.py), writing it (workflows/report.py).
"""

from __future__ import annotations

from liftune.formatting import size
from liftune.records.run import TuneRecord
from liftune.reports.base import ReportTable, named
from liftune.reports.document import title
from liftune.reports.render.text import markdown_table
from liftune.reports.sections.claims import recommendation
from liftune.reports.sections.headline import headline
from liftune.reports.sections.use import use


def to_readme(record: TuneRecord) -> str:
    """The verdict, the recommended contender with its command, and the contenders that are kept."""
    section = use(record)
    said, commands = (section.sentences, section.commands) if section else ((), ())
    kept = tuple(
        (named(each), "adapter/" if each.name == "tuned" else f"contenders/{each.name}/", size(each.saved_bytes))
        for each in record.contenders
        if each.saved_bytes is not None
    )
    lines = [
        f"# {title(record)}",
        *(headline(record) if record.comparisons else ()),
        *recommendation(record),
        *said,
        *(f"```console\n$ {command}\n```" for command in commands),
        "Each contender is kept, and predicts as it was scored; `--use NAME` chooses one.",
        markdown_table(ReportTable(("contender", "folder", "size"), kept, frozenset({2}))),
        "`report.html` has all scores; `record.json` the same for programs.",
    ]
    return "\n\n".join(lines) + "\n"
