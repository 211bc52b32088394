"""Two balanced classes, 200 rows a split, for tests that need rows but no model."""

from __future__ import annotations

from liftune.data.splits import Split, Splits
from liftune.records.data import Audit
from liftune.tasks import TaskKind

N = 200


def _split(name: str) -> Split:
    ids = tuple(f"{name}:{i}" for i in range(N))
    return Split(ids, tuple(f"{name} {i}" for i in range(N)), tuple("ab"[i % 2] for i in range(N)))


SPLITS = Splits(
    TaskKind.SINGLE_LABEL,
    ("a", "b"),
    (),
    _split("train"),
    _split("validation"),
    _split("test"),
    Audit(),
    False,
    False,
    "f",
)
