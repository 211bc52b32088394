"""Macro-F1's interval: as often right as it says where labels have few rows, and as narrow as before where many."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from liftune.evaluation.evaluate import Evaluation, score_interval
from liftune.evaluation.statistics.bootstrap import bca_bootstrap
from liftune.evaluation.statistics.label_mean import mean_f1_interval
from liftune.metrics.registry import METRICS
from liftune.metrics.row_statistics import Sums, f1_sums
from liftune.tasks import TaskKind

Joint = NDArray[np.float64]


def population(rng: np.random.Generator, shares: Joint, right: float, *, slope: float = 0.0) -> Joint:
    """(K, K) chance of each truth and prediction; rare labels are harder for a slope above zero."""
    labels = len(shares)
    mean = np.clip(right + slope * (np.sqrt(shares / shares.max()) - 0.5), 0.05, 0.97)
    recall, joint = rng.beta(8 * mean, 8 * (1 - mean)), np.zeros((labels, labels))
    for label in range(labels):
        others = rng.dirichlet(np.where(np.arange(labels) == label, 1e-6, 0.2))
        others[label] = 0.0
        joint[label] = shares[label] * (1 - recall[label]) * others / others.sum()
        joint[label, label] = shares[label] * recall[label]
    return joint


def macro_f1(joint: Joint) -> float:
    return float((2 * np.diag(joint) / (joint.sum(axis=0) + joint.sum(axis=1))).mean())


def drawn(rng: np.random.Generator, joint: Joint, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    cells = rng.choice(joint.size, rows, p=joint.ravel() / joint.sum())
    return cells // len(joint), cells % len(joint)


def falling(labels: int, by: float) -> Joint:
    shares = by ** np.arange(labels)
    return shares / shares.sum()


CASES = {
    "231 rows, 77 labels": (231, np.full(77, 1 / 77), 0.8, 0.0),
    "200 rows, 20 skewed labels": (200, falling(20, 0.8), 0.7, 0.0),
    "200 rows, 20 skewed labels, rare ones harder": (200, falling(20, 0.8), 0.7, 0.6),
    "200 rows, 20 skewed labels, rare ones easier": (200, falling(20, 0.8), 0.7, -0.6),
    "50 rows, 2 labels": (50, np.array([0.85, 0.15]), 0.8, 0.0),
}


@pytest.mark.parametrize("draws", [100, pytest.param(2_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("case", CASES)
def test_it_covers_the_populations_value_over_all_labels(case: str, draws: int) -> None:
    """93% are asked for; here less 2.5 standard errors of so many draws."""
    rows, shares, right, slope = CASES[case]
    rng = np.random.default_rng(3)
    covered, width = 0, 0.0
    for _ in range(draws):
        joint = population(rng, shares, right, slope=slope)
        found = mean_f1_interval(
            [f1_sums(*drawn(rng, joint, rows), "macro", len(shares))], len(shares), None, draws=600
        )
        covered += found.low <= macro_f1(joint) <= found.high
        width += (found.high - found.low) / draws
    assert covered / draws >= 0.93 - 2.5 * np.sqrt(0.93 * 0.07 / draws)
    assert width < 0.35


def test_with_many_rows_a_label_it_is_the_bootstraps() -> None:
    rng = np.random.default_rng(0)
    joint = population(rng, falling(5, 0.7), 0.85)
    sums = f1_sums(*drawn(rng, joint, 4_000), "macro", 5)
    found, boot = mean_f1_interval([sums], 5, None), bca_bootstrap([sums], lambda values: values[0]).interval
    assert found.value == boot.value
    assert (found.low, found.high) == pytest.approx((boot.low, boot.high), abs=0.0025)


def test_copies_of_rows_add_nothing() -> None:
    rng = np.random.default_rng(1)
    truth, predicted = drawn(rng, population(rng, falling(10, 0.8), 0.7), 150)
    once = mean_f1_interval([f1_sums(truth, predicted, "macro", 10)], 10, None)
    sums = f1_sums(np.repeat(truth, 4), np.repeat(predicted, 4), "macro", 10)
    thrice = mean_f1_interval([sums], 10, np.repeat(np.arange(150), 4))
    assert (thrice.low, thrice.high) == pytest.approx((once.low, once.high), abs=0.015)


def test_it_covers_where_rows_come_in_groups() -> None:
    """A group's rows are of one label and all right or all wrong, more often than not."""
    rng, covered, draws, labels = np.random.default_rng(2), 0, 100, 6
    for _ in range(draws):
        joint = population(rng, falling(labels, 0.75), 0.75)
        truth, predicted = drawn(rng, joint, 60)
        clusters = np.repeat(np.arange(60), 3)
        again = rng.random(180) < 0.7
        other = drawn(rng, joint, 180)
        rows = [
            np.where(again, np.repeat(of_group, 3), own)
            for of_group, own in zip((truth, predicted), other, strict=True)
        ]
        found = mean_f1_interval([f1_sums(*rows, "macro", labels)], labels, clusters, draws=600)
        covered += found.low <= macro_f1(joint) <= found.high
    assert covered / draws >= 0.93 - 2.5 * np.sqrt(0.93 * 0.07 / draws)


def test_it_covers_where_rows_have_several_labels() -> None:
    rng, covered, draws, labels = np.random.default_rng(4), 0, 100, 12
    for _ in range(draws):
        shares, recall = rng.uniform(0.02, 0.3, labels), rng.beta(6, 3, labels)
        false = shares * rng.beta(2, 8, labels)
        truth = rng.random((120, labels)) < shares
        predicted = np.where(truth, rng.random(truth.shape) < recall, rng.random(truth.shape) < false)
        hits, wrong = shares * recall, shares * (1 - recall) + (1 - shares) * false
        found = mean_f1_interval([f1_sums(truth, predicted, "macro", labels)], labels, None, draws=600)
        covered += found.low <= (2 * hits / (2 * hits + wrong)).mean() <= found.high
    assert covered / draws >= 0.93 - 2.5 * np.sqrt(0.93 * 0.07 / draws)


def test_a_label_that_the_model_lacks_counts_as_zero_and_one_that_the_rows_lack_is_said() -> None:
    truth, predicted = np.array([0, 0, 1, 1, 3] * 20), np.array([0, 0, 1, 1, 0] * 20)
    found = mean_f1_interval([f1_sums(truth, predicted, "macro", 4)], 3, None)
    assert found.value == pytest.approx((0.8 + 1.0 + 0.0) / 3)
    assert found.high < 0.76, "label 3 cannot be predicted, whatever the others' F1"
    assert found.note == "1 of 4 labels are not in these rows: the interval is of the mean over all labels"


def test_seeds_are_averaged_and_nothing_at_all_is_undefined() -> None:
    rng = np.random.default_rng(5)
    joint = population(rng, falling(5, 0.7), 0.8)
    sides = [f1_sums(*drawn(rng, joint, 300), "macro", 5) for _ in range(3)]
    one, all_ = mean_f1_interval(sides[:1], 5, None), mean_f1_interval(sides, 5, None)
    assert all_.value == pytest.approx(np.mean([float(each.values(np.ones((1, 300)))[0]) for each in sides]))
    assert all_.high - all_.low < 0.8 * (one.high - one.low), "errors of independent sides average out"
    empty = np.zeros((4, 2), bool)
    found = mean_f1_interval([f1_sums(empty, empty, "macro", 2)], 2, None)
    assert (found.value, found.low) == (None, None)
    assert mean_f1_interval(sides[:1], 5, np.zeros(300, int)).low is None


def test_it_is_the_interval_of_the_metric() -> None:
    logits = np.eye(3, dtype=np.float32)[[0, 1, 2, 0, 1, 2, 0, 1]]
    made = Evaluation(
        "x",
        TaskKind.SINGLE_LABEL,
        ("a", "b", "c"),
        (),
        tuple("01234567"),
        logits,
        np.array([0, 1, 2, 0, 1, 2, 0, 1]),
        "f",
    )
    found = score_interval(METRICS["macro_f1"], [made])
    assert found.value == found.high == 1.0
    assert 0.4 < found.low < 0.9, "eight rows without an error are no certainty"
    statistics = made.statistics(METRICS["macro_f1"])
    assert isinstance(statistics, Sums)
    assert found == mean_f1_interval([statistics], 3, None)
