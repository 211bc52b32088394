"""Attention of packed rows, forward and backward, in plain products.

In: queries, keys and values side by side, a Packing.  Out: contexts, and what backward needs.
Not here: the projections around it (layer.py).

In bfloat16 torch's fused kernel for processors takes longer than these products (hardware/probe.py measures by how
much); softmax over short rows is faster in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from liftune.models.packed.dropout import Draw
from liftune.models.packed.packing import SHORT, Group, Packing


@dataclass
class Attended:
    """What one group's backward needs; heads are (rows x heads, tokens, width of a head)."""

    query: Tensor
    """Scaled."""
    key: Tensor
    value: Tensor
    weights: Tensor
    """(rows x heads, queries, keys) after softmax."""
    dropped: Tensor | None
    """The dropout's mask on the weights, scaled."""


def attend(
    projected: Tensor, first: Tensor | None, packing: Packing, heads: int, *, draw: Draw | None = None
) -> tuple[Tensor, list[Attended]]:
    """Each row's tokens attend to the same row's tokens.

    Args:
        projected: (T, 3D) queries, keys, values; or (T, 2D) keys and values where `first` is given.
        first: (B, D) queries of each row's first token alone.
        draw: gives the mask of the dropout on the attention weights.

    Returns:
        (T, D) contexts, or (B, D); and one Attended a group.
    """
    kept, parts, row = [], [], 0
    for group in packing.groups:
        wide = _heads(group.repeat(projected), group, heads, 3 if first is None else 2)
        if first is None:
            query, key, value = wide
        else:
            key, value = wide
            query = first[row : row + group.rows].reshape(group.rows * heads, 1, -1)
        query = query * query.shape[-1] ** -0.5
        weights = _softmax(torch.bmm(query, key.transpose(1, 2)), group, heads)
        dropped = None
        if draw is not None:
            dropped = draw(weights.shape[0] * weights.shape[1], weights.shape[2], weights.dtype).view(weights.shape)
        context = torch.bmm(weights if dropped is None else weights * dropped, value)
        kept.append(Attended(query, key, value, weights, dropped))
        parts.append(_merged(context, group, heads) if first is None else context.view(group.rows, -1))
        row += group.rows
    if packing.spare and first is None:
        parts.append(parts[0].new_zeros(packing.spare, parts[0].shape[1]))
    return (parts[0] if len(parts) == 1 else torch.cat(parts)), kept


def attend_backward(
    gradient: Tensor, kept: list[Attended], packing: Packing, heads: int, *, first: bool
) -> tuple[Tensor, Tensor | None]:
    """Gradients of `attend`'s projected (T, 3D or 2D) and, where there were some, of its first queries (B, D)."""
    parts, firsts, row = [], [], 0
    for group, done in zip(packing.groups, kept, strict=True):
        if first:
            grad = gradient[row : row + group.rows].reshape(group.rows * heads, 1, -1)
        else:
            (grad,) = _heads(group.spread(gradient), group, heads, 1)
        used = done.weights if done.dropped is None else done.weights * done.dropped
        value = torch.bmm(used.transpose(1, 2), grad)
        weights = torch.bmm(grad, done.value.transpose(1, 2))
        if done.dropped is not None:
            weights.mul_(done.dropped)
        scores = _softmax_backward(weights, done.weights)
        query = torch.bmm(scores, done.key).mul_(done.key.shape[-1] ** -0.5)
        key = torch.bmm(scores.transpose(1, 2), done.query)
        if first:
            firsts.append(query.view(group.rows, -1))
        parts.append(_joined([key, value] if first else [query, key, value], group, heads))
        row += group.rows
    if packing.spare:
        parts.append(parts[0].new_zeros(packing.spare, parts[0].shape[1]))
    joined = parts[0] if len(parts) == 1 else torch.cat(parts)
    return joined, torch.cat(firsts) if first else None


def _heads(wide: Tensor, group: Group, heads: int, parts: int) -> Tensor:
    """(rows x width, parts x D) to (parts, rows x heads, width, D / heads), contiguous."""
    split = wide.view(group.rows, group.width, parts, heads, -1).permute(2, 0, 3, 1, 4)
    return split.reshape(parts, group.rows * heads, group.width, -1)


def _merged(context: Tensor, group: Group, heads: int) -> Tensor:
    """(rows x heads, width, d) to (tokens, D)."""
    merged = context.view(group.rows, heads, group.width, -1).transpose(1, 2)
    return group.gather(merged.reshape(group.rows * group.width, -1))


def _joined(parts: list[Tensor], group: Group, heads: int) -> Tensor:
    """Gradients by head, side by side: (tokens, n D)."""
    rows, width = group.rows, group.width
    wide = parts[0].new_empty(rows, width, len(parts), heads, parts[0].shape[-1])
    for position, part in enumerate(parts):
        wide[:, :, position].copy_(part.view(rows, heads, width, -1).transpose(1, 2))
    return group.gather(wide.view(rows * width, -1))


def _softmax(scores: Tensor, group: Group, heads: int) -> Tensor:
    """Softmax over the keys that are no padding, in the scores' own precision; short rows are computed in float32."""
    dtype = scores.dtype
    if group.width <= SHORT and dtype == torch.bfloat16:
        scores = scores.float()
    group.hide(scores.view(group.rows, heads, -1, group.width))
    return torch.softmax(scores, dim=-1).to(dtype)


def _softmax_backward(gradient: Tensor, weights: Tensor) -> Tensor:
    dtype = weights.dtype
    if weights.shape[-1] <= SHORT and dtype == torch.bfloat16:
        gradient, weights = gradient.float(), weights.float()
    scores: Tensor = torch.ops.aten._softmax_backward_data(gradient, weights, -1, weights.dtype)
    return scores.to(dtype)
