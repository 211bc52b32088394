"""Rows in memory: a Split is one part of the data, Splits is all of it, ready for a run.

In: parsed rows.  Out: frozen values.  Not here: reading files (readers/), dividing rows (sampling.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from numpy.typing import NDArray

from liftune.records.base import RowCounts, TextColumns
from liftune.records.data import Audit
from liftune.tasks import TaskKind, task_of
from liftune.types import Row, Target


@dataclass(frozen=True)
class KeptColumn:
    """A column that is kept with the rows, by whose values they are scored in slices: see `--slices`."""

    name: str
    values: tuple[str | None, ...]
    """(N,) as texts; None where the cell is blank."""


@dataclass(frozen=True)
class Split:
    """One part of the data. Row ids say where a row came from ("test:17"), so that runs can be paired."""

    ids: tuple[str, ...]
    rows: tuple[Row, ...]
    targets: tuple[Target, ...]
    groups: tuple[str, ...] | None = None
    """Each row's group (an author, a document), if `--group` names a column."""
    kept: tuple[KeptColumn, ...] = ()
    """Columns that `--slices` names."""

    def __len__(self) -> int:
        return len(self.ids)

    def take(self, positions: Sequence[int]) -> Split:
        """The rows at these positions, in this order."""
        return Split(
            tuple(self.ids[i] for i in positions),
            tuple(self.rows[i] for i in positions),
            tuple(self.targets[i] for i in positions),
            None if self.groups is None else tuple(self.groups[i] for i in positions),
            kept_at(self.kept, positions),
        )

    def joined(self, other: Split) -> Split:
        """These rows, and another part's after them; a kept column that one of them lacks is blank in its rows."""
        groups = None if self.groups is None or other.groups is None else self.groups + other.groups
        own, others = ({each.name: each.values for each in part.kept} for part in (self, other))
        blank = (None,) * len(self), (None,) * len(other)
        kept = tuple(
            KeptColumn(name, own.get(name, blank[0]) + others.get(name, blank[1]))
            for name in dict.fromkeys([*own, *others])
        )
        return Split(self.ids + other.ids, self.rows + other.rows, self.targets + other.targets, groups, kept)


def kept_at(kept: Sequence[KeptColumn], positions: Sequence[int] | NDArray[Any]) -> tuple[KeptColumn, ...]:
    """The columns' values at these positions, in this order."""
    return tuple(KeptColumn(each.name, tuple(each.values[i] for i in positions)) for each in kept)


class BecomesSplits(Protocol):
    """Rows in memory of whatever kind."""

    def to_splits(self) -> Splits:
        """Train, validation and test."""


@dataclass(frozen=True)
class Splits:
    """Train, validation and test of one data set, audited."""

    task: TaskKind
    labels: tuple[str, ...]
    """The labels that train has: sorted, or in the order of a trained head (`for_labels`). Empty for regression."""
    unseen: tuple[str, ...]
    """Labels that only validation or test have."""
    train: Split
    validation: Split
    test: Split
    audit: Audit
    partial: bool
    pairs: bool
    fingerprint: str
    """sha256 over ids, texts and targets of the test rows: what a comparison must share."""
    columns: TextColumns | None = None
    """Where the texts were read from; None where they were made in memory."""

    @property
    def counts(self) -> RowCounts:
        """Rows in each part."""
        return RowCounts(train=len(self.train), validation=len(self.validation), test=len(self.test))

    def to_splits(self) -> Splits:
        """Itself: see BecomesSplits."""
        return self

    def encoded(self, split: Split) -> NDArray[Any]:
        """Targets of a split as numbers over `labels + unseen`: see `Task.encode`."""
        return task_of(self.task).encode(split.targets, (*self.labels, *self.unseen))

    @property
    def outputs(self) -> int:
        """Columns of the logits of a model with these labels."""
        return task_of(self.task).outputs(self.labels)

    def for_labels(self, labels: Sequence[str]) -> Splits:
        """The same data for a model with these labels, in its order; labels that it lacks become unseen."""
        if not task_of(self.task).outputs_labels:
            return self
        lacking = sorted({*self.labels, *self.unseen} - set(labels))
        return replace(self, labels=tuple(labels), unseen=tuple(lacking))
