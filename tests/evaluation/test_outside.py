"""Answers from elsewhere on the ladder: one correction over all contrasts, and no choice by rows that they lack."""

from __future__ import annotations

import numpy as np
import pytest
from made_splits import SPLITS, N
from numpy.typing import NDArray

from liftune.data.answers import Answers
from liftune.evaluation.contrasts import under_one_correction
from liftune.evaluation.interval_and_verdict import why_unlike
from liftune.evaluation.ladder import ContenderLogits, Ladder
from liftune.evaluation.outside import given_by
from liftune.records.base import Comparison, Outcome


def logits(right: int) -> NDArray[np.float32]:
    """Logits that answer the first so many of N rows rightly."""
    answers = np.arange(N) % 2
    answers[right:] = 1 - answers[right:]
    return np.eye(2, dtype=np.float32)[answers] * 4


def own(validation: int, test: int) -> ContenderLogits:
    return ContenderLogits(logits(validation), logits(test), 0.5)


def answers(test: int, validation: int | None = None, *, shares: bool = False, name: str = "gpt") -> Answers:
    """The first so many rows answered rightly, the others wrongly."""
    targets = {row: "ab"[(i + (i >= test)) % 2] for i, row in enumerate(SPLITS.test.ids)}
    if validation is not None:
        targets |= {row: "ab"[(i + (i >= validation)) % 2] for i, row in enumerate(SPLITS.validation.ids)}
    given = {row: (0.9, 0.1) if each == "a" else (0.1, 0.9) for row, each in targets.items()} if shares else None
    return Answers(name, "gpt.csv", "by text", targets, ("a", "b"), given)


def ladder(tuned: tuple[int, int], *outside: Answers, probe: tuple[int, int] = (150, 150)) -> Ladder:
    found = Ladder(SPLITS, "accuracy", lambda name, logits: None)
    found.add("majority", [own(100, 100)])
    found.add("base", [own(101, 101)])
    found.add("probe", [own(*probe)])
    found.add("tuned", [own(*tuned)])
    for each in outside:
        found.add_given(each.name, given_by(each, SPLITS))
    return found


def test_answers_are_scored_and_compared_as_any_contender_is() -> None:
    found = ladder((190, 190), answers(160))
    gpt = found.results["gpt"].contender
    assert gpt.metrics["accuracy"].value == 0.8
    assert gpt.metrics["accuracy"].low is not None
    assert gpt.validation == {}
    assert [each.a for each in found.verdicts()] == ["base", "probe", "gpt"]
    assert found.strongest() == "probe", "what was made elsewhere is no baseline of this run"


def test_what_reads_probabilities_is_null_without_them() -> None:
    alone, shared = ladder((190, 190), answers(160), answers(160, shares=True, name="old")).contenders[-2:]
    assert alone.metrics["log_loss"].value is None
    assert "probabilities" in str(alone.metrics["log_loss"].note)
    assert shared.metrics["log_loss"].value == pytest.approx(-(0.8 * np.log(0.9) + 0.2 * np.log(0.1)), abs=1e-5)
    assert shared.outside is not None
    assert shared.outside.calibration is not None
    assert shared.outside.calibration.rms_calibration_error.value == pytest.approx(0.1, abs=0.05)


def test_without_answers_from_elsewhere_nothing_is_corrected() -> None:
    assert [each.corrected_p_value for each in ladder((190, 190)).verdicts()] == [None, None]


def contrast(p_value: float, verdict: str = "better", **more: object) -> Comparison:
    values = {"a": "x", "b": "tuned", "metric": "accuracy", "gain": 0.1, "low": 0.0, "high": 0.2, "test": "t"}
    return Comparison.model_validate({**values, "p_value": p_value, "verdict": verdict, **more})


def test_all_contrasts_are_under_one_correction() -> None:
    found = under_one_correction([contrast(0.001), contrast(0.03), contrast(0.04)])
    assert [each.corrected_p_value for each in found] == pytest.approx([0.003, 0.06, 0.06])
    assert [each.verdict for each in found] == ["better", "undecided", "undecided"]
    assert all(each.contrasts == 3 for each in found)
    assert found[0].undecided_because is None
    assert "0.06 by Holm's correction" in str(found[1].undecided_because)


def test_an_interval_that_the_correction_does_not_widen_is_said_to_be_of_one_comparison() -> None:
    """Readers saw "undecided" beside an interval above zero, and no reason."""
    excluding, including = under_one_correction([contrast(0.03, low=0.01), contrast(0.03)])
    assert "is of this comparison alone; the verdict is corrected for all 2" in str(excluding.undecided_because)
    assert "interval" not in str(including.undecided_because)


def test_what_was_said_of_a_verdict_goes_with_it_where_the_correction_takes_it_back() -> None:
    said = why_unlike("better", -0.01, 0.2, 0.03)
    assert "includes zero" in said
    for note, left in ((said, None), (f"{said}; few rows", "few rows"), ("few rows", "few rows")):
        undone, _ = under_one_correction([contrast(0.03, low=-0.01, note=note), contrast(0.03)])
        assert undone.verdict == "undecided"
        assert undone.note == left


def test_a_verdict_that_near_duplicates_must_not_change_is_corrected_by_its_larger_p_value() -> None:
    near = Outcome(rows=90, gain=0.1, low=0.0, high=0.2, p_value=0.04, verdict="better")
    found = under_one_correction([contrast(0.001, without_near=near), contrast(0.2, "undecided")])
    assert found[0].corrected_p_value == pytest.approx(0.08)
    assert found[0].verdict == "undecided"
    few = contrast(0.001, "undecided", undecided_because="too few")
    assert under_one_correction([few])[0].corrected_p_value == 1.0


def test_answers_that_test_finds_better_are_recommended_with_what_the_run_holds() -> None:
    found = ladder((150, 150), answers(190), probe=(140, 140))
    recommended = found.recommended(found.verdicts())
    assert (recommended.contender, recommended.decided_by, recommended.here) == ("gpt", "test", "tuned")
    better = ladder((150, 150), answers(190, 195), probe=(185, 185))
    recommended = better.recommended(better.verdicts())
    assert (recommended.contender, recommended.here) == ("gpt", "probe")


def test_answers_without_validation_are_not_chosen_by_it() -> None:
    """They are ahead on test, but not by enough: nothing else may choose them."""
    found = ladder((150, 150), answers(153), probe=(120, 120))
    recommended = found.recommended(found.verdicts())
    assert (recommended.contender, recommended.over, recommended.decided_by) == ("tuned", "gpt", "cost")
    assert recommended.validation_p_value is None
    known = ladder((150, 150), answers(153, 190), probe=(120, 120))
    recommended = known.recommended(known.verdicts())
    assert (recommended.contender, recommended.decided_by, recommended.here) == ("gpt", "validation", "tuned")


@pytest.mark.parametrize(
    ("right", "contender", "here", "not_told_from"),
    [
        pytest.param(190, "gpt", "probe", (), id="better than the probe on test"),
        pytest.param(173, "probe", None, ("gpt",), id="ahead of it by chance"),
        pytest.param(160, "probe", None, (), id="behind it"),
    ],
)
def test_answers_without_validation_are_held_against_the_one_that_is_recommended(
    right: int, contender: str, here: str | None, not_told_from: tuple[str, ...]
) -> None:
    """Both beat the tuned model; validation cannot compare them, so test does, under a correction of its own."""
    found = ladder((120, 120), answers(right), probe=(170, 170))
    recommended = found.recommended(found.verdicts())
    assert (recommended.contender, recommended.here) == (contender, here)
    assert recommended.not_told_from == not_told_from
    if contender == "gpt":
        assert (recommended.decided_by, recommended.over) == ("test", "probe")
        assert recommended.contrasts == 3 + 2 * 1, "three verdicts, and gpt against each of base and probe"
        p_value = exact_p_value(20)
        assert recommended.corrected_p_value == pytest.approx(5 * p_value, rel=0.5)


def exact_p_value(rows: int) -> float:
    """Two-sided, of McNemar's exact test where all rows that differ speak for one side."""
    return float(2 * 0.5**rows)
