"""Dropout masks cut from a pool of random numbers that is drawn once and used many times.

In: a rate, a shape.  Out: masks.  Not here: where they are applied (layer.py).

Torch draws random numbers of the CPU on one thread: a mask was measured to cost as much as a large matrix product. Here
a pool of numbers is drawn, and each mask is a slice of it at a random place: every element is dropped with the same
probability as before, and two masks share numbers only where their slices overlap.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from liftune.hardware.workers import current_worker

DrawMask: TypeAlias = Callable[[int, int, torch.dtype], Tensor]
"""(rows, columns, dtype) -> a mask of that shape, at some rate."""

HeldPool: TypeAlias = tuple[Tensor | None, int]
"""A pool and its uses so far."""

#: Numbers in the pool; in bfloat16 8 MiB, which fits into a CPU's last-level cache.
POOL_SIZE = 2**22
#: Masks cut from a pool before it is drawn anew.
MAX_USES = 4_096


class MaskPool:
    """Masks of one rate, precision and worker; draws from the worker's generator, so that a seed decides them."""

    def __init__(self, rate: float, dtype: torch.dtype) -> None:
        self._rate = rate
        self._dtype = dtype
        self._pool: Tensor | None = None
        self._uses = 0

    def mask(self, rows: int, columns: int) -> Tensor:
        """(rows, columns) of 0 and 1 / (1 - rate), read only."""
        size = rows * columns
        if self._pool is None or self._uses >= MAX_USES or 2 * size > len(self._pool):
            self._pool, self._uses = draw_mask(self._rate, 1, max(POOL_SIZE, 2 * size), self._dtype).view(-1), 0
        self._uses += 1
        start = int(torch.randint(len(self._pool) - size + 1, (), generator=current_worker().generator))
        return self._pool[start : start + size].view(rows, columns)

    def held(self) -> HeldPool:
        """What `put_back` takes, in this process; nothing is copied."""
        return self._pool, self._uses

    def put_back(self, held: HeldPool) -> None:
        """Have the pool of an earlier moment again: no pool is changed in place."""
        self._pool, self._uses = held

    def state(self) -> dict[str, Any] | None:
        """All that later masks depend on besides the generator; None before the first. A bit stands for a number."""
        if self._pool is None:
            return None
        bits = np.packbits((self._pool != 0).numpy())
        return {"bits": torch.from_numpy(bits), "size": len(self._pool), "uses": self._uses}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave."""
        if not 0 < state["size"] <= 8 * len(state["bits"]):
            raise ValueError(f"{len(state['bits'])} bytes do not hold {state['size']} numbers")
        kept = torch.from_numpy(np.unpackbits(state["bits"].numpy(), count=state["size"]))
        self._pool, self._uses = _scaled(kept.float(), self._rate, self._dtype), state["uses"]


def draw_mask(rate: float, rows: int, columns: int, dtype: torch.dtype) -> Tensor:
    """(rows, columns) of 0 and 1 / (1 - rate), newly drawn."""
    mask = torch.empty(rows, columns).bernoulli_(1 - rate, generator=current_worker().generator)
    return _scaled(mask, rate, dtype)


def _scaled(kept: Tensor, rate: float, dtype: torch.dtype) -> Tensor:
    """Ones and zeros as a mask that leaves the mean as it is; changes them in place."""
    return kept.div_(1 - rate).to(dtype)


def draw_by_worker(model: nn.Module) -> None:
    """Let every dropout module draw from the generator of the worker that calls it, where workers have one."""
    for module in model.modules():
        if type(module) is nn.Dropout:
            module.forward = partial(_dropout, module)  # type: ignore[method-assign]


def undo_draw_by_worker(model: nn.Module) -> None:
    """Give every dropout module its own forward back."""
    for module in model.modules():
        replaced = module.__dict__.get("forward")
        if isinstance(replaced, partial) and replaced.func is _dropout:
            del module.forward


def _dropout(module: nn.Dropout, values: Tensor) -> Tensor:
    worker = current_worker()
    if worker.generator is None or not module.training or not 0 < module.p < 1:
        return nn.Dropout.forward(module, values)
    mask = torch.empty_like(values).bernoulli_(1 - module.p, generator=worker.generator)
    return values * mask.div_(1 - module.p)
