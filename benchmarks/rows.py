"""The rows that all contenders share, in one folder that each of them reads.

In: any source that liftune reads.  Out: train.jsonl in one shuffled order, validation.jsonl, test.jsonl.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from liftune.data import load_data
from liftune.data.splits import Split, Splits
from liftune.spec import DataSpec
from liftune.tasks import TaskKind

Pairs = list[tuple[str, str]]
"""(text, label) of each row."""


def read(train: str, test: str | None, *, test_rows: int | None = None) -> Splits:
    """Train, validation and test of a source; validation is carved from train where the source has none.

    Raises:
        LiftuneError: it cannot be read.
        ValueError: the rows are not single texts with one label each.
    """
    splits = load_data(DataSpec(source=train, test=test, test_rows=test_rows))
    if splits.task is not TaskKind.SINGLE_LABEL or splits.pairs:
        raise ValueError("the benchmarks compare single texts with one label each")
    return splits


def write(splits: Splits, folder: Path, *, rows: int | None, validation_rows: int | None, stretch: bool = False) -> int:
    """Write the three parts; a contender that is given fewer train rows takes the first ones.

    Args:
        rows: of train; None takes all.
        stretch: repeat train's rows, each time with a number behind the text, where there are fewer.

    Returns:
        how many train rows there are.
    """
    train = listed(splits.train)
    train = [train[i] for i in np.random.default_rng(0).permutation(len(train))]
    if stretch and rows is not None:
        train = stretched(train, rows)
    train = train[:rows]
    folder.mkdir(parents=True, exist_ok=True)
    parts = {
        "train": train,
        "validation": listed(splits.validation)[:validation_rows],
        "test": listed(splits.test),
    }
    for name, part in parts.items():
        lines = (json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n" for text, label in part)
        (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
    return len(train)


def listed(split: Split) -> Pairs:
    """A part's texts and labels."""
    return [(str(text), str(label)) for text, label in zip(split.rows, split.targets, strict=True)]


def stretched(rows: Sequence[tuple[str, str]], count: int) -> Pairs:
    """So many rows: each time round, a number is added to the text, so that no two are equal.

    >>> stretched([("a", "x"), ("b", "y")], 3)
    [('a', 'x'), ('b', 'y'), ('a 1', 'x')]
    """
    repeated = []
    for i in range(count):
        again, place = divmod(i, len(rows))
        text, label = rows[place]
        repeated.append((f"{text} {again}" if again else text, label))
    return repeated
