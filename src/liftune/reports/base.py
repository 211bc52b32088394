"""What a section is: its parts, and the registry of all.

In: text and charts.  Out: Sections.
Not here: what each section says (sections/), the report as a whole (document.py), how it looks (render/).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from liftune.records.run import Contender, RunRecord, TuneRecord
from liftune.registry import Registry
from liftune.reports.charts import Chart

#: The chapters of a report, in order.
CHAPTERS = {
    "short": "Summary",
    "verdict": "Was it worth it?",
    "answers": "What changed in the predictions",
    "data": "The data",
    "tuning": "Tuning and its cost",
    "run": "The run",
}
#: Sections that a reader sees first, also where little is shown: the verdict, the contenders, what to do next.
FIRST_SCREEN = ("short", "scores", "use")
#: Rows of a long table that are shown at first, and for good where it cannot be searched.
FIRST_ROWS = 5


@dataclass(frozen=True)
class ReportTable:
    """Rows under headings; every cell is text. `right` names the columns that hold numbers, `whole` those of names that
    are to be copied, and so are not divided where a line would end."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
    whole: frozenset[int] = frozenset()
    caption: str = ""
    long: bool = False
    """To be searched and sorted where that can be done; elsewhere its first rows are shown."""

    def cut(self) -> tuple[tuple[tuple[str, ...], ...], str]:
        """The rows to show where nothing can be searched, and a word on the others, empty where there are none."""
        left = len(self.rows) - FIRST_ROWS
        if not self.long or left <= 0:
            return self.rows, ""
        return self.rows[:FIRST_ROWS], f"and {left:,} more"


@dataclass(frozen=True)
class Section:
    """One part of a report."""

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[ReportTable, ...] = ()
    charts: tuple[Chart, ...] = ()
    caveats: tuple[str, ...] = ()
    """What must be known before the rest is believed."""
    commands: tuple[str, ...] = ()
    """Lines to be copied into a terminal."""
    notes: tuple[str, ...] = ()
    """Sentences that may stand in small print."""

    @property
    def said(self) -> tuple[str, ...]:
        """All sentences, where none is set apart."""
        return self.sentences + self.notes


@dataclass(frozen=True)
class SectionEntry:
    """A registered section.

    Args:
        build: record -> Section or None; with `of_details`, record and details -> Section or None.
        of: the records that have this section; `build` takes one of this class.
        chapter: one of CHAPTERS.
        of_details: it speaks of single rows and labels, and is left out where only the record is at hand.
        opened: it is open when a page shows it; others are opened by the reader.
    """

    name: str
    summary: str
    build: Callable[..., Section | None] = field(repr=False)
    of: type[RunRecord] = TuneRecord
    chapter: str = "run"
    of_details: bool = False
    opened: bool = False


SECTIONS: Registry[SectionEntry] = Registry("section", SectionEntry)


def is_random(contender: Contender) -> bool:
    """Whether a contender only guesses: a base whose head nobody trained."""
    return contender.name == "base" and contender.head == "fresh"


def named(contender: Contender) -> str:
    """A contender's name in a table; that of a base with a random head says so."""
    return "base (random)" if is_random(contender) else contender.name


def damage_of(record: TuneRecord) -> str:
    """Which contenders cannot be used, and what is wrong with each; empty where nobody looked or none is damaged."""
    named = [f"{each.name} ({each.damaged})" for each in record.contenders if each.damaged]
    return f"Damaged since the run: {'; '.join(named)}." if named else ""
