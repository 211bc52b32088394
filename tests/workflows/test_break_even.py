"""Labels to break even: on the same validation rows where there are answers for them, else against test."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from made_splits import SPLITS, N
from numpy.typing import NDArray

from liftune.data.answers import Answers
from liftune.evaluation.ladder import ContenderLogits, Ladder
from liftune.evaluation.outside import given_by
from liftune.records.learning_curve import BreakEven
from liftune.reports.sections.learning_curve import break_even_sentence
from liftune.workflows.break_even import break_evens, rivals_of

SIZES = (16, 32, 64, 128)
TUNED = (100, 130, 160, 190)


def logits(right: int) -> NDArray[np.float32]:
    answers = np.arange(N) % 2
    answers[right:] = 1 - answers[right:]
    return np.eye(2, dtype=np.float32)[answers] * 4


def answers(name: str, validation: int | None, test: int) -> Answers:
    targets = {row: "ab"[(i + (i >= test)) % 2] for i, row in enumerate(SPLITS.test.ids)}
    if validation is not None:
        targets |= {row: "ab"[(i + (i >= validation)) % 2] for i, row in enumerate(SPLITS.validation.ids)}
    return Answers(name, f"{name}.csv", "by text", targets)


@pytest.fixture
def ladder() -> Ladder:
    found = Ladder(SPLITS, "accuracy", lambda name, logits: None)
    found.add("majority", [ContenderLogits(logits(100), logits(100), 0.1)])
    found.add("base", [ContenderLogits(logits(90), logits(90), 0.1)])
    for each in (answers("gpt", 145, 20), answers("late", None, 145), answers("best", 199, 199)):
        found.add_given(each.name, given_by(each, SPLITS))
    return found


def test_each_is_held_against_the_curve_of_the_tuned_model(ladder: Ladder) -> None:
    tuned = {rows: logits(right) for rows, right in zip(SIZES, TUNED, strict=True)}
    found = {each.contender: each for each in break_evens(rivals_of(ladder, SPLITS, None), tuned, SPLITS, "accuracy")}
    assert set(found) == {"base", "gpt", "late", "best"}, "what is fitted here needs rows itself"
    assert (found["base"].rows, found["base"].high) == (16, 16)
    assert found["gpt"].rows == pytest.approx(32 * np.sqrt(2), abs=1), "half way from 130 to 160, in log rows"
    assert found["gpt"].paired
    assert (found["late"].rows, found["late"].paired) == (found["gpt"].rows, False)
    assert (found["best"].rows, found["best"].most) == (None, 128)
    for each in found.values():
        assert each.low is None or each.rows is None or each.low <= each.rows
        assert each.high is None or each.rows is None or each.rows <= each.high
    late, gpt = found["late"], found["gpt"]
    assert (late.high or 999) - (late.low or 999) >= (gpt.high or 999) - (gpt.low or 999), "drawn apart: less certain"


def test_with_folds_the_rows_of_the_curve_are_test_rows(ladder: Ladder) -> None:
    """Every row is a test row there, validation's too."""

    class Every:
        """Stands for folds."""

    splits = dataclasses.replace(SPLITS, validation=SPLITS.test.take(range(100)))
    tuned = {rows: logits(right)[:100] for rows, right in zip(SIZES, TUNED, strict=True)}
    found = break_evens(rivals_of(ladder, splits, Every()), tuned, splits, "accuracy")  # type: ignore[arg-type]
    assert all(each.paired for each in found)


@pytest.mark.parametrize(
    ("rows", "low", "high", "said"),
    [
        (16, 16, 16, "gpt: at most 16, the fewest that were tried."),
        (45, 16, 60, "gpt: about 45 (16 or fewer to 60)."),
        (45, 20, None, "gpt: about 45 (20 to more than 128)."),
        (None, 103, None, "gpt: more than 128, the most that were tried (interval from 103)."),
        (None, None, None, "gpt: more than 128, the most that were tried."),
    ],
)
def test_it_is_said_in_words(rows: int | None, low: int | None, high: int | None, said: str) -> None:
    found = BreakEven(contender="gpt", rows=rows, low=low, high=high, least=16, most=128, paired=True)
    assert break_even_sentence(found, "accuracy").endswith(said)
