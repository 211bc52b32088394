"""Factors of many models side by side, so that a batch picks those of its own models in one step.

In: the models that are asked, layers that share an input.  Out: their factors with a first axis for the models.
Not here: the products (mixed.py), finding a model's factors (lowrank.py).

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
class Stack:
    """The factors of layers that share an input, of every model; where a model's rank is less, zeros stand."""

    down: Tensor
    """(models, sum of ranks, inputs)"""
    ups: tuple[Tensor, ...]
    """(models, rank, outputs) of each layer"""
    ranks: tuple[int, ...]
    """Of each layer, the largest of any model."""


class Stacks:
    """One stack for each group of layers, made when it is first asked for."""

    def __init__(self) -> None:
        self._models: list[ref[AdapterWeights]] = []
        self._made: dict[tuple[str, ...], Stack] = {}
        self._making = Lock()
        self.slots: WeakKeyDictionary[AdapterWeights, int] = WeakKeyDictionary()
        """Each model's place along the first axis."""

    def hold(self, models: Iterable[AdapterWeights]) -> None:
        """Give each of these a place, and take out models that are gone; not while a batch is being answered."""
        fresh = [model for model in dict.fromkeys(models) if model not in self.slots]
        if not fresh and len(self.slots) == len(self._models):
            return
        alive = [*self._alive(), *fresh]
        self._models, self._made = [ref(model) for model in alive], {}
        self.slots = WeakKeyDictionary({model: slot for slot, model in enumerate(alive)})

    def of(self, names: tuple[str, ...], like: Tensor, widths: Sequence[int]) -> Stack:
        """That of layers that share the input `like`, and whose outputs are so wide."""
        with self._making:  # one lane makes them for all
            if names not in self._made:
                # Models may be answered in other ways later: no tensor of inference mode may be left in them.
                with torch.inference_mode(False), torch.no_grad():
                    self._made[names] = self._stacked(names, like, widths)
            return self._made[names]

    def _stacked(self, names: tuple[str, ...], like: Tensor, widths: Sequence[int]) -> Stack:
        models, places = self._alive(), len(self._models)
        ranks = tuple(max(len(low.down) if (low := each.lows.get(name)) else 0 for each in models) for name in names)
        down = torch.zeros(places, sum(ranks), like.shape[-1], dtype=like.dtype, device=like.device)
        ups = tuple(down.new_zeros(places, rank, width) for rank, width in zip(ranks, widths, strict=True))
        for model in models:
            slot, start = self.slots[model], 0
            for name, rank, up in zip(names, ranks, ups, strict=True):
                low = model.lows.get(name)
                if low is not None:
                    _move(low.down, down[slot, start : start + len(low.down)])
                    _move(low.up, up[slot, : len(low.up)])
                start += rank
        return Stack(down, ups, ranks)

    def _alive(self) -> list[AdapterWeights]:
        return [model for each in self._models if (model := each()) is not None]


def _move(tensor: Tensor, place: Tensor) -> None:
    place.copy_(tensor)
    tensor.data = place
