"""The ladder: validation chooses the seed and the strongest rung, test is asked once, the verdict follows one rule."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import pytest
from made_splits import SPLITS, N
from numpy.typing import NDArray

from liftune.evaluation.ladder import ContenderLogits, Ladder
from liftune.records.data import Audit
from liftune.types import Row


def logits(right: int, wrong_from: str = "end") -> NDArray[np.float32]:
    """Logits that answer so many of N rows rightly."""
    answers = np.arange(N) % 2
    flipped = np.arange(right, N) if wrong_from == "end" else np.arange(N - right)
    answers[flipped] = 1 - answers[flipped]
    return np.eye(2, dtype=np.float32)[answers] * 4


def answers(validation: int, test: int, **more: object) -> ContenderLogits:
    return ContenderLogits(logits(validation), logits(test), 0.5, **more)  # type: ignore[arg-type]


@pytest.fixture
def kept() -> dict[str, ContenderLogits]:
    return {}


@pytest.fixture
def ladder(kept: dict[str, ContenderLogits]) -> Ladder:
    return Ladder(SPLITS, "accuracy", kept.__setitem__)


def test_the_strongest_rung_is_picked_on_validation_not_on_test(ladder: Ladder) -> None:
    ladder.add("majority", [answers(100, 100)])
    ladder.add("tfidf", [answers(180, 120)])
    ladder.add("base", [answers(199, 199)])
    ladder.add("probe", [answers(150, 190)])
    ladder.add("tuned", [answers(195, 195)])
    assert ladder.strongest() == "tfidf"
    assert [(each.a, each.b) for each in ladder.verdicts()] == [("base", "tuned"), ("tfidf", "tuned")]


def test_the_verdict_follows_the_rows_that_differ(ladder: Ladder) -> None:
    ladder.add("base", [answers(100, 100)])
    ladder.add("probe", [answers(150, 179)])
    ladder.add("tuned", [answers(190, 180)])
    against_base, against_probe = ladder.verdicts()
    assert against_base.verdict == "better"
    assert against_base.gain == pytest.approx(0.4)
    assert against_probe.verdict == "undecided"


def test_the_seed_that_validation_likes_best_is_kept_and_compared(
    ladder: Ladder, kept: dict[str, ContenderLogits]
) -> None:
    ladder.add("base", [answers(100, 100)])
    ladder.add("probe", [answers(100, 100)])
    attempts = [answers(150, 190, seed=0), answers(180, 160, seed=1), answers(170, 170, seed=2)]
    contender = ladder.add("tuned", attempts)
    assert kept["tuned"] is attempts[1]
    assert [each.seed for each in contender.seeds or ()] == [0, 1, 2]
    assert contender.metrics["accuracy"].value == pytest.approx((190 + 160 + 170) / 3 / N)
    assert ladder.verdicts()[0].gain == pytest.approx((160 - 100) / N)


def test_several_seeds_give_a_verdict_on_the_method_beside_that_on_the_kept_model(ladder: Ladder) -> None:
    ladder.add("base", [answers(100, 100)])
    ladder.add("probe", [answers(120, 150)])
    ladder.add("tuned", [answers(180, test, seed=seed) for seed, test in enumerate((190, 185, 188))])
    found = ladder.method_verdicts()
    assert [(each.a, each.b, each.seeds, each.verdict) for each in found] == [
        ("base", "tuned", 3, "better"),
        ("probe", "tuned", 3, "better"),
    ]
    assert found[1].gain == pytest.approx((190 + 185 + 188) / 3 / N - 0.75)


def test_one_seed_gives_no_verdict_on_the_method(ladder: Ladder) -> None:
    for name in ("base", "probe", "tuned"):
        ladder.add(name, [answers(150, 150)])
    assert ladder.method_verdicts() == ()


def test_scores_are_given_again_without_the_rows_that_leaked() -> None:
    """A model that only remembers must not look skilled."""
    leaked = tuple(f"test:{i}" for i in range(100))
    splits = dataclasses.replace(SPLITS, audit=Audit(leaked_test_rows=100, leaked_ids=leaked))
    found = Ladder(splits, "accuracy", lambda name, each: None).add("tuned", [answers(150, 100)])
    assert found.metrics["accuracy"].value == pytest.approx(0.5)
    assert found.clean is not None
    assert found.clean["accuracy"].value == 0.0  # the 100 right ones were those that leaked


def test_nothing_is_scored_again_where_nothing_leaked(ladder: Ladder) -> None:
    assert ladder.add("tuned", [answers(150, 100)]).clean is None


def test_a_contender_is_asked_for_the_test_rows_once() -> None:
    asked: list[str] = []

    class Counting:
        def logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
            asked.append(str(rows[0]).split()[0])
            return logits(N)

    ContenderLogits.of(Counting(), SPLITS, "accuracy")
    assert sorted(asked) == ["test", "validation"]


def test_a_metric_that_is_lower_when_better_ranks_the_other_way() -> None:
    ladder = Ladder(SPLITS, "log_loss", lambda name, each: None)
    sure, unsure = answers(200, 200), ContenderLogits(logits(200) * 0.01, logits(200) * 0.01, 0.1)
    assert ladder.best([unsure, sure]) is sure


def test_of_equals_the_tuned_model_is_cheaper_than_a_full_one(ladder: Ladder) -> None:
    for name, rights in (("base", (100, 100)), ("full", (175, 178)), ("tuned", (175, 177))):
        ladder.add(name, [answers(*rights)])
    found = ladder.recommended(ladder.verdicts())
    assert (found.contender, found.decided_by, found.over) == ("tuned", "cost", "full")


@pytest.mark.parametrize(
    ("base", "probe", "tuned", "expected"),
    [
        ((100, 100), (120, 120), (180, 180), "tuned"),
        ((100, 100), (170, 190), (180, 150), "probe"),
        ((100, 100), (170, 180), (175, 178), "tuned"),
        ((100, 100), (175, 178), (170, 180), "probe"),
        ((100, 100), (174, 178), (175, 180), "probe"),
        ((100, 100), (172, 178), (175, 180), "tuned"),
        ((100, 100), (175, 178), (175, 180), "probe"),
        ((190, 190), (120, 120), (160, 150), "base"),
    ],
    ids=[
        "better",
        "worse",
        "open, ahead",
        "open, behind",
        "open, ahead by one row: it is no evidence",
        "open, ahead by more than a standard error",
        "open, level: it costs less",
        "the base as it came is best",
    ],
)
def test_the_rung_to_use_is_what_test_decided_or_else_what_validation_likes(
    base: tuple[int, int], probe: tuple[int, int], tuned: tuple[int, int], expected: str, ladder: Ladder
) -> None:
    for name, rights in (("base", base), ("probe", probe), ("tuned", tuned)):
        ladder.add(name, [answers(*rights)])
    assert ladder.recommended(ladder.verdicts()).contender == expected


def test_a_lead_on_validation_is_weighed_by_the_rows_that_differ(ladder: Ladder) -> None:
    """Ten rows won and nine lost are no more than one row ahead."""
    ladder.add("base", [answers(100, 100)])
    ladder.add("probe", [ContenderLogits(logits(185), logits(185), 0.5)])
    ladder.add("tuned", [ContenderLogits(logits(186, wrong_from="start"), logits(186, wrong_from="start"), 0.5)])
    found = ladder.recommended(ladder.verdicts())
    assert (found.contender, found.decided_by, found.over) == ("probe", "cost", "tuned")
    assert found.validation_p_value == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("majority", "base", "probe", "tuned", "expected"),
    [
        ((100, 100), (190, 190), (100, 100), (100, 100), ("majority", "nothing learnt")),
        ((0, 0), (190, 190), (0, 0), (0, 0), (None, "nothing learnt")),
        ((100, 100), (190, 190), (150, 150), (100, 100), ("probe", "alone")),
        ((100, 100), (190, 190), (90, 90), (150, 150), ("tuned", "test")),
        ((100, 100), (190, 190), (150, 90), (150, 100), ("majority", "nothing learnt")),
    ],
    ids=["as majority", "all at 0.000", "tuned as majority", "probe below majority", "worse on test alone"],
)
def test_what_has_learnt_nothing_is_never_recommended(
    majority: tuple[int, int],
    base: tuple[int, int],
    probe: tuple[int, int],
    tuned: tuple[int, int],
    expected: tuple[str | None, str],
    ladder: Ladder,
) -> None:
    """A base with a random head, the majority's equals, a model at 0.000."""
    ladder.add("majority", [answers(*majority)])
    ladder.add("base", [answers(*base)], head="fresh")
    for name, rights in (("probe", probe), ("tuned", tuned)):
        ladder.add(name, [answers(*rights)])
    found = ladder.recommended(ladder.verdicts())
    assert (found.contender, found.decided_by) == expected


def test_one_validation_row_decides_nothing() -> None:
    one = dataclasses.replace(SPLITS, validation=SPLITS.validation.take([0]), test=SPLITS.test.take(range(6)))
    ladder = Ladder(one, "accuracy", lambda name, each: None)
    for name, right in (("base", 0), ("probe", 0), ("tuned", 1)):
        ladder.add(name, [ContenderLogits(logits(N if right else 0)[:1], logits(N)[:6], 0.5)])
    found = ladder.recommended(ladder.verdicts())
    assert (found.contender, found.decided_by) == ("base", "cost")
