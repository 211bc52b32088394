"""Seeds combined: the interval speaks of the method, and covers its gain whether rows or seeds make the spread."""

import numpy as np
import pytest
from made_evaluations import answering, evaluation

from liftune.errors import DataError
from liftune.evaluation.compare import compare
from liftune.evaluation.compare_seeds import Spread, compare_seeds, spread_of_rows
from liftune.metrics.registry import METRICS
from liftune.tasks import TaskKind


def tuned_and_base(rng, seeds, rows, seed_spread):
    """(S, N) gains of correctness: rows differ in how hard they are, seeds in skill, and each row has its own luck."""
    hard = 2.0 * rng.normal(size=rows)
    base = 1.2 + 0.8 * hard + 1.2 * rng.normal(size=rows) + rng.normal(size=rows) > 0
    skill = 1.5 + seed_spread * rng.normal(size=(seeds, 1))
    return (skill + hard + rng.normal(size=(seeds, rows)) > 0).astype(float) - base


def expected_gain(seed_spread):
    from scipy.stats import norm

    return norm.cdf(1.5 / np.sqrt(5 + seed_spread**2)) - norm.cdf(1.2 / np.sqrt(5))


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("seed_spread", [0.0, 0.1, 0.6])
def test_the_interval_covers_the_methods_gain(seeds, seed_spread):
    """600 draws: a standard error of 0.009. Rows alone would cover it 52 times in 100 where seeds differ most."""
    rng = np.random.default_rng(11)
    truth, draws = expected_gain(seed_spread), 600
    found = [spread_of_rows(tuned_and_base(rng, seeds, 500, seed_spread)) for _ in range(draws)]
    covered = np.mean([abs(each.centre - truth) <= each.half_width() for each in found])
    print(f"{seeds} seeds of spread {seed_spread}: coverage {covered:.4f}")
    assert 0.93 <= covered <= 0.99


def test_the_p_value_is_where_the_interval_reaches_zero():
    for centre in (0.001, 0.05, 0.2):
        spread = Spread(centre, centre, 0.01**2, 0.02**2, 400, 3)
        p_value = spread.p_value()
        assert (p_value <= 0.05) == (spread.half_width() <= centre)
        assert spread.half_width(1 - p_value) == pytest.approx(centre, rel=1e-6)


def test_seeds_that_agree_leave_the_spread_of_rows():
    """And two pseudo-rows keep an interval where no row differs."""
    one = np.zeros((3, 100))
    one[:, :10] = 1.0
    assert spread_of_rows(one).of_seeds == pytest.approx(0.0, abs=1e-12)
    assert spread_of_rows(np.zeros((3, 100))).half_width() > 0.01


def test_seeds_that_disagree_leave_a_method_undecided_where_the_kept_model_is_better():
    """The verdict on two models is not one on the method."""
    base = answering("base", np.arange(400) < 240)
    seeds = [answering("tuned", np.arange(400) < right) for right in (300, 235, 260)]
    assert compare(base, seeds[0]).verdict == "better"
    found = compare_seeds(base, seeds)
    assert (found.verdict, found.seeds, found.b) == ("undecided", 3, "tuned")
    assert found.gain == pytest.approx((300 + 235 + 260) / 3 / 400 - 0.6)
    assert found.low < 0 < found.high


def test_seeds_that_agree_make_a_method_better():
    base = answering("base", np.arange(400) < 240)
    found = compare_seeds(base, [answering("tuned", np.arange(400) < right) for right in (300, 298, 303)])
    assert found.verdict == "better"
    assert 0 < found.low < found.gain < found.high


@pytest.mark.parametrize("metric", ["macro_f1", "log_loss"])
def test_other_metrics_hold_rows_and_seeds_too(metric):
    rng = np.random.default_rng(0)
    targets = np.arange(300) % 3
    noise = [rng.normal(size=(300, 3)) for _ in range(4)]
    base = evaluation("base", 0.5 * np.eye(3)[targets] + noise[0], targets)
    alike = [evaluation("tuned", 2.0 * np.eye(3)[targets] + 0.5 * each, targets) for each in noise[1:]]
    apart = [evaluation("tuned", skill * np.eye(3)[targets] + 0.5 * noise[1], targets) for skill in (0.2, 1.0, 3.0)]
    close, wide = compare_seeds(base, alike, metric), compare_seeds(base, apart, metric)
    assert close.verdict == "better"
    assert wide.high - wide.low > 2 * (close.high - close.low)
    sign = METRICS[metric].sign
    scores = [METRICS[metric](each.targets, each.logits, each.task) for each in (base, *alike)]
    assert close.gain == pytest.approx(sign * (np.mean(scores[1:]) - scores[0]))


def test_one_seed_is_refused():
    base = answering("base", [True, False])
    with pytest.raises(DataError, match="one seed"):
        compare_seeds(base, [base])


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "log_loss"])
def test_one_test_row_gives_a_gain_without_an_interval_and_says_why(metric):
    """The spread between rows is divided by their number less one."""
    base = answering("base", [False])
    found = compare_seeds(base, [answering("tuned", [right]) for right in (True, False)], metric)
    assert (found.verdict, found.p_value, found.low, found.high) == ("undecided", 1.0, None, None)
    assert found.gain is not None
    assert found.gain > 0
    assert "one test row" in found.note


def test_one_test_row_on_which_a_metric_is_undefined_gives_no_gain():
    base, *tuned = (evaluation(name, [[0.5]], [1.0], TaskKind.REGRESSION) for name in ("base", "tuned", "tuned"))
    found = compare_seeds(base, tuned, "pearson")
    assert (found.gain, found.verdict) == (None, "undecided")
