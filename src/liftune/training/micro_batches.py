"""Which of a step's rows go through the model together, and in which lane.

In: the rows of one optimizer step, their lengths in tokens, a Plan.  Out: their positions by lane and pass.
Not here: running the passes (train.py), passes of an evaluation (models/tokens.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from liftune.hardware.plan import Plan
from liftune.types import IntArray


def micro_batches(batch: IntArray, lengths: Sequence[int], plan: Plan) -> list[list[int]]:
    """One step's rows, sorted by length and cut so that little of each forward pass is padding.

    The step's gradient is a sum over its rows, so neither order nor cut changes what is optimised. Packed rows have no
    padding: there the tokens alone count, and as few passes as hold them take about as many each.

    >>> micro_batches(np.array([0, 1, 2, 3]), [9, 1, 8, 2], Plan(micro_batch_rows=2))
    [[1, 3], [2, 0]]
    """
    rows, tokens = plan.pass_limits
    order = sorted(batch.tolist(), key=lambda row: lengths[row])
    if "packing" in plan.accelerations:
        return _evenly(order, lengths, rows, tokens)
    cuts: list[list[int]] = [[]]
    for row in order:
        if cuts[-1] and (len(cuts[-1]) >= rows or lengths[row] * (len(cuts[-1]) + 1) > tokens):
            cuts.append([])
        cuts[-1].append(row)
    return cuts


def _evenly(order: Sequence[int], lengths: Sequence[int], rows: int, tokens: int) -> list[list[int]]:
    """Rows in their order, cut into the least number of passes, each of about as many tokens.

    >>> _evenly([0, 1, 2, 3], [4, 5, 5, 6], 64, 15)
    [[0, 1], [2, 3]]
    """
    total = sum(lengths[row] for row in order)
    count = max(-(-total // tokens), -(-len(order) // rows))
    cuts: list[list[int]] = [[] for _ in range(count)]
    before = 0
    for row in order:
        middle = before + lengths[row] / 2
        cuts[min(int(middle * count / total), count - 1)].append(row)
        before += lengths[row]
    return [cut for cut in cuts if cut]


def assign_to_workers(batch: IntArray, lengths: Sequence[int], plan: Plan) -> list[list[list[int]]]:
    """One step's rows by lane, as even in tokens as can be, and each lane's by pass.

    >>> shares(np.array([0, 1, 2, 3]), [9, 1, 8, 2], Plan(accelerations=frozenset({"parallel-passes"})))
    [[[1, 0]], [[3, 2]]]
    """
    taken: list[list[int]] = [[] for _ in range(plan.workers)]
    tokens = [0] * plan.workers
    for row in sorted(batch.tolist(), key=lambda row: -lengths[row]):
        lane = tokens.index(min(tokens))
        taken[lane].append(row)
        tokens[lane] += lengths[row]
    return [micro_batches(np.array(rows), lengths, plan) for rows in taken if rows]
