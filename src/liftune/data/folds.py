"""Rows in folds: each row is held out once, from models that saw neither it nor its equals.

In: labelled rows as one part.  Out: each row's fold; for cross-validation, Folds: K Splits to evaluate on, and the one
that the final adapter is tuned on.
Not here: reading rows (load.py), cross-validation itself (workflows/cross_validation.py).
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from liftune.data.audit import fingerprint
from liftune.data.clusters import Blocks, connected
from liftune.data.coverage import coverage, rows_by_label
from liftune.data.sampling import seeded_rng, split_off
from liftune.data.splits import Split, Splits
from liftune.errors import DataError
from liftune.tasks import TaskKind, task_of

#: Where their number is not asked for: calibration, thresholds, soft labels, label errors.
FOLDS = 5
#: With fewer rows, all of them are tested, out of fold, by default: a tenth of them would show gains above 13 points
#: only.
FEW_ROWS = 500
#: Folds of so few rows; and where either a fit takes little time, or a label would lose more than one row in ten.
_FEW_FOLDS, _MORE_FOLDS = 5, 10
_FEWEST_ROWS, _RARE_ROWS = 100, 10


@dataclass(frozen=True)
class Folds:
    """One data set, cut K times.

    Args:
        whole: every row as test, in the order of the file; the validation parts of all folds, one after the other.
        parts: K; each has one fold as test, and a validation part that was split off from its other folds.
        order: (N,) where each row of `whole.test` stands among the test rows of the parts, one after the other.
        final: for the adapter: all rows as train, less a validation part that was split off; no test.
    """

    whole: Splits
    parts: tuple[Splits, ...]
    order: NDArray[np.int64]
    final: Splits

    def for_labels(self, labels: Sequence[str]) -> Folds:
        """The same folds for a model with these labels: see `Splits.for_labels`."""
        whole, *parts = (each.for_labels(labels) for each in (self.whole, *self.parts))
        return replace(self, whole=whole, parts=tuple(parts), final=self.final.for_labels(labels))


def folds_of_few(parts: Mapping[str, Split]) -> int | None:
    """How many folds `--folds auto` takes; None where it takes none: many rows, or a part beside train was given.

    5, of which each leaves four fifths of the rows to train on; 10, which leave nine tenths and take twice the time,
    where that is short (under 100 rows), or where a label has fewer than 10 rows, of which it should lose but one.
    Never more than there are different texts or groups.

    Args:
        parts: role -> its rows, as the data give them.
    """
    if set(parts) != {"train"} or len(parts["train"]) >= FEW_ROWS:
        return None
    rows = parts["train"]
    rarest = min(rows_by_label(rows).values(), default=len(rows))
    wanted = _MORE_FOLDS if len(rows) < _FEWEST_ROWS or rarest < _RARE_ROWS else _FEW_FOLDS
    count = min(wanted, len(connected(rows.rows, rows.groups).members))
    return count if count > 1 else None


def in_folds(rows: Splits, count: int, *, seed: int, validation_rows: int) -> Folds:
    """Cut all rows into folds.

    Args:
        rows: all of them in `train`.
        count: K.
        validation_rows: of the validation part that is split off from each.

    Near duplicates, by the audit's similarity, stay in one fold; those of chains too long for it are named as near
    leaks, and what was kept together is noted.

    Raises:
        DataError: there are fewer texts (or groups) than folds, or a fold leaves one class only to train on.
    """
    every = rows.train
    blocks = connected(every.rows, every.groups, near=rows.audit.near_duplicates or 0.0)
    fold_of = _assigned(every, blocks, count, rows.task, seed)
    apart = sorted({i for pair in blocks.apart if fold_of[pair[0]] != fold_of[pair[1]] for i in pair})
    members = [[i for i, fold in enumerate(fold_of) if fold == number] for number in range(count)]
    parts = []
    for number, tested in enumerate(members):
        others = [i for i, fold in enumerate(fold_of) if fold != number]
        name, test = f"fold {number + 1}", every.take(tested)
        parts.append(_part(rows, every.take(others), test, blocks.among(others), seed, validation_rows, name=name))
    validation = functools.reduce(Split.joined, (part.validation for part in parts))
    final = _part(rows, every, every.take([]), blocks, seed, validation_rows, name="the saved adapter")
    audit = rows.audit.model_copy(
        update={
            "coverage": coverage(every, final.validation, every),
            "near_leaked_test_rows": len(apart),
            "near_leaked_ids": tuple(every.ids[i] for i in apart),
            "notes": (*rows.audit.notes, *blocks.notes()),
        }
    )
    return Folds(
        whole=replace(rows, validation=validation, test=every, fingerprint=fingerprint(every), audit=audit),
        parts=tuple(parts),
        order=np.argsort(np.concatenate([np.array(each, dtype=np.int64) for each in members])),
        final=final,
    )


def _part(
    rows: Splits, rest: Split, test: Split, blocks: Blocks, seed: int, validation_rows: int, *, name: str
) -> Splits:
    part = f"validation of {name}"
    kept, split_rows = split_off(rest, validation_rows, rows.task, seed, name=part, where=name, blocks=blocks)
    train = rest.take(kept)
    if len(set(train.targets)) < 2:
        raise DataError(
            f"without its test and validation rows, {name} has one target only to train on: {train.targets[0]!r}",
            where="--folds",
            hint="add rows of another target",
        )
    return replace(rows, train=train, validation=rest.take(split_rows), test=test, fingerprint=fingerprint(test))


def assign_folds(split: Split, count: int, task: TaskKind, seed: int, *, near: float = 0.0) -> tuple[int, ...]:
    """The fold, 0 to K - 1, of each row.

    Rows of equal text (and pair), near duplicates, and rows of one group stay together: see `connected`. Folds are
    filled so that each holds each class in proportion, and about as many rows as any other: blocks of rows go, the
    largest first and equals in random order, to the fold that is shortest of their classes.

    Args:
        near: least similarity of near duplicates; 0 links none.

    Raises:
        DataError: there are fewer texts (or groups) than folds.
    """
    return _assigned(split, connected(split.rows, split.groups, near=near), count, task, seed)


def _assigned(split: Split, linked: Blocks, count: int, task: TaskKind, seed: int) -> tuple[int, ...]:
    """The same by given blocks, unless near duplicates leave too few of them."""
    blocks = linked.members
    if len(blocks) < count:
        blocks = connected(split.rows, split.groups).members
    if len(blocks) < count:
        what = "texts" if split.groups is None else "groups of rows"
        raise DataError(
            f"{len(blocks)} different {what} do not fill {count} folds",
            where="--folds",
            hint="give fewer folds, or more rows",
        )
    return _fill(list(blocks), task_of(task).strata(split.targets), count, seed)


def folds_for_fitting(
    split: Split, task: TaskKind, *, most: int = FOLDS, least: int = 2, seed: int = 0, near: float = 0.0
) -> NDArray[np.int64] | None:
    """(N,) the fold of each row, to fit on all folds but one and judge on that one: see `assign_folds`.

    Args:
        most: folds, where so many different texts (or groups) fill them; otherwise as many as there are.
        near: least similarity of near duplicates; 0 links none.

    Returns:
        None where fewer than `least` folds can be filled.
    """
    blocks = connected(split.rows, split.groups, near=near).members
    count = min(most, len(blocks))
    if near and count < least:
        blocks = connected(split.rows, split.groups).members
        count = min(most, len(blocks))
    if count < least:
        return None
    return np.array(_fill(blocks, task_of(task).strata(split.targets), count, seed), dtype=np.int64)


def _fill(blocks: list[list[int]], classes: Sequence[Hashable], count: int, seed: int) -> tuple[int, ...]:
    """The fold of each row, from blocks of positions that stay together and the class of each row."""
    totals = Counter(classes)
    rng = seeded_rng(seed, "folds")
    rng.shuffle(blocks)
    blocks.sort(key=len, reverse=True)
    held: dict[Hashable, list[int]] = {each: [0] * count for each in totals}
    sizes = [0] * count
    fold_of = [0] * len(classes)
    for block in blocks:
        # Squares, so that the fold with the least of a class grows least by it; each class in its own proportion.
        costs = [0.0] * count
        brought = Counter([classes[i] for i in block]).items() if len(block) > 1 else ((classes[block[0]], 1),)
        for each, rows in brought:
            total = totals[each]
            costs = [cost + (2 * have + rows) * rows / total for cost, have in zip(costs, held[each], strict=True)]
        lowest = min(costs) + 1e-12
        fold = min((size, fold) for fold, size in enumerate(sizes) if costs[fold] <= lowest)[1]
        for each, rows in brought:
            held[each][fold] += rows
        sizes[fold] += len(block)
        for i in block:
            fold_of[i] = fold
    return tuple(fold_of)
