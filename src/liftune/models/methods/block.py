"""Methods that change each weight block by block: circulants, shared shards.

In: options and a model's shape.  Out: entries of METHODS.  Not here: rotations by blocks (orthogonal.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liftune.models.methods import hooks, options
from liftune.models.methods.base import CONV1D_FAMILIES, METHODS, BackboneShape, all_but
from liftune.models.methods.peft_config import block_size, common_widths, linear, peft_targets

if TYPE_CHECKING:
    from peft import PeftConfig


@METHODS.entry(
    "c3a",
    summary="Circular convolutions beside each weight, block by block.",
    options=options.CirculantOptions,
    learning_rate=3e-3,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
    optimizer=hooks.c3a_optimizer,
)
def c3a(chosen: options.CirculantOptions, shape: BackboneShape) -> PeftConfig:
    """Chen et al. 2024 (C3A). Rate: the head's, measured (docs/log.md); the kernels' is 100 times it."""
    from peft import C3AConfig

    names = linear(chosen, shape)
    return C3AConfig(
        block_size=block_size(chosen.block_size, common_widths(shape, names), most=256),
        init_weights=True,  # zeros: training starts from the model as it is
        **peft_targets(names, shape, conv1d=False),
    )


@METHODS.entry(
    "miss",
    summary="One small matrix beside each weight, shared by all its shards.",
    options=options.ShardOptions,
    learning_rate=1e-3,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
)
def miss(chosen: options.ShardOptions, shape: BackboneShape) -> PeftConfig:
    """Kang and Yin 2024 (MiSS). Rate: LoRA's."""
    return _shards(chosen, shape, initial=True)


@METHODS.entry(
    "bone",
    summary="Blocks of each weight, each changed by itself times a small square matrix.",
    options=options.ShardOptions,
    learning_rate=1e-3,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
)
def bone(chosen: options.ShardOptions, shape: BackboneShape) -> PeftConfig:
    """Kang and Yin 2024 (Bone: block affine transformation), which PEFT carries out as a kind of MiSS. Rate: LoRA's."""
    return _shards(chosen, shape, initial="bat")


def _shards(chosen: options.ShardOptions, shape: BackboneShape, *, initial: bool | str) -> PeftConfig:
    from peft import MissConfig

    names = linear(chosen, shape)
    return MissConfig(
        r=block_size(chosen.rank, common_widths(shape, names), most=64, option="rank"),
        miss_dropout=chosen.dropout,
        init_weights=initial,  # type: ignore[arg-type]  # "bat" or True
        **peft_targets(names, shape, conv1d=False),
    )
