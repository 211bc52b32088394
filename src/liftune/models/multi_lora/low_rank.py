"""What a tuned model adds to its base, where that is no more than low-rank updates and a head.

In: a Classifier as it was opened.  Out: Added: A and B of each changed layer, the head's modules; or why it is more.
Not here: answering with it (mixed.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from liftune.models.classifier import Classifier


@dataclass(frozen=True)
class LoraFactors:
    """One layer's update: x -> x down' up."""

    down: Tensor
    """(rank, inputs)"""
    up: Tensor
    """(rank, outputs), scaled"""


@dataclass(frozen=True)
class StackedFactors:
    """The updates of layers that share their input, side by side; rank 0 where there is none."""

    downs: tuple[Tensor, ...]
    """(rank, inputs) each"""
    ups: tuple[Tensor, ...]
    """(rank, outputs) each"""
    ranks: tuple[int, ...]

    @classmethod
    def of(cls, lows: Sequence[LoraFactors | None], like: Tensor, widths: Sequence[int]) -> StackedFactors:
        """`like` is an input, `widths` are the layers' outputs."""
        downs = tuple(like.new_empty(0, like.shape[-1]) if low is None else low.down for low in lows)
        ups = tuple(
            like.new_empty(0, width) if low is None else low.up for low, width in zip(lows, widths, strict=True)
        )
        return cls(downs, ups, tuple(map(len, downs)))


@dataclass(frozen=True, eq=False)
class AdapterWeights:
    """All that makes a tuned model of a base; one object a model, as batches are sorted by it."""

    lows: Mapping[str, LoraFactors]
    """By the whole name of the layer in the plain model."""
    heads: Mapping[str, nn.Module]
    """By whole name, too."""
    outputs: int
    """Columns of its logits."""
    _sides: dict[tuple[str, ...], StackedFactors] = field(default_factory=dict, repr=False)

    def side(self, names: tuple[str, ...], like: Tensor, widths: Sequence[int]) -> StackedFactors:
        """The updates of layers that share the input `like`, whose outputs are so wide; made when first asked for."""
        found = self._sides.get(names)
        if found is None:
            found = self._sides[names] = StackedFactors.of([self.lows.get(name) for name in names], like, widths)
        return found

    def bytes(self) -> int:
        """Held in memory."""
        tensors = [each for low in self.lows.values() for each in (low.down, low.up)]
        tensors += [each for head in self.heads.values() for each in (*head.parameters(), *head.buffers())]
        return sum(each.numel() * each.element_size() for each in tensors)


def share(model: nn.Module, pool: Mapping[str, Tensor]) -> list[str]:
    """Let a model's tensors be those of the pool, where they hold the same numbers; the pool is not changed.

    Args:
        model: the plain model, with or without PEFT in it.
        pool: name in the plain model -> tensor.

    Returns:
        names, in the plain model, of the tensors that differ from the pool's.
    """
    own = []
    for name, tensor in _tensors(model):
        known = pool.get(plain_name(name))
        if known is None or not _same(known, tensor):
            own.append(plain_name(name))
        else:
            tensor.data = known
    return own


def pool_of(model: nn.Module) -> dict[str, Tensor]:
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


def added_by(classifier: Classifier, pool: Mapping[str, Tensor]) -> AdapterWeights | str:
    """What the classifier adds to the base whose tensors are in the pool, or why that is more than Added holds.

    The tensors that it shares with the pool become the pool's (see `share`).
    """
    model, heads = classifier.backbone.model, classifier.backbone.head_modules
    inside = tuple(f"{name}." for name in heads)
    own = [name for name in share(model, pool) if not name.startswith(inside)]
    if own:
        return f"it changes the base itself: {own[0]}"
    lows: dict[str, LoraFactors] = {}
    for name, module in model.named_modules():
        if not hasattr(module, "base_layer"):
            continue
        low = _low(module, classifier.plan.dtype)
        if low is None:
            return f"{name} is changed by more than a low-rank update"
        lows[name] = low
    prompts = [name for name, _ in classifier.model.named_parameters() if "prompt_encoder" in name]
    if prompts:
        return "it puts a prompt before each row"
    return AdapterWeights(lows, {name: _head(model.get_submodule(name)) for name in heads}, classifier.backbone.outputs)


def _head(module: nn.Module) -> nn.Module:
    """The module that is called: PEFT's trained copy where there is one."""
    saved: Any = getattr(module, "modules_to_save", None)
    found = module if saved is None else saved[next(iter(saved))]
    assert isinstance(found, nn.Module)
    return found


def _low(module: Any, dtype: str) -> LoraFactors | None:
    """The update of one of PEFT's layers, or None where it is another kind of change."""
    from peft.tuners.adalora import SVDLinear
    from peft.tuners.lora import Linear

    kind = type(module)
    if kind not in (Linear, SVDLinear) or module.merged or module.disable_adapters:
        return None
    if len(module.lora_A) != 1 or module.lora_variant or any(module.lora_bias.values()):
        return None
    (name,) = module.lora_A
    scale = float(module.scaling[name])
    if kind is SVDLinear:  # P, Lambda and Q, of which Lambda goes into Q; the scale is over the rank that lives
        down, up = module.lora_A[name] * module.lora_E[name], module.lora_B[name]
        scale /= float(module.ranknum[name]) + 1e-5
    else:
        down, up = module.lora_A[name].weight, module.lora_B[name].weight
    held = torch.bfloat16 if dtype == "bfloat16" else torch.float32
    with torch.no_grad():
        return LoraFactors(down.detach().to(held), (up.detach() * scale).t().contiguous().to(held))
