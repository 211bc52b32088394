"""What a tuned model adds to its base, where that is no more than low-rank updates and a head.

In: a Classifier as it was opened.  Out: AdapterWeights: A and B of each changed layer, the head's modules; or why it is
more than that.
Not here: computing with them (model.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from liftune.models.classifier import Classifier
from liftune.models.module_names import within


@dataclass(frozen=True)
class LoraFactors:
    """One layer's update: y += (x A') (s B)'; Hu et al. 2021."""

    a: Tensor
    """(rank, inputs): A."""
    b: Tensor
    """(rank, outputs): (s B)', the scaling s included."""


@dataclass(frozen=True)
class GroupFactors:
    """The updates of a group of layers that read the same input; rank 0 where a layer has none."""

    a: tuple[Tensor, ...]
    """(rank, inputs) of each layer."""
    b: tuple[Tensor, ...]
    """(rank, outputs) of each layer, scaled."""
    ranks: tuple[int, ...]

    @classmethod
    def of(cls, layers: Sequence[LoraFactors | None], like: Tensor, widths: Sequence[int]) -> GroupFactors:
        """`like` is an input, `widths` are the layers' numbers of outputs."""
        a = tuple(like.new_empty(0, like.shape[-1]) if layer is None else layer.a for layer in layers)
        b = tuple(
            like.new_empty(0, width) if layer is None else layer.b for layer, width in zip(layers, widths, strict=True)
        )
        return cls(a, b, tuple(map(len, a)))


@dataclass(frozen=True, eq=False)
class AdapterWeights:
    """All that makes a tuned model of its base. Each model has one object, as batches are sorted by it."""

    factors: Mapping[str, LoraFactors]
    """By the whole name of the layer in the plain model."""
    heads: Mapping[str, nn.Module]
    """By whole name, too."""
    outputs: int
    """Columns of its logits."""
    _groups: dict[tuple[str, ...], GroupFactors] = field(default_factory=dict, repr=False)

    def group(self, names: tuple[str, ...], like: Tensor, widths: Sequence[int]) -> GroupFactors:
        """The updates of layers that read the same input `like` and have so many outputs; made when first needed."""
        group = self._groups.get(names)
        if group is None:
            group = self._groups[names] = GroupFactors.of([self.factors.get(name) for name in names], like, widths)
        return group

    def bytes(self) -> int:
        """Held in memory."""
        tensors = [each for layer in self.factors.values() for each in (layer.a, layer.b)]
        tensors += [each for head in self.heads.values() for each in (*head.parameters(), *head.buffers())]
        return sum(each.numel() * each.element_size() for each in tensors)


def share_tensors(model: nn.Module, base_tensors: Mapping[str, Tensor]) -> list[str]:
    """Let a model's tensors be those of the base, where they hold the same numbers; the base's are not changed.

    Args:
        model: the plain model, with or without PEFT in it.
        base_tensors: name in the plain model -> tensor.

    Returns:
        names, in the plain model, of the tensors that differ from the base's.
    """
    different = []
    for name, tensor in _tensors(model):
        shared = base_tensors.get(plain_name(name))
        if shared is None or not _same(shared, tensor):
            different.append(plain_name(name))
        else:
            tensor.data = shared
    return different


def tensors_of(model: nn.Module) -> dict[str, Tensor]:
    """A plain model's tensors by name."""
    return {name: tensor.data for name, tensor in _tensors(model)}


def plain_name(name: str) -> str:
    """A tensor's name without what PEFT puts into it.

    >>> plain_name("bert.layer.0.query.base_layer.weight"), plain_name("score.original_module.weight")
    ('bert.layer.0.query.weight', 'score.weight')
    """
    return name.replace(".base_layer.", ".").replace(".original_module.", ".")


def _tensors(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The base's parameters and buffers: not what PEFT adds for LoRA and its kin."""
    for name, tensor in (*model.named_parameters(), *model.named_buffers()):
        if not any(part in name for part in (".lora_", ".ranknum.", ".modules_to_save.")):
            yield name, tensor


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype and torch.equal(a, b)


def adapter_weights_of(classifier: Classifier, base_tensors: Mapping[str, Tensor]) -> AdapterWeights | str:
    """What the classifier adds to the base with these tensors, or why that is more than AdapterWeights holds.

    Tensors that are equal to the base's become the base's (see `share_tensors`).
    """
    model, heads = classifier.backbone.model, classifier.backbone.head_modules
    different = [name for name in share_tensors(model, base_tensors) if not within(name, heads)]
    if different:
        return f"it changes the base itself: {different[0]}"
    factors: dict[str, LoraFactors] = {}
    for name, module in model.named_modules():
        if not hasattr(module, "base_layer"):
            continue
        layer = _factors_of(module, classifier.plan.dtype)
        if layer is None:
            return f"{name} is changed by more than a low-rank update"
        factors[name] = layer
    prompts = [name for name, _ in classifier.model.named_parameters() if "prompt_encoder" in name]
    if prompts:
        return "it puts a prompt before each row"
    modules = {name: _trained_head(model.get_submodule(name)) for name in heads}
    return AdapterWeights(factors, modules, classifier.backbone.outputs)


def _trained_head(module: nn.Module) -> nn.Module:
    """The module that is called: PEFT's trained copy where there is one."""
    saved: Any = getattr(module, "modules_to_save", None)
    head = module if saved is None else saved[next(iter(saved))]
    assert isinstance(head, nn.Module)
    return head


def _factors_of(module: Any, dtype: str) -> LoraFactors | None:
    """The update of one of PEFT's layers, or None where it is another kind of change."""
    from peft.tuners.adalora import SVDLinear
    from peft.tuners.lora import Linear

    kind = type(module)
    if kind not in (Linear, SVDLinear) or module.merged or module.disable_adapters:
        return None
    if len(module.lora_A) != 1 or module.lora_variant or any(module.lora_bias.values()):
        return None
    (name,) = module.lora_A
    scaling = float(module.scaling[name])
    if kind is SVDLinear:  # P Lambda Q, with Lambda multiplied into Q; its scaling is over the rank that remains
        a, b = module.lora_A[name] * module.lora_E[name], module.lora_B[name]
        scaling /= float(module.ranknum[name]) + 1e-5
    else:
        a, b = module.lora_A[name].weight, module.lora_B[name].weight
    held = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    with torch.no_grad():
        return LoraFactors(a.detach().to(held), (b.detach() * scaling).t().contiguous().to(held))
