"""Low-rank updates other than plain LoRA's: shared random bases, Hadamard and Kronecker products, banks of vectors.

In: options and a model's shape.  Out: entries of METHODS.  Not here: LoRA and its nearest kin (lora.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liftune.models.methods import hooks, options
from liftune.models.methods.base import CONV1D_FAMILIES, METHODS, BackboneShape, all_but
from liftune.models.methods.peft_config import block_size, common_widths, linear, peft_targets

if TYPE_CHECKING:
    from peft import PeftConfig


@METHODS.entry(
    "vera",
    summary="Two learnt vectors a layer around random projections that all layers share.",
    options=options.VeraOptions,
    learning_rate=3e-2,
    mergeable=True,
    pipelines=False,
    four_bits=True,
)
def vera(chosen: options.VeraOptions, shape: BackboneShape) -> PeftConfig:
    """Kopiczko et al. 2024. Rate: measured (docs/log.md); the paper has 4e-3 for RoBERTa-base on SST-2."""
    from peft import VeraConfig

    return VeraConfig(
        r=chosen.rank,
        vera_dropout=chosen.dropout,
        d_initial=chosen.initial_scale,
        **peft_targets(linear(chosen, shape), shape),
    )


@METHODS.entry(
    "loha",
    summary="A Hadamard product of two low-rank updates.",
    options=options.LycorisOptions,
    learning_rate=1e-2,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
)
def loha(chosen: options.LycorisOptions, shape: BackboneShape) -> PeftConfig:
    """Hyeon-Woo et al. 2022 (FedPara). Rate: measured (docs/log.md)."""
    from peft import LoHaConfig

    return LoHaConfig(
        r=chosen.rank,
        alpha=chosen.alpha,  # type: ignore[arg-type]  # only ever divided by the rank
        rank_dropout=chosen.dropout,
        **peft_targets(linear(chosen, shape), shape, conv1d=False),
    )


@METHODS.entry(
    "lokr",
    summary="A Kronecker product of a small matrix and a low-rank one.",
    options=options.LycorisOptions,
    learning_rate=1e-2,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
)
def lokr(chosen: options.LycorisOptions, shape: BackboneShape) -> PeftConfig:
    """Yeh et al. 2023 (LyCORIS). Rate: measured (docs/log.md)."""
    from peft import LoKrConfig

    return LoKrConfig(
        r=chosen.rank,
        alpha=chosen.alpha,  # type: ignore[arg-type]  # only ever divided by the rank
        rank_dropout=chosen.dropout,
        **peft_targets(linear(chosen, shape), shape, conv1d=False),
    )


@METHODS.entry(
    "vblora",
    summary="Low-rank updates mixed of vectors from one bank that all layers share.",
    options=options.VectorBankOptions,
    learning_rate=1e-2,
    mergeable=True,
    optimizer=hooks.vblora_optimizer,
    pipelines=False,
)
def vblora(chosen: options.VectorBankOptions, shape: BackboneShape) -> PeftConfig:
    """Li et al. 2024 (VB-LoRA). Rate: the bank's, measured (docs/log.md); the choice of vectors has 10 times it, as the
    authors have it."""
    from peft import VBLoRAConfig

    names = linear(chosen, shape)
    return VBLoRAConfig(
        r=chosen.rank,
        num_vectors=chosen.vectors,
        vector_length=block_size(chosen.vector_length, common_widths(shape, names), most=256, option="vector_length"),
        topk=min(chosen.topk, chosen.vectors),
        vblora_dropout=chosen.dropout,
        **peft_targets(names, shape),
    )


@METHODS.entry(
    "randlora",
    summary="Learnt mixtures of random bases that all layers share: updates of full rank.",
    options=options.RandLoraOptions,
    learning_rate=1e-3,
    mergeable=True,
    four_bits=True,
)
def randlora(chosen: options.RandLoraOptions, shape: BackboneShape) -> PeftConfig:
    """Albert et al. 2025 (RandLoRA). Rate: LoRA's. The bases are saved, so that no other machine need draw the
    same ones."""
    from peft import RandLoraConfig

    return RandLoraConfig(
        r=chosen.rank,
        randlora_alpha=chosen.alpha,
        randlora_dropout=chosen.dropout,
        **peft_targets(linear(chosen, shape), shape),
    )
