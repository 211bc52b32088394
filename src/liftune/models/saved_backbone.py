"""The backbone of a model that was saved: the base that an adapter was tuned on, or a model that was tuned in full.

In: an AdapterCard.  Out: a Backbone, or an error that says how to bring the base back.
Not here: loading a pretrained model (backbone.py), what was tuned (adapter_io.py), where bases moved to
(moved_bases.py).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from liftune.errors import ArtifactError, ModelError
from liftune.hardware.plan import Plan
from liftune.models.backbone import Backbone, build_backbone
from liftune.models.base_identity import changed_fields
from liftune.models.checkpoint import Checkpoint, locate
from liftune.models.foreign.card import ForeignCard
from liftune.models.moved_bases import place_of, places
from liftune.models.quantised import as_numbers
from liftune.models.trust import check_code
from liftune.records.training import AdapterCard
from liftune.spec import ModelSpec


def reload_backbone(card: AdapterCard, *, seed: int, plan: Plan, trust_remote_code: bool = False) -> Backbone:
    """The backbone that an adapter was trained on; its head is about to be replaced by the adapter's.

    Args:
        trust_remote_code: whether the user allows code of the model's own; what the card says only needs it.

    Raises:
        ModelError: the base is gone or cannot be loaded, or it needs code that was not allowed.
    """
    check_code(card, allowed=trust_remote_code, asked_by=card.base)
    pinned = card.base_revision is not None and "@" not in card.base
    spec = ModelSpec(
        name=f"{card.base}@{card.base_revision}" if pinned else card.base,
        max_length=card.max_length,
        base_precision=card.base_precision,
        trust_remote_code=card.trust_remote_code,
        **card.long_options,
    )
    checkpoint = _base_of(card, spec)
    own = card.tokenizer_folder if isinstance(card, ForeignCard) else None
    built = build_backbone(checkpoint, spec, card.task, card.labels, seed, plan, keep_head=True, tokenizer_folder=own)
    if card.base_precision and not plan.keeps_four_bits:
        built = replace(built, model=as_numbers(built.model))
    return _cut_as(card, built)


def reload_unchanged(card: AdapterCard, *, seed: int, plan: Plan, trust_remote_code: bool = False) -> Backbone:
    """The base that a card describes, as it was.

    Raises:
        ArtifactError: it has changed.
        ModelError: it cannot be loaded, or needs code that was not allowed.
    """
    backbone = reload_backbone(card, seed=seed, plan=plan, trust_remote_code=trust_remote_code)
    if backbone.sha256 != card.base_sha256:
        raise ArtifactError(
            f"the base model has changed since the adapter was tuned: its sha256 is {backbone.sha256}, "
            f"not {card.base_sha256}",
            where=backbone.name,
            hint="restore the base model, or tune again",
        )
    changed = []
    if card.base_config is not None:
        defaults = type(backbone.model.config)().to_dict()
        changed = changed_fields(card.base_config, backbone.config_fields, defaults)
    if card.base_tokenizer not in (None, backbone.tokenizer_sha256):
        changed.append("its tokenizer reads texts otherwise")
    if changed:
        raise ArtifactError(
            f"the base model has changed since the adapter was tuned: {'; '.join(changed)}",
            where=backbone.name,
            hint="restore its config.json and tokenizer files, or tune again",
        )
    return backbone


def reload_whole(
    card: AdapterCard, folder: Path, *, seed: int, plan: Plan, trust_remote_code: bool = False
) -> Backbone:
    """A model that was tuned and saved in full, with its own tokenizer.

    Args:
        trust_remote_code: as of `reload_backbone`.

    Raises:
        ModelError: the folder is no whole model, or it needs code that was not allowed.
    """
    check_code(card, allowed=trust_remote_code, asked_by=folder)
    located = locate(str(folder))
    checkpoint = replace(located, name=card.base)
    trusted = card.trust_remote_code
    spec = ModelSpec(name=card.base, max_length=card.max_length, trust_remote_code=trusted, **card.long_options)
    return _cut_as(card, build_backbone(checkpoint, spec, card.task, card.labels, seed, plan, keep_head=True))


def _base_of(card: AdapterCard, spec: ModelSpec) -> Checkpoint:
    """Where the base of an adapter is: where the user says, else where it was when it was tuned on."""
    moved = place_of(card.base_sha256)
    if moved is not None:
        return locate(moved, option="--base")
    try:
        return locate(spec.name)
    except ModelError as error:
        others = f", and what --base names has other weights ({', '.join(places())})" if places() else ""
        raise ModelError(
            f"the base model of the adapter is not at hand: {error.message}{others}",
            where=card.base,
            hint="say where it is now: --base PATH",
        ) from None


def _cut_as(card: AdapterCard, backbone: Backbone) -> Backbone:
    """Long texts are cut where they were when the card was written, whatever the tokenizer says today."""
    backbone.tokenizer.truncation_side = card.truncation_side
    return backbone
