"""Methods that change weights otherwise: rescaling, rotation, products, frequencies, norms.

In: options and a model's shape.  Out: entries of METHODS.  Not here: hooks (hooks.py), LoRA's kin (methods_lora.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liftune.errors import MethodError
from liftune.models.methods import hooks, options, targets
from liftune.models.methods.base import CONV1D_FAMILIES, METHODS, BackboneShape, all_but
from liftune.models.methods.peft_config import block_size, linear, places

if TYPE_CHECKING:
    from peft import PeftConfig


@METHODS.entry(
    "ia3",
    summary="Learnt rescaling of keys, values and feed-forward.",
    options=options.Targeted,
    learning_rate=3e-2,
    mergeable=True,
)
def ia3(chosen: options.Targeted, shape: BackboneShape) -> PeftConfig:
    """Liu et al. 2022. Rate: measured (docs/log.md); the paper has 3e-3, PEFT's example 8e-3."""
    from peft import IA3Config

    scaled, narrowing = targets.rescaling_targets(shape.model, linear(chosen, shape))
    where = places(scaled, shape)
    feedforward = targets.short_names(narrowing, shape.model) if narrowing else []
    where["target_modules"] = [*where["target_modules"], *feedforward]
    where["fan_in_fan_out"] = targets.uses_conv1d(shape.model, [*scaled, *narrowing])
    return IA3Config(feedforward_modules=feedforward, **where)


@METHODS.entry(
    "vera",
    summary="Two learnt vectors a layer around random projections that all layers share.",
    options=options.VeraOptions,
    learning_rate=3e-2,
    mergeable=True,
)
def vera(chosen: options.VeraOptions, shape: BackboneShape) -> PeftConfig:
    """Kopiczko et al. 2024. Rate: measured (docs/log.md); the paper has 4e-3 for RoBERTa-base on SST-2."""
    from peft import VeraConfig

    return VeraConfig(
        r=chosen.rank,
        vera_dropout=chosen.dropout,
        d_initial=chosen.initial_scale,
        **places(linear(chosen, shape), shape),
    )


@METHODS.entry(
    "oft",
    summary="Rotates each weight's input in blocks.",
    options=options.BlockOptions,
    learning_rate=1e-3,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
)
def oft(chosen: options.BlockOptions, shape: BackboneShape) -> PeftConfig:
    """Qiu et al. 2023. Rate: LoRA's, as PEFT's method comparison finds near its best."""
    from peft import OFTConfig

    names = linear(chosen, shape)
    return OFTConfig(
        oft_block_size=block_size(chosen.block_size, targets.common_width(shape.model, names), most=32),
        module_dropout=chosen.dropout,
        **places(names, shape),
    )


@METHODS.entry(
    "boft",
    summary="Rotates each weight's input in blocks, and rescales its output.",
    options=options.BlockOptions,
    learning_rate=1e-2,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
)
def boft(chosen: options.BlockOptions, shape: BackboneShape) -> PeftConfig:
    """Liu et al. 2024, with one butterfly factor: more need a CUDA extension that is compiled on the spot.

    Rate: measured (docs/log.md).
    """
    from peft import BOFTConfig

    names = linear(chosen, shape)
    return BOFTConfig(
        boft_block_size=block_size(chosen.block_size, targets.common_width(shape.model, names), most=8),
        boft_n_butterfly_factor=1,
        boft_dropout=chosen.dropout,
        **places(names, shape),
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
        **places(linear(chosen, shape), shape, conv1d=False),
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
        **places(linear(chosen, shape), shape, conv1d=False),
    )


@METHODS.entry(
    "fourierft",
    summary="A few learnt frequencies of each weight's update.",
    options=options.FourierOptions,
    learning_rate=3e-2,
    mergeable=True,
    optimizer=hooks.fourierft_optimizer,
)
def fourierft(chosen: options.FourierOptions, shape: BackboneShape) -> PeftConfig:
    """Gao et al. 2024. Rate: the head's, measured (docs/log.md); the spectrum's is 20 times it, as in the paper."""
    from peft import FourierFTConfig

    names = linear(chosen, shape)
    room = targets.smallest_weight(shape.model, names)
    if chosen.frequencies is not None and chosen.frequencies > room:
        raise MethodError(
            f"frequencies: {chosen.frequencies} is more than the smallest target layer has entries, {room}",
            where="--set frequencies",
            hint=f"choose at most {room}",
        )
    return FourierFTConfig(
        n_frequency=chosen.frequencies or min(1000, room),
        scaling=chosen.scale,
        init_weights=True,  # zeros: training starts from the model as it is
        **places(names, shape),
    )


@METHODS.entry(
    "ln_tuning",
    summary="The layer norms alone.",
    options=options.NormOptions,
    learning_rate=3e-2,
    mergeable=True,
)
def ln_tuning(chosen: options.NormOptions, shape: BackboneShape) -> PeftConfig:
    """Zhao et al. 2023. Rate: measured (docs/log.md)."""
    from peft import LNTuningConfig

    names = targets.norm_targets(shape.model, shape.head_modules, chosen.target_modules)
    return LNTuningConfig(**places(names, shape, conv1d=False))
