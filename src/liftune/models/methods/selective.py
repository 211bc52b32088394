"""Methods that train the model's own vectors: rescalings, norms, biases.

In: options and a model's shape.  Out: entries of METHODS.  Not here: low-rank updates (low_rank.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from liftune.errors import MethodError
from liftune.models.methods import options, targets
from liftune.models.methods.base import METHODS, BackboneShape, all_but
from liftune.models.methods.peft_config import linear, peft_targets

if TYPE_CHECKING:
    from peft import PeftConfig

#: Their linear layers and norms have no biases.
WITHOUT_BIASES = ("llama", "mistral", "modernbert", "qwen3", "t5")


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
    where = peft_targets(scaled, shape)
    feedforward = targets.short_names(narrowing, shape.model) if narrowing else []
    where["target_modules"] = [*where["target_modules"], *feedforward]
    where["fan_in_fan_out"] = targets.uses_conv1d(shape.model, [*scaled, *narrowing])
    return IA3Config(feedforward_modules=feedforward, **where)


@METHODS.entry(
    "ln_tuning",
    summary="The layer norms alone.",
    options=options.NormOptions,
    learning_rate=3e-2,
    mergeable=True,
    four_bits=True,
)
def ln_tuning(chosen: options.NormOptions, shape: BackboneShape) -> PeftConfig:
    """Zhao et al. 2023. Rate: measured (docs/log.md)."""
    from peft import LNTuningConfig

    names = targets.norm_targets(shape.model, shape.head_modules, chosen.target_modules)
    return LNTuningConfig(**peft_targets(names, shape, conv1d=False))


@METHODS.entry(
    "bitfit",
    summary="The model's own biases alone, those of norms included.",
    learning_rate=1e-2,
    families=all_but(*WITHOUT_BIASES),
    mergeable=True,
    four_bits=True,
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
