"""Which rows go through a model together: those of like length, so that little padding is computed.

In: row lengths, and how much one batch may hold.  Out: positions of each batch's rows.
Not here: tokens (models/tokens, inference/onnx_bundle.py), how large a batch should be (whoever calls). No torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray


def length_batches(
    lengths: Sequence[int] | NDArray[np.integer],
    *,
    rows: int,
    tokens: int,
    kinds: NDArray[np.bool_] | None = None,
    exact: bool = False,
) -> Iterator[NDArray[np.intp]]:
    """Positions of the rows of each batch, longest first, so that what does not fit into memory fails at once.

    Args:
        lengths: (N,) tokens of each row.
        rows: at most, in one batch.
        tokens: at most, in one batch, padding included; a longer row goes alone.
        kinds: (N,) rows of different kinds, such as pairs and single texts, never share a batch.
        exact: only rows of one length share a batch.

    >>> [batch.tolist() for batch in length_batches([5, 400, 300, 5], rows=32, tokens=512)]
    [[1], [2], [0, 3]]
    """
    sizes = np.asarray(lengths, dtype=np.int64)
    apart = np.zeros(len(sizes), dtype=np.bool_) if kinds is None else kinds
    order = np.lexsort((-sizes, apart))
    sorted_sizes, sorted_kinds = sizes[order].tolist(), apart[order].tolist()
    start = 0
    for i in range(1, len(order) + 1):
        if i < len(order):
            full = i - start >= rows or (i - start + 1) * sorted_sizes[start] > tokens
            differs = sorted_kinds[i] != sorted_kinds[start] or (exact and sorted_sizes[i] != sorted_sizes[start])
            if not (full or differs):
                continue
        yield order[start:i]
        start = i


def dealt(costs: Sequence[int], hands: int) -> list[list[int]]:
    """Positions by hand, the dearest first, each to whoever has the least: sums as even as that makes them.

    >>> dealt([9, 1, 8, 2], 2)
    [[0, 1], [2, 3]]
    """
    taken: list[list[int]] = [[] for _ in range(hands)]
    sums = [0] * hands
    for position in sorted(range(len(costs)), key=lambda i: -costs[i]):
        hand = sums.index(min(sums))
        taken[hand].append(position)
        sums[hand] += costs[position]
    return taken
