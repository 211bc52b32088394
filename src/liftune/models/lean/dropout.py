"""Dropout whose random numbers are drawn once and used often.

In: a rate, a shape.  Out: masks.  Not here: where they are applied (layer.py).

Torch draws a processor's random numbers on one thread: a mask was measured to cost as much as a large product. Here a
pool of numbers is drawn, and each mask is a piece of it at a random place: every element is dropped with the same
probability as before, and two masks share numbers only where their pieces meet.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

Draw: TypeAlias = Callable[[int, int, torch.dtype], Tensor]
"""(rows, columns, dtype) -> a mask of that shape, at some rate."""

#: Numbers in the pool; in bfloat16 8 MiB, which a processor's last cache holds.
POOL = 2**22
#: Masks cut from a pool before it is drawn anew.
USES = 4_096


class MaskPool:
    """Masks for one rate and precision; draws from torch's generator, so that a seed decides them."""

    def __init__(self, rate: float, dtype: torch.dtype) -> None:
        self._rate = rate
        self._dtype = dtype
        self._pool: Tensor | None = None
        self._uses = 0

    def mask(self, rows: int, columns: int) -> Tensor:
        """(rows, columns) zeros and 1 / (1 - rate), read only."""
        size = rows * columns
        if self._pool is None or self._uses >= USES or 2 * size > len(self._pool):
            drawn = torch.empty(max(POOL, 2 * size)).bernoulli_(1 - self._rate).div_(1 - self._rate)
            self._pool, self._uses = drawn.to(self._dtype), 0
        self._uses += 1
        start = int(torch.randint(len(self._pool) - size + 1, ()))
        return self._pool[start : start + size].view(rows, columns)


def drawn_mask(rate: float, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
    """The same, drawn anew."""
    return torch.empty(rows, columns).bernoulli_(1 - rate).div_(1 - rate).to(dtype)
