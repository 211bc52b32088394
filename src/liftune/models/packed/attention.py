"""Multi-head attention over packed rows, forward and backward, in plain matrix products.

In: queries, keys and values side by side, a Packing.  Out: contexts, and what backward needs.
Not here: the projections around it (layer.py).

For each row and head, with d = hidden / heads and M the dropout mask (0 or 1 / (1 - rate)):

    S = Q K' / sqrt(d),   P = softmax(S),   Z = (M * P) V                       Vaswani et al. 2017, section 3.2.1

    dV = (M * P)' dZ
    dP = M * (dZ V')
    dS = P * (dP - rowsum(dP * P))                                              the Jacobian of softmax
    dQ = dS K / sqrt(d),   dK = dS' Q / sqrt(d)

In bfloat16 torch's fused CPU kernel takes longer than these products (hardware/measure.py measures by how much);
softmax over short rows is faster in float32.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from liftune.models.packed.dropout import DrawMask
from liftune.models.packed.packing import SHORT, Group, Packing


@dataclass
class SavedAttention:
    """What one group's backward needs."""

    query: Tensor
    """(rows x heads, queries, d): Q / sqrt(d)."""
    key: Tensor
    """(rows x heads, length, d)"""
    value: Tensor
    """(rows x heads, length, d)"""
    probs: Tensor
    """(rows x heads, queries, length): P."""
    mask: Tensor | None
    """(rows x heads, queries, length): M; None without dropout."""


def attention_forward(
    qkv: Tensor, first_queries: Tensor | None, packing: Packing, heads: int, *, draw: DrawMask | None = None
) -> tuple[Tensor, list[SavedAttention]]:
    """Each row's tokens attend to the same row's tokens.

    Args:
        qkv: (tokens, 3 hidden) queries, keys, values; or (tokens, 2 hidden) keys, values beside `first_queries`.
        first_queries: (rows, hidden) queries of each row's first token alone.
        draw: draws the dropout mask on the attention weights.

    Returns:
        contexts (tokens, hidden), or (rows, hidden); and what backward needs, a group.
    """
    saved, contexts, row = [], [], 0
    for group in packing.groups:
        # Each (rows x heads, length, d).
        split = _split_heads(group.pad_repeat(qkv), group, heads, 3 if first_queries is None else 2)
        if first_queries is None:
            query, key, value = split
        else:
            key, value = split
            query = first_queries[row : row + group.rows].reshape(group.rows * heads, 1, -1)
        # S = Q K' / sqrt(d),  P = softmax(S): (rows x heads, queries, length).
        query = query * query.shape[-1] ** -0.5
        probs = _softmax(torch.bmm(query, key.transpose(1, 2)), group, heads)
        mask = None
        if draw is not None:
            mask = draw(probs.shape[0] * probs.shape[1], probs.shape[2], probs.dtype).view(probs.shape)
        # Z = (M * P) V: (rows x heads, queries, d).
        context = torch.bmm(probs if mask is None else probs * mask, value)
        saved.append(SavedAttention(query, key, value, probs, mask))
        contexts.append(_merge_heads(context, group, heads) if first_queries is None else context.view(group.rows, -1))
        row += group.rows
    if packing.spare and first_queries is None:
        contexts.append(contexts[0].new_zeros(packing.spare, contexts[0].shape[1]))
    return (contexts[0] if len(contexts) == 1 else torch.cat(contexts)), saved


def attention_backward(
    grad_output: Tensor, saved: list[SavedAttention], packing: Packing, heads: int, *, first_only: bool
) -> tuple[Tensor, Tensor | None]:
    """Gradients of `attention_forward`'s qkv and, where there were some, of its first queries (rows, hidden).

    Args:
        grad_output: of the contexts, (tokens, hidden), or (rows, hidden) where there were first queries.
        first_only: whether there were first queries.
    """
    grads, first_grads, row = [], [], 0
    for group, each in zip(packing.groups, saved, strict=True):
        # dZ: (rows x heads, queries, d).
        if first_only:
            grad = grad_output[row : row + group.rows].reshape(group.rows * heads, 1, -1)
        else:
            (grad,) = _split_heads(group.pad_zeros(grad_output), group, heads, 1)
        # dV = (M * P)' dZ,  dP = M * (dZ V').
        dropped = each.probs if each.mask is None else each.probs * each.mask
        grad_value = torch.bmm(dropped.transpose(1, 2), grad)
        grad_probs = torch.bmm(grad, each.value.transpose(1, 2))
        if each.mask is not None:
            grad_probs.mul_(each.mask)
        # dS = P * (dP - rowsum(dP * P)),  dQ = dS K / sqrt(d),  dK = dS' Q / sqrt(d); the saved Q is scaled already.
        grad_scores = _softmax_backward(grad_probs, each.probs)
        grad_query = torch.bmm(grad_scores, each.key).mul_(each.key.shape[-1] ** -0.5)
        grad_key = torch.bmm(grad_scores.transpose(1, 2), each.query)
        if first_only:
            first_grads.append(grad_query.view(group.rows, -1))
        grads.append(
            _side_by_side([grad_key, grad_value] if first_only else [grad_query, grad_key, grad_value], group, heads)
        )
        row += group.rows
    if packing.spare:
        grads.append(grads[0].new_zeros(packing.spare, grads[0].shape[1]))
    joined = grads[0] if len(grads) == 1 else torch.cat(grads)
    return joined, torch.cat(first_grads) if first_only else None


def _split_heads(padded: Tensor, group: Group, heads: int, parts: int) -> Tensor:
    """(rows x length, parts x hidden) to (parts, rows x heads, length, d), contiguous."""
    split = padded.view(group.rows, group.width, parts, heads, -1).permute(2, 0, 3, 1, 4)
    return split.reshape(parts, group.rows * heads, group.width, -1)


def _merge_heads(context: Tensor, group: Group, heads: int) -> Tensor:
    """(rows x heads, length, d) to (tokens, hidden)."""
    merged = context.view(group.rows, heads, group.width, -1).transpose(1, 2)
    return group.unpad(merged.reshape(group.rows * group.width, -1))


def _side_by_side(parts: list[Tensor], group: Group, heads: int) -> Tensor:
    """Each (rows x heads, length, d), together to (tokens, parts x hidden)."""
    rows, width = group.rows, group.width
    joined = parts[0].new_empty(rows, width, len(parts), heads, parts[0].shape[-1])
    for position, part in enumerate(parts):
        joined[:, :, position].copy_(part.view(rows, heads, width, -1).transpose(1, 2))
    return group.unpad(joined.view(rows * width, -1))


def _softmax(scores: Tensor, group: Group, heads: int) -> Tensor:
    """Softmax over the keys that are not padding, in the scores' own precision; short rows are computed in float32."""
    dtype = scores.dtype
    if group.width <= SHORT and dtype == torch.bfloat16:
        scores = scores.float()
    group.mask_padding(scores.view(group.rows, heads, -1, group.width))
    return torch.softmax(scores, dim=-1).to(dtype)


def _softmax_backward(grad_probs: Tensor, probs: Tensor) -> Tensor:
    """dS = P * (dP - rowsum(dP * P))."""
    dtype = probs.dtype
    if probs.shape[-1] <= SHORT and dtype == torch.bfloat16:
        grad_probs, probs = grad_probs.float(), probs.float()
    grad_scores: Tensor = torch.ops.aten._softmax_backward_data(grad_probs, probs, -1, probs.dtype)
    return grad_scores.to(dtype)
