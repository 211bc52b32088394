"""LoRA factors of many models in one tensor, from which a batch picks those of its own models in one step.

In: the models of a batch, a group of layers that read the same input.  Out: their factors, stacked along a first axis.
Not here: the products (model.py), finding a model's factors (low_rank.py).

Factors are moved here, not copied: a model's own tensors become views.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor

from liftune.models.multi_lora.low_rank import AdapterWeights


@dataclass(frozen=True)
class StackedFactors:
    """The factors of a group of layers, of every model; where a model's rank is smaller, the rest is zeros."""

    a: Tensor
    """(models, sum of ranks, inputs)"""
    b: tuple[Tensor, ...]
    """(models, rank, outputs) of each layer, scaled."""
    ranks: tuple[int, ...]
    """Of each layer, the largest of any model."""


class FactorStore:
    """The stacked factors of each group of layers, made when first needed."""

    def __init__(self) -> None:
        self._models: list[ref[AdapterWeights]] = []
        self._stacked: dict[tuple[str, ...], StackedFactors] = {}
        self._stacking = Lock()
        self.slots: WeakKeyDictionary[AdapterWeights, int] = WeakKeyDictionary()
        """Each model's index along the first axis."""

    def hold(self, models: Iterable[AdapterWeights]) -> None:
        """Give each of these a slot, and take out models that are gone; not while a batch is being computed."""
        new = [model for model in dict.fromkeys(models) if model not in self.slots]
        if not new and len(self.slots) == len(self._models):
            return
        alive = [*self._alive(), *new]
        self._models, self._stacked = [ref(model) for model in alive], {}
        self.slots = WeakKeyDictionary({model: slot for slot, model in enumerate(alive)})

    def of(self, names: tuple[str, ...], like: Tensor, widths: Sequence[int]) -> StackedFactors:
        """Those of layers that read the same input `like` and have so many outputs."""
        with self._stacking:  # one worker stacks them for all
            if names not in self._stacked:
                # The models may be used otherwise later: no tensor made in inference mode may be left in them.
                with torch.inference_mode(False), torch.no_grad():
                    self._stacked[names] = self._stack(names, like, widths)
            return self._stacked[names]

    def _stack(self, names: tuple[str, ...], like: Tensor, widths: Sequence[int]) -> StackedFactors:
        models, slots = self._alive(), len(self._models)
        ranks = tuple(
            max(len(layer.a) if (layer := each.factors.get(name)) else 0 for each in models) for name in names
        )
        a = torch.zeros(slots, sum(ranks), like.shape[-1], dtype=like.dtype, device=like.device)
        b = tuple(a.new_zeros(slots, rank, width) for rank, width in zip(ranks, widths, strict=True))
        for model in models:
            slot, start = self.slots[model], 0
            for name, rank, layer_b in zip(names, ranks, b, strict=True):
                layer = model.factors.get(name)
                if layer is not None:
                    _move(layer.a, a[slot, start : start + len(layer.a)])
                    _move(layer.b, layer_b[slot, : len(layer.b)])
                start += rank
        return StackedFactors(a, b, ranks)

    def _alive(self) -> list[AdapterWeights]:
        return [model for each in self._models if (model := each()) is not None]


def _move(tensor: Tensor, target: Tensor) -> None:
    target.copy_(tensor)
    tensor.data = target
