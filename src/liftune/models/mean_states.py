"""The mean of the states of a row's tokens, with gradients: what a start from pairs of rows trains.

In: a Classifier, collated batches.  Out: a tensor for each batch.
Not here: features as numbers (features.py), the training (training/contrast.py).
"""

from __future__ import annotations

from contextlib import nullcontext
from types import TracebackType
from typing import Any, Self

from torch import Tensor

from liftune.models.classifier import Classifier
from liftune.models.features import FeatureTap
from liftune.models.tokens.collator import pool_windows


class MeanStates:
    """A context in which a classifier's encoder is read with gradients: the mean of the states of a row's tokens."""

    def __init__(self, classifier: Classifier) -> None:
        self._classifier = classifier
        self._tap = FeatureTap(classifier.backbone)
        encoder = classifier.packed_encoder
        self._every: Any = encoder.every_position() if encoder else nullcontext()

    def __enter__(self) -> Self:
        self._every.__enter__()
        self._tap.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tap.__exit__(kind, error, trace)
        self._every.__exit__(kind, error, trace)

    def of(self, batch: dict[str, Tensor]) -> Tensor:
        """(B, D) of a collated batch."""
        self._classifier.forward(batch)
        return pool_windows(self._tap.mean(batch), batch)
