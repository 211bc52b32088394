"""Exported bundles as the server's engines: no torch.

In: a bundle's folder.  Out: an Engine and its ModelInfo.
Not here: what runs a bundle (inference/onnx_bundle.py).
"""

from __future__ import annotations

from pathlib import Path

from liftune.server.engine import Engine, ModelInfo
from liftune.server.scorer_engine import ScorerEngine


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
    engine = ScorerEngine(
        bundle,
        no_base="a bundle holds only the tuned model: it has no base model to compare with",
        serve_instead="the run that the bundle was exported from",
    )
    return engine, info
