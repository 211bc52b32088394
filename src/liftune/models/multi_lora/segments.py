"""Which rows of a mixed batch are whose, wherever in the model one looks.

In: the models of a batch's rows, neighbours together, and the rows' lengths.  Out: slices and indices of any layer's
input.
Not here: what is done to them (mixed.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from liftune.hardware.workers import current_worker
from liftune.models.multi_lora.low_rank import AdapterWeights
from liftune.models.tokens.collator import Encoded

#: Vectors of a piece: few, so that few models meet in one; fewer gained nothing with fifty models, and lost with eight.
BLOCK = 64


class NotBatchableError(Exception):
    """The base does not keep its rows apart where a model changes it."""


class Turn(NamedTuple):
    """A row, and whose it is."""

    model: AdapterWeights
    encoded: Encoded


class MixedRow(Protocol):
    """What a Turn is, by whatever name."""

    @property
    def model(self) -> AdapterWeights:
        """What the row's model adds to the base."""
        ...

    @property
    def encoded(self) -> Encoded:
        """The row's tokens."""
        ...


@dataclass(frozen=True)
class Block:
    """Vectors in pieces of one length, each with places for the models that meet there."""

    vectors: slice
    """Of the batch's vectors: (pieces x length)."""
    pieces: int
    models: Tensor
    """(pieces x places,) the number of the model that stands at each place."""
    mask: Tensor
    """(pieces, length, places) whether a vector is of the model at that place."""


class Segments:
    """Which rows of a batch are whose.

    Args:
        models: of the batch's rows, neighbours together.
        lengths: of the rows, in tokens.
        numbers: of the models, by which their factors are found; a batch of one model needs none.
    """

    def __init__(
        self, models: Sequence[AdapterWeights], lengths: Sequence[int], numbers: Mapping[AdapterWeights, int]
    ) -> None:
        self._numbers = numbers
        self._models: list[AdapterWeights] = []
        self._rows, self._tokens = [0], [0]
        self._cuts: dict[tuple[int, int], list[Block]] = {}
        tokens = 0
        for row, (model, length) in enumerate(zip(models, lengths, strict=True), 1):
            tokens += length
            if self._models and self._models[-1] is model:
                self._rows[-1], self._tokens[-1] = row, tokens
            else:
                self._models.append(model)
                self._rows.append(row)
                self._tokens.append(tokens)

    @property
    def alone(self) -> bool:
        """Whether all rows are one model's."""
        return len(self._models) == 1

    def known(self, vectors: int) -> int:
        """How many of a packed batch's vectors are rows or rows' tokens; others may stand behind the tokens."""
        return self._rows[-1] if vectors == self._rows[-1] else min(vectors, self._tokens[-1])

    def of(self, shape: torch.Size) -> list[tuple[AdapterWeights, slice]]:
        """Whose are which of the vectors of an input (..., D), counted over all its axes but the last.

        Raises:
            Unmixable: its first axis is neither the rows nor, in a batch of one, rows or tokens end to end.
        """
        ends = self._ends(shape)
        return [(model, slice(ends[i], ends[i + 1])) for i, model in enumerate(self._models)]

    def cuts(self, shape: torch.Size, vectors: int) -> list[Block]:
        """The same for batched products, of an input behind which other vectors may stand: so many with them.

        Raises:
            Unmixable: as `of`.
        """
        ends = self._ends(shape)
        key = ends[-1], vectors
        if key not in self._cuts:
            numbers = torch.tensor([self._numbers[model] for model in self._models])
            self._cuts[key] = list(_cuts(ends, vectors, numbers))
        return self._cuts[key]

    def _ends(self, shape: torch.Size) -> list[int]:
        """Where each model's vectors begin, and the last one's end."""
        vectors, rows = shape[:-1].numel(), self._rows[-1]
        if len(self._models) == 1:
            return [0, vectors]
        if shape[0] == rows:
            return [end * (vectors // rows) for end in self._rows]
        if len(shape) == 3 and shape[0] == 1 and vectors in (self._tokens[-1], rows):
            return self._tokens if vectors == self._tokens[-1] else self._rows
        raise NotBatchableError(f"an input of shape {tuple(shape)} in a batch of {rows} rows")


class BatchLayout:
    """The batch that each lane is at; what models' hooks look at."""

    def __init__(self) -> None:
        self._by_lane: dict[int, Segments] = {}

    def set(
        self, models: Sequence[AdapterWeights], lengths: Sequence[int], numbers: Mapping[AdapterWeights, int]
    ) -> None:
        """The calling lane is at a batch whose rows have these models, neighbours together, and lengths."""
        self._by_lane[current_worker().index] = Segments(models, lengths, numbers)

    def clear(self) -> None:
        """No lane is at any batch: models that were answered last are not held by it."""
        self._by_lane.clear()

    @property
    def here(self) -> Segments:
        """Of the calling lane."""
        return self._by_lane[current_worker().index]


def _cuts(ends: Sequence[int], vectors: int, numbers: Tensor) -> Iterator[Block]:
    """Pieces of one length, and what is left; vectors behind the last model's are nobody's.

    >>> found = _cuts([0, 40, 90, 130], 144, torch.tensor([7, 8, 9]))
    >>> [(cut.vectors, cut.pieces, cut.models.tolist()) for cut in found]
    [(slice(0, 128, None), 2, [7, 8, 8, 9]), (slice(128, 144, None), 1, [9])]
    """
    whose = torch.full((vectors,), -1)
    for model, (start, stop) in enumerate(pairwise(ends)):
        whose[start:stop] = model
    whole = vectors - vectors % BLOCK
    for start, stop, length in ((0, whole, BLOCK), (whole, vectors, vectors - whole)):
        if start < stop:
            yield _cut(whose, slice(start, stop), length, numbers)


def _cut(whose: Tensor, vectors: slice, length: int, numbers: Tensor) -> Block:
    pieces = whose[vectors].view(-1, length)
    lowest = torch.where(pieces < 0, len(numbers), pieces).amin(1)
    places = torch.arange(int((pieces.amax(1) - lowest).clamp(min=0).max()) + 1)
    there = lowest[:, None] + places[None, :]
    mask = pieces[:, :, None] == there[:, None, :]
    return Block(vectors, len(pieces), numbers[there.clamp(max=len(numbers) - 1)].view(-1), mask)
