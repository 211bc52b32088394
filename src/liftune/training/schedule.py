"""How many steps, how large, at which learning rate, and when to stop: as asked, else from the number of rows.

In: a TrainSpec, the number of train rows.  Out: a Schedule.
Not here: the loop that follows it (loop.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from liftune.spec import TrainSpec

#: Without --epochs: as many as make LEAST_ROW_VISITS (400 steps of 16), within EPOCHS; fewer, but at least two, where
#: they would make more than MOST_ROW_VISITS.
LEAST_ROW_VISITS, MOST_ROW_VISITS = 6_400, 32_000
EPOCHS = (4, 30)
#: Without --batch-size: rows of a step, and of a step where there are MANY_ROWS, and so steps enough. Larger matrix
#: products come nearer to the machine's speed. A default learning rate grows with the square root of the batch size
#: (Malladi et al. 2022, "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms").
STEP, LARGE_STEP, MANY_ROWS = 16, 32, 10_000
LARGE_STEP_RATE = 1.4


@dataclass(frozen=True)
class Schedule:
    """Epochs, steps, batch size and learning rate."""

    epochs: int
    batch_size: int
    steps: int
    learning_rate: float
    warmup_steps: int

    @classmethod
    def of(cls, spec: TrainSpec, *, rows: int, learning_rate: float) -> Schedule:
        """Fill in what was not asked for; `rows` are train's, `learning_rate` is the method's own, for small steps."""
        epochs = spec.epochs or default_epochs(rows)
        batch_size = step_rows(spec, rows)
        steps = epochs * math.ceil(rows / batch_size)
        warmup_steps = math.ceil(spec.warmup_fraction * steps)
        if not spec.batch_size and batch_size == LARGE_STEP:
            learning_rate *= LARGE_STEP_RATE
        return cls(epochs, batch_size, steps, spec.lr or learning_rate, warmup_steps)

    def factor(self, step: int) -> float:
        """Share of the peak learning rate at a step (0-based): linear warm-up, then linear decay to zero.

        >>> [Schedule(1, 1, 4, 1e-3, 2).factor(step) for step in range(5)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
        """
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return max(0.0, (self.steps - step) / max(1, self.steps - self.warmup_steps))


def default_epochs(rows: int) -> int:
    """Many epochs for few rows, few for many.

    >>> [default_epochs(rows) for rows in (100, 500, 1_080, 5_000, 16_000, 25_000, 100_000)]
    [30, 13, 6, 4, 2, 2, 2]
    """
    epochs = min(max(math.ceil(LEAST_ROW_VISITS / rows), EPOCHS[0]), EPOCHS[1])
    return min(epochs, max(2, math.ceil(MOST_ROW_VISITS / rows)))


def step_rows(spec: TrainSpec, rows: int) -> int:
    """Rows of one optimizer step, of `rows` train rows.

    >>> [step_rows(TrainSpec(), rows) for rows in (500, 9_999, 10_000)]
    [16, 16, 32]
    """
    return spec.batch_size or (LARGE_STEP if rows >= MANY_ROWS else STEP)


def default_patience(epochs: int) -> int:
    """Epochs without a better one before training stops. Short schedules run to the end: the last epochs, whose
    learning rate falls to zero, are often the best.

    >>> [default_patience(epochs) for epochs in (4, 6, 13, 30)]
    [3, 3, 4, 10]
    """
    return max(3, epochs // 3)
