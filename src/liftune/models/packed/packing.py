"""Rows of a batch without their padding: where each token stands, and which rows attend together.

In: the lengths of a right-padded batch's rows.  Out: a Packing: index tensors, and groups of neighbouring rows.
Not here: attention itself (attention.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

#: Rows up to this length attend in mixed company, padded to the longest of their group; longer ones with their equals.
SHORT = 64
#: Long rows are padded to a multiple of this: the lanes of a vector of bfloat16, without which softmax is slow.
VECTOR_WIDTH = 32
#: Packed tokens are made up to a multiple of STEP, and to one of WIDE from WIDE_FROM on: oneDNN makes a kernel for
#: every shape that it meets, in a millisecond, and keeps it.
STEP, WIDE, WIDE_FROM = 16, 64, 512
#: What one more group costs, in scores computed: a dozen kernel calls forward and backward.
GROUP_COST = 100_000


@dataclass(frozen=True)
class Group:
    """Neighbouring rows whose attention is one batched product."""

    tokens: slice
    """Of the packed tokens."""
    lengths: tuple[int, ...]
    width: int
    """Tokens that each row is padded to inside the attention."""
    places: Tensor | None
    """(tokens,) where each token stands among rows x width; None where nothing is padded."""
    sources: Tensor | None
    """(rows x width,) which token stands where; where there is padding, the row's last."""
    mask: Tensor | None
    """(rows, 1, 1, width) float32, 0 or -inf; None where `fill` or nothing masks."""

    @property
    def rows(self) -> int:
        """How many rows."""
        return len(self.lengths)

    def repeat(self, packed: Tensor) -> Tensor:
        """(tokens, C) of this group as (rows x width, C), each row's last token again where there is padding.

        Cheaper than `spread`, and as good where padded keys are hidden and padded queries' answers dropped.
        """
        part = packed[self.tokens]
        return part if self.sources is None else part.index_select(0, self.sources)

    def spread(self, packed: Tensor) -> Tensor:
        """(tokens, C) of this group as (rows x width, C), zeros where there is padding."""
        part = packed[self.tokens]
        if self.places is None:
            return part
        wide = part.new_zeros(self.rows * self.width, part.shape[1])
        return wide.index_copy_(0, self.places, part)

    def gather(self, wide: Tensor) -> Tensor:
        """(rows x width, C) as (tokens, C): the opposite of `spread`."""
        return wide if self.places is None else wide.index_select(0, self.places)

    def hide(self, scores: Tensor) -> Tensor:
        """Attention scores (rows, heads, queries, width) with -inf at padded keys; changed in place."""
        if self.mask is not None:
            return scores.add_(self.mask.to(scores.dtype))
        if self.width > self.lengths[0]:  # one row, or equals: a few columns
            scores[..., self.lengths[0] :] = float("-inf")
        return scores


@dataclass(frozen=True)
class Packing:
    """A batch's rows end to end."""

    lengths: tuple[int, ...]
    longest: int
    """Columns of the padded batch."""
    places: Tensor
    """(tokens,) where each token stands among rows x longest."""
    firsts: Tensor
    """(rows,) the packed position of each row's first token."""
    groups: tuple[Group, ...]
    spare: int = 0
    """Copies of the last token behind all others, which nothing reads."""

    @classmethod
    def of(cls, lengths: Sequence[int], longest: int, *, round_up: bool = False) -> Packing:
        """Of a right-padded batch (rows, longest) whose rows have these lengths.

        Args:
            round_up: make the tokens up to one of few numbers.
        """
        counts = torch.tensor(lengths)
        ends = torch.cumsum(counts, 0)
        return cls(
            lengths=tuple(lengths),
            longest=longest,
            places=_places(lengths, longest),
            firsts=ends - counts,
            groups=tuple(_groups(lengths)),
            spare=_spare(sum(lengths)) if round_up else 0,
        )

    def pack(self, padded: Tensor) -> Tensor:
        """(rows, longest, C) to (tokens + spare, C)."""
        flat = padded.reshape(-1, padded.shape[-1])
        if self.spare:
            return flat.index_select(0, torch.cat([self.places, self.places[-1:].expand(self.spare)]))
        return flat if len(self.places) == len(flat) else flat.index_select(0, self.places)

    def pad(self, packed: Tensor) -> Tensor:
        """(tokens + spare, C) to (rows, longest, C), zeros where there is padding."""
        packed = packed[: len(self.places)]
        shape = (len(self.lengths), self.longest, packed.shape[-1])
        if len(self.places) == shape[0] * shape[1]:
            return packed.view(shape)
        flat = packed.new_zeros(shape[0] * shape[1], shape[2])
        return flat.index_copy(0, self.places, packed).view(shape)


def _spare(tokens: int) -> int:
    """
    >>> _spare(100), _spare(112), _spare(600)
    (12, 0, 40)
    """
    return -tokens % (STEP if tokens < WIDE_FROM else WIDE)


def _places(lengths: Sequence[int], width: int) -> Tensor:
    grid = torch.arange(width)[None, :] < torch.tensor(lengths)[:, None]
    return torch.nonzero(grid.view(-1)).flatten()


def _groups(lengths: Sequence[int]) -> list[Group]:
    """Cut the rows, in their order, where it saves more scores than a further group costs."""
    groups: list[Group] = []
    start, token, least, most = 0, 0, lengths[0], lengths[0]
    for stop, newcomer in enumerate((*lengths[1:], 0), start=1):
        if newcomer and _together(stop - start, least, most, newcomer):
            least, most = min(least, newcomer), max(most, newcomer)
            continue
        groups.append(_group(tuple(lengths[start:stop]), token))
        start, token, least, most = stop, groups[-1].tokens.stop, newcomer, newcomer
    return groups


def _together(rows: int, least: int, most: int, newcomer: int) -> bool:
    """Whether a row joins its neighbours, of which there are so many, the shortest and the longest so long.

    >>> _together(2, 20, 21, 24), _together(30, 12, 12, 60), _together(1, 300, 300, 310), _together(1, 300, 300, 350)
    (True, False, True, False)
    """
    longest = max(most, newcomer)
    if longest > SHORT:
        return _width(newcomer) == _width(most) and min(least, newcomer) > SHORT
    return rows * (longest**2 - most**2) + longest**2 - newcomer**2 <= GROUP_COST


def _width(length: int) -> int:
    return -(-length // VECTOR_WIDTH) * VECTOR_WIDTH


def _group(lengths: tuple[int, ...], token: int) -> Group:
    width = max(lengths)
    if width > SHORT:
        width = _width(width)
    equal = len(set(lengths)) == 1
    places = None if equal and lengths[0] == width else _places(lengths, width)
    mask = None
    if not equal:
        hidden = torch.arange(width)[None, :] >= torch.tensor(lengths)[:, None]
        mask = torch.zeros(hidden.shape).masked_fill_(hidden, float("-inf"))[:, None, None, :]
    sources = None if places is None else _sources(lengths, width)
    return Group(slice(token, token + sum(lengths)), lengths, width, places, sources, mask)


def _sources(lengths: Sequence[int], width: int) -> Tensor:
    counts = torch.tensor(lengths)
    starts = torch.cumsum(counts, 0) - counts
    return (starts[:, None] + torch.minimum(torch.arange(width)[None, :], counts[:, None] - 1)).view(-1)
