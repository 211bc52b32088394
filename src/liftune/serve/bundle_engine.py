"""Exported bundles as the server's engines: no torch.

In: a bundle's folder.  Out: an Engine and its ModelInfo.
Not here: what runs a bundle (inference/onnx_bundle.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from liftune.errors import ArtifactError
from liftune.serve.engine import BatchExecutor, Engine, ModelInfo, Work, about_tokens
from liftune.types import Row

if TYPE_CHECKING:
    from liftune.inference.onnx_bundle import Bundle


class BundleExecutor:
    """Computes the rows of one bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def logits(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        """(C,) float32 of each row."""
        return list(np.asarray(self._bundle.logits([each.encoded for each in work]), dtype=np.float32))


class BundleEngine:
    """One bundle."""

    def __init__(self, bundle: Bundle) -> None:
        self.executor: BatchExecutor = BundleExecutor(bundle)

    def prepare(self, rows: Sequence[Row]) -> list[Work]:
        """Rows as they are."""
        return [Work(about_tokens(row), None, row) for row in rows]

    def base(self) -> Engine:
        """A bundle has none.

        Raises:
            ArtifactError: always.
        """
        raise ArtifactError(
            "a bundle holds only the tuned model: it has no base model to compare with",
            where="with_base",
            hint="leave out with_base, or serve the run that the bundle was exported from",
        )


def open_bundle(path: Path) -> tuple[Engine, ModelInfo]:
    """The bundle, and its description.

    Raises:
        LiftuneError: it is damaged, or what runs it is not installed.
    """
    from liftune.inference.onnx_bundle import Bundle

    bundle = Bundle.open(path)
    card = bundle.card
    info = ModelInfo(
        task=card.task,
        labels=card.labels,
        pairs=card.pairs,
        columns=card.columns,
        base=card.base,
        method=card.method,
        max_length=int(card.tokens["max_length"]),
        kind="bundle",
        thresholds=card.thresholds,
        cutoffs=card.cutoffs,
    )
    return BundleEngine(bundle), info
