"""The methods' options: names, types, ranges, defaults, and how a wrong one is refused.

In: raw values, strings from `--set KEY=VALUE` or Python's own.  Out: one frozen Options.
Not here: what an option does (registry.py), whether the model has the modules that are named (targets.py). No torch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, Self, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from liftune.errors import MethodError, nearest
from liftune.field_faults import faults

#: What stands for every linear layer of the model's repeated blocks.
ALL_LINEAR = "all-linear"
#: What stands for every layer norm outside the head.
ALL_NORMS = "all-norms"

#: PEFT's names for what is called otherwise here, to name the right one in the refusal.
PEFT_NAMES = {
    "r": "rank",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "vera_dropout": "dropout",
    "module_dropout": "dropout",
    "init_r": "initial_rank",
    "target_r": "rank",
    "tinit": "initial_fraction",
    "tfinal": "final_fraction",
    "loraplus_lr_ratio": "lr_ratio",
    "oft_block_size": "block_size",
    "boft_block_size": "block_size",
    "boft_n_butterfly_factor": "butterfly_factors",
    "n_frequency": "frequencies",
    "scaling": "scale",
    "num_virtual_tokens": "virtual_tokens",
    "encoder_hidden_size": "hidden_size",
    "delora_lambda": "scale",
    "num_vectors": "vectors",
    "miss_dropout": "dropout",
    "vblora_dropout": "dropout",
    "randlora_alpha": "alpha",
    "randlora_dropout": "dropout",
}


def _names(value: Any) -> Any:
    """'a, b' or ['a', 'b'] as a tuple; anything else is left for the type check to refuse."""
    if isinstance(value, str):
        value = value.split(",")
    if isinstance(value, list | tuple | set | frozenset):
        return tuple(name.strip() if isinstance(name, str) else name for name in value)
    return value


Names = Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1), BeforeValidator(_names)]
Rank = Annotated[int, Field(gt=0)]
Alpha = Annotated[float, Field(gt=0)]
Dropout = Annotated[float, Field(ge=0, lt=1)]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Ratio = Annotated[float, Field(ge=1)]


class Options(BaseModel):
    """Base of every method's options."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, defer_build=True)
    searched: ClassVar[Mapping[str, Sequence[Any]]] = {}
    """Option -> values that a search tries where none are given."""


class NoOptions(Options):
    """Of a method with nothing to set."""


class Targeted(Options):
    """Of a method that changes chosen linear layers."""

    target_modules: Names = (ALL_LINEAR,)
    """Names, or ends of names, of linear layers: `q_lin,v_lin`; `all-linear` takes those of every block."""


class LoraOptions(Targeted):
    """Of LoRA and its kin."""

    searched = {"rank": (4, 8, 16, 32), "dropout": (0.0, 0.1)}
    rank: Rank = 8
    """Width of the update's bottleneck; parameters grow with it."""
    alpha: Alpha = 16
    """The update is scaled by alpha / rank (rslora: alpha / sqrt(rank))."""
    dropout: Dropout = 0.0
    """Of the update's input, while training."""
    bias: Literal["none", "lora_only", "all"] = "none"
    """Which biases of the model are trained too."""


Checked = TypeVar("Checked", bound=BaseModel)


class LoraPlusOptions(LoraOptions):
    """Of LoRA+."""

    searched = {"rank": (4, 8, 16, 32), "lr_ratio": (4.0, 16.0)}
    lr_ratio: Ratio = 16.0
    """B's learning rate over A's."""


class AdaLoraOptions(Targeted):
    """Of AdaLoRA."""

    searched = {"rank": (4, 8, 12), "orthogonality": (0.1, 0.5)}
    rank: Rank = 8
    """Mean rank that is left at the end."""
    initial_rank: Rank = 12
    """Rank of every layer at the start."""
    alpha: Alpha = 16
    """The update is scaled by alpha / initial_rank."""
    dropout: Dropout = 0.0
    """Of the update's input, while training."""
    initial_fraction: Fraction = 0.1
    """Share of the steps before pruning begins."""
    final_fraction: Fraction = 0.3
    """Share of the steps after pruning has ended."""
    orthogonality: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the penalty that keeps the directions apart."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.rank > self.initial_rank:
            raise ValueError(f"rank {self.rank} is above initial_rank {self.initial_rank}: nothing could be pruned")
        if self.initial_fraction + self.final_fraction >= 1:
            raise ValueError(
                "initial_fraction and final_fraction leave no steps for pruning: their sum must be below 1"
            )
        return self


class VeraOptions(Targeted):
    """Of VeRA."""

    searched = {"rank": (64, 256), "initial_scale": (0.01, 0.1)}
    rank: Rank = 256
    """Of the random, shared, frozen projections."""
    dropout: Dropout = 0.0
    """Of the update's input, while training."""
    initial_scale: Annotated[float, Field(gt=0)] = 0.1
    """What the inner vector starts at."""


class BlockOptions(Targeted):
    """Of the orthogonal methods."""

    block_size: Annotated[int, Field(ge=2)] | None = None
    """Width of the rotated blocks, a divisor of every target's input width; automatic: the largest up to 32, boft 8."""
    dropout: Dropout = 0.0
    """Of whole blocks, while training."""


class LycorisOptions(Targeted):
    """Of LoHa and LoKr."""

    searched = {"rank": (4, 8, 16), "alpha": (8, 16, 32)}
    rank: Rank = 8
    """Of each factor."""
    alpha: Alpha = 16
    """The update is scaled by alpha / rank."""
    dropout: Dropout = 0.0
    """Of whole ranks, while training."""


class FourierOptions(Targeted):
    """Of FourierFT."""

    searched = {"scale": (3.0, 10.0, 30.0)}
    frequencies: Annotated[int, Field(gt=0)] | None = None
    """Trained coefficients of each layer; automatic: 1000, or all of a smaller matrix."""
    scale: Annotated[float, Field(gt=0)] = 10.0
    """Of the update; the paper's for RoBERTa."""
    lr_ratio: Ratio = 20.0
    """The spectrum's learning rate over the head's."""


class DeloraOptions(Targeted):
    """Of DeLoRA."""

    searched = {"rank": (4, 8, 16), "scale": (0.25, 1.0, 4.0)}
    rank: Rank = 8
    """Directions of the update."""
    scale: Annotated[float, Field(gt=0)] = 1
    """How large the update is once it has left zero, over rank and the weight's own norm; learnt from there."""
    dropout: Dropout = 0.0
    """Of the whole update, while training."""


class HouseholderOptions(Targeted):
    """Of HRA."""

    searched = {"rank": (4, 8, 16)}
    rank: Annotated[int, Field(gt=0, multiple_of=2)] = 8
    """Reflections of each layer, an even number: pairs of equal ones start as nothing."""


class RoadOptions(Targeted):
    """Of RoAd."""

    searched = {"variant": ("road_1", "road_2", "road_4")}
    variant: Literal["road_1", "road_2", "road_4"] = "road_1"
    """One, two or four angles and scales for each pair of outputs."""
    group_size: Annotated[int, Field(ge=2, multiple_of=2)] | None = None
    """Outputs among which pairs are made, an even divisor of every target's output width; automatic: the largest up
    to 64."""


class CirculantOptions(Targeted):
    """Of C3A."""

    searched = {"lr_ratio": (30.0, 100.0)}
    block_size: Annotated[int, Field(ge=2)] | None = None
    """Width of a circulant block, a divisor of every target's widths; automatic: the largest up to 256."""
    lr_ratio: Ratio = 100.0
    """The kernels' learning rate over the head's."""


class ShardOptions(Targeted):
    """Of MiSS and Bone."""

    searched = {"dropout": (0.0, 0.1)}
    rank: Annotated[int, Field(gt=0)] | None = None
    """Width of the shared part, a divisor of every target's widths; automatic: the largest up to 64."""
    dropout: Dropout = 0.0
    """Of the update's input, while training."""


class VectorBankOptions(Targeted):
    """Of VB-LoRA."""

    searched = {"topk": (2, 4), "dropout": (0.0, 0.1)}
    rank: Rank = 4
    """Of each layer's update."""
    vectors: Annotated[int, Field(gt=1)] = 90
    """In the bank that all layers share."""
    vector_length: Annotated[int, Field(ge=2)] | None = None
    """A divisor of every target's widths; automatic: the largest up to 256."""
    topk: Annotated[int, Field(gt=0)] = 2
    """Vectors that each part of an update is mixed of."""
    dropout: Dropout = 0.0
    """Of the update's input, while training."""
    lr_ratio: Ratio = 10.0
    """The learning rate of the choice over that of the bank and the head."""


class RandLoraOptions(Targeted):
    """Of RandLoRA."""

    searched = {"rank": (16, 32, 64)}
    rank: Rank = 32
    """Of each of the random, shared, frozen bases; fewer parameters are trained with larger ones."""
    alpha: Annotated[int, Field(gt=0)] = 640
    """The update is scaled by alpha / rank."""
    dropout: Dropout = 0.0
    """Of the update's input, while training."""


class SparseOptions(Targeted):
    """Of SHiRA."""

    searched = {"rank": (4, 8, 16)}
    rank: Rank = 8
    """Entries trained in each weight: as many as a LoRA of this rank has."""


class WaveletOptions(Targeted):
    """Of WaveFT."""

    searched = {"scale": (10.0, 25.0, 50.0)}
    frequencies: Annotated[int, Field(gt=0)] | None = None
    """Trained coefficients of each layer; automatic: 2592, or all of a smaller matrix."""
    scale: Annotated[float, Field(gt=0)] = 25.0
    """Of the update."""


class NormOptions(Options):
    """Of layer-norm tuning."""

    target_modules: Names = (ALL_NORMS,)
    """Names, or ends of names, of layer norms; `all-norms` takes every one outside the head."""


class PromptOptions(Options):
    """Of prompt tuning."""

    searched = {"lr_ratio": (3.0, 10.0, 30.0)}
    virtual_tokens: Annotated[int, Field(gt=0)] = 20
    """Trained positions put before each row; the model's length limit shrinks by as many."""
    lr_ratio: Ratio = 10.0
    """The prompt's learning rate over the head's."""


class PTuningOptions(Options):
    """Of p-tuning."""

    searched = {"hidden_size": (64, 128, 256)}
    virtual_tokens: Annotated[int, Field(gt=0)] = 20
    """Trained positions put before each row; the model's length limit shrinks by as many."""
    hidden_size: Annotated[int, Field(gt=0)] = 128
    """Of the network that makes the prompt."""


class PrefixOptions(Options):
    """Of prefix tuning."""

    searched = {"lr_ratio": (3.0, 10.0, 30.0)}
    virtual_tokens: Annotated[int, Field(gt=0)] = 20
    """Trained positions put before each row; the model's length limit shrinks by as many."""
    lr_ratio: Ratio = 10.0
    """The prefix's learning rate over the head's."""


def parse(options: type[Checked], raw: Mapping[str, Any], *, method: str) -> Checked:
    """Check raw values against a method's options.

    Raises:
        MethodError: names every unknown option with the nearest known one, and every value of a wrong type or range.
    """
    known = list(options.model_fields)
    wrong = [f"{name}: method {method} has no such option{_meant(name, known)}" for name in raw if name not in known]
    try:
        checked = options.model_validate({name: value for name, value in raw.items() if name in known})
    except ValidationError as error:
        wrong.extend(fault.removeprefix("value: ") for fault in faults(error))
    if wrong:
        has = f"options of {method}: {', '.join(known)}" if known else f"{method} has no options"
        raise MethodError("\n".join(wrong), where="--set", hint=f"give values of the type and range named; {has}")
    return checked


def _meant(name: str, known: list[str]) -> str:
    ours = PEFT_NAMES.get(name)
    return f", did you mean {ours}?" if ours in known else nearest(name, known)
