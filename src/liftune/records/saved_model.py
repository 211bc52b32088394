"""What `liftune report` says of a model that lies by itself: an adapter, a whole model or a bundle, without its run.

Not here: how it is found (workflows/saved_report.py), how it is shown (reports/saved_model.py).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from liftune.records.base import Interval, Record, StoredRecord
from liftune.tasks import TaskKind
from liftune.types import LongRule


class CardScore(Record):
    """A score as the model's card, README.md, has it: nothing seals it."""

    metric: str
    score: Interval
    data: str = ""
    """The data set that the card names."""


class SavedModelRecord(StoredRecord):
    """What a model by itself holds: its card, and no rows."""

    sections_from: ClassVar[str] = "liftune.reports.saved_model:saved_model_sections"

    path: str
    """A folder or hub id, as it was given."""
    kind: Literal["adapter", "whole model", "bundle", "contender"]
    by: Literal["liftune", "others"]
    task: TaskKind | None = None
    """Null where it cannot be told of a model of others; so are labels and length."""
    labels: tuple[str, ...] = ()
    method: str = ""
    base: str = ""
    max_length: int | None = None
    """Tokens read of each text; null where all of it is read."""
    long: LongRule = "cut"
    """What is read of texts of more tokens."""
    pairs: bool = False
    files: tuple[str, ...] = ()
    """Names of what is there."""
    has_card: bool = False
    """Whether there is a README.md."""
    scores: tuple[CardScore, ...] = ()
    notes: tuple[str, ...] = ()
