"""A saved model that is ready to be scored: an adapter, a whole model, another contender of a run, a bundle.

In: a SavedModel, a plan.  Out: an Opened: its Scorer, its task and labels, how it reads texts.
Not here: finding it (inference/locate.py), the rows that it is scored on (evaluate.py, score_on_run.py).
"""

from __future__ import annotations

from dataclasses import dataclass

from liftune.hardware.plan import Plan
from liftune.inference.contenders import open_contender
from liftune.inference.locate import SavedModel
from liftune.inference.onnx_bundle import Bundle
from liftune.models.adapter_io import open_adapter, read_card
from liftune.records.base import Head, TextColumns
from liftune.tasks import TaskKind
from liftune.types import LongRule, Scorer


@dataclass(frozen=True, eq=False)
class Opened:
    """A model that is ready to be scored."""

    scorer: Scorer
    task: TaskKind
    labels: tuple[str, ...]
    max_length: int
    """Tokens read of each text; 0 where all of it is read."""
    head: Head | None
    thresholds: tuple[float, ...] | None = None
    columns: TextColumns | None = None
    """Where its texts were read from."""
    pairs: bool = False
    long: LongRule = "cut"
    """What is read of a text of more tokens."""


def open_saved(saved: SavedModel, plan: Plan, trusted: bool) -> Opened:
    """A tuned model, another contender of its run, or a bundle."""
    if saved.kind == "bundle":
        bundle = Bundle.open(saved.folder)
        length, thresholds, long = bundle.rules.max_length, bundle.card.thresholds, bundle.rules.long
        columns, pairs = bundle.columns, bundle.pairs
        return Opened(bundle, bundle.task, bundle.labels, length, "trained", thresholds, columns, pairs, long)
    if saved.kind == "adapter":
        adapter = saved.card or read_card(saved.folder)
        tuned = open_adapter(saved.folder, card=adapter, plan=plan, trust_remote_code=trusted)
        return Opened(
            tuned,
            tuned.task,
            tuned.labels,
            tuned.max_length,
            "trained",
            adapter.thresholds,
            adapter.columns,
            adapter.pairs,
            tuned.long.rule,
        )
    kept = open_contender(saved.folder, plan=plan, trust_remote_code=trusted)
    card = kept.card
    length = kept.base.max_length if kept.base else 0
    head = card.base.head if card.base and card.name == "base" else None
    long = kept.base.long.rule if kept.base else "cut"
    return Opened(kept, card.task, card.labels, length, head, card.thresholds, card.columns, card.pairs, long)
