"""Tuned models opened so that those of one base share its weights, and one batch where their methods allow.

In: run or adapter folders.  Out: Opened: where its rows are computed, and what it adds there.
Not here: one batch (mixed.py), what a model adds (lowrank.py), the adapter on disk (adapter.py).

A model is put into its base's batches only once it has answered a few rows there, beside the base itself, as it does
alone. Others are answered by themselves, on the same memory as far as they leave the base as it is.
"""

from __future__ import annotations

import ctypes
import gc
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np
from torch import Tensor, nn

from liftune.hardware.plan import Plan
from liftune.models.adapter_io import TOLERANCE, open_adapter, read_card
from liftune.models.attach import attach
from liftune.models.backbone import Backbone, reload_backbone
from liftune.models.classifier import Classifier
from liftune.models.multi_lora.low_rank import AdapterWeights, added_by, pool_of
from liftune.models.multi_lora.model import MixedModel, NotBatchableError, Turn
from liftune.models.tokens.encoder import RowEncoder
from liftune.records.training import AdapterCard
from liftune.types import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

#: What a model must answer in company as it does alone: of several lengths, so that no two axes of a batch are alike.
TRIAL = ("a", "some words more than that", "and a row that is longer than both of the others, by a few words")


@dataclass(frozen=True, eq=False)
class Base:
    """A pretrained model, once in memory."""

    backbone: Backbone
    mixed: MixedModel
    pool: dict[str, Tensor]
    """Its tensors by name; those of a model that is served alone may be these."""


@dataclass(frozen=True, eq=False)
class PooledAdapter:
    """A model, ready to answer."""

    card: AdapterCard
    mixed: MixedModel
    """Where its rows are computed; the same object as others' where they share batches."""
    added: AdapterWeights
    tokeniser: RowEncoder
    shared: bool
    """Whether it answers in its base's batches."""
    base: Base | None
    """Held so that the base stays while any of its models does."""


class AdapterPool:
    """Opens models, and remembers the bases of those that are still in use.

    Args:
        tokens: of one forward pass at most.
    """

    def __init__(self, plan: Plan, *, tokens: int) -> None:
        self._plan, self._tokens = plan, tokens
        self._bases: WeakValueDictionary[tuple[str, ...], Base] = WeakValueDictionary()

    def open(self, folder: Path) -> PooledAdapter:
        """The tuned model of an adapter folder.

        Raises:
            ArtifactError, ModelError: as `open_adapter` does.
        """
        card = read_card(folder)
        return self._opened(card, open_adapter(folder, plan=self._plan))

    def open_base(self, card: AdapterCard) -> PooledAdapter:
        """The untuned model with the labels of a tuned one; a head that is fresh is drawn as `predict` draws it."""
        return self._opened(card, attach(reload_backbone(card, seed=0, plan=self._plan), None, plan=self._plan))

    def _opened(self, card: AdapterCard, classifier: Classifier) -> PooledAdapter:
        """In its base's batches where that gives the same answers, else by itself."""
        whole = classifier.method is not None and classifier.method.kind == "full"
        base = None if whole else self._base(card)
        added = _joined(classifier, base, pairs=card.pairs) if base is not None else None
        # Of one base all have the same tokenizer, which is as large as several adapters.
        backbone = classifier.backbone if base is None else base.backbone
        return PooledAdapter(
            card=card,
            mixed=base.mixed if base and added else MixedModel(classifier, tokens=self._tokens),
            added=added or AdapterWeights({}, {}, classifier.backbone.outputs),
            tokeniser=RowEncoder(backbone.model, backbone.tokenizer, card.max_length),
            shared=added is not None,
            base=base,
        )

    def _base(self, card: AdapterCard) -> Base:
        key = (card.base_sha256, card.base, card.base_revision or "", str(card.trust_remote_code))
        found = self._bases.get(key)
        if found is None:
            backbone = reload_backbone(card, seed=0, plan=self._plan)
            if self._plan.dtype == "float32":  # in bfloat16 `attach` makes new weights anyway
                _let_go_of_file(backbone.model)
            mixed = MixedModel(attach(backbone, None, plan=self._plan), tokens=self._tokens)
            found = self._bases[key] = Base(backbone, mixed, pool_of(backbone.model))
        return found


def _let_go_of_file(model: nn.Module) -> None:
    """Copy weights that are views of the file that was loaded: fused layers copy some of them anyway, and any view that
    is left keeps the whole file in memory."""
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()


def _joined(classifier: Classifier, base: Base, *, pairs: bool) -> AdapterWeights | None:
    """What the model adds to its base, which from now on answers for it; None where it can only answer by itself."""
    added = added_by(classifier, base.pool)
    if isinstance(added, str):
        return None
    undo = base.mixed.fit(added)
    if _alike(classifier, base.mixed, added, pairs=pairs):
        return added
    undo()
    return None


def _alike(classifier: Classifier, mixed: MixedModel, added: AdapterWeights, *, pairs: bool) -> bool:
    """Whether the model answers a few rows in company, the base's own between them, as it does alone."""
    rows: Sequence[Row] = [(text, text) for text in TRIAL] if pairs else TRIAL
    alone = classifier.logits(rows)
    company = AdapterWeights({}, {}, added.outputs)
    turns = [Turn(each, row) for row in classifier.encode(rows) for each in (added, company)]
    try:
        found = mixed.logits(turns)
    except NotBatchableError:
        return False
    gap = float(np.abs(np.stack(found[::2]) - alone).max())
    return gap <= TOLERANCE[classifier.plan.dtype] * max(1.0, float(np.abs(alone).max()))


def give_back_memory() -> None:
    """What loading took: a base for each model, whose parts hold each other, and which the C library would keep."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl has none
        if trim is not None:
            trim(0)
