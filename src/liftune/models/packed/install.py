"""Put the packed encoder into a model, as far as the model, the method and the plan allow; say why where not.

In: a model as it is called, its forward pass, a Plan.  Out: the encoder that now runs in place of the model's own, and
the plan without what does not fit.
Not here: the encoder (encoder.py), which accelerations a machine wants (hardware/).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from liftune.errors import ModelError, lacks_memory
from liftune.hardware.plan import Plan
from liftune.hardware.workers import open_workers
from liftune.models.methods.hooks import ADAPTER
from liftune.models.packed.compiled import compiled_attention
from liftune.models.packed.dropout import draw_by_worker, undo_draw_by_worker
from liftune.models.packed.encoder import PackedEncoder, remove_packed
from liftune.models.packed.fused_weights import unsupported_reason
from liftune.models.packed.layouts import EncoderModules, find_encoder
from liftune.models.packed.lock_order import may_wait_for_each_other

Batch: TypeAlias = dict[str, Tensor]
Forward: TypeAlias = Callable[[Batch], Tensor]
"""A collated batch -> (B, C) logits, in the plan's precision."""

PACKING, FUSED, LAST, POOLED, PARALLEL = "packing", "fused-lora", "last-layer", "pooled-dropout", "parallel-passes"
#: By torch alone, and with what a compiler adds.
PACKED = (PACKING, FUSED, LAST, POOLED, PARALLEL)
COMPILED = "compiled-attention"
#: Largest difference of a logit, relative to the largest logit, between the model's own encoder and the packed one.
TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1}
#: Lengths of the rows on which the two are compared.
TRIAL = (3, 7, 7, 12)


def install_packed(
    model: nn.Module, plain: PreTrainedModel, forward: Forward, plan: Plan, *, pad: int
) -> tuple[PackedEncoder | None, Plan]:
    """Replace the encoder's forward pass where the plan wants it and the model has that kind of encoder.

    The replacement is compared with the model's own on a few rows before it is trusted.

    Args:
        model: what is called: a PeftModel, or the plain model itself.
        plain: the model inside it.
        pad: id of the pad token.

    Returns:
        the encoder in use, None where it is the model's own; and the plan without the accelerations that do not fit.

    Raises:
        ModelError: an acceleration that was asked for by name does not fit the model or the method.
    """
    remove_packed(plain)
    wanted = plan.accelerations & {*PACKED, COMPILED}
    if not wanted:
        return None, plan
    if plan.recompute:
        encoder, reasons = None, dict.fromkeys(wanted, "its blocks are computed again on the way back, to save memory")
    else:
        encoder, reasons = _fit(model, plain, forward, wanted, dtype=plan.dtype, pad=pad)
    refused = sorted(set(reasons) & plan.requested)
    if refused:
        remove_packed(plain)
        raise ModelError(
            "\n".join(f"{name} does not fit: {reasons[name]}" for name in refused),
            where="--accelerations",
            hint="leave it out, or leave --accelerations out: the plan takes what fits",
        )
    return encoder, plan.without(reasons)


def _fit(
    model: nn.Module, plain: PreTrainedModel, forward: Forward, wanted: frozenset[str], *, dtype: str, pad: int
) -> tuple[PackedEncoder | None, dict[str, str]]:
    """The encoder, installed with what fits of the accelerations wanted; and for each other one, why it does not."""
    if PACKING not in wanted:
        return None, dict.fromkeys(wanted, "it needs packing")
    modules = _encoder_of(model, plain)
    if isinstance(modules, str):
        return None, dict.fromkeys((*PACKED, COMPILED), modules)
    reasons = {}
    reason = next(filter(None, map(unsupported_reason, modules.layers)), "") if FUSED in wanted else ""
    if reason:
        reasons[FUSED] = reason
    encoder = PackedEncoder(modules, fused=FUSED in wanted and not reason, first_only=False, pooled=POOLED in wanted)
    if COMPILED in wanted:
        attention = compiled_attention(modules.head_size, dtype)
        if isinstance(attention, str):
            reasons[COMPILED] = attention
        else:
            encoder.attention = attention
    same_logits = _trial(encoder, forward, _trial_batch(plain, pad), TOLERANCE[dtype])
    if not same_logits(first_only=False):
        encoder.remove()
        return None, dict.fromkeys((*PACKED, COMPILED), "without padding the model gave other logits")
    if LAST in wanted:
        if same_logits(first_only=True):
            encoder.first_only = True
        else:
            reasons[LAST] = "the head reads more than each row's first state"
    if PARALLEL in wanted and may_wait_for_each_other(model, lambda: forward(_trial_batch(plain, pad))):
        reasons[PARALLEL] = "two of its passes at once can wait for each other for ever"
    elif PARALLEL in wanted:
        draw_by_worker(model)
        if _draws_for_all(model, encoder, forward, _trial_batch(plain, pad)):
            reasons[PARALLEL] = "its dropout draws from one generator, in whatever order passes come"
            undo_draw_by_worker(model)
    return encoder, reasons


def _draws_for_all(model: nn.Module, encoder: PackedEncoder, forward: Forward, batch: Batch) -> bool:
    """Whether a pass of training draws from torch's generator, though its worker has one of its own.

    Some of PEFT's layers draw in vain, for a dropout of zero: that does not count.
    """
    config = getattr(model, "peft_config", {}).get(ADAPTER)
    rates = [value for name, value in getattr(config, "__dict__", {}).items() if "dropout" in name]
    if config is not None and not any(rates):
        return False
    drawn: list[bool] = []

    def draw(_: int) -> None:
        before = torch.get_rng_state()
        with torch.no_grad():
            forward(batch)
        drawn.append(not torch.equal(before, torch.get_rng_state()))

    training = model.training
    with torch.random.fork_rng(devices=[]), encoder.without_pools(), open_workers(2, random=True) as workers:
        model.train()
        try:
            workers.map(draw, [0])
        finally:
            model.train(training)
    return drawn[0]


def _encoder_of(model: nn.Module, plain: PreTrainedModel) -> EncoderModules | str:
    from peft import PeftModel, PeftType

    if isinstance(model, PeftModel) and model.active_peft_config.peft_type == PeftType.PREFIX_TUNING:
        return "prefix tuning adds keys and values that belong to no token"
    return find_encoder(plain)


def _trial(encoder: PackedEncoder, forward: Forward, batch: Batch, tolerance: float) -> Callable[..., bool]:
    """Install the encoder. What is returned tells whether the model still gives the batch the logits it gave before."""
    with torch.inference_mode():
        before = forward(batch)
    encoder.install()

    def same_logits(*, first_only: bool) -> bool:
        encoder.first_only = first_only
        try:
            with torch.inference_mode():
                after = forward(batch)
        # An encoder that is called otherwise, a head that wants states which are not there.
        except (AssertionError, AttributeError, IndexError, RuntimeError, TypeError, ValueError) as error:
            if lacks_memory(error):
                raise
            return False
        finally:
            encoder.first_only = False
        largest = float(before.abs().max())
        gap = float((after - before).abs().max()) if after.shape == before.shape else float("inf")
        return gap <= tolerance * largest + 1e-6

    return same_logits


def _trial_batch(plain: PreTrainedModel, pad: int) -> Batch:
    """A few rows of random tokens, of different lengths."""
    generator = torch.Generator().manual_seed(0)
    vocabulary = int(plain.config.get_text_config().vocab_size)  # the embeddings may be wrapped
    ids = torch.randint(vocabulary, (len(TRIAL), max(TRIAL)), generator=generator)
    ids[ids == pad] = (pad + 1) % vocabulary
    mask = (torch.arange(max(TRIAL))[None, :] < torch.tensor(TRIAL)[:, None]).long()
    return {"input_ids": ids.masked_fill(mask == 0, pad), "attention_mask": mask}
