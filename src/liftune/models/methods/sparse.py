"""Methods that train few numbers of each weight: mixtures of shared parts, single entries, wavelets, biases.

In: options and a model's shape.  Out: entries of METHODS.
Not here: VeRA and FourierFT, their nearest kin (methods_weight.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liftune.errors import MethodError
from liftune.models.methods import hooks, options, targets
from liftune.models.methods.base import CONV1D_FAMILIES, METHODS, BackboneShape, all_but
from liftune.models.methods.block import common_widths
from liftune.models.methods.peft_config import block_size, linear, places

if TYPE_CHECKING:
    from peft import PeftConfig

#: Their linear layers and norms have no biases.
WITHOUT_BIASES = ("llama", "mistral", "modernbert", "qwen3", "t5")


@METHODS.entry(
    "vblora",
    summary="Low-rank updates mixed of vectors from one bank that all layers share.",
    options=options.VectorBankOptions,
    learning_rate=1e-2,
    mergeable=True,
    optimizer=hooks.vblora_optimizer,
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
        **places(names, shape),
    )


@METHODS.entry(
    "randlora",
    summary="Learnt mixtures of random bases that all layers share: updates of full rank.",
    options=options.RandLoraOptions,
    learning_rate=1e-3,
    mergeable=True,
)
def randlora(chosen: options.RandLoraOptions, shape: BackboneShape) -> PeftConfig:
    """Albert et al. 2025 (RandLoRA). Rate: LoRA's. The bases are saved, so that no other machine need draw the
    same ones."""
    from peft import RandLoraConfig

    return RandLoraConfig(
        r=chosen.rank,
        randlora_alpha=chosen.alpha,
        randlora_dropout=chosen.dropout,
        **places(linear(chosen, shape), shape),
    )


@METHODS.entry(
    "shira",
    summary="A random few of each weight's own entries.",
    options=options.SparseOptions,
    learning_rate=3e-3,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
)
def shira(chosen: options.SparseOptions, shape: BackboneShape) -> PeftConfig:
    """Bhardwaj et al. 2024 (SHiRA, random mask); which entries is saved with them. Rate: measured (docs/log.md)."""
    from peft import ShiraConfig

    return ShiraConfig(r=chosen.rank, **places(linear(chosen, shape), shape))


@METHODS.entry(
    "waveft",
    summary="A few learnt wavelet coefficients of each weight's update.",
    options=options.WaveletOptions,
    learning_rate=3e-3,
    mergeable=True,
)
def waveft(chosen: options.WaveletOptions, shape: BackboneShape) -> PeftConfig:
    """Bilican et al. 2025 (WaveFT), with the sizes of PEFT. Rate: FourierFT's for the head."""
    from peft import WaveFTConfig

    names = linear(chosen, shape)
    room = targets.smallest_weight(shape.model, names)
    if chosen.frequencies is not None and chosen.frequencies > room:
        raise MethodError(
            f"frequencies: {chosen.frequencies} is more than the smallest target layer has entries, {room}",
            where="--set frequencies",
            hint=f"choose at most {room}",
        )
    return WaveFTConfig(n_frequency=chosen.frequencies or min(2592, room), scaling=chosen.scale, **places(names, shape))


@METHODS.entry(
    "bitfit",
    summary="The model's own biases alone, those of norms included.",
    learning_rate=1e-2,
    families=all_but(*WITHOUT_BIASES),
    mergeable=True,
)
def bitfit(chosen: options.NoOptions, shape: BackboneShape) -> PeftConfig:
    """Ben Zaken et al. 2022 (BitFit). Rate: measured (docs/log.md); the paper has 1e-4 to 1e-3.

    Raises:
        MethodError: the model has no biases outside its head.
    """
    from peft import LoraConfig
    from peft.utils.constants import DUMMY_TARGET_MODULES

    if not targets.biases(shape.model, shape.head_modules):
        raise MethodError(
            f"method bitfit has nothing to train in this {shape.family} model: it has no biases outside its head",
            where="--method bitfit",
            hint="choose ln_tuning or lora",
        )
    # A LoRA of no layer, beside which PEFT trains and saves every bias.
    return LoraConfig(task_type="SEQ_CLS", target_modules=DUMMY_TARGET_MODULES, bias="all")
