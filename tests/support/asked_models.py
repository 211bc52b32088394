"""A predictor whose answers stand in the texts, for tests of what is chosen: `joy 0.7 some words`.

In: texts.  Out: a Predictor without any model.
Not here: assertions.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from liftune.inference.predictor import Predictor
from liftune.tasks import TaskKind, task_of
from liftune.types import Row


class AskedModel(Predictor):
    """The number in a text is the first label's probability, or the value of a regression; 0.99 where there is none."""

    def __init__(self, task: TaskKind, labels: tuple[str, ...], *, pairs: bool = False, features: bool = True) -> None:
        super().__init__(
            SimpleNamespace(task=task, labels=labels, pairs=pairs, columns=None, thresholds=None, cutoffs=())
        )
        self._has_features = features
        self.asked: list[int] = []
        """How many rows each call was about."""

    def note_passes(self, note: Any) -> None:
        """There are none."""

    def as_read(self, row: Row) -> None:
        """It reads words."""

    def _logits(self, rows: Sequence[Row]) -> Any:
        """(N, C): of several labels the first alone is unsure."""
        self.asked.append(len(rows))
        shares = np.array([_number(row) for row in rows])
        if self.task is TaskKind.REGRESSION:
            return shares[:, None].astype(np.float32)
        odds = np.log(shares) - np.log1p(-shares)
        if self.task is TaskKind.MULTI_LABEL:
            return np.stack([odds] + [np.full_like(odds, -6.0)] * (len(self.labels) - 1), axis=1).astype(np.float32)
        return np.stack([odds, np.zeros_like(odds)] + [np.full_like(odds, -9.0)] * (len(self.labels) - 2), axis=1)

    def features(self, rows: Sequence[Row]) -> Any:
        """(N, 26) how often each letter stands in a text; None where it was to have none."""
        if not self._has_features:
            return None
        texts = [row if isinstance(row, str) else " ".join(row) for row in rows]
        return np.array([[text.count(chr(97 + i)) for i in range(26)] for text in texts], dtype=np.float32)


def _number(row: Row) -> float:
    words = (row if isinstance(row, str) else row[0]).split()
    numbers = [word for word in words if word[:2] == "0."]
    return float(numbers[0]) if numbers else 0.99


def ask(
    patch: pytest.MonkeyPatch,
    task: TaskKind = TaskKind.SINGLE_LABEL,
    labels: tuple[str, ...] = ("anger", "joy", "love"),
    **more: Any,
) -> AskedModel:
    """Have `liftune label` ask such a model, whatever the run."""
    model = AskedModel(task, labels if task_of(task).outputs_labels else (), **more)
    patch.setattr("liftune.labelling.choose.load_predictor", lambda *given, **options: model)
    return model
