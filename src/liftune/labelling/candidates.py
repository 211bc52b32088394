"""The rows of a pool as a model sees them: logits, margins and features, each worked out when it is asked for.

In: rows, a Predictor.  Out: arrays.
Not here: choosing among them (strategies.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from liftune.progress import Progress
from liftune.tasks import ThresholdValues, task_of
from liftune.types import FloatArray, IntArray, Row

if TYPE_CHECKING:
    from liftune.inference.predictor import Predictor

#: Rows of one step of the bar.
_CHUNK = 512
#: Dimensions of words, where a model has no features of its own.
_DIMENSIONS = 64


class PredictedRows:
    """Candidates of a Predictor.

    Attributes:
        by_words: whether features were those of words, as the model has none.
    """

    def __init__(self, predictor: Predictor, rows: Sequence[Row], progress: Progress) -> None:
        self._predictor, self._rows, self._progress = predictor, list(rows), progress
        self.by_words = False

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def _thresholds(self) -> ThresholdValues | None:
        card: Any = getattr(self._predictor, "card", None)
        thresholds: ThresholdValues | None = getattr(card, "thresholds", None)
        return thresholds

    @cached_property
    def _logits(self) -> FloatArray:
        return self._read("margins", range(len(self)), self._predictor.logits)

    @cached_property
    def margins(self) -> FloatArray | None:
        """As of Candidates."""
        task = task_of(self._predictor.task)
        return task.margins(self._logits, self._thresholds) if task.has_probabilities else None

    def features(self, positions: IntArray) -> FloatArray:
        """(M, D) what the model's last layer reads of some rows; of words where it has no such layer."""
        read = getattr(self._predictor, "features", lambda rows: None)
        first = read([self._rows[i] for i in positions[:1]])
        if first is None:
            self.by_words = True
            return of_words([self._rows[i] for i in positions])
        return self._read("features", positions.tolist(), read)

    def _read(self, what: str, positions: Sequence[int], read: Any) -> FloatArray:
        """(M, D) of rows, some at a time, those of like length together."""
        order = sorted(positions, key=lambda i: -_length(self._rows[i]))
        blocks = []
        with self._progress.bar(what, len(order)) as advance:
            for start in range(0, len(order), _CHUNK):
                block = order[start : start + _CHUNK]
                blocks.append(np.asarray(read([self._rows[i] for i in block])))
                advance(len(block))
        places = {position: i for i, position in enumerate(order)}
        return np.concatenate(blocks)[[places[position] for position in positions]]


def _length(row: Row) -> int:
    return len(row) if isinstance(row, str) else sum(map(len, row))


def of_words(rows: Sequence[Row]) -> FloatArray:
    """(N, D) of texts by their words: tf-idf, of which the main directions are kept.

    Source: Deerwester et al. (1990), latent semantic analysis.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = [row if isinstance(row, str) else " ".join(row) for row in rows]
    try:
        counts = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\w+").fit_transform(texts)
    except ValueError:  # not a word in any of them
        return np.array([[1.0, float(len(text))] for text in texts])
    most = min(_DIMENSIONS, min(counts.shape) - 1)
    return np.asarray(TruncatedSVD(most, random_state=0).fit_transform(counts) if most > 0 else counts.toarray())
