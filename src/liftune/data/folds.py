"""All rows in folds: each row is test once, for models that saw neither it nor its equals.

In: all labelled rows as one part.  Out: Folds: K Splits to climb, and the one that the final adapter is tuned on.
Not here: reading rows (load.py), the climbing (folding.py).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from liftune.data.audit import fingerprint
from liftune.data.sampling import connected_groups, seeded_rng, split_off
from liftune.data.splits import Split, Splits
from liftune.errors import DataError
from liftune.tasks import TaskKind, task_of


@dataclass(frozen=True)
class Folds:
    """One data set, cut K times.

    Args:
        whole: every row as test, in the order of the file; the validation parts of all folds, one after the other.
        parts: K; each has one fold as test, and a validation part that was carved from its other folds.
        order: (N,) where each row of `whole.test` stands among the test rows of the parts, one after the other.
        final: for the adapter: all rows as train, less a carved validation part; no test.
    """

    whole: Splits
    parts: tuple[Splits, ...]
    order: NDArray[np.int64]
    final: Splits

    def for_labels(self, labels: Sequence[str]) -> Folds:
        """The same folds for a model with these labels: see `Splits.for_labels`."""
        whole, *parts = (each.for_labels(labels) for each in (self.whole, *self.parts))
        return replace(self, whole=whole, parts=tuple(parts), final=self.final.for_labels(labels))


def in_folds(rows: Splits, count: int, *, seed: int, validation_rows: int) -> Folds:
    """Cut all rows into folds.

    Args:
        rows: all of them in `train`.
        count: K.
        validation_rows: of each part's carved validation.

    Raises:
        DataError: there are fewer texts (or groups) than folds, or a fold leaves one class only to train on.
    """
    every = rows.train
    fold_of = assign_folds(every, count, rows.task, seed)
    members = [[i for i, fold in enumerate(fold_of) if fold == number] for number in range(count)]
    parts = []
    for number, tested in enumerate(members):
        rest = every.take([i for i, fold in enumerate(fold_of) if fold != number])
        parts.append(_part(rows, rest, every.take(tested), seed, validation_rows, name=f"fold {number + 1}"))
    validation = functools.reduce(Split.joined, (part.validation for part in parts))
    return Folds(
        whole=replace(rows, validation=validation, test=every, fingerprint=fingerprint(every)),
        parts=tuple(parts),
        order=np.argsort(np.concatenate([np.array(each, dtype=np.int64) for each in members])),
        final=_part(rows, every, every.take([]), seed, validation_rows, name="the saved adapter"),
    )


def _part(rows: Splits, rest: Split, test: Split, seed: int, validation_rows: int, *, name: str) -> Splits:
    kept, carved = split_off(rest, validation_rows, rows.task, seed, name=f"validation of {name}", where=name)
    train = rest.take(kept)
    if len(set(train.targets)) < 2:
        raise DataError(
            f"without its test and validation rows, {name} has one target only to train on: {train.targets[0]!r}",
            where="--folds",
            hint="add rows of another target",
        )
    return replace(rows, train=train, validation=rest.take(carved), test=test, fingerprint=fingerprint(test))


def assign_folds(split: Split, count: int, task: TaskKind, seed: int) -> tuple[int, ...]:
    """The fold, 0 to K - 1, of each row.

    Rows of equal text (and pair), and rows of one group, stay together. Folds are filled so that each holds each class
    in proportion, and about as many rows as any other: blocks of rows go, the largest first and equals by lot, to the
    fold that is shortest of their classes.

    Raises:
        DataError: there are fewer blocks than folds.
    """
    blocks = connected_groups(split.rows, split.groups)
    if len(blocks) < count:
        what = "texts" if split.groups is None else "groups of rows"
        raise DataError(
            f"{len(blocks)} different {what} do not fill {count} folds",
            where="--folds",
            hint="give fewer folds, or more rows",
        )
    kinds = task_of(task).strata(split.targets)
    totals = Counter(kinds)
    rng = seeded_rng(seed, "folds")
    rng.shuffle(blocks)
    blocks.sort(key=len, reverse=True)
    filled: list[Counter[Hashable]] = [Counter() for _ in range(count)]
    sizes = [0] * count
    fold_of = [0] * len(split)
    for block in blocks:
        brought = Counter(kinds[i] for i in block)
        # Squares, so that the fold with the least of a class grows least by it; each class in its own proportion.
        costs = [
            sum((2 * held[kind] + rows) * rows / totals[kind] for kind, rows in brought.items()) for held in filled
        ]
        least = min(costs)
        best = [fold for fold in range(count) if costs[fold] <= least + 1e-12]
        fold = min(best, key=lambda fold: sizes[fold])
        filled[fold] += brought
        sizes[fold] += len(block)
        for i in block:
            fold_of[i] = fold
    return tuple(fold_of)
