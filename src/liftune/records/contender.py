"""The card of a saved contender that is no adapter: majority, tf-idf, the base as it is, the probe.

In: values.  Out: a ContenderCard, as contender.json holds it.
Not here: its arrays (baselines/saved.py, models/frozen.py), a tuned model's card (training.py).
"""

from __future__ import annotations

from typing import Any

from pydantic import Field

from liftune.records.base import StoredRecord, TextColumns
from liftune.records.calibration import Cutoff
from liftune.records.training import AdapterCard
from liftune.tasks import TaskKind


class ContenderCard(StoredRecord):
    """contender.json: with the files beside it, all that is needed to predict as the run scored this contender."""

    liftune: str
    name: str
    """The contender's: majority, tfidf, base or probe."""
    task: TaskKind
    labels: tuple[str, ...]
    pairs: bool = False
    columns: TextColumns | None = None
    """Where its texts were read from; null where they were in memory, or nobody kept it."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What was chosen in its fit, and numbers that need no file of arrays."""
    base: AdapterCard | None = None
    """The pretrained model that it reads texts with, described as an adapter's card does; null for one that reads words
    alone."""
    thresholds: tuple[float, ...] | None = None
    """Multi-label: its own, as it was scored; null is one half for all."""
    base_thresholds: tuple[float, ...] | None = None
    """The same of the base, with --with-base."""
    cutoffs: tuple[Cutoff, ...] = ()
    """Single-label: what abstaining below each confidence gave on validation."""

    @property
    def method(self) -> str:
        """How it was made, where an adapter's card names its method."""
        return self.name
