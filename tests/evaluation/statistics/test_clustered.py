"""Rows in groups: intervals cover and tests err as often as they say, where statistics by row would deceive."""

from __future__ import annotations

import made_evaluations
import numpy as np
import pytest

from liftune.errors import DataError
from liftune.evaluation.compare import LEAST_GROUPS, compare
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.statistics.bootstrap import bca_bootstrap, randomisation_test
from liftune.evaluation.statistics.clustered import bootstrap, by_group, expanded, group_bootstrap, sums_by_group
from liftune.evaluation.statistics.intervals import mcnemar_exact
from liftune.metrics.registry import METRICS, metrics_of
from liftune.metrics.row_statistics import Sums, mean
from liftune.tasks import TaskKind, task_of

SINGLE, MULTI, REGRESSION = TaskKind
ACCURACY = METRICS["accuracy"]


def drawn(rng, groups: int, *, spread: float = 2.0):
    """Two contenders of equal skill whose luck is shared within a group: clusters, targets, logits of both."""
    clusters = np.repeat(np.arange(groups), rng.integers(3, 15, groups))
    targets = rng.integers(0, 2, len(clusters))
    logits = []
    for _ in range(2):
        skill = 1.0 / (1.0 + np.exp(-np.log(4.0) - rng.normal(0.0, spread, groups)))
        answers = np.where(rng.random(len(clusters)) < skill[clusters], targets, 1 - targets)
        logits.append(np.eye(2)[answers])
    return clusters, targets, logits


def true_accuracy(spread: float = 2.0) -> float:
    luck = np.random.default_rng(9).normal(0.0, spread, 10**6)
    return float((1.0 / (1.0 + np.exp(-np.log(4.0) - luck))).mean())


@pytest.mark.parametrize("groups", [10, 40])
def test_intervals_of_groups_cover_and_the_test_errs_as_often_as_they_say(groups):
    """300 draws: 0.95 is known to 2.5 points, 0.05 likewise. Row by row, McNemar errs a third of the time here."""
    rng = np.random.default_rng(groups)
    truth = true_accuracy()
    covered = gains = rejected = deceived = 0
    draws = 300
    for _ in range(draws):
        clusters, targets, logits = drawn(rng, groups)
        sides = [ACCURACY.statistics(targets, each, SINGLE) for each in logits]
        found = group_bootstrap(sides[:1], lambda values: values[0], clusters).interval
        covered += found.low is not None and found.low <= truth <= found.high
        gain = group_bootstrap(sides, lambda values: values[1] - values[0], clusters).interval
        gains += gain.low is not None and gain.low <= 0.0 <= gain.high
        rejected += randomisation_test(*(sums_by_group(each, clusters) for each in sides), draws=999) <= 0.05
        a, b = (task_of(TaskKind.SINGLE_LABEL).is_right(targets, each) for each in logits)
        deceived += mcnemar_exact(int((a & ~b).sum()), int((b & ~a).sum())) <= 0.05
    assert 0.91 <= covered / draws <= 0.99
    assert 0.91 <= gains / draws <= 0.99
    assert rejected / draws <= 0.083
    assert deceived / draws >= 0.2


def test_a_bootstrap_of_few_groups_is_widened_and_of_many_hardly():
    assert expanded(6) > expanded(20) > expanded(10_000) > 0.95
    assert expanded(10_000) == pytest.approx(0.95, abs=1e-4)


@pytest.mark.parametrize("task", list(TaskKind))
def test_a_group_counts_as_its_rows_do(task):
    """Weights of groups give the metric of those groups' rows, repeated as often."""
    rng = np.random.default_rng(0)
    clusters = np.arange(40) % 5
    targets = {
        SINGLE: rng.integers(0, 3, 40),
        MULTI: rng.integers(0, 2, (40, 3)),
        REGRESSION: rng.normal(size=40),
    }[task]
    logits = rng.normal(size=(40, 1 if task is REGRESSION else 3))
    weights = np.array([[1.0, 1, 1, 1, 1], [2, 0, 1, 0, 3]])
    for metric in metrics_of(task):
        statistics = metric.statistics(targets, logits, task)
        expected = statistics.values(weights[:, clusters])
        np.testing.assert_allclose(by_group(statistics, clusters).values(weights), expected)
        some = by_group(statistics, clusters).take(np.array([3, 0]))
        one = np.zeros((1, 40))
        one[0, (clusters == 3)] = 2.0
        one[0, (clusters == 0)] = 1.0
        np.testing.assert_allclose(some.values(np.array([[2.0, 1.0]])), statistics.values(one))


def evaluation(name, hits, groups):
    targets = np.zeros(len(hits), dtype=np.int64)
    return Evaluation(
        name=name,
        task=SINGLE,
        labels=("a", "b"),
        unseen=(),
        ids=tuple(map(str, range(len(hits)))),
        logits=np.eye(2)[np.where(hits, 0, 1)],
        targets=targets,
        fingerprint="f",
        groups=groups,
    )


def test_a_gain_that_one_group_makes_does_not_decide():
    """Forty rows of one author are one author's word, however many they are."""
    groups = ("one",) * 40 + tuple(f"g{i}" for i in range(40))
    base, tuned = np.arange(80) >= 40, np.ones(80, dtype=bool)
    base[40:], tuned[40:] = np.arange(40) % 2 == 0, np.arange(40) % 2 == 0
    by_row = compare(evaluation("a", base, None), evaluation("b", tuned, None))
    by_author = compare(evaluation("a", base, groups), evaluation("b", tuned, groups))
    assert (by_row.verdict, by_author.verdict) == ("better", "undecided")
    assert by_author.p_value == 1.0
    assert by_author.test == "paired randomisation test by group at 0.05"


def test_a_gain_in_every_group_decides_and_its_p_value_is_exact():
    groups = tuple(str(i // 5) for i in range(50))
    found = compare(evaluation("a", np.arange(50) % 5 > 1, groups), evaluation("b", np.arange(50) % 5 > 0, groups))
    assert found.verdict == "better"
    assert found.p_value == pytest.approx(2 / 2**10)
    assert found.gain == pytest.approx(0.2)


def test_too_few_groups_say_that_they_cannot_decide():
    groups = tuple(str(i % (LEAST_GROUPS - 1)) for i in range(50))
    found = compare(evaluation("a", np.zeros(50, bool), groups), evaluation("b", np.ones(50, bool), groups))
    assert found.verdict == "undecided"
    assert "5 groups can never decide" in (found.note or "")


def test_contenders_of_other_groups_are_not_compared():
    hits = np.arange(12) % 2 == 0
    with pytest.raises(DataError, match="groups"):
        compare(evaluation("a", hits, None), evaluation("b", hits, tuple("abcdefabcdef")))


def test_scores_of_one_group_have_no_interval_and_say_why():
    alone = made_evaluations.evaluation(
        "tuned", np.eye(2)[[0, 0, 1, 0]], np.zeros(4, dtype=np.int64), groups=("x",) * 4
    )
    found = scores([alone])
    assert (found["accuracy"].value, found["accuracy"].low) == (0.75, None)
    assert "one group" in (found["accuracy"].note or "")


def test_a_grouped_interval_is_wider_where_groups_agree_within():
    hits = np.repeat(np.arange(20) % 4 > 0, 10)
    targets, logits = np.zeros(200, dtype=np.int64), np.eye(2)[np.where(hits, 0, 1)]
    alone = scores([made_evaluations.evaluation("tuned", logits, targets)])["accuracy"]
    groups = tuple(str(i // 10) for i in range(200))
    grouped = scores([made_evaluations.evaluation("tuned", logits, targets, groups=groups)])["accuracy"]
    assert grouped.value == alone.value
    assert grouped.high - grouped.low > 2 * (alone.high - alone.low)


def test_two_groups_have_an_interval_as_wide_as_they_differ():
    """The confidence asked of the bootstrap rounded to 1, of which there are no quantiles."""
    halves = tuple("ab"[i // 10] for i in range(20))
    uneven = made_evaluations.answering("tuned", np.repeat([1, 0], [9, 11]), groups=halves)
    found = scores([uneven])["accuracy"]
    assert (found.low, found.high) == pytest.approx((0.0, 0.9))


def test_few_rows_are_asked_for_more_as_few_groups_are() -> None:
    """Twenty rows: Student's quantiles, as for twenty groups of one row."""
    rng = np.random.default_rng(0)
    sums = made_sums(rng.exponential(size=20))

    def only(values):
        return values[0]

    found = bootstrap([sums], only, None).interval
    assert found == bca_bootstrap([sums], only, confidence=expanded(20)).interval
    narrow = bca_bootstrap([sums], only).interval
    assert found.high - found.low > 1.04 * (narrow.high - narrow.low)


def made_sums(numbers):
    return Sums(np.asarray(numbers)[:, None], np.arange(len(numbers)), mean)
