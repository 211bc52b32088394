"""Multi-head attention over packed rows, forward and backward; TILED does it in plain matrix products.

In: queries, keys and values side by side, a Packing.  Out: contexts, and what backward needs.
Not here: the projections around it (layer.py), the same by a compiled kernel (compiled.py).

For each row and head, with d = hidden / heads and M the dropout mask (0 or 1 / (1 - rate)):

    S = Q K' / sqrt(d),   P = softmax(S),   Z = (M * P) V                       Vaswani et al. 2017, section 3.2.1

    dV = (M * P)' dZ
    dP = M * (dZ V')
    dS = P * (dP - rowsum(dP * P))                                              the Jacobian of softmax
    dQ = dS K / sqrt(d),   dK = dS' Q / sqrt(d)

In bfloat16 torch's fused CPU kernel takes longer than these products (hardware/measure.py measures by how much);
softmax over short rows is faster in float32.

S, P and dS of a group do not fit into a core's cache, and all steps but the products only read and write them. So the
equations are computed for a tile at a time: some whole rows, or of one row some heads, as many as the cache holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor

from liftune.hardware.processor import core_cache_bytes
from liftune.models.packed.dropout import POOL_SIZE, DrawMask
from liftune.models.packed.packing import SHORT, Group, Packing


class Attention(Protocol):
    """A way to compute attention over packed rows: each row's tokens attend to the same row's tokens."""

    def forward(
        self,
        qkv: Tensor,
        first_queries: Tensor | None,
        packing: Packing,
        heads: int,
        *,
        draw: DrawMask | None = None,
        keep: bool = True,
    ) -> tuple[Tensor, Any]:
        """Contexts, and what `backward` needs.

        Args:
            qkv: (tokens, 3 hidden) queries, keys, values; or (tokens, 2 hidden) keys, values beside `first_queries`.
            first_queries: (rows, hidden) queries of each row's first token alone.
            draw: draws the dropout mask on the attention weights.
            keep: whether there will be a backward; without, nothing is kept for it.

        Returns:
            contexts (tokens, hidden), or (rows, hidden) where there are first queries; and what backward needs.
        """
        ...

    def backward(
        self, grad_output: Tensor, saved: Any, packing: Packing, heads: int, *, first_only: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Gradients of `forward`'s qkv and, where there were some, of its first queries (rows, hidden).

        Args:
            grad_output: of the contexts, (tokens, hidden), or (rows, hidden) where there were first queries.
            first_only: whether there were first queries.
        """
        ...


@dataclass
class SavedGroup:
    """What one group's backward needs."""

    query: Tensor
    """(rows x heads, queries, d): Q / sqrt(d)."""
    key: Tensor
    """(rows x heads, length, d)"""
    value: Tensor
    """(rows x heads, length, d)"""
    probs: Tensor
    """(rows x heads, queries, length): P."""
    masks: list[Tensor] | None
    """M in parts, each (some rows x heads, queries, length); None without dropout."""


@dataclass(frozen=True)
class Tile:
    """Scores that are computed together: of neighbouring rows with all their heads, or of one row with some."""

    rows: slice
    """Among the group's rows."""
    heads: slice
    """Among the group's rows x heads."""

    @property
    def size(self) -> int:
        """Number of rows x heads."""
        return int(self.heads.stop - self.heads.start)


class TiledAttention:
    """Attention a tile at a time (see the module's docstring); without a backward no more weights are held than one."""

    def forward(
        self,
        qkv: Tensor,
        first_queries: Tensor | None,
        packing: Packing,
        heads: int,
        *,
        draw: DrawMask | None = None,
        keep: bool = True,
    ) -> tuple[Tensor, list[SavedGroup]]:
        """As of Attention."""
        saved, contexts, row = [], [], 0
        for group in packing.groups:
            # Each (rows x heads, length, d).
            split = _split_heads(group.pad_repeat(qkv), group, heads, 3 if first_queries is None else 2)
            if first_queries is None:
                query, key, value = split
            else:
                key, value = split
                query = first_queries[row : row + group.rows].reshape(group.rows * heads, 1, -1)
            each, context = _group_forward(query * query.shape[-1] ** -0.5, key, value, group, heads, draw, keep)
            saved += [each] if keep else []
            merged = _merge_heads(context, group, heads) if first_queries is None else context.view(group.rows, -1)
            contexts.append(merged)
            row += group.rows
        if packing.spare and first_queries is None:
            contexts.append(contexts[0].new_zeros(packing.spare, contexts[0].shape[1]))
        return (contexts[0] if len(contexts) == 1 else torch.cat(contexts)), saved

    def backward(
        self, grad_output: Tensor, saved: list[SavedGroup], packing: Packing, heads: int, *, first_only: bool
    ) -> tuple[Tensor, Tensor | None]:
        """As of Attention."""
        grads, first_grads, row = [], [], 0
        for group, each in zip(packing.groups, saved, strict=True):
            # dZ: (rows x heads, queries, d).
            if first_only:
                grad = grad_output[row : row + group.rows].reshape(group.rows * heads, 1, -1)
            else:
                (grad,) = _split_heads(group.pad_zeros(grad_output), group, heads, 1)
            grad_query, grad_key, grad_value = _group_backward(grad, each, heads)
            if first_only:
                first_grads.append(grad_query.view(group.rows, -1))
            parts = [grad_key, grad_value] if first_only else [grad_query, grad_key, grad_value]
            grads.append(_side_by_side(parts, group, heads))
            row += group.rows
        if packing.spare:
            grads.append(grads[0].new_zeros(packing.spare, grads[0].shape[1]))
        joined = grads[0] if len(grads) == 1 else torch.cat(grads)
        return joined, torch.cat(first_grads) if first_only else None


TILED = TiledAttention()


def _group_forward(
    query: Tensor, key: Tensor, value: Tensor, group: Group, heads: int, draw: DrawMask | None, keep: bool
) -> tuple[SavedGroup, Tensor]:
    """What backward needs, and the contexts (rows x heads, queries, d); the query is scaled already."""
    shape = query.shape[1], key.shape[1]
    probs = query.new_empty(len(query) if keep else 0, *shape)
    context = torch.empty_like(query)
    masks = None if draw is None else list(draw_masks(draw, group.rows, shape, heads, query.dtype))
    scratch: Tensor | None = None
    weights: Tensor | None = None
    for tile, mask in _tiles(query, shape, heads, masks):
        part = tile.heads
        scratch = _scratch(scratch, query, shape, tile)
        weights = probs[part] if keep else _scratch(weights, query, shape, tile)
        # S = Q K' / sqrt(d),  P = softmax(S): (rows x heads, queries, length).
        scores = torch.bmm(query[part], key[part].transpose(1, 2), out=scratch)
        _softmax(scores, group, tile, weights)
        # Z = (M * P) V: (rows x heads, queries, d).
        dropped = weights if mask is None else torch.mul(weights, mask, out=scratch)
        torch.bmm(dropped, value[part], out=context[part])
    return SavedGroup(query, key, value, probs, masks), context


def _group_backward(grad: Tensor, saved: SavedGroup, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, key and value, each (rows x heads, its tokens, d), by that of the contexts."""
    grad_query = torch.empty_like(saved.query)
    grad_key, grad_value = torch.empty_like(saved.key), torch.empty_like(saved.value)
    shape = saved.probs.shape[1], saved.probs.shape[2]
    first: Tensor | None = None
    second: Tensor | None = None
    for tile, mask in _tiles(saved.query, shape, heads, saved.masks):
        part = tile.heads
        first, second = (_scratch(each, saved.query, shape, tile) for each in (first, second))
        probs = saved.probs[part]
        # dV = (M * P)' dZ,  dP = M * (dZ V').
        dropped = probs if mask is None else torch.mul(probs, mask, out=first)
        torch.bmm(dropped.transpose(1, 2), grad[part], out=grad_value[part])
        grad_probs = torch.bmm(grad[part], saved.value[part].transpose(1, 2), out=second)
        if mask is not None:
            grad_probs.mul_(mask)
        # dS = P * (dP - rowsum(dP * P)),  dQ = dS K / sqrt(d),  dK = dS' Q / sqrt(d); the saved Q is scaled already.
        grad_scores = _softmax_backward(grad_probs, probs, first)
        torch.bmm(grad_scores, saved.key[part], out=grad_query[part])
        torch.bmm(grad_scores.transpose(1, 2), saved.query[part], out=grad_key[part])
    return grad_query.mul_(saved.key.shape[-1] ** -0.5), grad_key, grad_value


def draw_masks(draw: DrawMask, rows: int, shape: tuple[int, int], heads: int, dtype: torch.dtype) -> Iterator[Tensor]:
    """M of a group in parts of whole rows, each (some rows x heads, queries, length).

    As many rows at a time as a pool of random numbers suits; no size of a cache, and no way to compute, changes it.
    """
    queries, length = shape
    most = max(1, POOL_SIZE // 2 // (heads * queries * length))
    for first, last in _ranges(0, rows, most):
        some = (last - first) * heads
        yield draw(some * queries, length, dtype).view(some, queries, length)


def _tiles(
    query: Tensor, shape: tuple[int, int], heads: int, masks: list[Tensor] | None
) -> Iterator[tuple[Tile, Tensor | None]]:
    """Every row and head in its turn, as tiles that a cache holds; none reaches over two parts of the mask."""
    cache = core_cache_bytes() * torch.get_num_threads()
    room = max(1, cache // (shape[0] * shape[1] * query.element_size()))
    parts = [(len(query), None)] if masks is None else [(len(mask), mask) for mask in masks]
    start = 0
    for size, mask in parts:
        for first, last in _ranges(start // heads, (start + size) // heads, max(1, room // heads)):
            for low, high in _ranges(first * heads, last * heads, room if room < heads else size):
                cut = None if mask is None else mask[low - start : high - start]
                yield Tile(slice(first, last), slice(low, high)), cut
        start += size


def _ranges(start: int, stop: int, most: int) -> list[tuple[int, int]]:
    """Neighbouring ranges of almost one size.

    >>> _ranges(2, 12, 4)
    [(2, 6), (6, 9), (9, 12)]
    """
    pieces = -(-(stop - start) // most)
    size, longer = divmod(stop - start, pieces)
    ends = [start + piece * size + min(piece, longer) for piece in range(pieces + 1)]
    return list(pairwise(ends))


def _scratch(last: Tensor | None, query: Tensor, shape: tuple[int, int], tile: Tile) -> Tensor:
    """(rows x heads of the tile, queries, length) to write into; the last tile's where that is large enough."""
    if last is None or len(last) < tile.size:
        return query.new_empty(tile.size, *shape)
    return last[: tile.size]


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


def _softmax(scores: Tensor, group: Group, tile: Tile, out: Tensor) -> None:
    """Softmax over the keys that are not padding, in the scores' own precision; short rows are computed in float32."""
    wide = group.width <= SHORT and scores.dtype == torch.bfloat16
    if wide:
        scores = scores.float()
    count = tile.rows.stop - tile.rows.start
    group.mask_padding(scores.view(count, tile.size // count, -1, group.width), tile.rows)
    if wide:
        out.copy_(torch.softmax(scores, dim=-1))
    else:
        torch.softmax(scores, dim=-1, out=out)


def _softmax_backward(grad_probs: Tensor, probs: Tensor, out: Tensor) -> Tensor:
    """dS = P * (dP - rowsum(dP * P))."""
    if probs.shape[-1] <= SHORT and probs.dtype == torch.bfloat16:
        wide = torch.ops.aten._softmax_backward_data(grad_probs.float(), probs.float(), -1, torch.float32)
        return out.copy_(wide)
    torch.ops.aten._softmax_backward_data.out(grad_probs, probs, -1, probs.dtype, grad_input=out)
    return out
