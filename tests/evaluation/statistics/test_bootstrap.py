"""Bootstrap and randomisation: against brute force, at the edges, and by simulation."""

from itertools import product

import numpy as np
import pytest

from liftune.evaluation.statistics.bootstrap import bca_bootstrap, randomisation_test
from liftune.metrics.registry import METRICS
from liftune.metrics.row_statistics import Sums, f1_sums, mean
from liftune.tasks import TaskKind


def values(numbers):
    numbers = np.asarray(numbers, dtype=float)
    return Sums(numbers[:, None], np.arange(len(numbers)), mean)


def only(found):
    return found[0]


def gain(found):
    return found[1] - found[0]


def test_bca_agrees_with_scipy():
    from scipy.stats import bootstrap

    numbers = np.random.default_rng(0).exponential(size=60)
    ours = bca_bootstrap([values(numbers)], only, resamples=6000).interval
    theirs = bootstrap((numbers,), np.mean, n_resamples=6000, method="BCa", rng=1).confidence_interval
    assert ours.value == pytest.approx(numbers.mean())
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.03)


def test_bca_of_cells_is_that_of_rows():
    """Counting equal rows in one cell changes the draws, not what is drawn."""
    hits = np.repeat([0.0, 1.0], [120, 380])
    cells = bca_bootstrap([Sums(hits[:, None], hits.astype(int), mean)], only, resamples=4000).interval
    rows = bca_bootstrap([values(hits)], only, resamples=4000).interval
    assert (cells.low, cells.high) == pytest.approx((rows.low, rows.high), abs=0.006)


def test_bca_is_the_same_for_the_same_seed():
    numbers = values(np.random.default_rng(0).normal(size=40))
    assert bca_bootstrap([numbers], only, seed=3) == bca_bootstrap([numbers], only, seed=3)
    assert bca_bootstrap([numbers], only, seed=3) != bca_bootstrap([numbers], only, seed=4)


def test_bca_covers_the_true_mean_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    covered = 0
    for _ in range(200):
        found = bca_bootstrap([values(rng.normal(size=50))], only, resamples=400).interval
        covered += found.low <= 0.0 <= found.high
    assert 0.89 <= covered / 200 <= 0.99


@pytest.mark.parametrize("numbers", [[0.3], [0.5, 0.5, 0.5]])
def test_no_spread_gives_no_interval_and_says_so(numbers):
    found = bca_bootstrap([values(numbers)], only)
    assert found.interval.value == numbers[0]
    assert found.interval.low is None
    assert found.interval.note
    assert found.standard_error is None


def test_an_undefined_value_gives_a_note():
    targets, constant = np.arange(5.0), np.zeros((5, 1))
    found = bca_bootstrap([METRICS["pearson"].statistics(targets, constant, TaskKind.REGRESSION)], only)
    assert found.interval.value is None
    assert "constant" in found.interval.note


def brute_force(truth, base, tuned, average):
    """The p-value over all 2^N swaps, scored one by one by scikit-learn."""
    from sklearn.metrics import f1_score

    def apart(swap):
        swap = np.array(swap, dtype=bool)
        sides = np.where(swap, base, tuned), np.where(swap, tuned, base)
        scores = [f1_score(truth, side, average=average, zero_division=np.nan) for side in sides]
        return abs(scores[0] - scores[1])

    observed = apart([False] * len(truth))
    return np.mean([apart(swap) >= observed - 1e-12 for swap in product([False, True], repeat=len(truth))])


def test_few_swaps_are_enumerated_exactly():
    rng = np.random.default_rng(1)
    truth, base, tuned = rng.integers(0, 3, (3, 7))
    tuned = np.where(rng.random(7) < 0.6, truth, tuned)
    sides = [f1_sums(truth, side, "macro", 3) for side in (base, tuned)]
    assert randomisation_test(*sides) == pytest.approx(brute_force(truth, base, tuned, "macro"))


def test_drawn_swaps_come_close_to_the_enumerated(monkeypatch):
    rng = np.random.default_rng(2)
    truth, base, tuned = rng.integers(0, 2, (3, 40))
    sides = [f1_sums(truth, side, "macro", 2) for side in (base, tuned)]
    exact = randomisation_test(*sides)
    monkeypatch.setattr("liftune.evaluation.statistics.bootstrap._ENUMERATED", 1)
    assert randomisation_test(*sides) == pytest.approx(exact, abs=0.02)


def test_a_drawn_p_value_is_never_zero():
    rng = np.random.default_rng(3)
    base = rng.normal(size=200)
    assert randomisation_test(values(base), values(base + 1.0)) == pytest.approx(1 / 10_000)


def test_contenders_that_answer_alike_are_interchangeable():
    same = values(np.arange(5.0))
    assert randomisation_test(same, same) == 1.0


def test_randomisation_finds_a_difference_between_equals_at_most_one_time_in_twenty():
    rng = np.random.default_rng(4)
    found = [
        randomisation_test(values(rng.normal(size=30)), values(rng.normal(size=30)), draws=499) <= 0.05
        for _ in range(400)
    ]
    assert 0.02 <= np.mean(found) <= 0.08


def test_a_correlation_is_compared_by_shape_and_not_by_unit():
    """The same answers in another unit are the same answers."""
    rng = np.random.default_rng(6)
    targets = rng.normal(size=50)
    answers = (targets + rng.normal(size=50))[:, None]
    for name in ("pearson", "spearman"):
        sides = [METRICS[name].exchange(targets, each, TaskKind.REGRESSION) for each in (answers, 100 * answers + 7)]
        assert randomisation_test(*sides) == 1.0


def test_a_paired_bootstrap_is_narrower_than_its_sides():
    rng = np.random.default_rng(7)
    base = rng.normal(size=100)
    both = bca_bootstrap([values(base), values(base + 0.1 * rng.normal(size=100))], gain).interval
    alone = bca_bootstrap([values(base)], only).interval
    assert both.high - both.low < 0.3 * (alone.high - alone.low)


def test_a_hundred_thousand_rows_of_a_hundred_and_fifty_labels_fit_in_memory():
    """Cells are counted and kept sparse: a dense table of these rows alone would take 360 MB."""
    rng = np.random.default_rng(8)
    truth = rng.integers(0, 150, 100_000)
    said = np.where(rng.random(100_000) < 0.95, truth, rng.integers(0, 150, 100_000))
    found = bca_bootstrap([f1_sums(truth, said, "macro", 150)], only, resamples=100).interval
    assert found.low < found.value < found.high
