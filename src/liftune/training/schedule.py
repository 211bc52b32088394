"""How many steps, how large, at which learning rate, and when to stop: as asked, else from rows, tokens and width.

In: a TrainSpec, the number of train rows and their tokens, a method's rate.  Out: a Schedule.
Not here: the loop that follows it (loop.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from liftune.models.methods.base import Method
from liftune.spec import TrainSpec

#: Without --epochs: as many as make LEAST_ROW_VISITS (400 steps of 16), within EPOCHS; fewer, but at least two, where
#: they would make more than MOST_ROW_VISITS.
LEAST_ROW_VISITS, MOST_ROW_VISITS = 6_400, 32_000
EPOCHS = (4, 30)
#: Long rows say more each: without --epochs they are read no more often than makes so many tokens, but in EPOCHS[0]
#: epochs at least.
MOST_TOKEN_VISITS = 640_000
#: Rates of PEFT methods are those of models up to RATE_WIDTH wide, and fall to LEAST_RATE of themselves (`rate_of`).
RATE_WIDTH, LEAST_RATE = 768, 0.1
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
    def of(cls, spec: TrainSpec, *, rows: int, learning_rate: float, row_tokens: float = 0.0) -> Schedule:
        """Fill in what was not asked for.

        Args:
            rows: train's.
            learning_rate: the method's own for this model (`rate_of`), for small steps.
            row_tokens: of a train row, on average; 0 where they were not counted.
        """
        epochs = spec.epochs or default_epochs(rows, row_tokens)
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


def default_epochs(rows: int, row_tokens: float = 0.0) -> int:
    """Many epochs for few rows, few for many; fewer for long ones.

    >>> [default_epochs(rows) for rows in (100, 500, 1_080, 5_000, 16_000, 25_000, 100_000)]
    [30, 13, 6, 4, 2, 2, 2]
    >>> [default_epochs(rows, 300) for rows in (16, 100, 388, 1_000, 25_000)]
    [30, 22, 6, 4, 2]
    """
    epochs = min(max(math.ceil(LEAST_ROW_VISITS / rows), EPOCHS[0]), EPOCHS[1])
    if row_tokens:
        epochs = min(epochs, max(math.ceil(MOST_TOKEN_VISITS / (rows * row_tokens)), EPOCHS[0]))
    return min(epochs, max(2, math.ceil(MOST_ROW_VISITS / rows)))


def rate_of(method: Method, width: int) -> float:
    """The peak rate of a method on a model of this width, for steps of 16 rows. This is the one rule.

    A PEFT method's own rate holds up to RATE_WIDTH, the width of BERT's base: LoRA's 1e-3 was measured here on encoders
    of 384 and 768 (22 to 66 million parameters). Wider models want less: Hu et al. 2021 (LoRA, tables 9 to 12) tune
    RoBERTa-large (1,024 wide) at 2e-4 to 4e-4 where the base has 4e-4 to 5e-4, and DeBERTa XXL (1.5 billion, 1,536
    wide) at 1e-4; Dettmers et al. 2023 (QLoRA, table 9) tune decoders of 7 and 13 billion at 2e-4 and larger ones at
    1e-4. The square of the width leads from the measured rate through 1.4e-4 at 2,048 (a decoder of a billion) to that
    last 1e-4, below which it does not fall. Rates of `full` and `probe` are their sources' own at every width.

    Args:
        width: of the model's states; 0 where its config does not say.

    >>> from liftune.models.methods.registry import METHODS
    >>> [float(f"{rate_of(METHODS['lora'], width):.2g}") for width in (0, 384, 768, 1_024, 2_048, 4_096)]
    [0.001, 0.001, 0.001, 0.00056, 0.00014, 0.0001]
    """
    if method.kind != "peft" or width <= RATE_WIDTH:
        return method.learning_rate
    return method.learning_rate * max(LEAST_RATE, (RATE_WIDTH / width) ** 2)


def why_rate(spec: TrainSpec, schedule: Schedule, method: Method, width: int) -> str:
    """The reason for a schedule's peak rate, for the plan."""
    if spec.lr:
        return "asked for"
    own, said = rate_of(method, width), f"{method.name}'s own, for models up to {RATE_WIDTH} wide"
    if own != method.learning_rate:
        said = f"{method.name}'s own is {method.learning_rate:g}, up to {RATE_WIDTH} wide; this model is {width:,} wide"
    if schedule.learning_rate != own:
        said += f"; {LARGE_STEP_RATE} times that for steps of {schedule.batch_size} rows"
    return said


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
