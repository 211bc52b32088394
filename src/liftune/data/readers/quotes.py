"""Rows that take several lines because of quotes: cells with line breaks, or rows that a stray quote swallows.

In: such rows as they are parsed, with their lines.  Out: the first one that is several rows for sure, and the doubtful.
Not here: quotes that a strict reader refuses (dialect.py).
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from liftune.data.numbers import number

_MOST_KEPT = 1_000
#: Without a column whose values are known, this many lines that all look like rows are rows.
_SURE_LINES = 4

Known = Callable[[str], bool]


@dataclass(frozen=True)
class Span:
    """A row of several lines."""

    start: int
    """Its first line, from 1."""
    lines: tuple[str, ...]

    @property
    def end(self) -> int:
        """Its last line."""
        return self.start + len(self.lines) - 1


@dataclass
class Spans:
    """The rows of several lines, as a text is parsed. Only those whose every line could be a row are kept."""

    delimiter: str
    count: int = 0
    start: int = 0
    """First line of the first one."""
    kept: list[tuple[Span, list[list[str]]]] = field(default_factory=list)
    """With the fields of each line."""
    _lines: list[str] = field(default_factory=list)

    def watched(self, lines: Iterable[str]) -> Iterator[str]:
        """The lines, on their way to a reader."""
        for line in lines:
            self._lines.append(line)
            yield line

    def row(self, start: int, fields: Sequence[str]) -> None:
        """A row was parsed of the lines since the last one."""
        if len(self._lines) > 1:
            self.count += 1
            self.start = self.start or start
            if len(fields) > 1 and len(self.kept) < _MOST_KEPT:
                alone = [_fields(line, self.delimiter) for line in self._lines]
                if all(len(each) == len(fields) for each in alone):
                    self.kept.append((Span(start, tuple(self._lines)), alone))
        self._lines.clear()

    @property
    def last_line(self) -> str:
        """The line that was read last."""
        return self._lines[-1] if self._lines else ""

    def judged(self, sample: Sequence[Sequence[str]]) -> tuple[Span | None, list[Span]]:
        """The first span that is several rows, and those that may be.

        A line is a row if its values are those of its columns: numbers where the others are, one of the labels.

        Args:
            sample: rows of the same text.
        """
        known = _known(sample)
        doubtful = []
        for span, alone in self.kept:
            if known and all(test(fields[i]) for fields in alone for i, test in known.items()):
                return span, []
            if not known and len(alone) >= _SURE_LINES:
                return span, []
            if not known:
                doubtful.append(span)
        return None, doubtful


def _fields(line: str, delimiter: str) -> list[str]:
    if line.count('"') % 2:
        return line.rstrip("\r\n").split(delimiter)
    return next(csv.reader([line.rstrip("\r\n")], delimiter=delimiter), [])


def _known(sample: Sequence[Sequence[str]]) -> dict[int, Known]:
    """Column -> whether a value is one of its kind, for columns of numbers, and of values that repeat."""
    rows = [fields for fields in sample if not any("\n" in each or "\r" in each for each in fields)]
    width = max(map(len, rows), default=0)
    known: dict[int, Known] = {}
    for i in range(width):
        values = [fields[i].strip() for fields in rows if len(fields) == width and fields[i].strip()]
        distinct = frozenset(values)
        if len(values) >= 3 and all(number(each) is not None for each in distinct):
            known[i] = lambda value: number(value) is not None
        elif len(values) >= 4 and 2 * len(distinct) <= len(values):
            known[i] = lambda value, distinct=distinct: value.strip() in distinct  # type: ignore[misc]
    return known
