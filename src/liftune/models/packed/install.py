"""Put the lean encoder into a classifier, as far as the model, the method and the plan allow; say why where not.

In: a Classifier.  Out: the classifier's encoder replaced, its plan without what does
not fit.
Not here: the encoder (encoder.py), which accelerations a machine wants (hardware/).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from liftune.errors import ModelError
from liftune.models.packed.dropout import draw_by_lane
from liftune.models.packed.encoder import PackedEncoder, take_out
from liftune.models.packed.fused_weights import unsupported_reason
from liftune.models.packed.layouts import Encoder, find_encoder

if TYPE_CHECKING:
    from liftune.models.classifier import Classifier

PACKING, FUSED, LAST, CHEAP, LANES = "packing", "fused-lora", "last-layer", "pooled-dropout", "parallel-passes"
PACKED = (PACKING, FUSED, LAST, CHEAP, LANES)
#: Largest gap of a logit, relative to the largest logit, between the model's own encoder and the packed one.
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1}
#: Lengths of the rows on which the two are compared.
TRIAL = (3, 7, 7, 12)


def install_packed(classifier: Classifier) -> None:
    """Replace the encoder's forward pass where the plan wants it and the model has that kind of encoder.

    The replacement is compared with the model's own on a few rows before it is trusted.

    Raises:
        ModelError: an acceleration that was asked for by name does not fit the model or the method.
    """
    take_out(classifier.backbone.model)
    wanted = classifier.plan.accelerations & set(PACKED)
    if not wanted:
        return
    lean, misfits = _fit(classifier, wanted)
    refused = sorted(set(misfits) & classifier.plan.asked)
    if refused:
        take_out(classifier.backbone.model)
        raise ModelError(
            "\n".join(f"{name} does not fit: {misfits[name]}" for name in refused),
            where="--accelerations",
            hint="leave it out, or leave --accelerations out: the plan takes what fits",
        )
    classifier.plan = classifier.plan.without(misfits)
    classifier.lean = lean


def _fit(classifier: Classifier, wanted: frozenset[str]) -> tuple[PackedEncoder | None, dict[str, str]]:
    if PACKING not in wanted:
        return None, dict.fromkeys(wanted, "it needs packing")
    encoder = _encoder(classifier)
    if isinstance(encoder, str):
        return None, dict.fromkeys(PACKED, encoder)
    misfits = {}
    reason = next(filter(None, map(unsupported_reason, encoder.layers)), "") if FUSED in wanted else ""
    if reason:
        misfits[FUSED] = reason
    lean = PackedEncoder(encoder, fused=FUSED in wanted and not reason, first_only=False, cheap=CHEAP in wanted)
    alike = _trial(classifier, lean)
    if not alike(first_only=False):
        lean.remove()
        return None, dict.fromkeys(PACKED, "the model answered otherwise without padding")
    if LAST in wanted:
        if alike(first_only=True):
            lean.first_only = True
        else:
            misfits[LAST] = "the head reads more than each row's first state"
    if LANES in wanted:
        draw_by_lane(classifier.model)
    return lean, misfits


def _encoder(classifier: Classifier) -> Encoder | str:
    from peft import PeftModel, PeftType

    model = classifier.model
    if isinstance(model, PeftModel) and model.active_peft_config.peft_type == PeftType.PREFIX_TUNING:
        return "prefixes enter beside the tokens"
    return find_encoder(classifier.backbone.model)


def _trial(classifier: Classifier, lean: PackedEncoder) -> Callable[..., bool]:
    """Install the encoder, and give a question: does the model answer a few rows as it did before?"""
    batch = _rows(classifier)
    with torch.inference_mode():
        before = classifier.forward(batch)
    lean.install()

    def alike(*, first_only: bool) -> bool:
        lean.first_only = first_only
        try:
            with torch.inference_mode():
                after = classifier.forward(batch)
        # An encoder that is called otherwise, a head that wants states which are not there.
        except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError):
            return False
        finally:
            lean.first_only = False
        largest = float(before.abs().max())
        gap = float((after - before).abs().max()) if after.shape == before.shape else float("inf")
        return gap <= TOLERANCE[classifier.plan.dtype] * largest + 1e-6

    return alike


def _rows(classifier: Classifier) -> dict[str, Tensor]:
    """A few rows of tokens that mean nothing, each of its own length."""
    generator = torch.Generator().manual_seed(0)
    embeddings = classifier.backbone.model.get_input_embeddings()
    assert isinstance(embeddings, nn.Embedding)
    pad = classifier.backbone.pad_token_id
    ids = torch.randint(embeddings.num_embeddings, (len(TRIAL), max(TRIAL)), generator=generator)
    ids[ids == pad] = (pad + 1) % embeddings.num_embeddings
    mask = (torch.arange(max(TRIAL))[None, :] < torch.tensor(TRIAL)[:, None]).long()
    return {"input_ids": ids.masked_fill(mask == 0, pad), "attention_mask": mask}
