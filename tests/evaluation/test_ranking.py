"""Many contenders ranked: ties where nothing tells them apart, and no more false claims than 5 in a hundred."""

from __future__ import annotations

import re

import numpy as np
import pytest
from numpy.typing import NDArray

from liftune.errors import DataError
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.ranking import Entrant, _freedom, _Side, letters_of, rank, with_seeds
from liftune.evaluation.statistics.intervals import clopper_pearson
from liftune.evaluation.statistics.multiple_tests import holm
from liftune.metrics.metric import Metric
from liftune.metrics.registry import METRICS
from liftune.metrics.row_statistics import Sums, mean
from liftune.records.base import Interval
from liftune.tasks import TaskKind

N = 300


def evaluation(name: str, right: NDArray[np.bool_], ids: str = "test") -> Evaluation:
    """Two labels; right on these rows."""
    targets = np.arange(len(right)) % 2
    answers = np.where(right, targets, 1 - targets)
    return Evaluation(
        name=name,
        task=TaskKind.SINGLE_LABEL,
        labels=("a", "b"),
        unseen=(),
        ids=tuple(f"{ids}:{i}" for i in range(len(right))),
        logits=np.eye(2, dtype=np.float32)[answers] * 3,
        targets=targets,
        fingerprint="f",
    )


def entrant(name: str, *shares: float, seed: int = 0) -> Entrant:
    """Right on about this share of rows, once a seed, each drawn by itself."""
    rng = np.random.default_rng([seed, *name.encode()])
    return Entrant(name, tuple(evaluation(name, rng.random(N) < share) for share in shares))


def test_holm_is_the_published_example_and_keeps_the_order_given() -> None:
    """Holm 1979: 0.01, 0.04, 0.03, 0.005 are 0.03, 0.06, 0.06, 0.02."""
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]
    assert len(holm(np.array([]))) == 0


def test_holm_claims_falsely_at_most_as_often_as_it_says_where_all_are_alike() -> None:
    drawn = np.random.default_rng(0).random((4_000, 12))
    claimed = [(holm(p_values) <= 0.05).any() for p_values in drawn]
    assert np.mean(claimed) < 0.06
    assert np.mean([(p_values <= 0.05).any() for p_values in drawn]) > 0.4  # what it mends


def test_what_is_not_told_apart_shares_a_letter_and_ranks_follow_the_score() -> None:
    places = rank([entrant("poor", 0.3), entrant("good", 0.9), entrant("good too", 0.88), entrant("poor too", 0.33)])
    assert [(each.name, each.rank) for each in places] == [("good", 1), ("good too", 2), ("poor too", 3), ("poor", 4)]
    assert [each.letters for each in places] == ["a", "a", "b", "b"]
    assert [each.as_best for each in places] == [True, True, False, False]
    assert places[0].score.value == pytest.approx(0.9, abs=0.05)
    assert places[0].spread is None


def flipped(start: NDArray[np.bool_], lost: int, won: int) -> NDArray[np.bool_]:
    """So many right rows become wrong, and so many wrong ones right."""
    right = start.copy()
    right[np.flatnonzero(start)[:lost]] = False
    right[np.flatnonzero(~start)[:won]] = True
    return right


def test_no_score_stands_above_a_higher_one_though_it_is_the_higher_that_is_told_from_the_best() -> None:
    """Close losses on few rows are evidence, larger ones on many rows are none: D .824 had rank 1 above C's .828."""
    start = np.random.default_rng(0).permutation(np.arange(500) < 450)
    sides = {"best": start, "near": flipped(start, 15, 0), "far": flipped(start, 40, 22)}
    places = rank([Entrant(name, (evaluation(name, right),)) for name, right in sides.items()])
    assert [(each.name, each.rank, each.letters) for each in places] == [
        ("best", 1, "a"), ("near", 2, "b"), ("far", 3, "ab"),
    ]  # fmt: skip
    assert [each.as_best for each in places] == [True, False, True]
    values = [each.score.value for each in places]
    assert values == sorted(values, reverse=True)


def test_equal_scores_share_a_rank() -> None:
    start = np.arange(300) < 200
    sides = {"x": start, "y": start, "z": flipped(start, 100, 0)}
    places = rank([Entrant(name, (evaluation(name, right),)) for name, right in sides.items()])
    assert [(each.rank, each.letters) for each in places] == [(1, "a"), (1, "a"), (3, "b")]


def test_two_names_share_a_letter_just_where_they_are_not_apart() -> None:
    """On any pattern, also one that no order gives."""
    rng = np.random.default_rng(0)
    for size in (1, 2, 5, 12, 30):
        names = [f"n{i}" for i in range(size)]
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
        for share in (0.0, 0.2, 0.5, 0.9, 1.0):
            apart = {pair for pair in pairs if rng.random() < share}
            letters = {name: set(re.findall(r"[a-z]'*", each)) for name, each in letters_of(names, apart).items()}
            assert all(letters.values())
            assert {(a, b) for a, b in pairs if not letters[a] & letters[b]} == apart


def test_two_models_are_told_apart_by_the_one_rule() -> None:
    """A pair alone needs no correction: letters and verdict agree."""
    for share in (0.7, 0.74, 0.78, 0.8):
        a, b = entrant("a", 0.85), entrant("b", share)
        verdict = compare(a.evaluations[0], b.evaluations[0]).verdict
        assert (rank([a, b])[1].letters == "b") == (verdict == "worse")


def test_many_contenders_need_more_evidence_than_two() -> None:
    a, b = entrant("a", 0.85), entrant("b", 0.76)
    others = [entrant(f"c{i}", 0.3) for i in range(12)]
    assert [each.letters for each in rank([a, b])] == ["a", "b"]
    assert [each.letters for each in rank([a, b, *others])][:2] == ["a", "a"]


def test_seeds_that_spread_wide_widen_the_interval_and_tie_what_one_seed_would_part() -> None:
    steady, wild = entrant("steady", 0.8, 0.8, 0.8), entrant("wild", 0.4, 0.8, 0.55)
    assert not rank([entrant("steady", 0.8), entrant("wild", 0.55)])[1].as_best
    places = {each.name: each for each in rank([steady, wild])}
    assert places["wild"].as_best
    assert places["wild"].spread > 5 * places["steady"].spread
    assert width(places["wild"].score) > 4 * width(places["steady"].score)
    assert 0.0 <= places["wild"].score.low < places["wild"].score.high <= 1.0, "an accuracy stays one"


def test_what_rows_do_under_one_seed_alone_is_not_counted_twice() -> None:
    """All of these differ by 8 points on 300 rows and three seeds; counted twice, two of six were not told apart."""
    for seed in range(6):
        sides = [entrant(name, share, share, share, seed=seed) for name, share in (("a", 0.86), ("b", 0.78))]
        assert not rank(sides)[1].as_best


def test_degrees_of_freedom_are_those_of_both_sides_where_they_spread_alike_and_of_one_where_not() -> None:
    a, b = (_side(variance) for variance in (1.0, 1.0))
    assert _freedom(a, b, most=4) == pytest.approx(4.0)
    assert _freedom(a, _side(1e6), most=4) == pytest.approx(2.0, abs=0.01)
    assert _freedom(_side(1.0, 30.0), _side(1.0, 30.0), most=30) == 30.0, "not more than all have together"
    assert _freedom(_side(0.0), _side(0.0), most=4) == 2.0


def _side(seed_variance: float, freedom: float = 2.0) -> _Side:
    return _Side((), np.zeros(3), Interval(value=0.0), 0.0, seed_variance, freedom)


def width(found: Interval) -> float:
    return found.high - found.low


def test_a_score_that_is_undefined_comes_last_and_shares_the_rank_of_its_like() -> None:
    flat = [entrant(name, 1.0) for name in ("x", "y")]
    constant = [
        Entrant(each.name, (Evaluation(**{**vars(each.evaluations[0]), "logits": np.zeros((N, 2), np.float32)}),))
        for each in flat
    ]
    targets = np.linspace(0, 1, N)
    regression = [
        Entrant(
            each.name,
            (
                Evaluation(
                    **{
                        **vars(each.evaluations[0]),
                        "task": TaskKind.REGRESSION,
                        "labels": (),
                        "targets": targets,
                        "logits": np.zeros((N, 1), np.float32),
                    }
                ),
            ),
        )
        for each in constant
    ]
    good = Evaluation(**{**vars(regression[0].evaluations[0]), "logits": targets[:, None].astype(np.float32)})
    places = rank([*regression, Entrant("good", (good,))], "pearson")
    assert [(each.name, each.rank) for each in places] == [("good", 1), ("x", 2), ("y", 2)]
    assert places[1].score.value is None
    assert [each.letters for each in places] == ["a", "", ""]


def test_another_metric_than_accuracy_is_ranked_by_resampling() -> None:
    places = rank([entrant("a", 0.9, 0.88, 0.89), entrant("b", 0.5, 0.52, 0.51), entrant("c", 0.89)], "macro_f1")
    assert [(each.name, each.rank) for each in places if each.name == "b"] == [("b", 3)]
    assert [each.letters for each in places] == ["a", "a", "b"]


def test_other_rows_and_no_rows_at_all_are_refused() -> None:
    with pytest.raises(DataError, match="different rows"):
        rank([entrant("a", 0.5), Entrant("b", (evaluation("b", np.ones(N, bool), ids="other"),))])
    with pytest.raises(DataError, match="nothing to rank"):
        rank([])


def test_one_seed_leaves_the_interval_as_it_was() -> None:
    over_rows = clopper_pearson(80, 100)
    same = with_seeds(over_rows, 0.0, 2.0)
    assert (same.low, same.high) == pytest.approx((over_rows.low, over_rows.high))
    assert rank([entrant("a", 0.8)])[0].score == clopper_pearson(_right(entrant("a", 0.8)), N)


def _right(one: Entrant) -> float:
    answers = one.evaluations[0]
    return float((answers.logits.argmax(axis=1) == answers.targets).sum())


def test_methods_that_are_alike_are_told_apart_at_most_5_times_in_a_hundred() -> None:
    """Both rows and seeds vary: by rows alone, a lucky seed would be called a better method."""
    from scipy.stats import ttest_1samp

    rng, seeds, draws = np.random.default_rng(0), 3, 400
    false, naive = 0, 0
    for _ in range(draws):
        hard = rng.normal(size=N)
        sides = []
        for _ in range(2):
            skill = 1.0 + 0.25 * rng.normal(size=(seeds, 1))
            sides.append(skill + hard + rng.normal(size=(seeds, N)) > 0)
        a, b = (
            Entrant(name, tuple(evaluation(name, each) for each in side))
            for name, side in zip("ab", sides, strict=True)
        )
        false += not rank([a, b])[1].as_best
        rows = sides[0].mean(axis=0) - sides[1].mean(axis=0)
        naive += ttest_1samp(rows, 0.0).pvalue <= 0.05
    assert false / draws <= 0.055
    assert naive / draws > 0.10


def drawn(
    rng: np.random.Generator, names: str, skills: list[float], *, seeds: int = 3, rows: int = 200
) -> list[Entrant]:
    """Contenders of these skills; each has a spread over seeds of its own, and rows differ in ease."""
    hard, found = rng.normal(size=rows), []
    for name, skill in zip(names, skills, strict=True):
        spread = 0.15 * np.sqrt(4 / rng.chisquare(4))  # now and then a wild one
        right = skill + spread * rng.normal(size=(seeds, 1)) + hard + rng.normal(size=(seeds, rows)) > 0
        found.append(Entrant(name, tuple(evaluation(name, each) for each in right)))
    return found


@pytest.mark.slow
def test_many_methods_that_are_alike_are_seldom_told_apart_though_some_are_wild() -> None:
    rng, draws = np.random.default_rng(1), 120
    names = "abcdefghijkl"
    false = sum({each.letters for each in rank(drawn(rng, names, [0.5] * 12))} != {"a"} for _ in range(draws))
    assert false / draws <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / draws)


def test_three_seeds_are_enough_to_tell_good_from_poor_among_many() -> None:
    """Two degrees of freedom a contender would tie a share of 0.4 with one of 0.9, corrected for 276 pairs."""
    names = "abcdefghijklmnopqrstuvwx"
    places = rank(drawn(np.random.default_rng(2), names, [2.0] * 12 + [-0.4] * 12))
    assert {each.name for each in places if each.as_best} == set(names[:12])


def test_variances_are_drawn_to_each_other_as_far_as_they_are_alike() -> None:
    from liftune.evaluation.statistics.shrinkage import shrunk_variances

    rng = np.random.default_rng(0)
    freedom = np.full(4_000, 2.0)
    raw = rng.chisquare(2, 4_000) / 2
    alike = shrunk_variances(raw, freedom)
    assert np.log(alike.variances).std() < 0.1 * np.log(raw).std()
    assert np.mean(alike.variances) == pytest.approx(1.0, rel=0.1)
    assert (alike.freedom > 50).all()
    true = 6 / rng.chisquare(6, 4_000)  # Smyth's own model, with d0 = 6 and s0^2 = 1
    found = shrunk_variances(true * rng.chisquare(2, 4_000) / 2, freedom)
    assert found.freedom[0] == pytest.approx(8.0, rel=0.2)
    raw = true * rng.chisquare(2, 4_000) / 2
    shrunk = shrunk_variances(raw, freedom).variances
    assert np.median(np.abs(np.log(shrunk / true))) < 0.6 * np.median(np.abs(np.log(raw / true)))
    few = np.array([1.0, 2.0])
    assert shrunk_variances(few, np.array([2.0, 2.0])).variances is few


@pytest.mark.parametrize("shares", [(0.7,), (0.6, 0.7, 0.8)])
def test_an_interval_of_a_metric_above_one_is_whole(shares, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten marks for each right row: an end of 7 was cut to 1 where higher is better."""
    marks = Metric(
        name="marks",
        summary="Ten for each right row.",
        higher_is_better=True,
        build=lambda targets, logits, task: 10.0 * float(METRICS["accuracy"](targets, logits, task) or 0.0),
        statistics=lambda targets, logits, task: Sums(
            10.0 * METRICS["accuracy"].hits(targets, logits, task)[:, None], np.arange(len(targets)), mean
        ),
        tasks=(TaskKind.SINGLE_LABEL,),
        bounds=(0.0, 10.0),
    )
    monkeypatch.setitem(METRICS._entries, "marks", marks)
    score = rank([entrant("good", *shares)], "marks")[0].score
    assert score.low is not None
    assert 5.0 < score.low < score.value < score.high < 9.5


def test_variances_that_are_no_more_spread_than_chance_gives_are_pooled() -> None:
    """limma's df.prior = Inf: the mean weighted by degrees of freedom, not the mean of logarithms."""
    from liftune.evaluation.statistics.shrinkage import shrunk_variances

    variances, freedom = np.array([1.0, 1.3, 0.9, 1.1, 1.2]), np.array([2.0, 2.0, 4.0, 2.0, 3.0])
    found = shrunk_variances(variances, freedom)
    assert found.variances == pytest.approx(np.full(5, (freedom * variances).sum() / 13.0))
    assert found.freedom.tolist() == [13.0] * 5
