"""One BERT-like encoder layer over packed tokens, by its own modules: any PEFT method, any trainable parameter.

In: (tokens, hidden), a Packing, the layer's LayerModules.
Out: (tokens, hidden), or (rows, hidden) where only first tokens are wanted.
Not here: the fused layer for LoRA (layer.py).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from liftune.models.packed.attention import Attention
from liftune.models.packed.dropout import DrawMask
from liftune.models.packed.layer import DropoutMasks
from liftune.models.packed.layouts import LayerModules
from liftune.models.packed.packing import Packing


class PackedAttention(torch.autograd.Function):
    """Attention over packed rows as a step of autograd (see attention.py)."""

    @staticmethod
    def forward(
        ctx: Any,
        qkv: Tensor,
        first_queries: Tensor | None,
        packing: Packing,
        heads: int,
        attention: Attention,
        draw: DrawMask | None,
    ) -> Tensor:
        """Contexts (tokens, hidden), or (rows, hidden) where there are first queries."""
        context, ctx.saved = attention.forward(qkv, first_queries, packing, heads, draw=draw)
        ctx.packing, ctx.heads, ctx.attention, ctx.first_only = packing, heads, attention, first_queries is not None
        return context

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of qkv and of the first queries."""
        saved, ctx.saved = ctx.saved, None
        grad_qkv, grad_first_queries = ctx.attention.backward(
            grad_outputs[0].contiguous(), saved, ctx.packing, ctx.heads, first_only=ctx.first_only
        )
        return grad_qkv, grad_first_queries, None, None, None, None


def run_modules(
    x: Tensor, modules: LayerModules, packing: Packing, masks: DropoutMasks, attention: Attention, first_only: bool
) -> Tensor:
    """The layer (equations in layer.py), each linear layer and norm called as a module."""
    residual = x.index_select(0, packing.first_tokens) if first_only else x
    # A method's layer may give another precision than its neighbours.
    dtype = torch.get_autocast_dtype("cpu") if torch.is_autocast_enabled("cpu") else x.dtype
    kv = [_call(modules.key, x).to(dtype), _call(modules.value, x).to(dtype)]
    queries = _call(modules.query, residual).to(dtype)
    qkv = torch.cat(kv if first_only else [queries, *kv], dim=1)
    context = PackedAttention.apply(  # type: ignore[no-untyped-call]
        qkv, queries if first_only else None, packing, modules.heads, attention, masks.attn
    )
    h = _call(modules.norm1, residual + _masked(_call(modules.out, context), masks.attn_output))
    ffn_out = _call(modules.down, modules.activation(_call(modules.up, h)))
    return _call(modules.norm2, h + _masked(ffn_out, masks.ffn))


def _call(module: nn.Module, x: Tensor) -> Tensor:
    """As a batch of one: some of PEFT's layers expect three axes."""
    y = module(x[None])[0]
    assert isinstance(y, Tensor)
    return y


def _masked(output: Tensor, mask: Tensor | None) -> Tensor:
    return output if mask is None else output * mask.to(output.dtype)
