"""Rows that people passed over where they annotate: in Prodigy and Label Studio. They are no bad rows.

In: a Table, its Columns.  Out: PassedOver: the positions of these rows, and what is said of them.
Not here: rows that cannot be used (examples.py), whole exports of Label Studio with several people (labelling/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from liftune.data.columns import Columns
from liftune.data.readers.studio_tasks import ANNOTATED, ANNOTATIONS
from liftune.data.readers.table import Table
from liftune.data.targets import is_missing
from liftune.errors import DataError, amount

#: What Prodigy lets people answer; of these the first alone says that the label is the row's.
_ANSWERS = ("accept", "reject", "ignore")
_ANSWER = "answer"
ACCEPT_OR_REJECT = "to tell accept from reject, --label answer"
#: How columns begin that say what people said of a task of Label Studio.
_ANNOTATED = (ANNOTATED, *(f"{name}." for name in ANNOTATIONS))
_CANCELLED = "was_cancelled"


@dataclass(frozen=True)
class PassedOver:
    """Positions of rows, by what passed over means."""

    rejected: frozenset[int] = frozenset()
    """Answered with reject or ignore in Prodigy."""
    unannotated: frozenset[int] = frozenset()
    """Tasks of Label Studio that nobody has looked at."""
    skipped: frozenset[int] = frozenset()
    """Tasks of Label Studio that people skipped."""

    @property
    def all(self) -> frozenset[int]:
        """All of them."""
        return self.rejected | self.unannotated | self.skipped

    def no_rows(self, table: Table) -> DataError:
        """The error for a part of which no row is left."""
        if self.unannotated or self.skipped:
            return DataError(
                "no task has a label: nobody has annotated any of them, or all were skipped",
                where=table.where,
                hint="annotate some in Label Studio, and export again",
            )
        if not self.rejected:
            return DataError("no rows", where=table.where)
        return DataError(
            "no row is accepted: in Prodigy all were answered with reject or ignore",
            where=table.where,
            hint="accept some; if the column answer is no answer of Prodigy's, rename it",
        )


NONE = PassedOver()


def passed_over(table: Table, columns: Columns) -> PassedOver:
    """The rows of a table that people passed over."""
    return PassedOver(_rejected(table, columns), *_unannotated(table, columns))


def passed_over_said(each: Sequence[PassedOver], *, one_label: bool) -> tuple[str, ...]:
    """Notes on the rows of all parts that were passed over, where there are any.

    Args:
        one_label: whether the rows that are left have one label.
    """
    notes: tuple[str, ...] = ()
    rejected, unannotated, skipped = (
        sum(len(getattr(one, name)) for one in each) for name in ("rejected", "unannotated", "skipped")
    )
    if rejected:
        binary = f"; the others have one label: {ACCEPT_OR_REJECT}" if one_label else ""
        notes += (
            f"{amount(rejected, 'row is', 'rows are')} left out, whose Prodigy answer is reject or ignore: their "
            f"label is not theirs (if the column answer is no answer of Prodigy's, rename it){binary}",
        )
    if unannotated:
        notes += (f"{amount(unannotated, 'task')} of Label Studio left out, as nobody has annotated them",)
    if skipped:
        notes += (f"{amount(skipped, 'task')} of Label Studio left out, as people skipped them",)
    return notes


def _rejected(table: Table, columns: Columns) -> frozenset[int]:
    """Rows whose label someone rejected, or passed over, in Prodigy: by a column `answer` of such answers alone."""
    used = {columns.text, columns.text_pair, columns.label, *columns.used}
    if _ANSWER not in table.columns or _ANSWER in used:
        return frozenset()
    cells = table.read(_ANSWER)
    if not all(isinstance(each, str) and each in _ANSWERS for each in cells if not is_missing(each)):
        return frozenset()
    return frozenset(i for i, each in enumerate(cells) if isinstance(each, str) and each in _ANSWERS[1:])


def _unannotated(table: Table, columns: Columns) -> tuple[frozenset[int], frozenset[int]]:
    """Tasks of Label Studio without a label: those that nobody annotated, and those that were skipped."""
    are_tasks = any(each.startswith("data.") for each in table.columns)
    named = table.columns if are_tasks else (columns.label,)
    prefix = next((each for each in _ANNOTATED if any(name.startswith(each) for name in named)), None)
    if prefix is None:
        return frozenset(), frozenset()
    labels = table.read(columns.label)
    blank = [i for i, cell in enumerate(labels) if is_missing(cell) or cell == []]
    said = [table.read(name) for name in table.columns if name.startswith(prefix)] if blank else []
    cancelled = table.read(f"{prefix}{_CANCELLED}") if f"{prefix}{_CANCELLED}" in table.columns else [None] * table.rows
    nobody = frozenset(i for i in blank if all(is_missing(cells[i]) for cells in said))
    return nobody, frozenset(i for i in blank if cancelled[i] is True) - nobody
