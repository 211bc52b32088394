"""Which rows of a mixed batch are whose, wherever in the model one looks.

In: the models of a batch's rows, neighbours together, and the rows' lengths.  Out: slices and indices of any layer's
input.
Not here: what is done to them (mixed.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from liftune.hardware.lanes import current_lane
from liftune.models.lowrank import Added
from liftune.models.tokens import Encoded

#: Most padding of one batched product, in vectors: about what the kernel calls of another one cost.
_BLOCK_COST = 256


class Unmixable(Exception):  # noqa: N818 - it says what the model is
    """The base does not keep its rows apart where a model changes it."""


class Turn(NamedTuple):
    """A row, and whose it is."""

    model: Added
    encoded: Encoded


class Asked(Protocol):
    """What a Turn is, by whatever name."""

    @property
    def model(self) -> Added:
        """What the row's model adds to the base."""
        ...

    @property
    def encoded(self) -> Encoded:
        """The row's tokens."""
        ...


@dataclass(frozen=True)
class Block:
    """Neighbouring models' vectors side by side, each as many as the most of any: (models x width)."""

    models: slice
    """Of the batch's models."""
    vectors: slice
    """Of the batch's vectors."""
    sources: Tensor | None
    """(models x width,) which of these vectors stands where; where there is padding, the model's last. None where
    nothing is padded."""
    places: Tensor | None
    """(vectors,) where each vector stands."""


class Placed:
    """Which rows of a batch are whose.

    Args:
        models: of the batch's rows, neighbours together.
        lengths: of the rows, in tokens.
    """

    def __init__(self, models: Sequence[Added], lengths: Sequence[int]) -> None:
        self._models: list[Added] = []
        self._rows, self._tokens = [0], [0]
        self._blocks: dict[int, list[Block]] = {}
        tokens = 0
        for row, (model, length) in enumerate(zip(models, lengths, strict=True), 1):
            tokens += length
            if self._models and self._models[-1] is model:
                self._rows[-1], self._tokens[-1] = row, tokens
            else:
                self._models.append(model)
                self._rows.append(row)
                self._tokens.append(tokens)

    def known(self, vectors: int) -> int:
        """How many of a packed batch's vectors are rows or rows' tokens; others may stand behind the tokens."""
        return self._rows[-1] if vectors == self._rows[-1] else min(vectors, self._tokens[-1])

    def of(self, shape: torch.Size) -> list[tuple[Added, slice]]:
        """Whose are which of the vectors of an input (..., D), counted over all its axes but the last.

        Raises:
            Unmixable: its first axis is neither the rows nor, in a batch of one, rows or tokens end to end.
        """
        ends = self._ends(shape)
        return [(model, slice(ends[i], ends[i + 1])) for i, model in enumerate(self._models)]

    def blocks(self, shape: torch.Size) -> list[Block]:
        """The same for batched products, one for each block; neighbours of like size cost least.

        Raises:
            Unmixable: as `of`.
        """
        ends = self._ends(shape)
        if ends[-1] not in self._blocks:
            self._blocks[ends[-1]] = list(_blocks(ends))
        return self._blocks[ends[-1]]

    def _ends(self, shape: torch.Size) -> list[int]:
        """Where each model's vectors begin, and the last one's end."""
        vectors, rows = shape[:-1].numel(), self._rows[-1]
        if len(self._models) == 1:
            return [0, vectors]
        if shape[0] == rows:
            return [end * (vectors // rows) for end in self._rows]
        if len(shape) == 3 and shape[0] == 1 and vectors in (self._tokens[-1], rows):
            return self._tokens if vectors == self._tokens[-1] else self._rows
        raise Unmixable(f"an input of shape {tuple(shape)} in a batch of {rows} rows")


class Places:
    """The batch that each lane is at; what models' hooks look at."""

    def __init__(self) -> None:
        self._by_lane: dict[int, Placed] = {}

    def set(self, models: Sequence[Added], lengths: Sequence[int]) -> None:
        """The calling lane is at a batch whose rows have these models, neighbours together, and lengths."""
        self._by_lane[current_lane().index] = Placed(models, lengths)

    @property
    def here(self) -> Placed:
        """Of the calling lane."""
        return self._by_lane[current_lane().index]


def _blocks(ends: Sequence[int]) -> Iterator[Block]:
    """Cut the models, in their order, so that no block is padded by more than another one would cost.

    >>> [(each.models.stop, each.vectors.stop) for each in _blocks([0, 10, 22, 400])]
    [(2, 22), (3, 400)]
    """
    counts = [stop - start for start, stop in pairwise(ends)]
    start = 0
    for stop in range(1, len(counts) + 1):
        if stop < len(counts) and _padding(counts[start : stop + 1]) <= _BLOCK_COST:
            continue
        yield _block(slice(start, stop), slice(ends[start], ends[stop]), counts[start:stop])
        start = stop


def _padding(counts: Sequence[int]) -> int:
    return len(counts) * max(counts) - sum(counts)


def _block(models: slice, vectors: slice, held: Sequence[int]) -> Block:
    if not _padding(held):
        return Block(models, vectors, None, None)
    counts = torch.tensor(held)
    starts = torch.cumsum(counts, 0) - counts
    columns = torch.arange(max(held))[None, :]
    sources = starts[:, None] + torch.minimum(columns, counts[:, None] - 1)
    return Block(models, vectors, sources.view(-1), torch.nonzero((columns < counts[:, None]).view(-1)).flatten())
