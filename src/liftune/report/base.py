"""What a section is: its parts, its registry, and how numbers are worded in all of them.

In: a RunRecord, for some sections its Details too.  Out: Sections.
Not here: what each section says (sections.py and the files beside it), how it looks (text.py, html.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import PurePath

from liftune.metrics.registry import is_proportion
from liftune.records.base import Interval
from liftune.records.run import Contender
from liftune.registry import Registry
from liftune.report.charts import Chart

#: The chapters of a report, in order; a section stands in one of them.
CHAPTERS = {
    "short": "In short",
    "verdict": "Was it worth it?",
    "answers": "What changed in the answers",
    "data": "The data",
    "tuning": "Tuning and its cost",
    "run": "The run",
}
#: Rows of a long table that are shown where it cannot be searched.
FIRST_ROWS = 5


@dataclass(frozen=True)
class ReportTable:
    """Rows under headings; every cell is text. `right` names the columns that hold numbers."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()
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


@dataclass(frozen=True)
class SectionEntry:
    """A registered section.

    Args:
        build: record -> Section or None; with `of_details`, record and details -> Section or None.
        chapter: one of CHAPTERS.
        of_details: it speaks of single rows and labels, and is left out where only the record is at hand.
    """

    name: str
    summary: str
    build: Callable[..., Section | None] = field(repr=False)
    chapter: str = "run"
    of_details: bool = False


SECTIONS: Registry[SectionEntry] = Registry("section", SectionEntry)


# Wording --------------------------------------------------------------------------------------------------------------


def number(value: float | None, digits: int = 4) -> str:
    """A value, or a dash where it is undefined."""
    return "-" if value is None else f"{value:.{digits}f}"


def count(number: int) -> str:
    """A number of parameters in three digits.

    >>> count(340_230), count(2_310), count(6)
    ('340k', '2.31k', '6')
    """
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.3g}{unit}"
    return str(number)


def size(number: int | None) -> str:
    """Bytes in three digits, or a dash.

    >>> size(1_371_232), size(1_043_000), size(None)
    ('1.31 MiB', '0.995 MiB', '-')
    """
    if number is None:
        return "-"
    for unit, name in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")):
        if number >= 1000 * unit / 1024:  # three digits do not hold 1,018 KiB
            return f"{number / unit:.3g} {name}"
    return f"{number} B"


def p_value(value: float) -> str:
    """As precise as such a number can be taken.

    >>> p_value(0.04321), p_value(1e-30)
    ('p = 0.043', 'p < 0.0001')
    """
    return "p < 0.0001" if value < 1e-4 else f"p = {value:.2g}"


def interval(found: Interval) -> str:
    """Value and interval, shares as they are."""
    if found.value is None:
        return "undefined"
    if found.low is None or found.high is None:
        return f"{found.value:.3f}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def unbracketed(found: Iterable[Interval]) -> tuple[str, ...]:
    """A sentence on values that stand without an interval, where there are any."""
    if any(each.value is not None and each.low is None for each in found):
        return ("A number without brackets has no interval: resampling its rows gives the same value every time.",)
    return ()


def gain(metric: str, value: float | None, low: float | None = None, high: float | None = None) -> str:
    """A difference of a metric with its interval, a proportion in points.

    >>> gain("accuracy", 0.02, -0.03, 0.07), gain("rmse", None)
    ('+2.0 points of accuracy [-3.0, +7.0]', '- of rmse')
    """
    points = is_proportion(metric)

    def shown(number: float | None) -> str:
        return "-" if number is None else f"{number * 100:+.1f}" if points else f"{number:+.3f}"

    text = f"{shown(value)}{' points' if points else ''} of {metric}"
    return text if low is None or high is None else f"{text} [{shown(low)}, {shown(high)}]"


def named(contender: Contender) -> str:
    """A contender's name; a base whose head is fresh says so wherever it stands."""
    return "base, fresh" if contender.name == "base" and contender.head == "fresh" else contender.name


def seconds(value: float | None) -> str:
    """Seconds, or a dash."""
    return "-" if value is None else f"{value:,.1f}" if value < 100 else f"{value:,.0f}"


def clipped(text: str, most: int) -> str:
    """At most so many characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."


def plain_name(name: str) -> str:
    """A hub id as it is; of a path on a disk only the last part, which tells nothing of its owner.

    >>> plain_name("~/someone/reviews.csv"), plain_name("stanfordnlp/imdb")
    ('reviews.csv', 'stanfordnlp/imdb')
    """
    return PurePath(name).name if PurePath(name).is_absolute() or name.startswith(("~", ".")) else name
