"""Which of a step's rows go through the model together, on which worker, and in which process.

In: the rows of one optimizer step, their lengths in tokens, a Plan.  Out: their positions by worker and pass.
Not here: running the passes (epoch.py), passes of an evaluation (data/batching.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from liftune.data.batching import dealt
from liftune.hardware.plan import Plan
from liftune.types import IntArray


def batches(order: IntArray, size: int) -> Iterator[IntArray]:
    """The rows of each optimizer step."""
    for start in range(0, len(order), size):
        yield order[start : start + size]


def micro_batches(batch: IntArray, lengths: Sequence[int], plan: Plan) -> list[list[int]]:
    """One step's rows, sorted by length and split so that little of each forward pass is padding.

    The step's gradient is a sum over its rows, so neither order nor split changes what is optimised. Packed rows have
    no padding: there only tokens count, and the fewest passes that hold them take about as many each.

    >>> micro_batches(np.array([0, 1, 2, 3]), [9, 1, 8, 2], Plan(micro_batch_rows=2))
    [[1, 3], [2, 0]]
    """
    rows, tokens = plan.pass_limits
    order = sorted(batch.tolist(), key=lambda row: lengths[row])
    if "packing" in plan.accelerations:
        return _evenly(order, lengths, rows, tokens)
    passes: list[list[int]] = [[]]
    for row in order:
        if passes[-1] and (len(passes[-1]) >= rows or lengths[row] * (len(passes[-1]) + 1) > tokens):
            passes.append([])
        passes[-1].append(row)
    return passes


def _evenly(order: Sequence[int], lengths: Sequence[int], rows: int, tokens: int) -> list[list[int]]:
    """Rows in their order, split into the least number of passes, each of about as many tokens.

    >>> _evenly([0, 1, 2, 3], [4, 5, 5, 6], 64, 15)
    [[0, 1], [2, 3]]
    """
    total = sum(lengths[row] for row in order)
    count = max(-(-total // tokens), -(-len(order) // rows))
    passes: list[list[int]] = [[] for _ in range(count)]
    before = 0
    for row in order:
        middle = before + lengths[row] / 2
        passes[min(int(middle * count / total), count - 1)].append(row)
        before += lengths[row]
    return [each for each in passes if each]


def assign_to_workers(batch: IntArray, lengths: Sequence[int], plan: Plan) -> list[list[list[int]]]:
    """One step's rows by worker, as even in tokens as can be, and each worker's by pass.

    >>> assign_to_workers(np.array([0, 1, 2, 3]), [9, 1, 8, 2], Plan(accelerations=frozenset({"parallel-passes"})))
    [[[1, 0]], [[3, 2]]]
    """
    rows = batch.tolist()
    taken = dealt([lengths[row] for row in rows], plan.workers)
    return [micro_batches(np.array([rows[i] for i in hand]), lengths, plan) for hand in taken if hand]


def deal_to_ranks(batch: IntArray, lengths: Sequence[int], ranks: int) -> list[IntArray]:
    """One step's rows by rank, as even in tokens as can be; a rank may have none.

    >>> [rows.tolist() for rows in deal_to_ranks(np.array([0, 1, 2, 3]), [9, 1, 8, 2], 2)]
    [[0, 1], [2, 3]]
    """
    return [batch[hand] for hand in dealt([lengths[row] for row in batch.tolist()], ranks)]
