"""A model that is computed by itself, as one of the server's engines: a bundle, or a contender that is no adapter.

In: a Predictor.  Out: an Engine, which has no base model beside it.
Not here: opening the model (bundle_engine.py, contender_engine.py).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from liftune.errors import ArtifactError
from liftune.inference.predictor import Predictor
from liftune.server.engine import BatchExecutor, Engine, Work, about_tokens
from liftune.types import Row, Scorer


class ScorerExecutor:
    """Computes the rows of one model."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def logits(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        """(C,) float32 of each row."""
        return list(np.asarray(self._scorer.logits([each.encoded for each in work]), dtype=np.float32))


class ScorerEngine:
    """One model.

    Args:
        no_base: why it has no base model to compare with.
        serve_instead: what to serve for that.
    """

    def __init__(self, scorer: Predictor, *, no_base: str, serve_instead: str) -> None:
        self.executor: BatchExecutor = ScorerExecutor(scorer)
        self._scorer = scorer
        self._no_base, self._serve_instead = no_base, serve_instead

    def prepare(self, rows: Sequence[Row]) -> list[Work]:
        """Rows as they are."""
        return [Work(about_tokens(row), None, row) for row in rows]

    def as_read(self, row: Row) -> Hashable | None:
        """As of Predictor."""
        return self._scorer.as_read(row)

    def base(self) -> Engine:
        """It has none.

        Raises:
            ArtifactError: always.
        """
        raise ArtifactError(
            self._no_base, where="with_base", hint=f"leave out with_base, or serve {self._serve_instead}"
        )
