"""Segments of a mixed batch: which of its rows are whose, for the input of any layer.

In: the models of a batch's rows, each model's rows together, and the rows' lengths.  Out: slices and indices of any
layer's input.
Not here: what is computed for them (model.py).

A vector is what a layer reads at one position, (inputs,): a token's, or in a head a row's.
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

#: Vectors of a block: few, so that few models meet in one; fewer gained nothing with fifty models, and lost with eight.
BLOCK = 64


class NotBatchableError(Exception):
    """The base does not keep its rows apart where a model changes it."""


class AdapterRow(Protocol):
    """A row of a mixed batch, as the server makes it too."""

    @property
    def model(self) -> AdapterWeights:
        """What the row's model adds to the base."""
        ...

    @property
    def encoded(self) -> Encoded:
        """The row's tokens."""
        ...


class MixedRow(NamedTuple):
    """A row, and the model that it is for."""

    model: AdapterWeights
    encoded: Encoded


@dataclass(frozen=True)
class Block:
    """Vectors in blocks of one length, each with places for the models that meet there."""

    vectors: slice
    """Of the batch's vectors: (blocks x length)."""
    blocks: int
    slots: Tensor
    """(blocks x places,) the slot of the model at each place."""
    mask: Tensor
    """(blocks, length, places) whether a vector belongs to the model at that place."""


class Segments:
    """Which rows of a batch are whose.

    Args:
        models: of the batch's rows, each model's together.
        lengths: of the rows, in tokens.
        slots: of the models, by which their factors are found; a batch of one model needs none.
    """

    def __init__(
        self, models: Sequence[AdapterWeights], lengths: Sequence[int], slots: Mapping[AdapterWeights, int]
    ) -> None:
        self._slots = slots
        self._models: list[AdapterWeights] = []
        self._rows, self._tokens = [0], [0]
        """Where each model's rows, or tokens, begin; the last number is where the last model's end."""
        self._blocks: dict[tuple[int, int], list[Block]] = {}
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
    def single(self) -> bool:
        """Whether all rows are one model's."""
        return len(self._models) == 1

    def without_spare(self, vectors: int) -> int:
        """How many of a packed batch's vectors are rows or tokens of rows; spare tokens may follow these."""
        return self._rows[-1] if vectors == self._rows[-1] else min(vectors, self._tokens[-1])

    def slices(self, shape: torch.Size) -> list[tuple[AdapterWeights, slice]]:
        """Each model's vectors in an input (..., inputs), counted over all its axes but the last.

        Raises:
            NotBatchableError: its first axis is neither the rows nor, in a batch of one, rows or tokens end to end.
        """
        ends = self._ends(shape)
        return [(model, slice(ends[i], ends[i + 1])) for i, model in enumerate(self._models)]

    def blocks(self, shape: torch.Size, vectors: int) -> list[Block]:
        """The same for batched products.

        Args:
            shape: of the input without spare tokens.
            vectors: of the input, spare ones included.

        Raises:
            NotBatchableError: as `slices`.
        """
        ends = self._ends(shape)
        key = ends[-1], vectors
        if key not in self._blocks:
            slots = torch.tensor([self._slots[model] for model in self._models])
            self._blocks[key] = list(_blocks(ends, vectors, slots))
        return self._blocks[key]

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
    """The segments of the batch that each worker computes, where hooks inside the model find them."""

    def __init__(self) -> None:
        self._by_worker: dict[int, Segments] = {}

    def set(
        self, models: Sequence[AdapterWeights], lengths: Sequence[int], slots: Mapping[AdapterWeights, int]
    ) -> None:
        """The calling worker computes a batch whose rows have these models, each model's together, and lengths."""
        self._by_worker[current_worker().index] = Segments(models, lengths, slots)

    def clear(self) -> None:
        """No worker computes any batch: models of the last one are not kept alive by it."""
        self._by_worker.clear()

    @property
    def segments(self) -> Segments:
        """Of the calling worker's batch."""
        return self._by_worker[current_worker().index]


def _blocks(ends: Sequence[int], vectors: int, slots: Tensor) -> Iterator[Block]:
    """Blocks of one length, and what is left; vectors after the last model's are nobody's.

    >>> blocks = _blocks([0, 40, 90, 130], 144, torch.tensor([7, 8, 9]))
    >>> [(each.vectors, each.blocks, each.slots.tolist()) for each in blocks]
    [(slice(0, 128, None), 2, [7, 8, 8, 9]), (slice(128, 144, None), 1, [9])]
    """
    owners = torch.full((vectors,), -1)
    for model, (start, stop) in enumerate(pairwise(ends)):
        owners[start:stop] = model
    whole = vectors - vectors % BLOCK
    for start, stop, length in ((0, whole, BLOCK), (whole, vectors, vectors - whole)):
        if start < stop:
            yield _block(owners, slice(start, stop), length, slots)


def _block(owners: Tensor, vectors: slice, length: int, slots: Tensor) -> Block:
    blocks = owners[vectors].view(-1, length)
    lowest = torch.where(blocks < 0, len(slots), blocks).amin(1)
    places = torch.arange(int((blocks.amax(1) - lowest).clamp(min=0).max()) + 1)
    models = lowest[:, None] + places[None, :]
    mask = blocks[:, :, None] == models[:, None, :]
    return Block(vectors, len(blocks), slots[models.clamp(max=len(slots) - 1)].view(-1), mask)
