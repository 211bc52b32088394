"""Contenders of a run that are no adapters, as the server's engines: majority, tf-idf, the base as it is, the probe.

In: a contender's folder.  Out: an Engine and its ModelInfo.
Not here: reading a contender (inference/contenders.py).

Each is computed by itself: a base or probe holds its pretrained model a second time, and shares no batch with the tuned
models of that base, so that it is slower beside them than they are.
"""

from __future__ import annotations

from pathlib import Path

from liftune.inference.contenders import read_contender_card
from liftune.inference.opening import load_predictor
from liftune.server.engine import Engine, ModelInfo
from liftune.server.scorer_engine import ScorerEngine


def open_contender_engine(
    folder: Path, *, device: str | None, precision: str | None, trust_remote_code: bool = False
) -> tuple[Engine, ModelInfo]:
    """The contender, and its description.

    Args:
        device, precision: of its pretrained model; one that reads words alone has none.
        trust_remote_code: whether Python code of that model's own may run.

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
    scorer = load_predictor(
        folder,
        device=None if words else device,
        precision=None if words else precision,
        trust_remote_code=trust_remote_code,
    )
    engine = ScorerEngine(
        scorer,
        no_base=f"{card.name} is served without the base model",
        serve_instead="the tuned model: liftune serve RUN --use tuned",
    )
    return engine, info
