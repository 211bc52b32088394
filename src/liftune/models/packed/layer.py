"""One BERT-like encoder layer over packed tokens, with LoRA, as one step of autograd.

In: (tokens, hidden), a Packing, the layer's frozen weights, A and B of its adapted linear layers.
Out: (tokens, hidden), or (rows, hidden) where only first tokens are wanted; gradients of the input and of A and B.
Not here: any other trainable parameter: such layers run as their own modules (unfused_layer.py).

Forward (Devlin et al. 2019 after Vaswani et al. 2017, section 3; biases left out; m1 and m2 are dropout masks):

    z = attention(x Wq', x Wk', x Wv')            attention.py, compiled.py
    h = LayerNorm1(x + m1 * (z Wo'))
    u = h Wu',   g = GELU(u)
    y = LayerNorm2(h + m2 * (g Wd'))

Each W is a LoraLinear (lora_linear.py). Backward goes the same way from the end, by

    LayerNorm, n = (x - mean) / std, y = w n + b:      dx = (dn - mean(dn) - n mean(dn * n)) / std,  dn = w dy
    GELU(u) = u Phi(u), Phi and phi the normal CDF and density:      du = dg (Phi(u) + u phi(u))
    residual s = a + m * f:      da = ds,  df = m * ds
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from liftune.models.packed.attention import Attention
from liftune.models.packed.dropout import DrawMask
from liftune.models.packed.lora_linear import LoraHidden, LoraLinear
from liftune.models.packed.packing import Packing

aten = torch.ops.aten


@dataclass
class SavedNorm:
    """What the backward of a layer norm needs."""

    input: Tensor
    """(tokens, hidden)"""
    mean: Tensor
    """(tokens, 1)"""
    rstd: Tensor
    """(tokens, 1): 1 / standard deviation."""


@dataclass(frozen=True)
class FrozenLayerNorm:
    """A layer norm whose weight and bias (hidden,) are not trained; Ba et al. 2016."""

    weight: Tensor
    bias: Tensor
    epsilon: float

    def forward(self, x: Tensor) -> tuple[Tensor, SavedNorm]:
        """(tokens, hidden) normalised, and what backward needs."""
        y, mean, rstd = torch.native_layer_norm(x, [x.shape[1]], self.weight, self.bias, self.epsilon)
        return y, SavedNorm(x, mean, rstd)

    def backward(self, grad_output: Tensor, saved: SavedNorm) -> Tensor:
        """Gradient of the input: (dn - mean(dn) - n mean(dn * n)) / std."""
        x = saved.input
        grad_input, _, _ = aten.native_layer_norm_backward(
            grad_output, x, [x.shape[1]], saved.mean, saved.rstd, self.weight, self.bias, [True, False, False]
        )
        assert isinstance(grad_input, Tensor)
        return grad_input


@dataclass(frozen=True)
class LayerWeights:
    """A layer's frozen weights. `query` and `kv` (keys and values) are views of `qkv`, for the last layer."""

    qkv: LoraLinear
    query: LoraLinear
    kv: LoraLinear
    out: LoraLinear
    norm1: FrozenLayerNorm
    up: LoraLinear
    down: LoraLinear
    norm2: FrozenLayerNorm
    heads: int


@dataclass(frozen=True)
class DropoutMasks:
    """Dropout of one layer, each mask as large as what it is multiplied with; None drops nothing."""

    attn_output: Tensor | None = None
    """m1: (tokens, hidden), or (rows, hidden)."""
    ffn: Tensor | None = None
    """m2, as large as m1."""
    attn: DrawMask | None = None
    """Draws the masks on the attention weights."""


@dataclass
class SavedForBackward:
    """What the backward of a layer needs, named as in the module's docstring; a product without LoRA needs no input."""

    x: Tensor | None
    """(tokens, hidden)"""
    first_rows: Tensor | None
    """(rows, hidden): x of each row's first token, where the layer computes no other."""
    lora_hidden: list[LoraHidden | None]
    """Of qkv, or of query and kv; then of out, up, down."""
    attention: Any
    """What `Attention.backward` needs."""
    context: Tensor | None
    """z: (tokens, hidden), or (rows, hidden), as is all that follows."""
    norm1: SavedNorm
    h: Tensor | None
    up_proj: Tensor
    """u: (tokens, intermediate)"""
    gelu_out: Tensor | None
    """g: (tokens, intermediate)"""
    norm2: SavedNorm


class EncoderLayer(torch.autograd.Function):
    """The layer. Factors come in the order q, k, v, out, up, down, A before B; layers without LoRA are left out."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weights: LayerWeights,
        packing: Packing,
        masks: DropoutMasks,
        attention: Attention,
        first_only: bool,
        *factors: Tensor,
    ) -> Tensor:
        """See the module's docstring; `first_only` computes each row's first token alone."""
        y, saved = layer_forward(x, weights, packing, masks, attention, first_only, factors)
        ctx.saved, ctx.weights, ctx.packing, ctx.masks, ctx.attention = saved, weights, packing, masks, attention
        return y

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of the input and of the factors."""
        saved, ctx.saved = ctx.saved, None  # freed as soon as it is used, not with the graph
        given = saved, ctx.weights, ctx.packing, ctx.masks, ctx.attention
        grad_input, grads = layer_backward(grad_outputs[0], *given, needs_input_grad=ctx.needs_input_grad[0])
        return (grad_input, None, None, None, None, None, *grads)


def layer_forward(
    x: Tensor,
    weights: LayerWeights,
    packing: Packing,
    masks: DropoutMasks,
    attention: Attention,
    first_only: bool,
    factors: Sequence[Tensor],
    *,
    keep: bool = True,
) -> tuple[Tensor, SavedForBackward]:
    """The layer's output, and what backward needs; without `keep` there will be none."""
    factors_of = _factors_by_product(weights, factors)
    # z = attention(x Wq', x Wk', x Wv')
    first_rows: Tensor | None = None
    first_queries: Tensor | None = None
    if first_only:
        first_rows = x.index_select(0, packing.first_tokens)
        first_queries, query_hidden = weights.query.forward(first_rows, factors_of["query"])
        qkv, kv_hidden = weights.kv.forward(x, factors_of["kv"])
        lora_hidden = [query_hidden, kv_hidden]
    else:
        qkv, qkv_hidden = weights.qkv.forward(x, factors_of["qkv"])
        lora_hidden = [qkv_hidden]
    context, for_attention = attention.forward(qkv, first_queries, packing, weights.heads, draw=masks.attn, keep=keep)
    # h = LayerNorm1(x + m1 * (z Wo'))
    attn_out, out_hidden = weights.out.forward(context, factors_of["out"])
    h, norm1 = weights.norm1.forward(
        _add_residual(attn_out, x if first_rows is None else first_rows, masks.attn_output)
    )
    # u = h Wu',  g = GELU(u)
    up_proj, up_hidden = weights.up.forward(h, factors_of["up"])
    gelu_out = F.gelu(up_proj)
    # y = LayerNorm2(h + m2 * (g Wd'))
    ffn_out, down_hidden = weights.down.forward(gelu_out, factors_of["down"])
    y, norm2 = weights.norm2.forward(_add_residual(ffn_out, h, masks.ffn))
    lora_hidden += [out_hidden, up_hidden, down_hidden]
    inputs = (
        _read_backward(weights.qkv, x),
        first_rows,
        lora_hidden,
        for_attention,
        _read_backward(weights.out, context),
    )
    inner = _read_backward(weights.up, h), up_proj, _read_backward(weights.down, gelu_out)
    return y, SavedForBackward(*inputs, norm1, *inner, norm2)


def layer_backward(
    grad_output: Tensor,
    saved: SavedForBackward,
    weights: LayerWeights,
    packing: Packing,
    masks: DropoutMasks,
    attention: Attention,
    *,
    needs_input_grad: bool,
) -> tuple[Tensor | None, list[Tensor]]:
    """Gradient of the layer's input (None unless it is needed), and of every A and B."""
    *qkv_hidden, out_hidden, up_hidden, down_hidden = saved.lora_hidden
    # y = LayerNorm2(h + m2 * (g Wd')): the gradient of the sum, then of g.
    grad_sum = weights.norm2.backward(grad_output, saved.norm2)
    grad_gelu, down_grads = weights.down.backward(
        _masked(grad_sum, masks.ffn), saved.gelu_out, down_hidden, needs_input_grad=True
    )
    # g = GELU(u),  u = h Wu'
    assert grad_gelu is not None
    grad_up = aten.gelu_backward.grad_input(grad_gelu, saved.up_proj, grad_input=grad_gelu)
    grad_h, up_grads = weights.up.backward(grad_up, saved.h, up_hidden, needs_input_grad=True)
    assert grad_h is not None
    # h = LayerNorm1(x + m1 * (z Wo')); h is read by Wu and by the second residual connection.
    grad_sum = weights.norm1.backward(grad_h.add_(grad_sum), saved.norm1)
    grad_context, out_grads = weights.out.backward(
        _masked(grad_sum, masks.attn_output), saved.context, out_hidden, needs_input_grad=True
    )
    assert grad_context is not None
    other_grads = [*out_grads, *up_grads, *down_grads]
    # z = attention(x Wq', x Wk', x Wv'); x is read by the projections and by the first residual connection.
    grad_qkv, grad_first_queries = attention.backward(
        grad_context, saved.attention, packing, weights.heads, first_only=saved.first_rows is not None
    )
    if saved.first_rows is None:
        grad_x, qkv_grads = weights.qkv.backward(grad_qkv, saved.x, qkv_hidden[0], needs_input_grad=needs_input_grad)
        return (None if grad_x is None else grad_x.add_(grad_sum)), [*qkv_grads, *other_grads]
    assert grad_first_queries is not None
    grad_first_rows, query_grads = weights.query.backward(
        grad_first_queries, saved.first_rows, qkv_hidden[0], needs_input_grad=needs_input_grad
    )
    grad_x, kv_grads = weights.kv.backward(grad_qkv, saved.x, qkv_hidden[1], needs_input_grad=needs_input_grad)
    if grad_x is not None and grad_first_rows is not None:
        grad_x.index_add_(0, packing.first_tokens, grad_first_rows.add_(grad_sum))
    return grad_x, [*query_grads, *kv_grads, *other_grads]


def _factors_by_product(weights: LayerWeights, factors: Sequence[Tensor]) -> dict[str, Sequence[Tensor]]:
    """Each product's A and B, out of all."""
    shares, start = {}, 0
    for name, linear in (("qkv", weights.qkv), ("out", weights.out), ("up", weights.up), ("down", weights.down)):
        stop = start + 2 * len(linear.lora)
        shares[name] = factors[start:stop]
        start = stop
    queries = 2 * len(weights.query.lora)
    return {**shares, "query": shares["qkv"][:queries], "kv": shares["qkv"][queries:]}


def _read_backward(linear: LoraLinear, x: Tensor) -> Tensor | None:
    """A product's input, where its backward reads it: a frozen weight has no gradient, A and B have."""
    return x if linear.lora else None


def _add_residual(output: Tensor, residual: Tensor, mask: Tensor | None) -> Tensor:
    """residual + m * output, in place of `output`."""
    return output.add_(residual) if mask is None else torch.addcmul(residual, output, mask, out=output)


def _masked(grad: Tensor, mask: Tensor | None) -> Tensor:
    return grad if mask is None else grad * mask
