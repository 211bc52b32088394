"""A classifier's passes over many rows, without gradients: batches of like length, side by side where that is faster.

In: a Classifier, rows, what to take of each batch.  Out: arrays with one line a row, in input order.
Not here: one pass (classifier.py), which of them other processes compute (sharing.py), their size (hardware/memory.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from typing import Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from liftune.data.batching import length_batches
from liftune.hardware.memory import Passes
from liftune.hardware.plan import Plan
from liftune.hardware.workers import open_workers
from liftune.models.sharing import Part, Share
from liftune.models.tokens.collator import Encoded, Tokens
from liftune.types import Row

#: Tokens, padding included, that one forward pass holds; small on a CPU, whose caches are.
_TOKENS = {"cpu": 1024}
_TOKENS_ELSEWHERE = 65536
#: Rows of one forward pass at most, however short they are.
_ROWS = 256
#: Up to this many rows are computed by one worker: to open a thread costs as much as they do.
_FEW = 16

Progress: TypeAlias = Callable[[int], None]
"""Called with the number of rows just computed."""
Arrays: TypeAlias = dict[str, NDArray[np.float32]]
"""(N, D) each, by name."""


class Reader(Protocol):
    """What a pass needs of a Classifier, which imports this module."""

    model: nn.Module
    plan: Plan
    share: Share
    passes: Passes
    in_step: bool
    unpadded: bool

    def encode(self, rows: Sequence[Row] | Tokens) -> Tokens:
        """As of Classifier."""
        ...

    def collate(self, encoded: Sequence[Encoded]) -> dict[str, Tensor]:
        """As of Classifier."""
        ...


def over_rows(
    classifier: Reader,
    rows: Sequence[Row] | Tokens,
    taken: Callable[[dict[str, Tensor]], Arrays],
    widths: Mapping[str, int],
    progress: Progress | None = None,
    *,
    work: str,
    dropout: bool = False,
) -> Arrays:
    """What is taken of every batch, as one array of all rows each.

    Args:
        taken: runs the model on a batch, and gives (B, D) arrays by name; several workers may call it at once.
        widths: D by name, of those whose width is known; others are known once a batch was computed.
        work: the classifier's method that asks for it, by which other processes compute a part of the rows.
        dropout: as in training: each worker then takes the same batches every time.
    """
    found = {name: np.zeros((len(rows), width), dtype=np.float32) for name, width in widths.items()}
    encoded = classifier.encode(rows)
    # With dropout on, what is prepared on the way is kept for training: it must hold no inference tensors.
    without_gradients = torch.no_grad if dropout or classifier.in_step else torch.inference_mode

    def tokens(positions: NDArray[np.intp]) -> int:
        return len(positions) * int(encoded.lengths[positions].max())

    def compute(positions: NDArray[np.intp]) -> None:
        with without_gradients():  # it holds for one thread
            for name, values in taken(classifier.collate([encoded[i] for i in positions])).items():
                if name not in found:  # another worker may make it meanwhile
                    found.setdefault(name, np.zeros((len(rows), values.shape[1]), dtype=np.float32))
                found[name][positions] = values

    def one(positions: NDArray[np.intp]) -> None:
        if classifier.in_step:
            compute(positions)
        else:
            classifier.passes(compute, positions, tokens)

    several = len(rows) > _FEW or (classifier.in_step and len(rows) > 0)  # processes, where there are any
    with (
        _mode(classifier.model, dropout=dropout),
        classifier.share.of(classifier, encoded, work, random=dropout) if several else nullcontext() as part,
        open_workers(classifier.plan.workers if len(rows) > _FEW else 1, random=dropout) as workers,
    ):
        (workers.in_turn if dropout else workers.each)(one, _batches(classifier, encoded, progress, part))
        if part:
            part.complete(found)
    return found


@contextmanager
def _mode(model: nn.Module, *, dropout: bool) -> Iterator[None]:
    """With dropout or without; the model's mode is put back, whatever happens inside."""
    training = model.training
    model.train(dropout)
    try:
        yield
    finally:
        model.train(training)


def _batches(
    classifier: Reader, encoded: Tokens, progress: Progress | None, part: Part | None
) -> Iterator[NDArray[np.intp]]:
    """Positions of the rows of every forward pass, those of like length together; of a part, its own."""
    budget = _TOKENS.get(torch.device(classifier.plan.device).type, _TOKENS_ELSEWHERE)
    if part and budget == _TOKENS_ELSEWHERE:
        budget = min(budget, -(-encoded.total // part.ranks))  # or one process would have all of few rows
    batches = length_batches(encoded.lengths, rows=_ROWS, tokens=budget, kinds=encoded.pairs, exact=classifier.unpadded)
    in_step = classifier.in_step
    mine = part.mine(batches, encoded.lengths, equal=in_step) if part else ((each, len(each)) for each in batches)
    for positions, done in mine:
        yield positions
        if progress is not None:
            progress(done)
