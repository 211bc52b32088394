"""Not worse, or equivalent, up to a margin: by one-sided tests that keep their level at the margin itself."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from made_evaluations import from_counts
from made_splits import SPLITS, N
from numpy.typing import NDArray
from scipy.stats import norm

from liftune.errors import SpecError
from liftune.evaluation.clean_rows import Leaks, on_clean_rows
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.ladder import ContenderLogits, Ladder
from liftune.evaluation.margin import with_margin
from liftune.evaluation.statistics.intervals import tango_bounds, tango_score
from liftune.evaluation.statistics.non_inferiority import not_worse_p, rows_to_show
from liftune.metrics.registry import METRICS, margin_in_own_unit
from liftune.records.base import Comparison, MarginVerdict
from liftune.reports.sections.comparisons import margin_sentence
from liftune.tasks import TaskKind

ACCURACY = METRICS["accuracy"]
#: A comparison of which only the gain is read.
UNTOLD = Comparison(
    a="a", b="b", metric="accuracy", gain=0.0, low=None, high=None, p_value=1.0, verdict="undecided"
)  # fmt: skip


def evaluation(name: str, right: NDArray[np.bool_], groups: tuple[str, ...] | None = None) -> Evaluation:
    targets = np.arange(len(right)) % 2
    logits = np.eye(2, dtype=np.float32)[np.where(right, targets, 1 - targets)] * 3
    ids = tuple(map(str, range(len(right))))
    return Evaluation(name, TaskKind.SINGLE_LABEL, ("a", "b"), (), ids, logits, targets, "f", groups=groups)


def found(a: Evaluation, b: Evaluation, margin: float, metric: str = "accuracy") -> MarginVerdict:
    verdict = with_margin(compare(a, b, metric), a, [b], METRICS[metric], margin).margin
    assert verdict is not None
    return verdict


def test_the_exact_p_value_is_that_of_every_outcome_counted() -> None:
    """Against brute force over all outcomes of 40 rows, and near the score's own normal one."""
    rows, margin = 40, 0.1
    lost, won = np.meshgrid(np.arange(rows + 1), np.arange(rows + 1), indexing="ij")
    keep = lost + won <= rows
    lost, won = lost[keep], won[keep]
    score = tango_score(np.array(-margin), lost, won, rows)
    from scipy.stats import multinomial

    for l_, w_ in ((2, 4), (0, 1), (5, 5), (1, 9)):
        observed = score[(lost == l_) & (won == w_)]
        extreme = score >= observed - 1e-9
        cells = np.column_stack([lost, won, rows - lost - won])[extreme]
        chances = [
            float(multinomial.pmf(cells, rows, [share + margin, share, 1 - 2 * share - margin]).sum())
            for share in np.linspace(1e-6, 0.44, 60)
        ]
        p_value = not_worse_p(l_, w_, rows, margin)
        assert p_value <= max(chances) + 0.0015
        assert p_value == pytest.approx(float(norm.sf(observed[0])), abs=0.03)


def test_a_p_value_of_5_percent_is_where_tangos_interval_of_90_percent_ends() -> None:
    low, _ = tango_bounds(np.array([60]), np.array([50]), 1000, confidence=0.90)
    assert not_worse_p(60, 50, 1000, -float(low[0])) == pytest.approx(0.05, abs=0.003)


def test_at_the_margin_itself_it_is_claimed_at_most_one_time_in_twenty() -> None:
    """270 rows of which 2.7 are lost on average and none won: the score's normal p-value claims in 6.6%."""
    rng, draws = np.random.default_rng(0), 2_000
    for rows, margin, share in ((270, 0.01, 0.0), (100, 0.05, 0.05), (500, 0.02, 0.01)):
        drawn = rng.multinomial(rows, [share + margin, share, 1 - 2 * share - margin], size=draws)
        cells, counts = np.unique(drawn[:, :2], axis=0, return_counts=True)
        near = tango_score(np.array(-margin), cells[:, 0], cells[:, 1], rows) > 1.2
        claimed = sum(
            int(count) * (not_worse_p(int(lost), int(won), rows, margin) <= 0.05)
            for (lost, won), count in zip(cells[near], counts[near], strict=True)
        )
        assert claimed / draws <= 0.06


def simple(rng: np.random.Generator) -> tuple[Evaluation, list[Evaluation], float]:
    """300 rows; b loses 10 points by skill. One evaluation of it."""
    ease = rng.normal(size=300)
    sides = [ease + rng.normal(size=300) * 0.6 > at for at in (-1.0, -0.66)]
    return evaluation("a", sides[0]), [evaluation("b", sides[1])], 0.0823


def over_seeds(rng: np.random.Generator) -> tuple[Evaluation, list[Evaluation], float]:
    a, _, margin = simple(rng)
    ease = rng.normal(size=300)
    a = evaluation("a", ease + rng.normal(size=300) * 0.6 > -1.0)
    attempts = [evaluation("b", ease + rng.normal(size=300) * 0.6 > -0.66) for _ in range(3)]
    return a, attempts, margin


def in_groups(rng: np.random.Generator) -> tuple[Evaluation, list[Evaluation], float]:
    """60 groups of five rows, alike in ease and in luck."""
    groups = np.repeat(np.arange(60), 5)
    ease = rng.normal(size=60)[groups] * 0.8 + rng.normal(size=300) * 0.6
    luck = [rng.normal(size=60)[groups] * 0.48 + rng.normal(size=300) * 0.36 for _ in range(2)]
    named = tuple(map(str, groups))
    sides = [ease + each > at for each, at in zip(luck, (-1.0, -0.66), strict=True)]
    return evaluation("a", sides[0], named), [evaluation("b", sides[1], named)], 0.0823


@pytest.mark.slow
@pytest.mark.parametrize("draws", [100, pytest.param(2_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("made", [simple, over_seeds, in_groups])
@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_it_keeps_its_level_over_rows_seeds_and_groups(
    made: Callable[[np.random.Generator], tuple[Evaluation, list[Evaluation], float]], metric: str, draws: int
) -> None:
    rng, claimed = np.random.default_rng(1), 0
    for _ in range(draws):
        a, b, margin = made(rng)
        verdict = with_margin(UNTOLD, a, b, METRICS[metric], margin).margin
        assert verdict is not None
        claimed += verdict.verdict != "not shown"
    assert claimed / draws <= 0.05 + 2.3 * np.sqrt(0.05 * 0.95 / draws)


def test_equal_contenders_on_many_rows_are_equivalent_and_on_few_nothing_is_shown() -> None:
    many, few = from_counts(8_000, 400, 400, 1_200), from_counts(80, 4, 4, 12)
    shown = found(*many, 0.01)
    assert (shown.verdict, shown.test) == ("equivalent", "exact test by Tango's score")
    assert shown.equivalent_p < 0.05
    not_shown = found(*few, 0.01)
    assert not_shown.verdict == "not shown"
    assert not_shown.rows_needed == rows_to_show(0.01, 0.08**0.5) == 4_947


def test_one_that_is_better_is_not_worse_and_not_equivalent() -> None:
    verdict = found(*from_counts(700, 20, 80, 200), 0.02)
    assert verdict.verdict == "not worse"
    assert verdict.not_worse_p < 0.01
    assert verdict.equivalent_p > 0.9


def test_the_rows_that_it_takes_are_enough_four_times_in_five() -> None:
    needed = rows_to_show(0.02, 0.1**0.5)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(needed, [0.05, 0.05, 0.9], size=100)
    shown = np.mean([not_worse_p(int(lost), int(won), needed, 0.02) <= 0.05 for lost, won, _ in drawn])
    assert shown == pytest.approx(0.8, abs=0.1)


@pytest.mark.parametrize("groups", [None, tuple(str(i // 10) for i in range(400))])
def test_the_same_answers_are_certain_only_as_far_as_the_rows_go(groups: tuple[str, ...] | None) -> None:
    a = evaluation("a", np.arange(400) % 5 > 0, groups)
    b = evaluation("b", np.arange(400) % 5 > 0, groups)
    assert found(a, b, 0.01).verdict == ("equivalent" if groups is None else "not shown")
    assert found(a, b, 0.002).verdict == "not shown"
    other = found(a, b, 0.02, "macro_f1")
    assert (other.verdict, other.note) == ("not shown", "the gain does not vary between resamples")


def test_few_groups_show_nothing() -> None:
    groups = tuple(str(i // 100) for i in range(400))
    sides = [evaluation(name, np.random.default_rng(0).random(400) < 0.9, groups) for name in "ab"]
    verdict = found(*sides, 0.1)
    assert verdict.verdict == "not shown"
    assert verdict.note == "4 groups can never decide: 6 are the least"


def test_a_lower_score_that_is_better_has_its_margin_on_the_right_side() -> None:
    rng = np.random.default_rng(0)
    a = evaluation("a", rng.random(500) < 0.9)
    good = Evaluation(**{**vars(a), "name": "good", "logits": a.logits * np.float32(1.02)})
    poor = Evaluation(**{**vars(a), "name": "poor", "logits": a.logits * np.float32(2.0)})
    assert found(a, good, 0.05, "log_loss").verdict == "equivalent"
    assert found(a, poor, 0.05, "log_loss").verdict == "not shown"


def answers(right: int, seed: int | None = None) -> ContenderLogits:
    targets = np.arange(N) % 2
    logits = np.eye(2, dtype=np.float32)[np.where(np.arange(N) < right, targets, 1 - targets)] * 4
    return ContenderLogits(logits, logits, 0.5, seed=seed)


def test_the_ladder_sets_the_tuned_model_against_the_full_one_too() -> None:
    ladder = Ladder(SPLITS, "accuracy", lambda name, logits: None)
    for name, right in {"base": 100, "probe": 190, "full": 180}.items():
        ladder.add(name, [answers(right)])
    ladder.add("tuned", [answers(180, 0), answers(181, 1)])
    plain = ladder.verdicts()
    assert [each.a for each in plain] == ["base", "probe"]
    assert [each.margin for each in plain] == [None, None]
    told = ladder.verdicts(0.1)
    assert [each.a for each in told] == ["base", "full", "probe"]
    assert [each.margin.verdict for each in told if each.margin] == ["not worse", "equivalent", "equivalent"]
    assert [each.a for each in ladder.method_verdicts(0.1)] == ["base", "full", "probe"]
    assert all(each.margin and "seeds" in each.margin.test for each in ladder.method_verdicts(0.1))


def test_a_margin_is_in_points_for_a_proportion_and_a_hint_that_is_followed_works() -> None:
    assert margin_in_own_unit(None, ACCURACY) is None
    assert margin_in_own_unit(1.0, ACCURACY) == pytest.approx(0.01)
    assert margin_in_own_unit(5.0, METRICS["rmse"]) == 5.0
    with pytest.raises(SpecError, match="too small to be meant") as caught:
        margin_in_own_unit(0.01, ACCURACY)
    assert caught.value.hint == "for 0.01 as a share give --margin 1"
    with pytest.raises(SpecError, match="all that macro_f1 can differ") as caught:
        margin_in_own_unit(1.0, METRICS["macro_f1"])
    assert "--margin 0.01" in str(caught.value.hint)
    for wrong in (0.0, -1.0, float("nan"), float("inf"), 100.0):
        with pytest.raises(SpecError):
            margin_in_own_unit(wrong, ACCURACY)


def test_the_words_of_each_verdict() -> None:
    base, tuned = from_counts(8_000, 400, 400, 1_200)
    told = with_margin(compare(base, tuned), base, [tuned], ACCURACY, 0.01)

    def said(verdict: str) -> str:
        assert told.margin is not None
        changed = told.margin.model_copy(update={"verdict": verdict, "rows_needed": 6_183})
        return margin_sentence(told.model_copy(update={"margin": changed}), object())  # type: ignore[arg-type]

    assert said("equivalent").startswith("tuned and base are equivalent within 1.0 points of accuracy (p = ")
    assert said("not worse").startswith("tuned is not worse than base by more than 1.0 points of accuracy (p = ")
    assert "That tuned is not worse than base by more than 1.0 points of accuracy is not shown" in said("not shown")
    assert "With about 6,183 test examples it would be shown 80% of the time" in said("not shown")
    assert said("not shown").endswith("A margin counts only if it was chosen before the scores were seen.")


def test_a_margin_that_stands_on_leaks_or_on_few_clean_rows_is_not_shown() -> None:
    """Equal on a thousand rows: with all but 20 of them leaked nothing is shown, nor where it takes the near ones."""
    a, b = from_counts(900, 5, 5, 90)

    def judged(leaks: Leaks) -> MarginVerdict:
        found = on_clean_rows(
            [a, b], leaks, lambda each: with_margin(compare(each[0], each[1]), each[0], each[1:], ACCURACY, 0.01)
        )
        assert found.margin is not None
        return found.margin

    none: frozenset[str] = frozenset()
    assert judged(Leaks(none, none)).verdict == "equivalent"
    few = judged(Leaks(frozenset(a.ids[20:]), none))
    assert (few.verdict, few.note) == ("not shown", "20 clean test examples are left of 1,000, and 30 are the least")
    assert judged(Leaks(frozenset(a.ids), none)).verdict == "not shown"
    near = judged(Leaks(none, frozenset(a.ids[300:])))
    assert (near.verdict, near.note) == ("not shown", "it depends on near duplicates")
