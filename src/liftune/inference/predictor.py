"""What every model that is loaded does, with torch or without: `Predictor`.

In: rows.  Out: Predictions.
Not here: loading one (opening.py), its kinds (adapter_predictor.py, onnx_bundle.py), files of rows (files.py). Nothing
here imports torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from liftune.inference.prediction import Prediction, predictions_of_logits
from liftune.inference.reload import Reloadable, worded
from liftune.inference.rows import Given, rows_of
from liftune.records.base import Head, TextColumns
from liftune.tasks import TaskKind
from liftune.types import Row

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from liftune.hardware.memory import Attempts
    from liftune.inference.bundle_card import BundleCard
    from liftune.records.contender import ContenderCard
    from liftune.records.training import AdapterCard

Card: TypeAlias = "AdapterCard | ContenderCard | BundleCard"


class Predictor(Reloadable, ABC):
    """A tuned model that is loaded: an AdapterPredictor, or a Bundle. Threads may share it.

    Attributes:
        card: what the model says of itself: thresholds, cutoffs, and more.
        min_precision: the precision by which it abstains; None where it predicts every row.
        note: what to say of it, such as why it is not the tuned model; empty where there is nothing to say.
    """

    card: Card
    note: str = ""

    def __init__(self, card: Card, *, min_precision: float | None = None) -> None:
        self.card, self.min_precision = card, min_precision

    @property
    def pairs(self) -> bool:
        """Whether a row is two texts."""
        return self.card.pairs

    @property
    def columns(self) -> TextColumns | None:
        """Where its texts were read from; None where nobody kept it."""
        return self.card.columns

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `logits`; none for a regression."""
        return self.card.labels

    @property
    def task(self) -> TaskKind:
        """What it predicts."""
        return self.card.task

    @property
    def thresholds(self) -> tuple[float, ...] | None:
        """Of each label of a multi-label model, the probability from which on it is predicted; None is one half."""
        return self.card.thresholds

    @property
    def base_head(self) -> Head | None:
        """Whether the base model's head was trained by anyone; None where the base model does not predict too."""
        return None

    @abstractmethod
    def note_passes(self, note: Attempts) -> None:
        """Note each pass before it is computed; try none that an earlier process may have died of."""

    @abstractmethod
    def as_read(self, row: Row) -> Hashable | None:
        """The tokens that are read of a row, to be compared; None of what reads words, however many."""

    @worded
    def logits(self, rows: Given) -> NDArray[np.float32]:
        """(N, C) float32, in input order: a Scorer."""
        return self._logits(self._rows(rows))

    @worded
    def predict(self, rows: Given, *, min_precision: float | None = None) -> list[Prediction]:
        """One prediction per row, in order.

        Args:
            rows: one text, any iterable of texts, or of (text, text) tuples for a model of pairs; a mapping of the
                columns that the model was tuned on in the place of any row.
            min_precision: the share of predictions that must be right, as far as validation data can support it;
                rows of which the model is too unsure get no label. None takes the one given when it was loaded.

        Raises:
            DataError: a row is no text, or no pair where the model was tuned on pairs; it names the row.
            SpecError: validation data cannot support that precision.
        """
        given = self._rows(rows)
        above = confidence_for(self.card, self.min_precision if min_precision is None else min_precision)
        return predictions_of_logits(
            given, self._logits(given), labels=self.labels, task=self.task, thresholds=self.thresholds, above=above
        )

    def _rows(self, given: Given) -> list[Row]:
        return rows_of(given, pairs=self.pairs, columns=self.columns)

    @abstractmethod
    def _logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(N, C) float32, in input order, of rows that have been checked."""


def confidence_for(card: Card, min_precision: float | None) -> float | None:
    """The probability above which a row gets a label; None where every row gets one.

    Raises:
        SpecError: validation data cannot support that precision.
    """
    if min_precision is None:
        return None
    from liftune.evaluation.selective import cutoff_for  # most models label every row, and start without it

    return cutoff_for(card.cutoffs, min_precision).above
