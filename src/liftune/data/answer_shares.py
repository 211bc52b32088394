"""Probabilities in an answers file: of each label, or of the answer alone.

In: the file's Table, the columns that hold them.  Out: a row of probabilities for each answer; answers where
probabilities alone are given.
Not here: which columns these are (answer_cells.py).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from liftune.data.label_lists import items
from liftune.data.numbers import number
from liftune.data.readers.table import Table
from liftune.data.spellings import partner_of
from liftune.data.splits import Splits
from liftune.data.targets import is_missing
from liftune.errors import LIKELY, DataError, amount, first_of, nearest
from liftune.tasks import task_of
from liftune.types import Target

#: Probabilities that add up to this or more or less, as rounding makes them, are taken as they are.
_ROUNDED = 0.02
_NAMED = 5


@dataclass(frozen=True)
class ShareColumns:
    """Where they are.

    Args:
        of_labels: label -> its column.
        mapping: a column of mappings, label -> probability.
        confidence: a column with the probability of the answer.
    """

    of_labels: Mapping[str, str] = field(default_factory=dict)
    mapping: str | None = None
    confidence: str | None = None


def shares_of(
    table: Table, columns: ShareColumns, splits: Splits, targets: Mapping[int, Target]
) -> tuple[dict[int, tuple[float, ...]] | None, tuple[str, ...]]:
    """Position -> probability of each label of train, in order; None where some answer has none. And what to say.

    Raises:
        DataError: one is below 0 or no number, or of no label of the data.
    """
    task, labels = task_of(splits.task), splits.labels
    if not task.has_probabilities or not targets:
        return None, ()
    if columns.confidence is not None:
        return _of_answers(table, columns.confidence, labels, targets)
    if not (columns.of_labels or columns.mapping):
        return None, ()
    read = _Rows(table, columns, splits)
    rows = {i: row for i in targets if (row := read.at(i)) is not None}
    lacking = len(targets) - len(rows)
    if lacking:
        said = amount(lacking, "answer has", "answers have")
        return None, (f"{said} no probabilities: those of the others are not used",)
    if task.shape == "labels":
        if any(each > 1 for row in rows.values() for each in row):
            return None, ("probabilities above 1 are not used: write shares from 0 to 1",)
        return rows, read.notes
    sums = {i: sum(row) for i, row in rows.items()}
    if any(each <= 0 for each in sums.values()):
        return None, ("probabilities are 0 for every label of some row: they are not used",)
    off = sum(abs(each - 1.0) > _ROUNDED for each in sums.values())
    notes = read.notes
    if off:
        said = f"{amount(off, 'row does', 'rows do')} not add up to 1"
        notes += (f"probabilities of {said}: they were divided by their sum",)
    shares = {i: tuple(each / sums[i] for each in row) for i, row in rows.items()}
    other = sum(
        str(targets[i]) in labels and row[labels.index(str(targets[i]))] < max(row) for i, row in shares.items()
    )
    if other:
        said = amount(other, "answer is", "answers are")
        notes += (f"{said} not the label of the highest probability: the answer counts",)
    return shares, notes


class _Rows:
    """Probabilities, row by row, and what was seen in them."""

    def __init__(self, table: Table, columns: ShareColumns, splits: Splits) -> None:
        self._table, self._labels, self._unseen = table, splits.labels, splits.unseen
        labels = splits.labels
        self._own: dict[str, str] = {}
        """Name in a mapping -> the label of the data that it is."""
        self._lacking: Counter[str] = Counter()
        self._not_in_train: Counter[str] = Counter()
        self._of_labels = [table.read(columns.of_labels[label]) for label in labels] if columns.of_labels else []
        self._mappings = table.read(columns.mapping) if columns.mapping and not self._of_labels else []

    @property
    def notes(self) -> tuple[str, ...]:
        """What was taken of the mappings."""
        notes: tuple[str, ...] = ()
        respelt = [f"{name!r} as {own!r}" for name, own in self._own.items() if name != own]
        if respelt:
            notes += (f"probabilities are read as of the data's labels: {first_of(respelt, _NAMED)}",)
        if self._lacking:
            each = [f"{label!r} ({rows:,})" for label, rows in self._lacking.most_common()]
            notes += (f"labels without a probability in some rows have 0 there: {first_of(each, _NAMED)}",)
        if self._not_in_train:
            each = [f"{label!r} ({rows:,})" for label, rows in self._not_in_train.most_common()]
            notes += (f"probabilities of labels that train does not have are left out: {first_of(each, _NAMED)}",)
        return notes

    def at(self, position: int) -> tuple[float, ...] | None:
        """(C,) of one row; None where one is missing.

        Raises:
            DataError: a mapping names what is no label of the data, or one label twice.
        """
        if self._of_labels:
            cells = [each[position] for each in self._of_labels]
        else:
            held = items(self._mappings[position])
            named = self._by_label(held, position) if isinstance(held, dict) else {}
            self._lacking.update(label for label in self._labels if named and label not in named)
            self._not_in_train.update(label for label in named if label in self._unseen)
            cells = [named.get(label, 0.0) for label in self._labels] if named else [None]
        if any(is_missing(cell) for cell in cells):
            return None
        return tuple(_share(cell, self._table, position) for cell in cells)

    def _by_label(self, held: Mapping[Any, Any], position: int) -> dict[str, Any]:
        """A mapping, by the data's own labels."""
        found: dict[str, Any] = {}
        known = (*self._labels, *self._unseen)
        for key, value in held.items():
            name = str(key)
            own = name if name in known else self._own.get(name) or partner_of(name, known)
            if own is None:
                raise DataError(
                    f"a probability is of what is no label here: {name!r}{nearest(name, known, least=LIKELY)}; "
                    f"the labels are {first_of([repr(each) for each in known], 8)}",
                    where=self._table.place(position),
                    hint="name the labels so, or take the column of probabilities out of the file",
                )
            if own in found:
                raise DataError(
                    f"the label {own!r} has two probabilities in one row",
                    where=self._table.place(position),
                    hint="give each label one",
                )
            self._own[name] = own
            found[own] = value
        return found


def _share(cell: Any, table: Table, position: int) -> float:
    value = float(cell) if isinstance(cell, bool) else number(cell)
    if value is None or not math.isfinite(value) or value < 0:
        raise DataError(
            f"the probability {cell!r} is not a number from 0 to 1",
            where=table.place(position),
            hint="write a probability; where columns are no probabilities, name them otherwise",
        )
    return value


def _of_answers(
    table: Table, column: str, labels: Sequence[str], targets: Mapping[int, Target]
) -> tuple[dict[int, tuple[float, ...]] | None, tuple[str, ...]]:
    """The probability of the answer alone; what is left goes to the other labels in equal parts."""
    cells = table.read(column)
    cells = [cell.strip().removesuffix("%").strip() if isinstance(cell, str) else cell for cell in cells]
    if any(is_missing(cells[i]) or number(cells[i]) is None for i in targets):
        return None, (f"column {column!r} is not used: not every answer has a number in it",)
    values = {i: _share(cells[i], table, i) for i in targets}
    percent = max(values.values()) > 1
    if percent:
        values = {i: each / 100.0 for i, each in values.items()}
    least = 1.0 / len(labels)
    if max(values.values()) > 1 or min(values.values()) < least - 1e-9:
        return None, (
            f"column {column!r} is not used: a probability of the answer lies from {least:.2g} to 1, or 100%, and it "
            "holds others",
        )
    others = max(len(labels) - 1, 1)
    shares = {
        i: tuple(values[i] if label == targets[i] else (1.0 - values[i]) / others for label in labels) for i in targets
    }
    what = "percentages" if percent else "probabilities"
    said = f"column {column!r} is read as {what} of the answers; what is left is shared by the other labels alike"
    return shares, (f"{said} (name it otherwise to leave it out)",)


def likeliest(table: Table, columns: ShareColumns, splits: Splits, positions: Sequence[int]) -> dict[int, Target]:
    """Answers where only probabilities are given: the likeliest label, or each of one half and more."""
    found: dict[int, Target] = {}
    read = _Rows(table, columns, splits)
    for i in positions:
        row = read.at(i)
        if row is None:
            continue
        if task_of(splits.task).shape == "labels":
            found[i] = tuple(label for label, share in zip(splits.labels, row, strict=True) if share >= 0.5)
        else:
            found[i] = splits.labels[row.index(max(row))]
    return found
