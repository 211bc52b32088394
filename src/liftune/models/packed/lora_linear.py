"""Frozen linear layers with LoRA: forward and backward in few matrix products.

In: packed tokens (tokens, inputs).  Out: (tokens, outputs); gradients of the tokens and of each A and B.
Not here: which layers these are (layouts.py), what stands between them (layer.py).

Forward and backward, with W (outputs, inputs), A (rank, inputs), B (outputs, rank), scaling s = alpha / rank:

    y  = x W' + b + s (x A') B'                  LoRA; Hu et al. 2021, section 4.1
    dx = dy W + s (dy B) A
    dA = s (dy B)' x
    dB = s dy' (x A')

Layers that read the same input (query, key, value) run as one: W is theirs one below the other, A likewise, and B has
theirs as blocks on its diagonal. A and B are float32; they are rounded to the tokens' precision for the product alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from liftune.models.packed.onednn_weights import ReorderedWeight

AddLora: TypeAlias = Callable[[Sequence[nn.Linear], Tensor, Tensor], None]
"""(linear layers, their common input (tokens, inputs), their outputs side by side (tokens, sum of outputs)): adds, in
place, updates of its own. For inference alone: it has no backward."""


@dataclass(frozen=True)
class LoraShape:
    """Of one layer's LoRA. Its A (rank, inputs) and B (outputs, rank) are passed to each call."""

    outputs: slice
    """The layer's columns among all outputs."""
    rank: int
    scaling: float


@dataclass
class LoraHidden:
    """What the backward of a LoraLinear needs of its LoRA; R is the sum of its ranks."""

    hidden: Tensor
    """(tokens, R): x A'."""
    a: Tensor
    """(R, inputs): every A, one below the other."""
    b: Tensor
    """(outputs, R): every s B, as blocks on the diagonal."""


@dataclass(frozen=True)
class LoraLinear:
    """One or several frozen linear layers of one input, as one product, with their LoRA."""

    weight: Tensor
    """(outputs, inputs)."""
    bias: Tensor | None
    """(outputs,)."""
    lora: tuple[LoraShape, ...] = ()
    reordered: ReorderedWeight | None = None
    """The same weight, where oneDNN's own order makes products faster."""
    add_lora: Callable[[Tensor, Tensor], None] | None = None
    """An AddLora of these layers."""

    def forward(self, x: Tensor, factors: Sequence[Tensor]) -> tuple[Tensor, LoraHidden | None]:
        """(tokens, outputs) of (tokens, inputs), and what backward needs.

        Args:
            factors: A and B of each LoRA, in turn.
        """
        # y = x W' + b
        ordered = self.reordered
        y = ordered.forward(x, self.bias) if ordered else F.linear(x, self.weight, self.bias)
        if self.add_lora:
            self.add_lora(x, y)
        if not self.lora:
            return y, None
        # y += (x A') (s B)'
        a, b = self._joined_factors(factors, x.dtype)
        hidden = x @ a.t()
        y.addmm_(hidden, b.t())
        return y, LoraHidden(hidden, a, b)

    def backward(
        self, grad_output: Tensor, x: Tensor | None, lora_hidden: LoraHidden | None, *, needs_input_grad: bool
    ) -> tuple[Tensor | None, list[Tensor]]:
        """Gradient (tokens, inputs) of x, None unless it is needed; and of each A and B, in float32 or wider.

        Args:
            x: None where there is no LoRA.
        """
        # dx = dy W
        grad_input = self._times_weight(grad_output) if needs_input_grad else None
        if lora_hidden is None:
            return grad_input, []
        assert x is not None
        # dx += (dy s B) A
        grad_hidden = grad_output @ lora_hidden.b  # (tokens, R)
        if grad_input is not None:
            grad_input.addmm_(grad_hidden, lora_hidden.a)
        # dA = (dy s B)' x,   dB = s dy' (x A')
        grad_a, grad_b = grad_hidden.t() @ x, grad_output.t() @ lora_hidden.hidden
        grads, start = [], 0
        for each in self.lora:
            ranks = slice(start, start + each.rank)
            grads += [_at_least_float32(grad_a[ranks]), _at_least_float32(grad_b[each.outputs, ranks]) * each.scaling]
            start += each.rank
        return grad_input, grads

    def _times_weight(self, grad_output: Tensor) -> Tensor:
        return self.reordered.backward(grad_output) if self.reordered else grad_output @ self.weight

    def _joined_factors(self, factors: Sequence[Tensor], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """(R, inputs) and (outputs, R): see LoraHidden."""
        every_a, every_b = factors[0::2], factors[1::2]
        if len(self.lora) == 1 and every_b[0].shape[0] == self.weight.shape[0]:
            return every_a[0].detach().to(dtype), (every_b[0].detach() * self.lora[0].scaling).to(dtype)
        a = torch.cat([each.detach() for each in every_a]).to(dtype)
        b = a.new_zeros(self.weight.shape[0], a.shape[0])
        start = 0
        for shape, each in zip(self.lora, every_b, strict=True):
            torch.mul(each.detach(), shape.scaling, out=b[shape.outputs, start : start + shape.rank])
            start += shape.rank
        return a, b


def _at_least_float32(grad: Tensor) -> Tensor:
    return grad.float() if grad.dtype in (torch.bfloat16, torch.float16) else grad
