"""A frozen linear layer, or several side by side, with LoRA beside it: forward and backward in few products.

In: packed tokens.  Out: outputs; gradients of the tokens and of each A and B.
Not here: which layers these are (roles.py), what stands between them (layer.py).

    y = x W' + b + s (x A') B'          (LoRA; Hu et al. 2021)
    dx = dy W + s (dy B) A,   dA = s (dy B)' x,   dB = s dy' (x A')

The thin products of neighbouring layers (query, key, value) are one; A and B are float32 and are rounded to the
tokens' precision for the product alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from liftune.models.packed.onednn_weights import Reordered

Beside: TypeAlias = Callable[[Sequence[nn.Linear], Tensor, Tensor], None]
"""(layers side by side, their input (T, in), their outputs (T, out + ...)): adds to the outputs, in place, whatever
stands beside the frozen weights. For answering alone: it has no backward."""


@dataclass(frozen=True)
class Pair:
    """One layer's LoRA: where its outputs stand, and its scale; its A (r, in) and B (out, r) are handed in."""

    outputs: slice
    rank: int
    scale: float


@dataclass(frozen=True)
class Product:
    """One or several linear layers of one input, as one product."""

    weight: Tensor
    """(outputs, inputs), frozen."""
    bias: Tensor | None
    pairs: tuple[Pair, ...] = ()
    reordered: Reordered | None = None
    """The same weight, where products by it are faster so."""
    beside: Callable[[Tensor, Tensor], None] | None = None
    """A Beside of these layers."""

    def forward(self, rows: Tensor, adapters: Sequence[Tensor]) -> tuple[Tensor, LoraHidden | None]:
        """(T, outputs) of (T, inputs), and what backward needs.

        Args:
            adapters: A and B of each pair, in turn.
        """
        ordered = self.reordered
        output = ordered.forward(rows, self.bias) if ordered else F.linear(rows, self.weight, self.bias)
        if self.beside:
            self.beside(rows, output)
        if not self.pairs:
            return output, None
        down, up = self._side_by_side(adapters, rows.dtype)
        inner = rows @ down.t()
        output.addmm_(inner, up.t())
        return output, LoraHidden(inner, down, up)

    def backward(
        self, gradient: Tensor, rows: Tensor, thin: LoraHidden | None, *, through: bool
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Gradient of the rows (None unless `through`), and of A and B of each pair, in float32 or wider."""
        below = self._below(gradient) if through else None
        if thin is None:
            return below, []
        inner = gradient @ thin.up  # the scale is in it
        if below is not None:
            below.addmm_(inner, thin.down)
        downs, ups = inner.t() @ rows, gradient.t() @ thin.inner
        found, column = [], 0
        for pair in self.pairs:
            columns = slice(column, column + pair.rank)
            found += [_wide(downs[columns]), _wide(ups[pair.outputs, columns]) * pair.scale]
            column += pair.rank
        return below, found

    def _below(self, gradient: Tensor) -> Tensor:
        return self.reordered.backward(gradient) if self.reordered else gradient @ self.weight

    def _side_by_side(self, adapters: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """All A one below the other (R, inputs); all s B as blocks of one matrix (outputs, R)."""
        downs, ups = adapters[0::2], adapters[1::2]
        if len(self.pairs) == 1 and ups[0].shape[0] == self.weight.shape[0]:
            return downs[0].detach().to(dtype), (ups[0].detach() * self.pairs[0].scale).to(dtype)
        down = torch.cat([each.detach() for each in downs]).to(dtype)
        up = down.new_zeros(self.weight.shape[0], down.shape[0])
        column = 0
        for pair, each in zip(self.pairs, ups, strict=True):
            torch.mul(each.detach(), pair.scale, out=up[pair.outputs, column : column + pair.rank])
            column += pair.rank
        return down, up


@dataclass
class LoraHidden:
    """What a product's backward needs of its LoRA."""

    inner: Tensor
    """(T, R) x A'."""
    down: Tensor
    """(R, inputs)."""
    up: Tensor
    """(outputs, R), scaled."""


def _wide(gradient: Tensor) -> Tensor:
    return gradient.float() if gradient.dtype in (torch.bfloat16, torch.float16) else gradient
