"""The winner's curse: the best of many that are alike flatters, one that is better than all others does not."""

from __future__ import annotations

import numpy as np
from made_evaluations import answering, evaluation

from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.optimism import optimism
from liftune.metrics.registry import METRICS
from liftune.tasks import TaskKind

ACCURACY = METRICS["accuracy"]


def guessing(count: int, rows: int, share: float = 0.7) -> list[list[Evaluation]]:
    draws = np.random.default_rng(5).random((count, rows)) < share
    return [[answering(str(i), each)] for i, each in enumerate(draws)]


def test_the_best_of_many_that_are_alike_flatters() -> None:
    found = optimism(guessing(30, 200), ACCURACY)
    few = optimism(guessing(3, 200), ACCURACY)
    assert found is not None
    assert few is not None
    # The best of 30 draws with a deviation of 0.046 (100 rows a half) lies two deviations above their mean.
    assert 0.05 < found.value < 0.12
    assert found.low < found.value < found.high
    assert 0 < few.value < found.value
    assert found.again < 0.5


def test_one_that_is_far_better_does_not_flatter() -> None:
    best = [answering("best", np.arange(200) % 20 > 0)]
    found = optimism([best, *guessing(10, 200, 0.5)], ACCURACY)
    assert found is not None
    assert abs(found.value) < 0.01
    assert found.again == 1.0


def test_for_an_error_less_is_better() -> None:
    """Were the sign lost, the worst would be chosen, and the value negative."""
    targets = np.random.default_rng(0).normal(size=100)
    noise = np.random.default_rng(1).normal(size=(20, 100))
    made = [
        [evaluation(str(i), (targets + each)[:, None], targets, TaskKind.REGRESSION)] for i, each in enumerate(noise)
    ]
    found = optimism(made, METRICS["rmse"])
    assert found is not None
    assert found.value > 0.02


def test_rows_of_one_group_are_in_one_half() -> None:
    """Copies in both halves would hide the curse: the other half would have seen the same rows."""
    draws = np.random.default_rng(5).random((30, 40)) < 0.7
    groups = tuple(f"g{i // 5}" for i in range(200))
    copies = [[answering(str(i), np.repeat(each, 5), groups=groups)] for i, each in enumerate(draws)]
    once = [[answering(str(i), each)] for i, each in enumerate(draws)]
    assert optimism(copies, ACCURACY) == optimism(once, ACCURACY)


def test_where_nothing_can_be_said_nothing_is() -> None:
    assert optimism([], ACCURACY) is None
    assert optimism(guessing(1, 100), ACCURACY) is None
    assert optimism(guessing(5, 7), ACCURACY) is None
