"""Whether a part of the rows scores as the others: held against exact tests, and against simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import fisher_exact, permutation_test

from liftune.evaluation.statistics.membership import membership_test, proportion_test
from liftune.metrics.row_statistics import Sums, mean, root_mean

RNG = np.random.default_rng(0)


def sums(values, combine=mean) -> Sums:
    values = np.asarray(values, dtype=np.float64)
    return Sums(values[:, None], np.arange(len(values)), combine)


def part(rows: int, inside: int):
    return np.arange(rows) < inside


def test_a_proportion_is_tested_exactly_as_fisher_has_it():
    hits = np.repeat([True, False, True, False], [3, 9, 60, 10])
    inside = np.repeat([True, True, False, False], [3, 9, 60, 10])
    assert proportion_test(hits, inside) == pytest.approx(fisher_exact([[3, 9], [60, 10]]).pvalue)
    assert proportion_test(np.ones(9, dtype=bool), part(9, 4)) == 1.0


@pytest.mark.parametrize("inside", [8, 40, 70])
def test_draws_agree_with_a_permutation_test_of_scipy(inside):
    values = RNG.exponential(size=80) + 0.4 * part(80, inside)
    theirs = permutation_test(
        (values[:inside], values[inside:]),
        lambda a, b, axis: a.mean(axis) - b.mean(axis),
        vectorized=True,
        n_resamples=3_000,
        alternative="two-sided",
        rng=np.random.default_rng(1),
    ).pvalue
    assert membership_test(sums(values), part(80, inside), None) == pytest.approx(theirs, abs=0.04)


def test_few_kinds_of_rows_and_many_give_the_same():
    """Kinds that are counted and rows that are drawn one by one are two ways of one test."""
    hits = (RNG.random(300) < 0.7 - 0.2 * part(300, 60)).astype(float)
    many = hits + RNG.normal(scale=1e-9, size=300)
    few = membership_test(sums(hits), part(300, 60), None)
    assert few == pytest.approx(membership_test(sums(many), part(300, 60), None), abs=0.02)
    assert few == pytest.approx(proportion_test(hits > 0.5, part(300, 60)), abs=0.02)


@pytest.mark.parametrize("combine", [mean, root_mean])
def test_a_part_without_any_error_differs_only_if_that_is_unlikely(combine):
    errors = np.concatenate([np.zeros(3), (np.arange(97) % 5 == 0).astype(float)])
    assert membership_test(sums(errors, combine), part(100, 3), None) > 0.3
    errors = np.concatenate([np.ones(12), (np.arange(88) % 5 == 0).astype(float)])
    assert membership_test(sums(errors, combine), part(100, 12), None) < 0.001


def false_claims(make, trials: int) -> float:
    found = [
        membership_test(*make(np.random.default_rng(i)), draws=199, seed=i + trials) <= 0.05 for i in range(trials)
    ]
    return float(np.mean(found))


def clustered(rng: np.random.Generator, *, mixed: bool, uneven: bool):
    """Hits that the rows of a cluster share, and a part that has nothing to do with them; large clusters within it or
    beyond it alone."""
    sizes = rng.integers(1, 12, 60)
    in_part = rng.random(60) < 0.4
    if uneven:
        sizes = np.where(in_part, rng.integers(1, 3, 60), rng.integers(1, 12, 60))
    clusters = np.repeat(np.arange(60), sizes)
    right = rng.random(60)[clusters]
    inside = rng.random(len(clusters)) < 0.4 if mixed else in_part[clusters]
    return sums((rng.random(len(clusters)) < right).astype(float)), inside, clusters


@pytest.mark.parametrize(("mixed", "uneven"), [(False, False), (False, True), (True, False)])
def test_clusters_make_no_false_claims(mixed, uneven):
    """Taken as rows, a third of these would be claimed to differ."""
    assert false_claims(lambda rng: clustered(rng, mixed=mixed, uneven=uneven), 100) <= 0.11


def test_a_part_that_is_all_of_a_size_class_cannot_be_told_from_it():
    values = np.repeat([1.0, 0.0], [8, 8])
    clusters = np.repeat([0, 1, 2], [8, 4, 4])
    assert membership_test(sums(values), part(16, 8), clusters) == 1.0


def test_an_undefined_metric_is_no_difference():
    assert membership_test(sums(np.full(6, np.nan)), part(6, 3), None) == 1.0
