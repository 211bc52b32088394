"""A layer's modules as the frozen weights and LoRA pairs of the fused layer, or why they cannot be.

In: Roles.  Out: LayerWeights that share the modules' memory; their A and B.
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

from liftune.models.packed.layer import LayerWeights, Norm
from liftune.models.packed.layouts import LINEAR, NORMS, LayerModules
from liftune.models.packed.lora_linear import Beside, Pair, Product
from liftune.models.packed.onednn_weights import Reordered


def unsupported_reason(roles: LayerModules) -> str:
    """Why the fused layer cannot stand for these modules; empty where it can."""
    activation = roles.activation
    if not isinstance(activation, GELUActivation | nn.GELU) or getattr(activation, "approximate", "none") != "none":
        return "its activation is not the exact GELU"
    for norm in roles.named(NORMS):
        if type(norm) is not nn.LayerNorm or any(p.requires_grad for p in norm.parameters()):
            return "its norms are changed by the method"
    for module in roles.named(LINEAR):
        reason = _unfit_linear(module)
        if reason:
            return reason
    return ""


def _unfit_linear(module: nn.Module) -> str:
    from peft.tuners.lora import Linear as LoraLinear

    base = getattr(module, "base_layer", module)
    if type(base) is not nn.Linear or any(p.requires_grad for p in base.parameters()):
        return "the method trains or replaces the model's own weights"
    if module is base:
        return "" if not _hooked(module) else "the method hooks into its layers"
    if type(module) is not LoraLinear:
        return "the method is not plain LoRA"
    name = module.active_adapters
    if module.merged or len(name) != 1 or len(module.lora_A) != 1:
        return "several adapters, or one that is merged"
    if module.lora_variant or module.lora_bias[name[0]] or module.fan_in_fan_out:
        return "a variant of LoRA"
    if not isinstance(module.lora_dropout[name[0]], nn.Identity):
        return "LoRA has dropout of its own"
    return "the method hooks into its layers" if _hooked(module) or _hooked(base) else ""


def _hooked(module: nn.Module) -> bool:
    return bool(
        module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or module._backward_pre_hooks
    )


class FusedLayers:
    """The encoder's layers as fused weights, made anew where the modules' weights were replaced."""

    def __init__(self, layers: Sequence[LayerModules]) -> None:
        self._layers = tuple(layers)
        self._beside: Beside | None = None
        self._made: list[tuple[tuple[tuple[int, int], ...], LayerWeights]] | None = None
        self._making = Lock()

    def ready(self) -> bool:
        """Whether adapters are switched on and apart, as the fused layer needs them."""
        return not any(
            getattr(module, "disable_adapters", False) or getattr(module, "merged", False)
            for roles in self._layers
            for module in roles.named(LINEAR)
        )

    def stand_beside(self, beside: Beside) -> set[nn.Linear]:
        """Let `beside` add to the outputs of the model's own linear layers; returns those that it will be told of."""
        self._beside, self._made = beside, None
        return {_linear(module) for roles in self._layers for module in roles.named(LINEAR)}

    def weights(self) -> list[LayerWeights]:
        """One a layer."""
        with self._making:  # one lane makes them for all
            if self._made is None or any(
                key != _key(roles) for (key, _), roles in zip(self._made, self._layers, strict=True)
            ):
                # Also where answers are being given: tensors made in inference mode could never be trained through.
                with torch.inference_mode(False), torch.no_grad():
                    made = [weights_of(roles, self._beside) for roles in self._layers]
                    self._made = [(_key(roles), weights) for roles, weights in zip(self._layers, made, strict=True)]
            return [weights for _, weights in self._made]

    def adapters(self) -> list[list[Tensor]]:
        """A and B of each layer's adapted linear layers, in the order of the roles."""
        return [[each for module in roles.named(LINEAR) for each in _pair(module)] for roles in self._layers]


def _key(roles: LayerModules) -> tuple[tuple[int, int], ...]:
    """Where the weights lie, and how often they were written to: what is reordered of them is a copy.

    What was made of them holds that memory, so that no others can come to lie there.
    """
    weights = (_linear(module).weight for module in roles.named(LINEAR))
    return tuple((weight.data_ptr(), weight._version) for weight in weights)


def _linear(module: nn.Module) -> nn.Linear:
    """The model's own layer, inside PEFT's where there is one."""
    base = getattr(module, "base_layer", module)
    assert isinstance(base, nn.Linear)
    return base


def _pair(module: Any) -> tuple[Tensor, ...]:
    """A and B, or nothing where the layer is not adapted."""
    if not hasattr(module, "lora_A"):
        return ()
    (name,) = module.active_adapters
    return module.lora_A[name].weight, module.lora_B[name].weight


def _scale(module: Any) -> float:
    (name,) = module.active_adapters
    return float(module.scaling[name])


def weights_of(roles: LayerModules, beside: Beside | None = None) -> LayerWeights:
    """The layer's frozen parts; query, key and value are moved into one matrix, of which theirs become views."""
    joined = (roles.query, roles.key, roles.value)
    bases = [_linear(module) for module in joined]
    matrix = _joined(bases)
    queries = bases[0].out_features
    return LayerWeights(
        qkv=_product(joined, matrix, beside),
        query=_product(joined[:1], matrix[:queries], beside),
        sides=_product(joined[1:], matrix[queries:], beside),
        out=_of(roles.out, beside),
        norm1=_norm(roles.norm1),
        up=_of(roles.up, beside),
        down=_of(roles.down, beside),
        norm2=_norm(roles.norm2),
        heads=roles.heads,
    )


def _joined(bases: Sequence[nn.Linear]) -> Tensor:
    """Their weights as one matrix, of which they become views, unless they are that already."""
    weights = [base.weight.detach() for base in bases]
    rows, (first, *_) = sum(map(len, weights)), weights
    if all(
        one.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()
        and one.storage_offset() + one.numel() == other.storage_offset()
        for one, other in pairwise(weights)
    ):
        return first.as_strided((rows, first.shape[1]), first.stride())
    matrix = torch.cat(weights)
    for base, part in zip(bases, torch.split(matrix, [len(each) for each in weights]), strict=True):
        base.weight.data = part
    return matrix


def _of(module: nn.Module, beside: Beside | None) -> Product:
    return _product([module], _linear(module).weight.detach(), beside)


def _product(modules: Sequence[nn.Module], matrix: Tensor, beside: Beside | None) -> Product:
    """Layers side by side, whose weights are one matrix."""
    pairs: list[Pair] = []
    biases: list[Tensor] = []
    start = 0
    for module in modules:
        base, stop = _linear(module), start + _linear(module).out_features
        for down in _pair(module)[:1]:
            pairs.append(Pair(slice(start, stop), down.shape[0], _scale(module)))
        biases.append(matrix.new_zeros(stop - start) if base.bias is None else base.bias.detach().to(matrix.dtype))
        start = stop
    told = partial(beside, [_linear(module) for module in modules]) if beside else None
    # Where many models share the base, memory counts: in float32 the order's copy is larger than what it saves.
    fits = Reordered.fits(matrix, alone=not pairs and not told)
    reordered = Reordered(matrix) if fits else None
    return Product(matrix, torch.cat(biases), tuple(pairs), reordered, told)


def _norm(module: nn.Module) -> Norm:
    assert isinstance(module, nn.LayerNorm)
    return Norm(module.weight.detach(), module.bias.detach(), module.eps)
