"""One encoder layer of BERT's kind over packed tokens, by its own modules: any PEFT method, any trainable part.

In: (T, D) tokens, a Packing, the layer's Roles.  Out: (T, D), or (B, D) where only first tokens are wanted.
Not here: the fused layer for LoRA (layer.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from liftune.models.packed.attention import attend, attend_backward
from liftune.models.packed.dropout import Draw
from liftune.models.packed.layer import Masks
from liftune.models.packed.layouts import LayerModules
from liftune.models.packed.packing import Packing


class PackedAttention(torch.autograd.Function):
    """`attend` as a step of autograd."""

    @staticmethod
    def forward(
        ctx: Any, projected: Tensor, first: Tensor | None, packing: Packing, heads: int, draw: Draw | None
    ) -> Tensor:
        """(T, D) or (B, D) contexts."""
        context, kept = attend(projected, first, packing, heads, draw=draw)
        ctx.kept, ctx.packing, ctx.heads, ctx.first = kept, packing, heads, first is not None
        return context

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of what was projected."""
        kept, ctx.kept = ctx.kept, None
        projected, first = attend_backward(gradients[0].contiguous(), kept, ctx.packing, ctx.heads, first=ctx.first)
        return projected, first, None, None, None


def run_modules(rows: Tensor, roles: LayerModules, packing: Packing, masks: Masks, first: bool) -> Tensor:
    """The layer, each linear layer and norm called as a module."""
    ends = rows.index_select(0, packing.firsts) if first else rows
    # A method's layer may answer in another precision than its neighbours.
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else rows.dtype
    sides = [_call(roles.key, rows).to(dtype), _call(roles.value, rows).to(dtype)]
    queries = _call(roles.query, ends).to(dtype)
    projected = torch.cat(sides if first else [queries, *sides], dim=1)
    context = PackedAttention.apply(  # type: ignore[no-untyped-call]
        projected, queries if first else None, packing, roles.heads, masks.attention
    )
    hidden = _call(roles.norm1, ends + _masked(_call(roles.out, context), masks.attended))
    fed = _call(roles.down, roles.activation(_call(roles.up, hidden)))
    return _call(roles.norm2, hidden + _masked(fed, masks.fed))


def _call(module: nn.Module, rows: Tensor) -> Tensor:
    """As a batch of one: some of PEFT's layers expect three axes."""
    found = module(rows[None])[0]
    assert isinstance(found, Tensor)
    return found


def _masked(found: Tensor, mask: Tensor | None) -> Tensor:
    return found if mask is None else found * mask.to(found.dtype)
