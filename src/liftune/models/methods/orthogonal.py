"""Methods that rotate or reflect what a weight reads or writes.

In: options and a model's shape.  Out: entries of METHODS.  Not here: updates by blocks (block.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liftune.models.methods import options, targets
from liftune.models.methods.base import CONV1D_FAMILIES, METHODS, BackboneShape, all_but
from liftune.models.methods.peft_config import block_size, linear, peft_targets

if TYPE_CHECKING:
    from peft import PeftConfig


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
        **peft_targets(names, shape),
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
        **peft_targets(names, shape),
    )


@METHODS.entry(
    "hra",
    summary="A chain of learnt reflections before each weight.",
    options=options.HouseholderOptions,
    learning_rate=1e-2,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
)
def hra(chosen: options.HouseholderOptions, shape: BackboneShape) -> PeftConfig:
    """Yuan et al. 2024 (HRA), without the Gram-Schmidt step. Rate: measured (docs/log.md)."""
    from peft import HRAConfig

    return HRAConfig(r=chosen.rank, **peft_targets(linear(chosen, shape), shape, conv1d=False))


@METHODS.entry(
    "road",
    summary="Rotates and scales pairs of each weight's outputs.",
    options=options.RoadOptions,
    learning_rate=1e-2,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
    four_bits=True,
)
def road(chosen: options.RoadOptions, shape: BackboneShape) -> PeftConfig:
    """Liao and Monz 2024 (3-in-1: RoAd). Rate: measured (docs/log.md)."""
    from peft import RoadConfig

    names = linear(chosen, shape)
    width = targets.common_output_width(shape.model, names)
    size = block_size(chosen.group_size, width, most=64, option="group_size")
    return RoadConfig(variant=chosen.variant, group_size=size, **peft_targets(names, shape, conv1d=False))
