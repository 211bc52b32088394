"""What is exported: a tuned model, or another contender of its run, as a model without an adapter.

In: a SavedModel.  Out: its card as an adapter has one; the model as the run answers by it, and the same merged.
Not here: writing (formats.py), checking (parity.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from liftune.baselines.saved import read_probe
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
from liftune.types import Scorer

#: How a merged model computes: the attention that every exporter traces.
_EXPORTED = Plan(attention="sdpa")


@dataclass(frozen=True, eq=False)
class Original:
    """A model as the run answers by it."""

    classifier: Classifier
    """Of a linear model on features: what gives these."""
    scorer: Scorer


def card_of(model: SavedModel, *, any_head: bool = False) -> AdapterCard:
    """What the export must know of the model, before any of it is loaded.

    Args:
        any_head: whether the format holds heads that the model's family does not have.

    Raises:
        MethodError: its method changes more than weights.
        SpecError: it is a contender that no format can hold, or not this one.
    """
    if model.kind == "adapter":
        card = model.card or read_card(model.folder)
        check_mergeable(card.method)
        return card
    kept = read_contender_card(model.folder)
    if kept.base is None or (kept.reads_features and not any_head):
        raise _not_exportable(model, kept)
    if kept.has_adapter:
        check_mergeable(kept.base.method)
    learned = {"thresholds": kept.thresholds, "base_thresholds": kept.base_thresholds, "cutoffs": kept.cutoffs}
    return kept.base.model_copy(update={**learned, "method": kept.name})


def open_original(model: SavedModel, *, trust_remote_code: bool = False) -> tuple[Original, Callable[[], Classifier]]:
    """The model as the run answers by it, and what loads it merged, to be exported.

    Args:
        trust_remote_code: as of `open_adapter`.

    Raises:
        ArtifactError, ModelError: as `open_adapter`.
    """
    if model.kind == "adapter":
        opened = open_adapter(model.folder, card=model.card, plan=Plan(), trust_remote_code=trust_remote_code)
        merged = partial(open_merged, model.folder, card=model.card, plan=_EXPORTED)
        return Original(opened, opened), partial(merged, trust_remote_code=trust_remote_code)
    kept = open_contender(model.folder, plan=Plan(), trust_remote_code=trust_remote_code)
    assert kept.base is not None  # others were refused
    return Original(kept.base, kept), partial(_merged, model, trust_remote_code)


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


def _merged(model: SavedModel, trust_remote_code: bool) -> Classifier:
    """A contender as a plain model: with the adapter of its start merged, and with its own head where it has one."""
    card = read_contender_card(model.folder)
    assert card.base is not None  # others were refused
    if card.has_adapter:
        plain = open_merged(model.folder, card=card.base, plan=_EXPORTED, trust_remote_code=trust_remote_code)
    else:
        frozen = open_contender(model.folder, plan=_EXPORTED, trust_remote_code=trust_remote_code).base
        assert frozen is not None
        plain = frozen
    if not card.reads_features:
        return plain
    from liftune.exports.feature_head import put_head

    return put_head(plain, read_probe(card.settings, model.folder))


def _not_exportable(model: SavedModel, kept: ContenderCard) -> SpecError:
    what = "reads words, not a pretrained model: it is no transformer"
    if kept.reads_features:
        what = "is a linear model on features of its encoder: models of that family have no such head"
    return SpecError(
        f"{model.contender} {what}. It cannot be exported{' in this format' if kept.reads_features else ''}",
        where="--use" if model.note else "RUN",
        hint=f"{'give --format onnx; or ' if kept.reads_features else ''}copy {pasted(model.folder)} and predict with "
        "that: liftune predict COPY TEXT; or export the tuned model: --use tuned",
    )
