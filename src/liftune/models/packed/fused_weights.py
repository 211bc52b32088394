"""A layer's modules as the frozen weights of the fused layer, or why they cannot be that.

In: LayerModules.  Out: LayerWeights that share the modules' memory; their A and B.
Not here: computing (layer.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from threading import Lock
from typing import Any

import torch
from torch import Tensor, nn
from transformers.activations import GELUActivation

from liftune.models.families import is_four_bits
from liftune.models.packed.layer import FrozenLayerNorm, LayerWeights
from liftune.models.packed.layouts import LINEAR, NORMS, LayerModules
from liftune.models.packed.lora_linear import AddLora, LoraLinear, LoraShape
from liftune.models.packed.onednn_weights import ReorderedWeight


def unsupported_reason(modules: LayerModules) -> str:
    """Why the fused layer cannot run in place of these modules; empty where it can."""
    activation = modules.activation
    if not isinstance(activation, GELUActivation | nn.GELU) or getattr(activation, "approximate", "none") != "none":
        return "its activation is not the exact GELU"
    for norm in modules.named(NORMS):
        if type(norm) is not nn.LayerNorm or any(p.requires_grad for p in norm.parameters()):
            return "the method changes its layer norms"
    for module in modules.named(LINEAR):
        reason = _unsupported_linear(module)
        if reason:
            return reason
    return ""


def _unsupported_linear(module: nn.Module) -> str:
    from peft.tuners.lora import Linear as PeftLoraLinear

    base = getattr(module, "base_layer", module)
    if is_four_bits(base.weight):
        return "its frozen weights are held in four bits"
    if type(base) is not nn.Linear or any(p.requires_grad for p in base.parameters()):
        return "the method trains or replaces the model's own weights"
    if module is base:
        return "" if not _has_hooks(module) else "the method hooks into its layers"
    if type(module) is not PeftLoraLinear:
        return "the method is not plain LoRA"
    names = module.active_adapters
    if module.merged or len(names) != 1 or len(module.lora_A) != 1:
        return "several adapters, or one that is merged"
    if module.lora_variant or module.lora_bias[names[0]] or module.fan_in_fan_out:
        return "a variant of LoRA"
    if not isinstance(module.lora_dropout[names[0]], nn.Identity):
        return "LoRA has dropout of its own"
    return "the method hooks into its layers" if _has_hooks(module) or _has_hooks(base) else ""


def _has_hooks(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


class FusedLayers:
    """The encoder's layers as fused weights, made anew when the modules' weights were replaced or changed."""

    def __init__(self, layers: Sequence[LayerModules]) -> None:
        self._layers = tuple(layers)
        self._add_lora: AddLora | None = None
        self._made: list[tuple[tuple[tuple[int, int], ...], LayerWeights]] | None = None
        """Of each layer, the key of what it was made of, and what was made."""
        self._making = Lock()

    def usable(self) -> bool:
        """Whether adapters are enabled and not merged, as the fused layer needs them."""
        return not any(
            getattr(module, "disable_adapters", False) or getattr(module, "merged", False)
            for modules in self._layers
            for module in modules.named(LINEAR)
        )

    def set_add_lora(self, add_lora: AddLora) -> set[nn.Linear]:
        """Let `add_lora` add to the outputs of the model's own linear layers; returns the layers that call it."""
        self._add_lora, self._made = add_lora, None
        return {_base_linear(module) for modules in self._layers for module in modules.named(LINEAR)}

    def weights(self) -> list[LayerWeights]:
        """One a layer."""
        with self._making:  # one worker makes them for all
            if self._made is None or any(
                key != _key(modules) for (key, _), modules in zip(self._made, self._layers, strict=True)
            ):
                # Also within inference mode: tensors made in that mode could never be trained through.
                with torch.inference_mode(False), torch.no_grad():
                    made = [weights_of(modules, self._add_lora) for modules in self._layers]
                    self._made = [(_key(modules), weights) for modules, weights in zip(self._layers, made, strict=True)]
            return [weights for _, weights in self._made]

    def factors(self) -> list[list[Tensor]]:
        """A and B of each layer's adapted linear layers, in the order of LINEAR."""
        return [[each for module in modules.named(LINEAR) for each in _factors(module)] for modules in self._layers]


def _key(modules: LayerModules) -> tuple[tuple[int, int], ...]:
    """Of each weight, where it lies and how often it was written to: the reordered weights are copies.

    The fused weights hold that memory, so that no other tensor can come to lie there.
    """
    weights = (_base_linear(module).weight for module in modules.named(LINEAR))
    return tuple((weight.data_ptr(), weight._version) for weight in weights)


def _base_linear(module: nn.Module) -> nn.Linear:
    """The model's own layer, inside PEFT's where there is one."""
    base = getattr(module, "base_layer", module)
    assert isinstance(base, nn.Linear)
    return base


def _factors(module: Any) -> tuple[Tensor, ...]:
    """A (rank, inputs) and B (outputs, rank), or nothing where the layer is not adapted."""
    if not hasattr(module, "lora_A"):
        return ()
    (name,) = module.active_adapters
    return module.lora_A[name].weight, module.lora_B[name].weight


def _scaling(module: Any) -> float:
    (name,) = module.active_adapters
    return float(module.scaling[name])


def weights_of(modules: LayerModules, add_lora: AddLora | None = None) -> LayerWeights:
    """The layer's frozen weights; query, key and value are moved into one matrix, of which theirs become views."""
    qkv = (modules.query, modules.key, modules.value)
    bases = [_base_linear(module) for module in qkv]
    weight = _joined_weight(bases)
    queries = bases[0].out_features
    return LayerWeights(
        qkv=_lora_linear(qkv, weight, add_lora),
        query=_lora_linear(qkv[:1], weight[:queries], add_lora),
        kv=_lora_linear(qkv[1:], weight[queries:], add_lora),
        out=_single(modules.out, add_lora),
        norm1=_norm(modules.norm1),
        up=_single(modules.up, add_lora),
        down=_single(modules.down, add_lora),
        norm2=_norm(modules.norm2),
        heads=modules.heads,
    )


def _joined_weight(bases: Sequence[nn.Linear]) -> Tensor:
    """Their weights as one matrix, of which they become views, unless they are that already."""
    weights = [base.weight.detach() for base in bases]
    outputs, (first, *_) = sum(map(len, weights)), weights
    if all(
        one.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()
        and one.storage_offset() + one.numel() == other.storage_offset()
        for one, other in pairwise(weights)
    ):
        return first.as_strided((outputs, first.shape[1]), first.stride())
    joined = torch.cat(weights)
    for base, part in zip(bases, torch.split(joined, [len(each) for each in weights]), strict=True):
        base.weight.data = part
    return joined


def _single(module: nn.Module, add_lora: AddLora | None) -> LoraLinear:
    return _lora_linear([module], _base_linear(module).weight.detach(), add_lora)


def _lora_linear(modules: Sequence[nn.Module], weight: Tensor, add_lora: AddLora | None) -> LoraLinear:
    """Layers of one input, whose weights are one matrix."""
    lora: list[LoraShape] = []
    biases: list[Tensor] = []
    start = 0
    for module in modules:
        base, stop = _base_linear(module), start + _base_linear(module).out_features
        for a in _factors(module)[:1]:
            lora.append(LoraShape(slice(start, stop), a.shape[0], _scaling(module)))
        biases.append(weight.new_zeros(stop - start) if base.bias is None else base.bias.detach().to(weight.dtype))
        start = stop
    added = partial(add_lora, [_base_linear(module) for module in modules]) if add_lora else None
    # Where many models share the base, memory counts: in float32 the reordered copy costs more than it is worth.
    pays_off = ReorderedWeight.pays_off(weight, has_lora=bool(lora or added))
    reordered = ReorderedWeight(weight) if pays_off else None
    return LoraLinear(weight, torch.cat(biases), tuple(lora), reordered, added)


def _norm(module: nn.Module) -> FrozenLayerNorm:
    assert isinstance(module, nn.LayerNorm)
    return FrozenLayerNorm(module.weight.detach(), module.bias.detach(), module.eps)
