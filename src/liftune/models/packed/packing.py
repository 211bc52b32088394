"""Rows of a batch end to end, without their padding, and the groups of rows whose attention is computed together.

In: the lengths of a right-padded batch's rows.  Out: a Packing: index tensors, and groups of neighbouring rows.
Not here: attention itself (attention.py).

"Packed" is (tokens, ...), the tokens of all rows end to end; "padded" is (rows, length, ...).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Rows up to this length share a group with others, padded to the longest of them; longer rows only with like ones.
SHORT = 64
#: Long rows are padded to a multiple of this, the bfloat16 numbers of a SIMD register: without, softmax is slow.
VECTOR_WIDTH = 32
#: The number of packed tokens is rounded up to a multiple of STEP, from WIDE_FROM on to one of WIDE: oneDNN compiles a
#: kernel for every new shape, in a millisecond, and keeps it.
STEP, WIDE, WIDE_FROM = 16, 64, 512
#: What one more group costs, in attention scores: a dozen kernel calls forward and backward.
GROUP_COST = 100_000


@dataclass(frozen=True)
class Group:
    """Neighbouring rows whose attention is one batched product."""

    tokens: slice
    """Its part of the packed tokens."""
    lengths: tuple[int, ...]
    width: int
    """Tokens that each row is padded to inside the attention."""
    positions: Tensor | None
    """(tokens,) each token's index among rows x width; None where nothing is padded."""
    sources: Tensor | None
    """(rows x width,) index of the token at each place; at padding, the row's last token. None as above."""
    mask: Tensor | None
    """(rows, 1, 1, width) float32, 0 or -inf; None where all rows are of one length."""

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.lengths)

    def pad_repeat(self, packed: Tensor) -> Tensor:
        """(tokens, C) of all groups to this group's (rows x width, C), padded with each row's last token.

        Cheaper than `pad_zeros`, and as good where padded keys are masked and the outputs of padded queries dropped.
        """
        part = packed[self.tokens]
        return part if self.sources is None else part.index_select(0, self.sources)

    def pad_zeros(self, packed: Tensor) -> Tensor:
        """(tokens, C) of all groups to this group's (rows x width, C), padded with zeros."""
        part = packed[self.tokens]
        if self.positions is None:
            return part
        padded = part.new_zeros(self.rows * self.width, part.shape[1])
        return padded.index_copy_(0, self.positions, part)

    def unpad(self, padded: Tensor) -> Tensor:
        """(rows x width, C) to this group's (tokens, C): the opposite of `pad_zeros`."""
        return padded if self.positions is None else padded.index_select(0, self.positions)

    def mask_padding(self, scores: Tensor, rows: slice) -> Tensor:
        """Attention scores of some rows (rows, heads, queries, width) with -inf at padded keys; changed in place."""
        if self.mask is not None:
            return scores.add_(self.mask[rows].to(scores.dtype))
        if self.width > self.lengths[0]:  # rows of one length, padded by a few columns
            scores[..., self.lengths[0] :] = float("-inf")
        return scores


@dataclass(frozen=True)
class Packing:
    """A batch's rows end to end."""

    lengths: tuple[int, ...]
    longest: int
    """Columns of the padded batch."""
    positions: Tensor
    """(tokens,) each token's index among rows x longest."""
    first_tokens: Tensor
    """(rows,) index of each row's first token among the packed ones."""
    groups: tuple[Group, ...]
    spare: int = 0
    """Copies of the last token that follow the others; nothing reads what comes of them."""

    @classmethod
    def of(cls, lengths: Sequence[int], longest: int, *, round_up: bool = False) -> Packing:
        """The packing of a right-padded batch (rows, longest) whose rows have these lengths.

        Args:
            round_up: add spare tokens, so that few different numbers of tokens occur.
        """
        counts = torch.tensor(lengths)
        ends = torch.cumsum(counts, 0)
        return cls(
            lengths=tuple(lengths),
            longest=longest,
            positions=_positions(lengths, longest),
            first_tokens=ends - counts,
            groups=tuple(_groups(lengths)),
            spare=_spare(sum(lengths)) if round_up else 0,
        )

    def pack(self, padded: Tensor) -> Tensor:
        """(rows, longest, C) to (tokens + spare, C)."""
        flat = padded.reshape(-1, padded.shape[-1])
        if self.spare:
            return flat.index_select(0, torch.cat([self.positions, self.positions[-1:].expand(self.spare)]))
        return flat if len(self.positions) == len(flat) else flat.index_select(0, self.positions)

    def pad(self, packed: Tensor) -> Tensor:
        """(tokens + spare, C) to (rows, longest, C), padded with zeros."""
        packed = packed[: len(self.positions)]
        shape = (len(self.lengths), self.longest, packed.shape[-1])
        if len(self.positions) == shape[0] * shape[1]:
            return packed.view(shape)
        flat = packed.new_zeros(shape[0] * shape[1], shape[2])
        return flat.index_copy(0, self.positions, packed).view(shape)


def _spare(tokens: int) -> int:
    """
    >>> _spare(100), _spare(112), _spare(600)
    (12, 0, 40)
    """
    return -tokens % (STEP if tokens < WIDE_FROM else WIDE)


def _positions(lengths: Sequence[int], width: int) -> Tensor:
    read = torch.arange(width)[None, :] < torch.tensor(lengths)[:, None]
    return torch.nonzero(read.view(-1)).flatten()


def _groups(lengths: Sequence[int]) -> list[Group]:
    """Rows in their order, a new group wherever it saves more scores than it costs."""
    groups: list[Group] = []
    start, token, shortest, longest = 0, 0, lengths[0], lengths[0]
    for stop, length in enumerate((*lengths[1:], 0), start=1):
        if length and _joins(length, stop - start, shortest, longest):
            shortest, longest = min(shortest, length), max(longest, length)
            continue
        groups.append(_group(tuple(lengths[start:stop]), token))
        start, token, shortest, longest = stop, groups[-1].tokens.stop, length, length
    return groups


def _joins(length: int, rows: int, shortest: int, longest: int) -> bool:
    """Whether a row of this length joins a group of so many rows, whose lengths are between these.

    >>> _joins(24, 2, 20, 21), _joins(60, 30, 12, 12), _joins(310, 1, 300, 300), _joins(350, 1, 300, 300)
    (True, False, True, False)
    """
    longest_then = max(longest, length)
    if longest_then > SHORT:
        return _width(length) == _width(longest) and min(shortest, length) > SHORT
    return rows * (longest_then**2 - longest**2) + longest_then**2 - length**2 <= GROUP_COST


def _width(length: int) -> int:
    return -(-length // VECTOR_WIDTH) * VECTOR_WIDTH


def _group(lengths: tuple[int, ...], token: int) -> Group:
    width = max(lengths)
    if width > SHORT:
        width = _width(width)
    equal = len(set(lengths)) == 1
    positions = None if equal and lengths[0] == width else _positions(lengths, width)
    mask = None
    if not equal:
        padding = torch.arange(width)[None, :] >= torch.tensor(lengths)[:, None]
        mask = torch.zeros(padding.shape).masked_fill_(padding, float("-inf"))[:, None, None, :]
    sources = None if positions is None else _sources(lengths, width)
    return Group(slice(token, token + sum(lengths)), lengths, width, positions, sources, mask)


def _sources(lengths: Sequence[int], width: int) -> Tensor:
    counts = torch.tensor(lengths)
    starts = torch.cumsum(counts, 0) - counts
    return (starts[:, None] + torch.minimum(torch.arange(width)[None, :], counts[:, None] - 1)).view(-1)
