"""One encoder layer of BERT's kind over packed tokens, with LoRA in it, as one step of autograd.

In: (T, D) tokens, a Packing, the layer's frozen weights, A and B of its adapted linear layers.
Out: (T, D), or (B, D) where only first tokens are wanted; gradients of the tokens and of A and B.
Not here: any other trainable part: such layers run as their own modules (modular.py).

    h = norm1(x + m1 (attention(x) Wo));  y = norm2(h + m2 (gelu(h Wu) Wd))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from liftune.models.packed.attention import Attended, attend, attend_backward
from liftune.models.packed.dropout import Draw
from liftune.models.packed.lora_linear import LoraHidden, Product
from liftune.models.packed.packing import Packing

aten = torch.ops.aten


@dataclass(frozen=True)
class Norm:
    """A frozen layer norm."""

    weight: Tensor
    bias: Tensor
    epsilon: float

    def forward(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Normalised rows, and the mean and reciprocal deviation of each."""
        normed, mean, deviation = torch.native_layer_norm(rows, [rows.shape[1]], self.weight, self.bias, self.epsilon)
        return normed, mean, deviation

    def backward(self, gradient: Tensor, rows: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
        """Gradient of the rows that were normalised."""
        below, _, _ = aten.native_layer_norm_backward(
            gradient, rows, [rows.shape[1]], mean, deviation, self.weight, self.bias, [True, False, False]
        )
        assert isinstance(below, Tensor)
        return below


@dataclass(frozen=True)
class LayerWeights:
    """A layer's frozen parts. `query` and `sides` (keys and values) are views of `qkv`, for the last layer."""

    qkv: Product
    query: Product
    sides: Product
    out: Product
    norm1: Norm
    up: Product
    down: Product
    norm2: Norm
    heads: int


@dataclass(frozen=True)
class Masks:
    """Dropout of one layer, each mask as large as what it falls on; None drops nothing."""

    attended: Tensor | None = None
    fed: Tensor | None = None
    attention: Draw | None = None
    """What gives the masks on the attention weights."""


@dataclass
class SavedForBackward:
    """What backward needs."""

    rows: Tensor
    first: Tensor | None
    thins: list[LoraHidden | None]
    attended: list[Attended]
    context: Tensor
    norm1: tuple[Tensor, Tensor, Tensor]
    hidden: Tensor
    raised: Tensor
    active: Tensor
    norm2: tuple[Tensor, Tensor, Tensor]


class EncoderLayer(torch.autograd.Function):
    """The layer. Adapters come in the order of q, k, v, out, up, down, A before B; those not adapted are left out."""

    @staticmethod
    def forward(
        ctx: Any, rows: Tensor, weights: LayerWeights, packing: Packing, masks: Masks, first: bool, *adapters: Tensor
    ) -> Tensor:
        """See the module's docstring; `first` asks for each row's first token alone."""
        output, kept = run_layer(rows, weights, packing, masks, first, adapters)
        ctx.kept, ctx.weights, ctx.packing, ctx.masks = kept, weights, packing, masks
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of rows and adapters."""
        kept, ctx.kept = ctx.kept, None  # freed as soon as it is used, not with the graph
        below, found = run_backward(gradients[0], kept, ctx.weights, ctx.packing, ctx.masks, ctx.needs_input_grad[0])
        return (below, None, None, None, None, *found)


def run_layer(
    rows: Tensor, weights: LayerWeights, packing: Packing, masks: Masks, first: bool, adapters: Sequence[Tensor]
) -> tuple[Tensor, SavedForBackward]:
    """Forward: the output, and what backward needs."""
    share = _shares(weights, adapters)
    ends = rows.index_select(0, packing.firsts) if first else None
    if ends is None:
        projected, thin = weights.qkv.forward(rows, share["qkv"])
        thins, queries = [thin], None
    else:
        queries, thin_q = weights.query.forward(ends, share["query"])
        projected, thin_s = weights.sides.forward(rows, share["sides"])
        thins = [thin_q, thin_s]
    context, attended = attend(projected, queries, packing, weights.heads, draw=masks.attention)
    found, thin_o = weights.out.forward(context, share["out"])
    summed = _residual(rows if ends is None else ends, found, masks.attended)
    hidden, mean, deviation = weights.norm1.forward(summed)
    raised, thin_u = weights.up.forward(hidden, share["up"])
    active = F.gelu(raised)
    fed, thin_d = weights.down.forward(active, share["down"])
    summed2 = _residual(hidden, fed, masks.fed)
    output, mean2, deviation2 = weights.norm2.forward(summed2)
    thins += [thin_o, thin_u, thin_d]
    norms = (summed, mean, deviation), (summed2, mean2, deviation2)
    return output, SavedForBackward(rows, ends, thins, attended, context, norms[0], hidden, raised, active, norms[1])


def run_backward(
    gradient: Tensor, kept: SavedForBackward, weights: LayerWeights, packing: Packing, masks: Masks, through: bool
) -> tuple[Tensor | None, list[Tensor]]:
    """Gradient of the rows (None unless `through`), and of every A and B."""
    *thins, thin_o, thin_u, thin_d = kept.thins
    grad = weights.norm2.backward(gradient, *kept.norm2)
    active, found_d = weights.down.backward(_masked(grad, masks.fed), kept.active, thin_d, through=True)
    raised = aten.gelu_backward(active, kept.raised)
    hidden, found_u = weights.up.backward(raised, kept.hidden, thin_u, through=True)
    assert hidden is not None
    grad = weights.norm1.backward(hidden.add_(grad), *kept.norm1)
    context, found_o = weights.out.backward(_masked(grad, masks.attended), kept.context, thin_o, through=True)
    assert context is not None
    tail = [*found_o, *found_u, *found_d]
    projected, queries = attend_backward(context, kept.attended, packing, weights.heads, first=kept.first is not None)
    if kept.first is None:
        below, found = weights.qkv.backward(projected, kept.rows, thins[0], through=through)
        return (None if below is None else below.add_(grad)), [*found, *tail]
    assert queries is not None
    ends, found_q = weights.query.backward(queries, kept.first, thins[0], through=through)
    below, found_s = weights.sides.backward(projected, kept.rows, thins[1], through=through)
    if below is not None and ends is not None:
        below.index_add_(0, packing.firsts, ends.add_(grad))
    return below, [*found_q, *found_s, *tail]


def _shares(weights: LayerWeights, adapters: Sequence[Tensor]) -> dict[str, Sequence[Tensor]]:
    """Each product's A and B, out of all."""
    counts = {name: 2 * len(getattr(weights, name).pairs) for name in ("qkv", "out", "up", "down")}
    found, start = {}, 0
    for name, count in counts.items():
        found[name] = adapters[start : start + count]
        start += count
    queries = 2 * len(weights.query.pairs)
    return {**found, "query": found["qkv"][:queries], "sides": found["qkv"][queries:]}


def _residual(rows: Tensor, found: Tensor, mask: Tensor | None) -> Tensor:
    return found.add_(rows) if mask is None else torch.addcmul(rows, found, mask)


def _masked(gradient: Tensor, mask: Tensor | None) -> Tensor:
    return gradient if mask is None else gradient * mask
