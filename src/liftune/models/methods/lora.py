"""LoRA and its kin: low-rank updates of linear layers.

In: options and a model's shape.  Out: entries of METHODS.  Not here: hooks (hooks.py), other methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from liftune.models.methods import hooks, options
from liftune.models.methods.base import CONV1D_FAMILIES, METHODS, BackboneShape, all_but
from liftune.models.methods.peft_config import linear, peft_targets

if TYPE_CHECKING:
    from peft import PeftConfig


def _lora(chosen: options.LoraOptions, shape: BackboneShape, **more: Any) -> PeftConfig:
    from peft import LoraConfig

    return LoraConfig(
        r=chosen.rank,
        lora_alpha=chosen.alpha,  # type: ignore[arg-type]  # only ever divided by the rank
        lora_dropout=chosen.dropout,
        bias=chosen.bias,
        **peft_targets(linear(chosen, shape), shape),
        **more,
    )


@METHODS.entry(
    "lora",
    summary="A low-rank update beside each linear layer.",
    options=options.LoraOptions,
    learning_rate=1e-3,
    mergeable=True,
    four_bits=True,
)
def lora(chosen: options.LoraOptions, shape: BackboneShape) -> PeftConfig:
    """Hu et al. 2021. Rate: measured on minilm at batch 16; ten times full fine-tuning's (LoRA Without Regret 2025)."""
    return _lora(chosen, shape)


@METHODS.entry(
    "rslora",
    summary="LoRA scaled by alpha / sqrt(rank), steady at high ranks.",
    options=options.LoraOptions,
    learning_rate=5e-4,
    mergeable=True,
    four_bits=True,
)
def rslora(chosen: options.LoraOptions, shape: BackboneShape) -> PeftConfig:
    """Kalajdzievski 2023. Rate: half of LoRA's, since the update is sqrt(rank) times as large."""
    return _lora(chosen, shape, use_rslora=True)


@METHODS.entry(
    "dora",
    summary="LoRA on the direction of each weight, its magnitude learnt apart.",
    options=options.LoraOptions,
    learning_rate=1e-3,
    mergeable=True,
    pipelines=False,
    four_bits=True,
)
def dora(chosen: options.LoraOptions, shape: BackboneShape) -> PeftConfig:
    """Liu et al. 2024. Rate: LoRA's, as in the paper."""
    return _lora(chosen, shape, use_dora=True)


@METHODS.entry(
    "pissa",
    summary="LoRA begun from each weight's principal directions; saved as plain LoRA of twice the rank.",
    options=options.LoraOptions,
    learning_rate=5e-4,
    mergeable=True,
    after_attach=hooks.pissa_begin,
    before_save=hooks.split_to_lora,
)
def pissa(chosen: options.LoraOptions, shape: BackboneShape) -> PeftConfig:
    """Meng et al. 2024. Rate: half of LoRA's, since both factors start large."""
    return _lora(chosen, shape)


@METHODS.entry(
    "milora",
    summary="LoRA begun from each weight's least directions; saved as plain LoRA of twice the rank.",
    options=options.LoraOptions,
    learning_rate=1e-3,
    mergeable=True,
    after_attach=hooks.milora_begin,
    before_save=hooks.split_to_lora,
)
def milora(chosen: options.LoraOptions, shape: BackboneShape) -> PeftConfig:
    """Wang et al. 2024 (MiLoRA). Rate: LoRA's, as in the paper."""
    return _lora(chosen, shape)


@METHODS.entry(
    "olora",
    summary="LoRA begun from an orthonormal basis of each weight; saved as plain LoRA of twice the rank.",
    options=options.LoraOptions,
    learning_rate=5e-4,
    mergeable=True,
    after_attach=hooks.olora_begin,
    before_save=hooks.split_to_lora,
)
def olora(chosen: options.LoraOptions, shape: BackboneShape) -> PeftConfig:
    """Büyükakyüz 2024 (OLoRA). Rate: PiSSA's, since both factors start large."""
    return _lora(chosen, shape)


@METHODS.entry(
    "lorafa",
    summary="LoRA whose A stays as it was drawn: B alone learns.",
    options=options.LoraOptions,
    learning_rate=2e-3,
    mergeable=True,
    after_attach=hooks.freeze_a,
    after_start=hooks.freeze_a,
    four_bits=True,
)
def lorafa(chosen: options.LoraOptions, shape: BackboneShape) -> PeftConfig:
    """Zhang et al. 2023 (LoRA-FA). Rate: twice LoRA's, since half of it stands still."""
    return _lora(chosen, shape)


@METHODS.entry(
    "delora",
    summary="LoRA whose directions have unit length, the strength of the update learnt apart.",
    options=options.DeloraOptions,
    learning_rate=1e-3,
    families=all_but(*CONV1D_FAMILIES),
    mergeable=True,
)
def delora(chosen: options.DeloraOptions, shape: BackboneShape) -> PeftConfig:
    """Bini et al. 2025 (DeLoRA). Rate: LoRA's.

    The first step takes the update to its whole size. PEFT's 15 then leaves nothing of a small encoder: on minilm and
    300 rows of sample:emotions, validation accuracy was 0.33 at 1, 0.22 at 0.25 and 0.17, chance, at 4.
    """
    from peft import DeloraConfig

    return DeloraConfig(
        r=chosen.rank,
        delora_lambda=chosen.scale,  # type: ignore[arg-type]  # only ever multiplied with
        module_dropout=chosen.dropout,
        **peft_targets(linear(chosen, shape), shape, conv1d=False),
    )


@METHODS.entry(
    "loraplus",
    summary="LoRA whose B learns faster than its A.",
    options=options.LoraPlusOptions,
    learning_rate=2e-4,
    mergeable=True,
    optimizer=hooks.loraplus_optimizer,
    four_bits=True,
)
def loraplus(chosen: options.LoraPlusOptions, shape: BackboneShape) -> PeftConfig:
    """Hayou et al. 2024. Rate: of A, with B at 16 times it, as the paper sets both for RoBERTa."""
    return _lora(chosen, shape)


@METHODS.entry(
    "adalora",
    summary="LoRA in singular-value form, its ranks pruned to where they matter.",
    options=options.AdaLoraOptions,
    learning_rate=1e-2,
    mergeable=True,
    penalty=hooks.adalora_penalty,
    after_step=hooks.adalora_step,
    state=hooks.adalora_state,
    restore_state=hooks.adalora_restore,
    before_save=hooks.adalora_keep_what_lives,
    four_bits=True,
)
def adalora(chosen: options.AdaLoraOptions, shape: BackboneShape) -> PeftConfig:
    """Zhang et al. 2023. Rate: measured (docs/log.md); the paper has 5e-4 to 3e-3 on GLUE."""
    from peft import AdaLoraConfig

    steps = shape.total_steps
    return AdaLoraConfig(
        target_r=chosen.rank,
        init_r=chosen.initial_rank,
        lora_alpha=chosen.alpha,  # type: ignore[arg-type]  # only ever divided by the rank
        lora_dropout=chosen.dropout,
        tinit=int(chosen.initial_fraction * steps),
        tfinal=int(chosen.final_fraction * steps),
        deltaT=max(1, steps // 100),
        total_step=steps,
        orth_reg_weight=chosen.orthogonality,
        **peft_targets(linear(chosen, shape), shape),
    )
