"""Tuned models opened so that those of one base share its weights, and its batches where their methods allow.

In: run or adapter folders.  Out: PooledAdapter: where its rows are computed, and what it adds there.
Not here: one batch (model.py), what a model adds (low_rank.py), the adapter on disk (adapter_io.py).

A model joins its base's batches only once it has given a few rows the same logits there, rows of the base itself among
them, as it gives them alone. Others are computed by themselves, on the same memory as far as they leave the base as it
is.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

import numpy as np
from torch import Tensor, nn

from liftune.hardware.plan import Plan
from liftune.models.adapter_io import TOLERANCE, open_adapter, read_card
from liftune.models.attach import attach
from liftune.models.backbone import Backbone
from liftune.models.classifier import Classifier
from liftune.models.foreign.card import ForeignCard
from liftune.models.multi_lora.low_rank import AdapterWeights, adapter_weights_of, tensors_of
from liftune.models.multi_lora.model import MixedModel
from liftune.models.multi_lora.segments import MixedRow, NotBatchableError
from liftune.models.saved_backbone import reload_backbone
from liftune.models.tokens.encoder import RowEncoder
from liftune.records.training import AdapterCard
from liftune.types import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Rows whose logits in a batch and alone are compared: of several lengths, so that no two axes of a batch are alike.
TRIAL = ("a", "some words more than that", "and a row that is longer than both of the others, by a few words")


@dataclass(frozen=True, eq=False)
class SharedBase:
    """A pretrained model, once in memory."""

    backbone: Backbone
    mixed_model: MixedModel
    tensors: dict[str, Tensor]
    """By name; a model that is served alone may hold some of these."""


@dataclass(frozen=True, eq=False)
class PooledAdapter:
    """A model, ready to predict."""

    card: AdapterCard
    mixed_model: MixedModel
    """Where its rows are computed; the same object as others' where they share batches."""
    weights: AdapterWeights
    row_encoder: RowEncoder
    shared: bool
    """Whether it is computed in its base's batches."""
    base: SharedBase | None
    """Held so that the base stays in memory as long as any of its models."""
    trust_remote_code: bool = False
    """Whether the user allowed Python code of the model's own when it was opened."""


class AdapterPool:
    """Opens models, and keeps track of the bases of those that are still in use.

    Args:
        tokens: of one forward pass at most.
    """

    def __init__(self, plan: Plan, *, tokens: int) -> None:
        self._plan, self._tokens = plan, tokens
        self._bases: WeakValueDictionary[tuple[str, ...], SharedBase] = WeakValueDictionary()

    def open(self, folder: Path, *, card: AdapterCard | None = None, trust_remote_code: bool = False) -> PooledAdapter:
        """The tuned model of an adapter folder.

        Args:
            card: as of `open_adapter`.
            trust_remote_code: as of `open_adapter`.

        Raises:
            ArtifactError, ModelError: as `open_adapter` does.
        """
        card = card or read_card(folder)
        opened = open_adapter(folder, card=card, plan=self._plan, trust_remote_code=trust_remote_code)
        return self._pooled(card.model_copy(update={"max_length": opened.max_length}), opened, trust_remote_code)

    def load_base(self, card: AdapterCard, *, trust_remote_code: bool = False) -> PooledAdapter:
        """The untuned model with the labels of a tuned one; a random head is drawn as `predict` draws it."""
        backbone = reload_backbone(card, seed=0, plan=self._plan, trust_remote_code=trust_remote_code)
        return self._pooled(card, attach(backbone, None, plan=self._plan), trust_remote_code)

    def _pooled(self, card: AdapterCard, classifier: Classifier, trusted: bool) -> PooledAdapter:
        """In its base's batches where that gives the same logits, else by itself."""
        whole = classifier.method is not None and classifier.method.kind == "full"
        base = None if whole else self._base(card, trusted)
        weights = _join(classifier, base, pairs=card.pairs) if base is not None else None
        # All models of one base have the same tokenizer, which is as large as several adapters.
        backbone = classifier.backbone if base is None else base.backbone
        return PooledAdapter(
            card=card,
            mixed_model=base.mixed_model if base and weights else MixedModel(classifier, tokens=self._tokens),
            weights=weights or AdapterWeights({}, {}, classifier.backbone.outputs),
            row_encoder=RowEncoder(backbone.model, backbone.tokenizer, card.max_length, classifier.long),
            shared=weights is not None,
            base=base,
            trust_remote_code=trusted,
        )

    def _base(self, card: AdapterCard, trusted: bool) -> SharedBase:
        own = card.tokenizer_folder if isinstance(card, ForeignCard) else None
        which = (card.base_sha256, card.base, card.base_revision or "", card.base_precision or "")
        key = (*which, str(card.trust_remote_code), card.truncation_side, own or "")
        base = self._bases.get(key)
        if base is None:
            backbone = reload_backbone(card, seed=0, plan=self._plan, trust_remote_code=trusted)
            if self._plan.dtype == "float32":  # in bfloat16 `attach` makes new weights anyway
                _copy_out_of_file(backbone.model)
            mixed_model = MixedModel(attach(backbone, None, plan=self._plan), tokens=self._tokens)
            base = self._bases[key] = SharedBase(backbone, mixed_model, tensors_of(backbone.model))
        return base


def _copy_out_of_file(model: nn.Module) -> None:
    """Copy weights that are views of the file that was loaded: fused layers copy some of them anyway, and any view that
    is left keeps the whole file in memory."""
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()


def _join(classifier: Classifier, base: SharedBase, *, pairs: bool) -> AdapterWeights | None:
    """What the model adds to its base, which from now on computes for it; None where it cannot."""
    weights = adapter_weights_of(classifier, base.tensors)
    if isinstance(weights, str):
        return None
    undo = base.mixed_model.add_hooks(weights)
    if _same_logits(classifier, base.mixed_model, weights, pairs=pairs):
        return weights
    undo()
    return None


def _same_logits(classifier: Classifier, mixed: MixedModel, weights: AdapterWeights, *, pairs: bool) -> bool:
    """Whether the model gives a few rows the same logits between rows of the base as it gives them alone."""
    texts: Sequence[Row] = [(text, text) for text in TRIAL] if pairs else TRIAL
    alone = classifier.logits(texts)
    untuned = AdapterWeights({}, {}, weights.outputs)
    rows = [MixedRow(model, row) for row in classifier.encode(texts) for model in (weights, untuned)]
    try:
        logits = mixed.logits(rows)
    except NotBatchableError:
        return False
    gap = float(np.abs(np.stack(logits[::2]) - alone).max())
    return gap <= TOLERANCE[classifier.plan.dtype] * max(1.0, float(np.abs(alone).max()))
