"""The statistics that decide err as often as they say: simulations with fixed seeds, 10,000 draws a cell.

Two contenders' correctness on the same rows is drawn by skill, gain and correlation; the functions that are asked are
those that a run asks.
"""

from functools import cache
from itertools import product

import numpy as np
import pytest
from made_evaluations import evaluation, from_counts

from liftune.evaluation.compare import FEW_DISCORDANT, compare, decided
from liftune.evaluation.statistics.intervals import mcnemar_exact, tango_bounds
from liftune.evaluation.statistics.power import mcnemar_detectable_gain, mcnemar_power
from liftune.metrics.registry import METRICS

DRAWS = 10_000
ROWS = (100, 500, 2_000)
SKILLS = (0.5, 0.9, 0.99)
GAINS = (0.0, 0.01, 0.03)
CORRELATIONS = (0.0, 0.5, 0.9)


def rates(skill, gain, correlation):
    """(lost, won): chances that only the first, only the second is right; as correlated as the two skills allow."""
    other = skill + gain
    both = skill * other + correlation * np.sqrt(skill * (1 - skill) * other * (1 - other))
    both = min(both, skill)
    return skill - both, other - both


def drawn(rows, lost_rate, won_rate, seed):
    """Distinct (lost, won) of DRAWS test sets, and how often each was drawn."""
    rng = np.random.default_rng(seed)
    both = rng.multinomial(rows, [lost_rate, won_rate, 1 - lost_rate - won_rate], size=DRAWS)[:, :2]
    distinct, times = np.unique(both, axis=0, return_counts=True)
    return distinct[:, 0], distinct[:, 1], times


@cache
def p_value(fewer, more):
    return mcnemar_exact(fewer, more)


def verdicts(lost, won):
    return np.array(
        [decided(p_value(min(a, b), max(a, b)), b - a) for a, b in zip(lost.tolist(), won.tolist(), strict=True)]
    )


@pytest.mark.parametrize("rows", ROWS)
def test_equals_are_told_apart_at_most_as_often_as_the_rule_allows(rows):
    for seed, (skill, correlation) in enumerate(product(SKILLS, CORRELATIONS)):
        lost, won, times = drawn(rows, *rates(skill, 0.0, correlation), seed)
        wrong = times[verdicts(lost, won) != "undecided"].sum() / DRAWS
        assert wrong <= 0.055, (skill, correlation)


@pytest.mark.parametrize("rows", ROWS)
def test_tangos_interval_covers_the_gain_as_often_as_it_says(rows):
    """And no more than it must where five or more rows are expected to differ."""
    for seed, (skill, gain, correlation) in enumerate(product(SKILLS, GAINS, CORRELATIONS)):
        if skill + gain > 1:
            continue
        lost_rate, won_rate = rates(skill, gain, correlation)
        lost, won, times = drawn(rows, lost_rate, won_rate, seed)
        low, high = tango_bounds(lost, won, rows)
        covered = times[(low <= gain + 1e-12) & (gain - 1e-12 <= high)].sum() / DRAWS
        expected = rows * (lost_rate + won_rate)
        assert covered >= 0.935, (skill, gain, correlation, expected)
        assert covered <= 0.97 or expected < 5, (skill, gain, correlation, expected)


@pytest.mark.parametrize("discordance", [0.04, 0.1, 0.2, 0.4])
def test_a_gain_of_three_points_on_two_thousand_rows_is_found_as_often_as_theory_says(discordance):
    lost_rate, won_rate = (discordance - 0.03) / 2, (discordance + 0.03) / 2
    lost, won, times = drawn(2_000, lost_rate, won_rate, 7)
    found = times[verdicts(lost, won) == "better"].sum() / DRAWS
    theory = mcnemar_power(2_000, lost_rate, won_rate)
    assert abs(found - theory) <= 3 * np.sqrt(theory * (1 - theory) / DRAWS) + 1e-4


def test_the_smallest_detectable_gain_is_found_four_times_in_five():
    for rows, discordance in product(ROWS, (0.05, 0.2)):
        gain = mcnemar_detectable_gain(rows, discordance)
        rate = max(gain, discordance)
        lost, won, times = drawn(rows, (rate - gain) / 2, (rate + gain) / 2, rows)
        found = times[verdicts(lost, won) == "better"].sum() / DRAWS
        assert found == pytest.approx(0.80, abs=0.015)


def test_few_rows_that_differ_are_told():
    """There the interval covers more than it says, or a little less: its reader must know."""
    few, enough = (compare(*from_counts(50, 0, won, 40)) for won in (FEW_DISCORDANT - 1, FEW_DISCORDANT))
    assert f"only {FEW_DISCORDANT - 1} rows" in few.note
    assert enough.note is None
    nothing = compare(*from_counts(50, 0, 0, 40))
    assert "is zero" in nothing.note
    assert "no row" in nothing.note


def pair_of_models(rng, rows, apart):
    """Two contenders of three unequal classes whose logits share half of their noise."""
    targets = rng.choice(3, size=rows, p=[0.6, 0.3, 0.1])
    truth = 1.5 * np.eye(3)[targets]
    shared = rng.normal(size=(rows, 3))
    sides = [truth + shared + spread * rng.normal(size=(rows, 3)) for spread in (1.0, 1.0 - apart)]
    return [evaluation(name, each, targets) for name, each in zip("ab", sides, strict=True)]


@pytest.mark.slow
@pytest.mark.parametrize("rows", [100, 500])
@pytest.mark.parametrize("metric", ["macro_f1", "log_loss"])
def test_randomisation_and_bootstrap_err_about_as_often_as_they_say(metric, rows):
    """400 draws: 0.05 has a standard error of 0.011. The figures are in docs/log.md."""
    draws = 400
    rng = np.random.default_rng(rows)
    equals = [compare(*pair_of_models(rng, rows, 0.0), metric) for _ in range(draws)]
    wrong = np.mean([each.verdict != "undecided" for each in equals])
    before, after = (
        METRICS[metric](each.targets, each.logits, each.task) for each in pair_of_models(rng, 400_000, 0.5)
    )
    truth = METRICS[metric].sign * (after - before)
    unequal = [compare(*pair_of_models(rng, rows, 0.5), metric) for _ in range(draws)]
    covered = [
        np.mean([each.low <= gain <= each.high for each in side]) for side, gain in ((equals, 0.0), (unequal, truth))
    ]
    print(f"{metric}, {rows} rows: A/A {wrong:.4f}, coverage of zero {covered[0]:.4f}, of {truth:.4f} {covered[1]:.4f}")
    assert wrong <= 0.05 + 2.5 * 0.011
    assert min(covered) >= 0.91
