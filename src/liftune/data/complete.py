"""The parts that data lack, split off from train; or all parts as one, for folds.

In: the parts that there are.  Out: train, validation and test.
Not here: which rows (sampling.py), which part is which (split_roles.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from liftune.data.clusters import Blocks, connected
from liftune.data.sampling import split_off
from liftune.data.split_names import given_role
from liftune.data.splits import Split
from liftune.errors import amount
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

#: Share of the rows that is split off for each missing part, and the most rows of a validation part that is split off:
#: it is scored after every epoch, and more rows would not choose the epoch better.
VALIDATION_SHARE = 0.1
MOST_SPLIT_OFF_VALIDATION = 2_000
#: With --train-rows N, a validation part that is split off is at most a fourth of N, but not fewer than this.
LEAST_CAPPED_VALIDATION = 200


@dataclass(frozen=True)
class Parts:
    """Train, validation and test, none missing."""

    train: Split
    validation: Split
    test: Split
    validation_from_train: bool
    notes: tuple[str, ...] = field(default=())
    test_was_validation: bool = False


def complete(splits: Mapping[str, Split], task: TaskKind, spec: DataSpec, where: str) -> Parts:
    """Add the parts that the data lack, from train alone."""
    train, validation, test = splits["train"], splits.get("validation"), splits.get("test")
    notes: tuple[str, ...] = ()
    given = spec.validation is not None or any(
        name and given_role(role, spec.source) == "validation" for role, name in spec.split.items()
    )
    test_was_validation = test is None and validation is not None and not given
    if test_was_validation:
        test, validation = validation, None
        notes += ("no test part: validation is used as test, and a new validation part was split off from train",)
    # Sizes are shares of all rows, so that one file gives 80%, 10% and 10%.
    share = round(VALIDATION_SHARE * len(train))
    cut = test is None or validation is None
    blocks = connected(train.rows, train.groups, near=spec.near_duplicates) if cut else Blocks([])
    linked = blocks.notes()
    if test is None:
        kept, taken = split_off(train, max(1, share), task, spec.seed, name="test", where=where, blocks=blocks)
        train, test, blocks = train.take(kept), train.take(taken), blocks.among(kept)
        were = amount(len(test), "row was", "rows were")
        notes += (f"no test part: {were} split off from train, equal texts kept together",)
    validation_from_train = validation is None
    if validation is None:
        size = validation_rows(share, spec)
        kept, taken = split_off(train, size, task, spec.seed, name="validation", where=where, blocks=blocks)
        train, validation = train.take(kept), train.take(taken)
        notes += (f"no validation part: {amount(len(validation), 'row was', 'rows were')} split off from train",)
    notes += linked
    return Parts(train, validation, test, validation_from_train, notes, test_was_validation)


def in_one_part(splits: Mapping[str, Split]) -> Parts:
    """Every part's rows as train."""
    rows = splits["train"]
    for role in ("validation", "test"):
        if role in splits:
            rows = rows.joined(splits[role])
    nothing = rows.take([])
    notes = (f"rows of {', '.join(splits)} together: each is tested out of fold",) if len(splits) > 1 else ()
    return Parts(rows, nothing, nothing, validation_from_train=False, notes=notes)


def validation_rows(share: int, spec: DataSpec) -> int:
    """How many rows of a wanted share become a validation part that is split off."""
    most = MOST_SPLIT_OFF_VALIDATION
    if spec.train_rows is not None:
        most = min(most, max(LEAST_CAPPED_VALIDATION, spec.train_rows // 4))
    return max(1, min(share, most))
