"""Contenders of a run that are no adapters, as the server's engines: majority, tf-idf, the base as it is, the probe.

In: a contender's folder.  Out: an Engine and its ModelInfo.
Not here: reading a contender (inference/contenders.py).

Each is computed by itself: a base or probe holds its pretrained model a second time, and shares no batch with the tuned
models of that base, so that it is slower beside them than they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from liftune.errors import ArtifactError
from liftune.inference.contenders import read_contender_card
from liftune.inference.predictor import load_predictor
from liftune.serve.engine import BatchExecutor, Engine, ModelInfo, Work, about_tokens
from liftune.types import Row, Scorer


class ScorerExecutor:
    """Computes the rows of one model."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def logits(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        """(C,) float32 of each row."""
        return list(np.asarray(self._scorer.logits([each.encoded for each in work]), dtype=np.float32))


class ContenderEngine:
    """One contender."""

    def __init__(self, name: str, scorer: Scorer) -> None:
        self.executor: BatchExecutor = ScorerExecutor(scorer)
        self._name = name

    def prepare(self, rows: Sequence[Row]) -> list[Work]:
        """Rows as they are."""
        return [Work(about_tokens(row), None, row) for row in rows]

    def base(self) -> Engine:
        """It is served without another model beside it.

        Raises:
            ArtifactError: always.
        """
        raise ArtifactError(
            f"{self._name} is served without the base model",
            where="with_base",
            hint="leave out with_base, or serve the tuned model: liftune serve RUN --use tuned",
        )


def open_contender_engine(folder: Path, *, device: str | None, precision: str | None) -> tuple[Engine, ModelInfo]:
    """The contender, and its description.

    Args:
        device, precision: of its pretrained model; one that reads words alone has none.

    Raises:
        LiftuneError: it is damaged, or what it needs is not installed.
    """
    card = read_contender_card(folder)
    info = ModelInfo(
        task=card.task,
        labels=card.labels,
        pairs=card.pairs,
        columns=card.columns,
        base=card.base.base if card.base else "",
        method=card.name,
        max_length=card.base.max_length if card.base else 0,
        kind="run",
        contender=card.name,
        thresholds=card.thresholds,
        cutoffs=card.cutoffs,
    )
    words = card.base is None
    scorer = load_predictor(folder, device=None if words else device, precision=None if words else precision)
    return ContenderEngine(card.name, scorer), info
