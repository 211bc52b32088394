"""Methods that train a few entries, frequencies or wavelets of each weight's update.

In: options and a model's shape.  Out: entries of METHODS.  Not here: biases and norms (selective.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liftune.errors import MethodError
from liftune.models.methods import hooks, options, targets
from liftune.models.methods.base import CONV1D_FAMILIES, METHODS, BackboneShape, all_but
from liftune.models.methods.peft_config import linear, peft_targets

if TYPE_CHECKING:
    from peft import PeftConfig


@METHODS.entry(
    "fourierft",
    summary="A few learnt frequencies of each weight's update.",
    options=options.FourierOptions,
    learning_rate=3e-2,
    mergeable=True,
    optimizer=hooks.fourierft_optimizer,
    four_bits=True,
)
def fourierft(chosen: options.FourierOptions, shape: BackboneShape) -> PeftConfig:
    """Gao et al. 2024. Rate: the head's, measured (docs/log.md); the spectrum's is 20 times it, as in the paper."""
    from peft import FourierFTConfig

    names = linear(chosen, shape)
    return FourierFTConfig(
        n_frequency=_frequencies(chosen.frequencies, shape, names, default=1000),
        scaling=chosen.scale,
        init_weights=True,  # zeros: training starts from the model as it is
        **peft_targets(names, shape),
    )


@METHODS.entry(
    "shira",
    summary="A random few of each weight's own entries.",
    options=options.SparseOptions,
    learning_rate=3e-3,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
    four_bits=True,
)
def shira(chosen: options.SparseOptions, shape: BackboneShape) -> PeftConfig:
    """Bhardwaj et al. 2024 (SHiRA, random mask); which entries is saved with them. Rate: measured (docs/log.md)."""
    from peft import ShiraConfig

    return ShiraConfig(r=chosen.rank, **peft_targets(linear(chosen, shape), shape))


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
    return WaveFTConfig(
        n_frequency=_frequencies(chosen.frequencies, shape, names, default=2592),
        scaling=chosen.scale,
        **peft_targets(names, shape),
    )


def _frequencies(wanted: int | None, shape: BackboneShape, names: list[str], *, default: int) -> int:
    """Coefficients of each weight: as many as wanted, or the default where the smallest weight has so many entries."""
    room = targets.smallest_weight(shape.model, names)
    if wanted is None:
        return min(default, room)
    if wanted > room:
        raise MethodError(
            f"frequencies: {wanted} is more than the smallest target layer has entries, {room}",
            where="--set frequencies",
            hint=f"choose at most {room}",
        )
    return wanted
