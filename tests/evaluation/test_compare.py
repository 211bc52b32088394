"""The verdict: one rule, on the very same rows, and what it says where it cannot decide."""

from dataclasses import replace

import numpy as np
import pytest
from made_evaluations import answering, evaluation, from_counts

from liftune.errors import DataError, SpecError
from liftune.evaluation.compare import compare
from liftune.evaluation.statistics.intervals import mcnemar_exact, tango_interval
from liftune.evaluation.statistics.power import rows_needed
from liftune.tasks import TaskKind, task_of


def test_a_clear_gain_is_better_and_turned_round_it_is_worse():
    base, tuned = from_counts(50, 2, 20, 28)
    there, back = compare(base, tuned), compare(tuned, base)
    assert (there.a, there.b, there.metric, there.verdict) == ("base", "tuned", "accuracy", "better")
    assert there.gain == pytest.approx(0.18)
    assert back.verdict == "worse"
    assert (back.gain, back.p_value) == pytest.approx((-there.gain, there.p_value))
    assert there.rows_needed is None


def test_accuracy_is_decided_by_mcnemar_and_shown_with_tango():
    base, tuned = from_counts(50, 5, 14, 31)
    found = compare(base, tuned)
    interval = tango_interval(
        task_of(TaskKind.SINGLE_LABEL).is_right(base.targets, base.logits),
        task_of(TaskKind.SINGLE_LABEL).is_right(tuned.targets, tuned.logits),
    )
    assert found.p_value == mcnemar_exact(5, 14)
    assert (found.low, found.high) == (interval.low, interval.high)
    assert "McNemar" in found.test


def test_the_interval_does_not_decide():
    """Zero lies outside the score interval here, and the exact test is not yet convinced."""
    found = compare(*from_counts(10, 0, 5, 5))
    assert found.low > 0
    assert found.p_value == pytest.approx(0.0625)
    assert found.verdict == "undecided"
    assert "the interval excludes zero, but p is above 0.05" in found.note, "silence would look like a fault"
    assert "zero" not in (compare(*from_counts(40, 6, 14, 40)).note or "")


def test_undecided_names_the_rows_that_would_decide():
    found = compare(*from_counts(400, 20, 28, 52))
    assert found.verdict == "undecided"
    assert found.rows_needed > 500


def test_every_comparison_tells_the_least_gain_that_its_rows_show():
    few, many = (compare(*from_counts(4 * n, n, n, 4 * n)).smallest_detectable_gain for n in (10, 100))
    assert many < few / 2
    assert compare(*from_counts(40, 5, 15, 40), "macro_f1").smallest_detectable_gain > 0.05


def test_undecided_by_a_gain_of_zero_says_that_no_rows_would_decide():
    found = compare(*from_counts(40, 5, 5, 50))
    assert (found.verdict, found.gain, found.rows_needed) == ("undecided", 0.0, None)
    assert "no number of rows" in found.note


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss"])
def test_a_contender_against_itself_is_undecided(metric):
    base, _ = from_counts(40, 5, 5, 50)
    found = compare(base, replace(base, name="tuned"), metric)
    assert (found.verdict, found.gain, found.p_value, found.rows_needed) == ("undecided", 0.0, 1.0, None)


def test_one_row_is_undecided():
    found = compare(answering("base", [False]), answering("tuned", [True]))
    assert found.verdict == "undecided"
    assert found.p_value == 1.0


def test_a_lower_loss_is_a_positive_gain():
    targets = np.arange(60) % 2
    unsure, sure = (evaluation(name, scale * np.eye(2)[targets], targets) for name, scale in (("a", 1), ("b", 4)))
    found = compare(unsure, sure, "log_loss")
    assert found.gain > 0
    assert found.verdict == "better"
    assert "randomisation" in found.test


@pytest.mark.parametrize("metric", ["pearson", "spearman", "rmse"])
def test_a_regression_that_follows_the_targets_is_better(metric):
    rng = np.random.default_rng(0)
    targets = rng.normal(size=80)
    near, far = (targets + spread * rng.normal(size=80) for spread in (0.2, 2.0))
    sides = [evaluation(n, each[:, None], targets, TaskKind.REGRESSION) for n, each in (("base", far), ("tuned", near))]
    found = compare(*sides, metric)
    assert found.verdict == "better"
    assert 0 < found.low < found.gain < found.high


@pytest.mark.parametrize("metric", ["micro_f1", "macro_f1"])
def test_multi_label_answers_are_compared(metric):
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, (100, 4))
    sides = [
        evaluation(name, 2 * targets - 1 + noise * rng.normal(size=targets.shape), targets, TaskKind.MULTI_LABEL)
        for name, noise in (("base", 4.0), ("tuned", 0.5))
    ]
    assert compare(*sides, metric).verdict == "better"


def test_a_constant_contender_leaves_a_correlation_undecided():
    targets = np.arange(10.0)
    constant, perfect = (
        evaluation(name, each[:, None], targets, TaskKind.REGRESSION)
        for name, each in (("majority", np.zeros(10)), ("tuned", targets))
    )
    found = compare(constant, perfect)
    assert (found.gain, found.verdict, found.p_value) == (None, "undecided", 1.0)
    assert "undefined" in found.note


def test_rows_of_an_unseen_label_are_wrong_for_both():
    targets = np.array([0, 1, 2, 2])
    base = evaluation("base", np.eye(2)[[0, 0, 0, 0]], targets, unseen=("z",))
    tuned = evaluation("tuned", np.eye(2)[[0, 1, 1, 1]], targets, unseen=("z",))
    assert compare(base, tuned).gain == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"ids": tuple(f"other:{i}" for i in range(100))}, "test rows"),
        ({"fingerprint": "another"}, "texts or targets"),
        ({"labels": ("b", "a")}, "labels or their order"),
        ({"max_length": 64}, "truncation length"),
        ({"task": TaskKind.MULTI_LABEL}, "task"),
    ],
)
def test_contenders_that_differ_in_the_question_are_refused(change, says):
    base, tuned = (replace(each, max_length=128) for each in from_counts(40, 5, 15, 40))
    with pytest.raises(DataError, match=says) as caught:
        compare(base, replace(tuned, **change))
    assert caught.value.hint


def test_a_contender_that_reads_all_of_a_row_fits_any_truncation():
    base, tuned = from_counts(40, 5, 15, 40)
    assert compare(base, replace(tuned, max_length=128)).gain == pytest.approx(0.1)


def test_an_unknown_metric_is_refused():
    with pytest.raises(SpecError, match="did you mean macro_f1"):
        compare(*from_counts(4, 1, 1, 4), "macrof1")


def test_equal_contenders_are_told_apart_at_most_one_time_in_twenty():
    """The whole path, by both rules."""
    rng = np.random.default_rng(3)
    found = {"accuracy": 0, "log_loss": 0}
    runs = 120
    for _ in range(runs):
        targets = rng.integers(0, 2, 40)
        sides = [evaluation(name, rng.normal(size=(40, 2)), targets) for name in ("a", "b")]
        for metric in found:
            found[metric] += compare(*sides, metric).verdict != "undecided"
    # 0.05 and two and a half standard errors of it.
    assert all(count / runs <= 0.10 for count in found.values())


def test_rows_needed_quarter_as_the_gain_doubles():
    assert rows_needed(0.01, 0.02, 1000) == pytest.approx(4 * rows_needed(0.02, 0.02, 1000), abs=4)
    assert rows_needed(10.0, 0.01, 1000) == 1001
