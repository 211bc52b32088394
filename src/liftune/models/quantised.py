"""Frozen weights held in four bits, by bitsandbytes: which of them, computed with, and turned back into numbers.

In: a sketch of a model, without numbers.  Out: what transformers is told of it; a model of plain layers again.
Not here: loading (backbone.py), which methods can be tuned on such weights (methods/), memory (memory_needs.py).

Four bits are a rounding of the weights, to sixteen values in blocks of 64 (NF4, Dettmers et al. 2023, "QLoRA"), and the
scales of the blocks rounded too. Whoever has the memory may hold the same rounded numbers in float32: the answers are
the same, and what follows (merging, export, a fast path) is that of any other model.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import BitsAndBytesConfig, PreTrainedModel

from liftune.errors import ModelError
from liftune.hardware.plan import Plan, Precision
from liftune.models.families import is_four_bits
from liftune.models.pretrained import quiet
from liftune.records.training import FOUR_BITS

#: Numbers that share a scale.
BLOCK = 64
#: Bytes of a number with its share of the block's scale: 4 bits, 8 of 64 numbers, and 32 of 256 of those.
BYTES = 0.5 + 1 / BLOCK + 4 / (BLOCK * 256)


def kept_modules(model: PreTrainedModel, kept: Iterable[str]) -> tuple[str, ...]:
    """Names of the modules that stay as they are.

    Args:
        model: may be without numbers.
        kept: names of parameters and modules that are to: the head, and all that loading makes up.
    """
    every = dict(model.named_modules())
    modules = {name if name in every else name.rpartition(".")[0] for name in kept}
    # bitsandbytes computes with rows of whole blocks.
    modules |= {name for name, each in every.items() if isinstance(each, nn.Linear) and each.in_features % BLOCK}
    return tuple(sorted(modules))


def four_bits(kept: Iterable[str], plan: Plan) -> dict[str, Any]:
    """What `from_pretrained` is told, for linear layers in four bits.

    Args:
        kept: as of `kept_modules`.
    """
    config = BitsAndBytesConfig(
        **FOUR_BITS,
        bnb_4bit_compute_dtype=_TORCH[plan.dtype],
        llm_int8_skip_modules=list(kept),
    )  # type: ignore[no-untyped-call]
    return {"quantization_config": config, "device_map": {"": plan.device}}


_TORCH: dict[Precision, torch.dtype] = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def check_kept(model: PreTrainedModel, fresh: Iterable[str], head: Iterable[str], where: str) -> None:
    """What is trained must not be in four bits.

    Raises:
        ModelError: some of it is, or nothing at all is in four bits.
    """
    quantised = [name for name, parameter in model.named_parameters() if is_four_bits(parameter)]
    if not quantised:
        raise ModelError(
            f"no layer of the model can be held in four bits: none beside its head has a multiple of {BLOCK} inputs",
            where=where,
            hint="leave --base-precision out",
        )
    inside = tuple(f"{each}." for each in head)
    wrong = [name for name in quantised if name in set(fresh) or name.startswith(inside)]
    if wrong:
        raise ModelError(
            f"parameters that must be trained were loaded in four bits: {', '.join(wrong)}",
            where=where,
            hint="leave --base-precision out",
        )


def in_four_bits(model: nn.Module) -> int:
    """How many numbers are held so."""
    states: list[Any] = [getattr(each, "quant_state", None) for each in model.parameters()]
    return sum(torch.Size(each.shape).numel() for each in states if each is not None)


def compute_in(model: nn.Module, dtype: Precision) -> None:
    """Have products with weights in four bits computed in a precision; other layers are left alone."""
    if not in_four_bits(model):
        return
    from bitsandbytes.nn import Linear4bit

    for module in model.modules():
        if type(module) in (Linear4bit, _layer_class()):  # not PEFT's layers around them, which have a weight too
            module.__class__ = _layer_class()
            module.compute_dtype = _TORCH[dtype]  # type: ignore[assignment]


@cache
def _layer_class() -> type[nn.Module]:
    """bitsandbytes' layer, computing in the precision that was asked for and no other.

    Its own rounds the bias to that precision for good, a trained one too; and a CPU with AVX512-BF16 has it answer in
    bfloat16 whatever is asked, on weights that cannot be trained on afterwards.
    """
    from bitsandbytes import matmul_4bit
    from bitsandbytes.nn import Linear4bit

    class FourBitLinear(Linear4bit):  # type: ignore[misc]
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            inside, state = inputs.to(self.compute_dtype), self.weight.quant_state
            outputs: torch.Tensor = matmul_4bit(inside, self.weight, quant_state=state).to(inputs.dtype)
            return outputs if self.bias is None else outputs + self.bias.to(outputs.dtype)

    return FourBitLinear


def as_numbers(model: PreTrainedModel) -> PreTrainedModel:
    """The model of plain layers, with the numbers that the four bits stand for, in float32."""
    with quiet():
        plain: PreTrainedModel = model.dequantize(dtype=torch.float32)  # type: ignore[no-untyped-call]
    for left in ("hf_quantizer", "is_quantized", "is_loaded_in_4bit", "quantization_method"):
        if hasattr(plain, left):  # PEFT and transformers would take it for a quantised one still
            delattr(plain, left)
    return plain
