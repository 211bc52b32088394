"""Dropout whose random numbers are drawn once and used often.

In: a rate, a shape.  Out: masks.  Not here: where they are applied (layer.py).

Torch draws a processor's random numbers on one thread: a mask was measured to cost as much as a large product. Here a
pool of numbers is drawn, and each mask is a piece of it at a random place: every element is dropped with the same
probability as before, and two masks share numbers only where their pieces meet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import torch
from torch import Tensor, nn

from liftune.hardware.workers import current_worker

Draw: TypeAlias = Callable[[int, int, torch.dtype], Tensor]
"""(rows, columns, dtype) -> a mask of that shape, at some rate."""

#: Numbers in the pool; in bfloat16 8 MiB, which a processor's last cache holds.
POOL = 2**22
#: Masks cut from a pool before it is drawn anew.
USES = 4_096


class MaskPool:
    """Masks for one rate, precision and lane; draws from the lane's generator, so that a seed decides them."""

    def __init__(self, rate: float, dtype: torch.dtype) -> None:
        self._rate = rate
        self._dtype = dtype
        self._pool: Tensor | None = None
        self._uses = 0

    def mask(self, rows: int, columns: int) -> Tensor:
        """(rows, columns) zeros and 1 / (1 - rate), read only."""
        size = rows * columns
        if self._pool is None or self._uses >= USES or 2 * size > len(self._pool):
            self._pool, self._uses = drawn_mask(self._rate, 1, max(POOL, 2 * size), self._dtype).view(-1), 0
        self._uses += 1
        start = int(torch.randint(len(self._pool) - size + 1, (), generator=current_worker().generator))
        return self._pool[start : start + size].view(rows, columns)


def drawn_mask(rate: float, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
    """The same, drawn anew."""
    drawn = torch.empty(rows, columns).bernoulli_(1 - rate, generator=current_worker().generator)
    return drawn.div_(1 - rate).to(dtype)


def draw_by_lane(model: nn.Module) -> None:
    """Let every dropout module draw from the generator of the lane that calls it, where lanes have some."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.forward = partial(_drop, module)  # type: ignore[method-assign]


def draw_as_ever(model: nn.Module) -> None:
    """Undo `draw_by_lane`."""
    for module in model.modules():
        own = module.__dict__.get("forward")
        if isinstance(own, partial) and own.func is _drop:
            del module.forward


def _drop(module: nn.Dropout, values: Tensor) -> Tensor:
    lane = current_worker()
    if lane.generator is None or not module.training or not 0 < module.p < 1:
        return nn.Dropout.forward(module, values)
    kept = torch.empty_like(values).bernoulli_(1 - module.p, generator=lane.generator)
    return values * kept.div_(1 - module.p)
