"""What is exported: a tuned model, or another contender of its run, as a model without an adapter.

In: a SavedModel.  Out: its card as an adapter has one; the model as the run answers by it, and the same merged.
Not here: writing (formats.py), checking (parity.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from liftune.errors import SpecError, pasted
from liftune.hardware.plan import Plan
from liftune.inference.contenders import open_contender, read_contender_card
from liftune.inference.locate import SavedModel
from liftune.models.adapter_io import open_adapter, read_card
from liftune.models.classifier import Classifier
from liftune.models.foreign.card import ForeignCard
from liftune.models.merge import check_mergeable, open_merged
from liftune.records.contender import ContenderCard
from liftune.records.training import AdapterCard

#: How a merged model computes: the attention that every exporter traces.
_EXPORTED = Plan(attention="sdpa")


def card_of(model: SavedModel) -> AdapterCard:
    """What the export must know of the model, before any of it is loaded.

    Raises:
        MethodError: its method changes more than weights.
        SpecError: it is a contender that no format can hold.
    """
    if model.kind == "adapter":
        card = model.card or read_card(model.folder)
        check_mergeable(card.method)
        return card
    kept = read_contender_card(model.folder)
    if kept.base is None or kept.reads_features:
        raise _not_exportable(model, kept)
    learned = {"thresholds": kept.thresholds, "base_thresholds": kept.base_thresholds, "cutoffs": kept.cutoffs}
    return kept.base.model_copy(update=learned)


def open_original(model: SavedModel, *, trust_remote_code: bool = False) -> tuple[Classifier, Callable[[], Classifier]]:
    """The model as the run answers by it, and what loads it merged, to be exported.

    Args:
        trust_remote_code: as of `open_adapter`.

    Raises:
        ArtifactError, ModelError: as `open_adapter`.
    """
    if model.kind == "adapter":
        opened = open_adapter(model.folder, card=model.card, plan=Plan(), trust_remote_code=trust_remote_code)
        merged = partial(open_merged, model.folder, card=model.card, plan=_EXPORTED)
        return opened, partial(merged, trust_remote_code=trust_remote_code)
    return _frozen(model, Plan(), trust_remote_code), partial(_frozen, model, _EXPORTED, trust_remote_code)


def completed(card: AdapterCard, original: Classifier, *, pairs: bool) -> AdapterCard:
    """The card of a model that others saved, with what is known once it is loaded; liftune's own are whole already.

    Args:
        pairs: whether the rows that it is checked on are pairs.
    """
    if not isinstance(card, ForeignCard):
        return card
    backbone = original.backbone
    found = {"base_sha256": backbone.sha256, "family": backbone.family, "pad_token_id": backbone.pad_token_id}
    return card.model_copy(update={**found, "max_length": original.max_length, "pairs": pairs})


def _frozen(model: SavedModel, plan: Plan, trust_remote_code: bool) -> Classifier:
    base = open_contender(model.folder, plan=plan, trust_remote_code=trust_remote_code).base
    assert base is not None  # others were refused
    return base


def _not_exportable(model: SavedModel, kept: ContenderCard) -> SpecError:
    what = "reads features of its encoder" if kept.reads_features else "reads words, not a pretrained model"
    return SpecError(
        f"{model.contender} {what}: it is no transformer with a head, and cannot be exported",
        where="--use" if model.note else "RUN",
        hint=f"copy {pasted(model.folder)} and predict with that: liftune predict COPY TEXT; or export the tuned "
        "model: --use tuned",
    )
