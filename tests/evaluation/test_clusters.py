"""Rows that are no independent draws: equal models are told apart as seldom, and gains found as often, as they should.

Few draws here; many are in docs/log.md, by `python -m benchmarks.false_verdicts`.
"""

import sys
from pathlib import Path

import numpy as np
import pytest
from made_evaluations import answering, evaluation

sys.path.insert(0, str(Path(__file__).parents[2]))  # benchmarks/ is run from the checkout, and not installed

from benchmarks.false_verdicts import KINDS, RULES, told_apart
from liftune.evaluation.calibration import Rows, calibrate
from liftune.evaluation.compare import LEAST_GROUPS, compare
from liftune.evaluation.compare_seeds import compare_seeds, spread_of_rows
from liftune.evaluation.evaluate import scores
from liftune.evaluation.ranking import Entrant, rank
from liftune.evaluation.selective import cutoffs
from liftune.evaluation.statistics.clustered import agreement, cluster_means, effective_rows
from liftune.evaluation.statistics.ratio import share_interval
from liftune.evaluation.thresholds import choose_thresholds
from liftune.metrics.registry import METRICS
from liftune.reports.sections.comparisons import several
from liftune.tasks import TaskKind


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rule", RULES)
def test_equal_models_are_seldom_told_apart_and_unequal_ones_about_as_often_as_by_an_oracle(kind, rule):
    """80 draws: a share of .05 is known to .024. By row, up to .44 of equal models were told apart."""
    false, _ = told_apart(kind, rule, clusters=30, gain=0.0, draws=80)
    power, most = told_apart(kind, rule, clusters=60, gain=2.0, draws=40)
    print(f"{kind}, {rule}: {false:.3f} false, {power:.3f} of {most:.3f}")
    assert false <= 0.125
    assert power >= most - 0.2


def test_twenty_copies_of_one_text_are_one_text():
    base, tuned = (
        answering(name, hits, texts=("one text",) * 20) for name, hits in (("base", [0] * 20), ("t", [1] * 20))
    )
    found = compare(base, tuned)
    assert (found.verdict, found.p_value, found.unit, found.units) == ("undecided", 1.0, "text", 1)
    assert found.rows_needed is None
    assert "one text can never decide" in found.note
    assert scores([tuned])["accuracy"].low is None


def test_of_few_texts_or_groups_the_intervals_reader_is_told_that_it_is_narrow():
    """Over ten texts three times each it covers 87%, over twenty groups 92%."""
    rng = np.random.default_rng(0)
    for count, told in ((12, True), (29, True), (60, False)):
        sides = [
            answering(
                name, np.repeat(rng.random(count) < share, 3), texts=tuple(map(str, np.repeat(np.arange(count), 3)))
            )
            for name, share in (("a", 0.3), ("b", 0.8))
        ]
        note = compare(*sides).note or ""
        assert ("often narrower than 95%" in note) == told, note


def test_texts_that_all_differ_change_nothing():
    rng = np.random.default_rng(0)
    hits = rng.random((2, 80)) < 0.7
    plain = [answering("ab"[i], hits[i]) for i in (0, 1)]
    told = [answering("ab"[i], hits[i], texts=tuple(map(str, range(80)))) for i in (0, 1)]
    assert compare(*plain) == compare(*told)
    assert compare(*plain, "macro_f1") == compare(*told, "macro_f1")
    assert scores(plain[:1]) == scores(told[:1])
    assert compare_seeds(plain[0], [plain[1], plain[0]]) == compare_seeds(told[0], [told[1], told[0]])
    assert cutoffs(plain[0]) == cutoffs(told[0])


def test_every_text_three_times_says_what_each_once_says():
    rng = np.random.default_rng(1)
    hits = rng.random((4, 60)) < np.array([[0.55], [0.8], [0.8], [0.8]])
    once = [answering(str(i), each) for i, each in enumerate(hits)]
    targets = np.repeat(np.arange(60) % 2, 3)
    texts = tuple(f"text {i // 3}" for i in range(180))
    thrice = [
        evaluation(str(i), np.eye(2)[np.where(np.repeat(each, 3), targets, 1 - targets)], targets, texts=texts)
        for i, each in enumerate(hits)
    ]
    assert compare(*thrice[:2]).p_value == pytest.approx(compare(*once[:2]).p_value, abs=0.01)
    single, triple = (compare_seeds(each[0], each[1:]) for each in (once, thrice))
    assert (triple.low, triple.high, triple.p_value) == pytest.approx((single.low, single.high, single.p_value))
    for seeds in (1, 2):
        one, two = ([(each[0],) * seeds, tuple(each[1 : 1 + seeds])] for each in (once, thrice))
        places = [rank([Entrant("ab"[i], each) for i, each in enumerate(side)]) for side in (one, two)]
        assert [each.letters for each in places[0]] == [each.letters for each in places[1]]


def test_one_text_ranks_nothing_however_often_it_occurs():
    sides = [(answering(name, [right] * 20, texts=("one",) * 20),) * 3 for right, name in enumerate("ab")]
    assert {each.letters for each in rank([Entrant(side[0].name, side) for side in sides])} == {"a"}


def test_power_is_told_in_what_is_drawn():
    """`About 19 test examples would detect it` stood beside `6 groups are the least`."""
    groups = tuple(f"g{i // 10}" for i in range(50))
    few = compare(
        answering("a", np.arange(50) % 3 == 0, groups=groups), answering("b", np.arange(50) % 3 < 2, groups=groups)
    )
    assert (few.rows_needed, few.smallest_detectable_gain) == (None, None)
    assert few.units_needed >= LEAST_GROUPS
    assert "5 groups can never decide: 6 are the least" in few.note
    assert several(few.unit) == "groups"
    two = compare_seeds(answering("a", [0] * 50, groups=groups), [answering("b", [1] * 50, groups=groups)] * 2)
    assert two.verdict == "undecided"
    assert "6 are the least" in two.note


def test_clusters_in_which_nothing_differs_have_intervals_of_as_many_rows():
    groups = tuple(f"g{i // 10}" for i in range(200))
    right = answering("a", np.ones(200, bool), groups=groups)
    found = scores([right])["accuracy"]
    assert found.value == 1.0
    assert found.low == pytest.approx(scores([answering("a", np.ones(20, bool))])["accuracy"].low)
    alike = compare(right, right)
    assert alike.low == pytest.approx(compare(*[answering("a", np.ones(20, bool))] * 2).low)
    inside = np.arange(200) < 100
    assert share_interval(inside, inside, right.clusters).low == pytest.approx(0.025 ** (1 / 10))


def test_rows_of_a_cluster_are_worth_what_they_add():
    clusters = np.repeat(np.arange(20), 5)
    copies = np.repeat(np.arange(20) % 3 == 0, 5).astype(float)
    assert agreement(copies, clusters) == pytest.approx(1.0)
    assert effective_rows(clusters, 1.0) == pytest.approx(20)
    assert effective_rows(clusters, 0.0) == pytest.approx(100)
    assert agreement(np.random.default_rng(0).random(100), clusters) < 0.2
    assert cluster_means(copies, clusters).mean() == pytest.approx(copies.mean())


@pytest.mark.parametrize("groups", [8, 60])
def test_the_spread_over_seeds_covers_a_gain_of_groups(groups):
    """400 draws: a share of .95 is known to .011."""
    rng, covered = np.random.default_rng(3), 0
    for _ in range(400):
        clusters = np.repeat(np.arange(groups), rng.integers(2, 12, groups))
        luck = rng.normal(0.1, 0.3, groups)[clusters]
        gains = np.clip(luck + rng.normal(0.0, 0.3, (3, len(clusters))), -1, 1)
        found = spread_of_rows(gains, clusters)
        covered += abs(found.centre - 0.1) <= found.half_width()
    assert covered / 400 >= 0.93


def test_abstaining_promises_less_where_rows_are_copies():
    rng = np.random.default_rng(0)
    right = rng.random(100) < 0.9
    targets = np.arange(100) % 2
    logits = np.eye(2)[np.where(right, targets, 1 - targets)] * rng.uniform(0.5, 3.0, (100, 1))
    once = cutoffs(evaluation("v", logits, targets))
    five = np.repeat(np.arange(100), 5)
    many = cutoffs(evaluation("v", logits[five], targets[five], texts=tuple(map(str, five))))
    assert many[-1].accuracy.low <= once[-1].accuracy.low + 1e-9
    assert cutoffs(evaluation("v", logits[five], targets[five]))[-1].accuracy.low > once[-1].accuracy.low + 0.02


def test_calibration_judges_by_clusters():
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, 60)
    logits = np.eye(2)[targets] * 2.0 + rng.normal(size=(60, 2))
    copies = np.repeat(np.arange(60), 10)
    once = Rows(logits, targets, TaskKind.SINGLE_LABEL, np.zeros(60, int))
    many = Rows(logits[copies], targets[copies], TaskKind.SINGLE_LABEL, np.zeros(600, int), copies)
    by_row = Rows(logits[copies], targets[copies], TaskKind.SINGLE_LABEL, np.zeros(600, int))
    for factor in (0.9, 1.1):
        found, expected, by_rows = (each.improves(each.logits, each.logits * factor) for each in (many, once, by_row))
        assert found == pytest.approx(expected, rel=1e-4)
        assert abs(by_rows - 0.5) > abs(found - 0.5)


def test_few_texts_are_too_few_to_fit_however_often_they_occur():
    logits, targets = np.eye(2)[np.arange(200) % 2], np.arange(200) % 2
    texts = tuple(f"t{i % 20}" for i in range(200))
    folds = np.arange(200) % 5
    found = calibrate(evaluation("v", logits, targets, texts=texts), METRICS["accuracy"], folds)
    assert found.reason.startswith("20 different texts of validation are too few")
    sets = np.stack([targets, 1 - targets], axis=1)
    multi = evaluation("v", logits, sets, TaskKind.MULTI_LABEL, texts=texts)
    assert "20 different texts" in choose_thresholds(multi, METRICS["micro_f1"], folds).decisions.reason
