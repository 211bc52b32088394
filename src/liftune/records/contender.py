"""The card of a saved contender that is no adapter: majority, tf-idf, the base as it is, the probe, contrastive.

In: values.  Out: a ContenderCard, as contender.json holds it.
Not here: its arrays (baselines/saved.py, models/frozen.py), a tuned model's card (training.py).
"""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from liftune.records.base import SealedRecord, TextColumns
from liftune.records.calibration import Cutoff, Thresholds, check_thresholds
from liftune.records.training import AdapterCard
from liftune.tasks import TaskKind

#: In the place of a method, where a pretrained model is as it was.
AS_IT_IS = "base"


class ContenderCard(SealedRecord):
    """contender.json: with the files beside it, all that is needed to predict as the run scored this contender."""

    liftune: str
    name: str
    """The contender's: majority, tfidf, base, probe or contrastive."""
    task: TaskKind
    labels: tuple[str, ...]
    pairs: bool = False
    columns: TextColumns | None = None
    """Where its texts were read from; null where they were in memory, or nobody kept it."""
    settings: dict[str, Any] = Field(default_factory=dict)
    """What was chosen in its fit, and numbers that need no file of arrays."""
    base: AdapterCard | None = None
    """The pretrained model that it reads texts with, described as an adapter's card does; null for one that reads words
    alone. Of an encoder that was started from pairs of rows it names the method whose adapter lies beside it."""
    thresholds: Thresholds | None = None
    """Multi-label: its own, as it was scored; null is one half for all."""
    base_thresholds: Thresholds | None = None
    """The same of the base, with --with-base."""
    cutoffs: tuple[Cutoff, ...] = ()
    """Single-label: what abstaining below each confidence gave on validation."""

    @model_validator(mode="after")
    def _one_threshold_a_label(self) -> Self:
        check_thresholds(self.labels, self.thresholds, self.base_thresholds)
        return self

    @property
    def reads_features(self) -> bool:
        """Whether it is a linear model on features of a pretrained model, and no transformer with a head."""
        return self.base is not None and "pooling" in self.settings

    @property
    def has_adapter(self) -> bool:
        """Whether an adapter of its pretrained model's lies beside the card."""
        return self.base is not None and self.base.method != AS_IT_IS

    @property
    def method(self) -> str:
        """How it was made, where an adapter's card names its method."""
        return self.name
