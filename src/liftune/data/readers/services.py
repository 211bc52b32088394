"""Rows as managed services keep them -> the same rows, with text and label as columns of their own.

In: a Stream.  Out: the same Stream, or one with the columns text and label, and split where the rows say it.
Not here: how each service writes a row (service_rows.py).

A form is recognised by the columns and the first rows. A row that then is none is a fault. The columns as they stand
stay beside the new ones, so that --text and --label can name others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from liftune.data.column_names import LABELS
from liftune.data.readers.nested import with_opened
from liftune.data.readers.service_rows import FORMS, Form, Taken
from liftune.data.readers.streams import Record, Stream
from liftune.data.readers.studio_tasks import form_of_tasks, may_be_tasks
from liftune.errors import DataError

#: Rows by which a form is recognised, and names of other columns in a note.
_LOOKED_AT, _NAMED = 50, 6
_OWN_NAMES = frozenset(("text", *LABELS))


def recognised(stream: Stream) -> Stream:
    """The stream, with the columns text and label where its rows are those of a managed service.

    Raises:
        DataError: they are, and none of them can be used.
    """
    form = next((each for each in FORMS if _may_be(each, stream) and _fits(each, stream)), None)
    if form is None and may_be_tasks(stream.columns):
        form = form_of_tasks([_named(stream, record) for record in stream.records() if not record[2]])
    return stream if form is None else _Reading(form, stream).stream()


def _may_be(form: Form, stream: Stream) -> bool:
    """Whether the columns are those of a form, and none of them names a text or label itself."""
    own = any(name.strip().casefold() in _OWN_NAMES for name in stream.columns)
    return form.has(stream.columns) and (form.any_label or not own)


def _fits(form: Form, stream: Stream) -> bool:
    rows = (_named(stream, record) for record in stream.records() if not record[2])
    first = list(islice(rows, _LOOKED_AT))
    return bool(first) and all(map(form.is_row, first))


def _named(stream: Stream, record: Record[Any]) -> dict[str, Any]:
    cells = record[0]
    return cells if isinstance(cells, dict) else dict(zip(stream.columns, cells, strict=False))


@dataclass(frozen=True)
class _Reading:
    """A stream whose rows are in a form."""

    form: Form
    given: Stream

    def _taken(self, row: dict[str, Any]) -> Taken:
        if self.form.is_row(row):
            return self.form.read(row)
        return Taken(problem=(f"the row is not in {self.form.name}", f"write it like the others: {self.form.example}"))

    def _records(self) -> Iterator[Record[dict[str, Any]]]:
        for record in self.given.records():
            cells, line, problem = _named(self.given, record), record[1], record[2]
            taken = self._taken(cells) if not problem else Taken(problem=problem)
            yield ({}, line, taken.problem) if taken.problem else ({**cells, **taken.cells}, line, None)

    def stream(self) -> Stream:
        """With the new columns, and a note of what was taken."""
        new: dict[str, None] = {}
        left: Counter[str] = Counter()
        problems = []
        for record in self.given.records():
            if record[2]:
                continue
            taken = self._taken(_named(self.given, record))
            new |= dict.fromkeys(taken.cells)
            left.update(taken.left_out)
            if taken.problem:
                problems.append(taken.problem)
        if not new:
            message, hint = problems[0]
            raise DataError(f"read as {self.form.name}: {message}", where=self.given.where, hint=hint)

        def column(name: str) -> list[Any]:
            return [cells.get(name) for cells, _, _ in self._records()] if name in new else self.given.column(name)

        others = [name for name in self.given.columns if name not in new and name not in self.form.left_out]
        opened = {name: at for name, at in self.given.opened.items() if at.column not in self.form.left_out}
        return replace(
            self.given,
            columns=(*others, *new),
            opened=opened,
            records=self._records,
            column=column,
            notes=(*self.given.notes, self._note(left, with_opened(others, opened), "split" in new)),
            flawed=self.given.flawed or bool(problems),
        )

    def _note(self, left: Counter[str], others: tuple[str, ...], split: bool) -> str:
        what = "".join(f"; {each} ({count:,} row{'s' * (count != 1)})" for each, count in left.items())
        part = ", and each row names its part" if split else ""
        shown = ", ".join(others[:_NAMED]) + ", ..." * (len(others) > _NAMED)
        return (
            f"{self.given.where}: read as {self.form.name}: {self.form.taken}{part}{what}. "
            f"--text and --label name other columns: {shown}"
        )
