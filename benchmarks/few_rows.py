"""The rows of `few`: a few of each label to train on, and a thousand to answer, the same for all contenders.

In: folders with train and test (and validation) files of texts and labels.  Out: cells; for each, two lists of rows.
Not here: any contender. Nothing but the standard library is imported, so that an environment without liftune reads it.
"""

from __future__ import annotations

import csv
import json
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

Rows: TypeAlias = list[tuple[str, str]]
"""(text, label) of each row."""

TEST_ROWS = 1_000
#: Rows a label of every set, and of the binary sets that are also tried with more.
SIZES, MORE = (8, 16), 64


@dataclass(frozen=True)
class Cell:
    """One draw of some rows a label from one set."""

    folder: str
    rows_a_label: int
    draw: int

    @property
    def set(self) -> str:
        """The set's name."""
        return Path(self.folder).name

    @property
    def name(self) -> str:
        """As files are called."""
        return f"{self.set}-{self.rows_a_label}-{self.draw}"

    def to_json(self) -> str:
        """One line."""
        return json.dumps(asdict(self))

    def rows(self) -> tuple[Rows, Rows]:
        """Train and test. Train is drawn anew for every draw; no text stands in it twice, or in test too."""
        pool, test = _parts(self.folder)
        known = {text for text, _ in test}
        by_label: dict[str, list[str]] = defaultdict(list)
        for text, label in pool:
            if text not in known:
                known.add(text)
                by_label[label].append(text)
        rng = random.Random(f"{self.set} {self.rows_a_label} {self.draw}")
        train = [(text, label) for label in sorted(by_label) for text in rng.sample(by_label[label], self.rows_a_label)]
        rng.shuffle(train)
        return train, test


def cells(folders: Sequence[str], more: Sequence[str], draws: Sequence[int]) -> Iterator[Cell]:
    """Every cell, the first draw of all of them first, and of a draw those that are soon done.

    Args:
        more: of the folders, those that are also tried with MORE rows a label.
    """
    for draw in draws:
        for size in (*SIZES, MORE):
            for folder in folders if size != MORE else more:
                yield Cell(folder, size, draw)


@cache
def _parts(folder: str) -> tuple[Rows, Rows]:
    """What train rows are drawn from; and the rows to answer: of test, then of validation, then of train, which those
    leave."""
    train, test, validation = (_read(Path(folder), name) for name in ("train", "test", "validation"))
    rng = random.Random(0)
    for rows in (train, test, validation):
        rng.shuffle(rows)
    taken = (test + validation)[:TEST_ROWS]
    lacking = TEST_ROWS - len(taken)
    return train[lacking:], taken + train[:lacking]


def _read(folder: Path, name: str) -> Rows:
    """The rows of a part; none where there is no such file."""
    path = next((each for each in sorted(folder.iterdir()) if each.name.startswith(f"{name}.")), None)
    if path is None:
        return []
    with path.open(encoding="utf-8", newline="") as file:
        if path.suffix == ".jsonl":
            records = [json.loads(line) for line in file]
        else:
            tabs = path.suffix == ".tsv"
            reader = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.DictReader(file)
            records = list(reader)
    return [(str(each["text"]), str(each["label"])) for each in records if str(each["text"]).strip()]
