"""Where a curve of errors reaches a level: read off between the sizes, and never beyond them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from liftune.evaluation.statistics.break_even import crossing, crossings, falling

SIZES = (16, 32, 64, 128, 256)
ERRORS = np.array([0.5, 0.4, 0.3, 0.2, 0.1])


def same(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.atleast_2d(values), 200, axis=0)


def test_the_errors_are_made_to_fall_as_scikit_learn_does() -> None:
    errors = np.random.default_rng(0).random((20, 5))
    for row, found in zip(errors, falling(errors), strict=True):
        wanted = IsotonicRegression(increasing=False).fit_transform(np.arange(5), row)
        np.testing.assert_allclose(found, wanted, atol=1e-12)


@pytest.mark.parametrize(("level", "rows"), [(0.35, 32 * math.sqrt(2)), (0.3, 64), (0.6, 16), (0.05, math.inf)])
def test_it_is_read_off_a_line_of_log_rows(level: float, rows: float) -> None:
    found = crossings(np.array(SIZES, dtype=float), ERRORS[None, :], np.array([level]))
    assert found[0] == pytest.approx(rows)


def test_a_level_that_is_not_reached_is_beyond_the_sizes_with_its_range() -> None:
    found = crossing(SIZES, ERRORS, 0.05, same(ERRORS), np.full(200, 0.05))
    assert (found.rows, found.low, found.high) == (math.inf, math.inf, math.inf)
    levels = np.linspace(0.05, 0.15, 200)
    found = crossing(SIZES, ERRORS, 0.09, same(ERRORS), levels)
    assert found.rows == math.inf
    assert 64 < found.low < 256
    assert found.high == math.inf


def test_the_range_holds_the_value_and_grows_with_what_is_unknown() -> None:
    rng = np.random.default_rng(0)
    narrow, wide = (
        crossing(SIZES, ERRORS, 0.3, ERRORS + spread * rng.standard_normal((500, 5)), np.full(500, 0.3))
        for spread in (0.01, 0.05)
    )
    for found in (narrow, wide):
        assert found.low <= found.rows <= found.high
    assert narrow.high / narrow.low < wide.high / wide.low


@pytest.mark.slow
def test_the_range_covers_the_true_number_of_rows() -> None:
    """Errors by a law, 300 rows scored at each size, the other on the same rows, and training that differs."""
    rng = np.random.default_rng(1)
    grid = np.array(SIZES, dtype=float)
    true_errors, level = 1.2 * grid**-0.35, 0.30
    true = float(np.exp(np.log(1.2 / level) / 0.35))
    covered = 0
    for _ in range(200):
        hard = rng.random(300)
        own = np.stack([hard < each * (1 + 0.05 * rng.standard_normal()) for each in true_errors])
        other = rng.random(300) < level
        weights = rng.multinomial(300, np.full(300, 1 / 300), size=400) / 300
        found = crossing(SIZES, own.mean(axis=1), other.mean(), weights @ own.T, weights @ other)
        covered += found.low <= true <= found.high
    assert covered >= 0.9 * 200
