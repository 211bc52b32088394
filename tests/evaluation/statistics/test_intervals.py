"""Exact statistics against published values, and by simulation: they err as often as they say."""

import numpy as np
import pytest

from liftune.errors import DataError
from liftune.evaluation.statistics.intervals import (
    clopper_pearson,
    discordant,
    mcnemar_exact,
    tango_interval,
)
from liftune.evaluation.statistics.power import mcnemar_power, mcnemar_rows_needed


def pairs(both, lost, won, neither):
    """(base right, tuned right) with these counts."""
    base = np.repeat([True, True, False, False], [both, lost, won, neither])
    tuned = np.repeat([True, False, True, False], [both, lost, won, neither])
    return base, tuned


def test_clopper_pearson_gives_the_textbook_interval():
    found = clopper_pearson(8, 10)
    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.4439, 0.9748), abs=1e-4)


def test_clopper_pearson_reaches_the_ends():
    assert clopper_pearson(0, 20).low == 0.0
    assert clopper_pearson(0, 20).high == pytest.approx(0.1684, abs=1e-4)
    assert clopper_pearson(20, 20).high == 1.0
    assert (clopper_pearson(1, 1).low, clopper_pearson(1, 1).high) == pytest.approx((0.025, 1.0))


def test_clopper_pearson_takes_a_mean_over_seeds():
    low, middle, high = (clopper_pearson(k, 100) for k in (80, 80.5, 81))
    assert low.low < middle.low < high.low
    assert low.high < middle.high < high.high


def test_clopper_pearson_refuses_no_rows():
    with pytest.raises(DataError):
        clopper_pearson(0, 0)


@pytest.mark.parametrize(
    ("lost", "won", "p_value"), [(0, 0, 1.0), (1, 1, 1.0), (0, 5, 0.0625), (0, 6, 0.03125), (5, 15, 0.04139)]
)
def test_mcnemar_gives_the_binomial_tail(lost, won, p_value):
    assert mcnemar_exact(lost, won) == pytest.approx(p_value, abs=1e-5)
    assert mcnemar_exact(won, lost) == mcnemar_exact(lost, won)


def test_tango_gives_the_published_interval():
    """Bentur et al. (2009) as in Fagerland, Lydersen and Laake (2014): (1, 1; 7, 12) gives -0.517 to -0.026."""
    found = tango_interval(*pairs(1, 7, 1, 12))
    assert (found.low, found.high) == pytest.approx((-0.517, -0.026), abs=5e-4)


def test_tango_of_no_discordant_row_is_the_closed_form():
    found = tango_interval(*pairs(50, 0, 0, 50))
    z2 = 1.959964**2
    assert (found.low, found.value, found.high) == pytest.approx((-z2 / (100 + z2), 0.0, z2 / (100 + z2)), abs=1e-5)


@pytest.mark.parametrize("counts", [(0, 0, 1, 0), (0, 1, 0, 0), (1, 0, 0, 0), (0, 0, 30, 0), (0, 15, 15, 0)])
def test_tango_stands_at_the_edges(counts):
    found = tango_interval(*pairs(*counts))
    assert -1.0 <= found.low <= found.value <= found.high <= 1.0
    assert found.low < found.high


def test_tango_turns_round_with_its_arguments():
    base, tuned = pairs(60, 5, 14, 21)
    there, back = tango_interval(base, tuned), tango_interval(tuned, base)
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)


def test_answers_of_different_length_are_refused():
    with pytest.raises(DataError):
        discordant(np.array([True]), np.array([True, False]))


def test_tango_covers_the_true_gain_as_often_as_it_says():
    rng = np.random.default_rng(0)
    rows, lost_rate, won_rate = 100, 0.06, 0.12
    outcomes = rng.multinomial(rows, [0.6, lost_rate, won_rate, 0.22], size=400)
    distinct, times = np.unique(outcomes[:, 1:3], axis=0, return_counts=True)
    covered = 0
    for (lost, won), count in zip(distinct, times, strict=True):
        found = tango_interval(*pairs(rows - lost - won, lost, won, 0))
        covered += count * (found.low <= won_rate - lost_rate <= found.high)
    assert 0.93 <= covered / 400 <= 0.975


def test_mcnemar_finds_a_difference_between_equals_at_most_one_time_in_twenty():
    rng = np.random.default_rng(1)
    lost, won = rng.binomial(300, 0.1, (2, 4000))
    verdicts = [mcnemar_exact(int(a), int(b)) <= 0.05 for a, b in zip(lost, won, strict=True)]
    assert np.mean(verdicts) <= 0.055


def test_power_is_what_simulation_finds():
    rng = np.random.default_rng(2)
    outcomes = rng.multinomial(400, [0.06, 0.12, 0.82], size=2000)
    found = np.mean([won > lost and mcnemar_exact(int(lost), int(won)) <= 0.05 for lost, won, _ in outcomes])
    assert mcnemar_power(400, 0.06, 0.12) == pytest.approx(found, abs=0.03)


def test_power_without_discordant_rows_is_zero():
    assert mcnemar_power(100, 0.0, 0.0) == 0.0


def test_rows_needed_reach_the_power_and_not_much_less_do():
    rows = mcnemar_rows_needed(20, 28, 500)
    assert mcnemar_power(rows, 20 / 500, 28 / 500) >= 0.80
    assert mcnemar_power(int(rows * 0.97), 20 / 500, 28 / 500) < 0.80


def test_no_rows_would_decide_a_gain_of_zero():
    assert mcnemar_rows_needed(7, 7, 100) is None
    assert mcnemar_rows_needed(0, 0, 100) is None


def test_rows_needed_of_a_tiny_gain_are_many_and_found_at_once():
    assert mcnemar_rows_needed(5000, 5001, 100_000) > 1_000_000
