"""Calibration: a known temperature is found, a calibrated model is left alone, and error is measured without bias."""

from __future__ import annotations

import numpy as np
import pytest
from made_evaluations import evaluation
from numpy.typing import NDArray

from liftune.evaluation.calibration import Calibrator, LogitScaling, Rows, calibrate, calibration_record
from liftune.evaluation.compare import LEAST_FITTED
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.reliability import Binned, calibration_scores, rms_calibration_error
from liftune.metrics.metric import Metric
from liftune.metrics.registry import METRICS, check_metric
from liftune.tasks import TaskKind, task_of

SINGLE, MULTI = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL


def drawn(
    seed: int, rows: int, task: TaskKind = SINGLE, *, temperature: float = 1.0, labels: int = 4, spread: float = 2.0
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits, and targets drawn from the very probabilities of these logits divided by the temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, labels)) * spread
    shares = task_of(task).probabilities(logits)
    if task is SINGLE:
        targets = (shares.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    else:
        targets = (rng.random(shares.shape) < shares).astype(np.int64)
    return (logits * temperature).astype(np.float32), targets


def made(logits: NDArray[np.float32], targets: NDArray[np.int64], task: TaskKind = SINGLE) -> Evaluation:
    return evaluation("tuned", logits, targets, task)


def calibrated(validation: Evaluation, metric: Metric, **more: bool) -> Calibrator:
    """In five folds, row by row."""
    return calibrate(validation, metric, np.random.default_rng(0).permutation(len(validation)) % 5, **more)


def metric(task: TaskKind):
    return check_metric(None, task)


@pytest.mark.parametrize("task", [SINGLE, MULTI])
@pytest.mark.parametrize("temperature", [0.6, 2.5])
def test_a_known_temperature_is_found(task: TaskKind, temperature: float) -> None:
    logits, targets = drawn(0, 1500, task, temperature=temperature)
    found = calibrated(made(logits, targets, task), metric(task))
    assert found.kind == "temperature"
    assert found.scaling.temperature == pytest.approx(temperature, rel=0.12)
    assert found.after < found.before
    assert found.p_value <= 0.05
    fresh, truth = drawn(1, 4000, task, temperature=temperature)
    loss = METRICS["log_loss"]
    assert loss(truth, found.scaling(fresh), task) < loss(truth, fresh, task)


@pytest.mark.parametrize("task", [SINGLE, MULTI])
@pytest.mark.parametrize("rows", [60, 300])
def test_calibrated_logits_are_left_alone(task: TaskKind, rows: int) -> None:
    """At most one in twenty draws; none of 5,400 was seen to be scaled, over sizes, label counts and skills."""
    kinds = [calibrated(made(*drawn(seed, rows, task), task), metric(task)).kind for seed in range(20)]
    assert sum(kind != "none" for kind in kinds) <= 1


def test_a_validation_part_without_an_error_does_not_make_answers_sharper_than_it_can_vouch_for() -> None:
    """By the rows alone the sharpest temperature is best; one wrong row to come would cost more than all gain."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 200)
    logits = (np.eye(3)[targets] * 9.0 + rng.normal(size=(200, 3)) * 0.3).astype(np.float32)
    found = calibrated(made(logits, targets), metric(SINGLE))
    assert found.kind == "none"
    assert found.fitted < 0.5


def test_a_shifted_label_takes_a_vector_and_a_bias_is_needed_for_it() -> None:
    logits, targets = drawn(3, 1500, spread=1.5)
    shifted = logits + np.array([2.0, 0.0, 0.0, -1.0], dtype=np.float32)
    found = calibrated(made(shifted, targets), metric(SINGLE))
    assert found.kind == "vector"
    fresh, truth = drawn(4, 4000, spread=1.5)
    fresh = fresh + np.array([2.0, 0.0, 0.0, -1.0], dtype=np.float32)
    gained = (
        task_of(SINGLE).row_losses(truth, fresh).mean() - task_of(SINGLE).row_losses(truth, found.scaling(fresh)).mean()
    )
    assert gained > 0.1
    assert calibrated(made(shifted, targets), metric(SINGLE), vector=False).kind != "vector"


def test_too_few_rows_say_so() -> None:
    found = calibrated(made(*drawn(0, LEAST_FITTED - 1, temperature=9.0), SINGLE), metric(SINGLE))
    assert (found.kind, found.fitted) == ("none", None)
    assert "too few" in found.reason


def test_rows_of_a_label_that_the_model_never_had_take_no_part() -> None:
    logits, targets = drawn(0, 600, temperature=2.5)
    more = np.concatenate([logits, logits[:50]]), np.concatenate([targets, np.full(50, 4)])
    clean = calibrated(made(logits, targets), metric(SINGLE))
    assert calibrated(made(*more), metric(SINGLE)).fitted == pytest.approx(clean.fitted, rel=1e-3)


@pytest.mark.parametrize("task", [SINGLE, MULTI])
def test_the_debiased_error_of_calibrated_predictions_is_about_zero_and_the_plain_one_is_not(task: TaskKind) -> None:
    plain, squared = [], []
    for seed in range(40):
        binned = Binned.of(made(*drawn(seed, 300, task), task))
        plain.append(binned.plain())
        squared.append(float(binned.squared(np.ones((1, 300)), layers=1)[0]))
    assert np.mean(plain) > 0.03
    spread = np.std(squared) / np.sqrt(len(squared))
    assert abs(np.mean(squared)) < 3 * spread  # unbiased: it is as often below zero as above
    assert np.sqrt(abs(np.mean(squared))) < np.mean(plain) / 3


def test_intervals_of_the_error_hold_the_true_one() -> None:
    """95% in theory; 97 to 99% were seen in 150 draws."""
    size = 200_000
    truth = np.sqrt(
        Binned.of(made(*drawn(999, size, temperature=2.0), SINGLE)).squared(np.ones((1, size)), layers=1)[0]
    )
    held = []
    for seed in range(40):
        found = rms_calibration_error(Binned.of(made(*drawn(seed, 400, temperature=2.0), SINGLE)), resamples=400)
        held.append(found.low <= truth <= found.high)
    assert np.mean(held) >= 0.85


def test_the_error_is_the_gap_where_all_answers_are_of_one_confidence() -> None:
    logits = np.tile(np.log([0.8, 0.2]), (2000, 1)).astype(np.float32)
    targets = (np.arange(2000) % 2).astype(np.int64)  # right half the time
    scores = calibration_scores(made(logits, targets))
    assert scores.rms_calibration_error.value == pytest.approx(0.3, abs=0.01)
    assert scores.expected_calibration_error.value == pytest.approx(0.3, abs=1e-6)
    (only,) = scores.curve
    assert (only.rows, only.confidence, only.right.value) == (2000, pytest.approx(0.8), 0.5)


def test_the_record_tells_test_before_and_after_and_the_paired_change() -> None:
    found = calibrated(made(*drawn(0, 800, temperature=3.0), SINGLE), metric(SINGLE))
    test, targets = drawn(1, 800, temperature=3.0)
    record = calibration_record(found, made(test, targets))
    assert record.kept
    assert record.test_before.log_loss.value > record.test_after.log_loss.value
    assert record.test_before.rms_calibration_error.value > record.test_after.rms_calibration_error.value
    assert record.test_after.brier.low < record.test_after.brier.value < record.test_after.brier.high
    assert (record.test_change.verdict, record.test_change.metric) == ("better", "log_loss")
    left = calibration_record(found.refused("its head is capped"), made(test, targets))
    assert (left.kept, left.temperature, left.test_after, left.test_change) == (False, 1.0, None, None)
    assert "capped" in left.reason


def test_rows_of_one_fold_are_judged_by_fits_without_any_of_them() -> None:
    logits, targets = drawn(0, 90)
    folds = np.repeat([0, 1, 2], [20, 30, 40])
    taken: list[NDArray[np.bool_]] = []

    def fit(rows: NDArray[np.bool_]) -> LogitScaling:
        taken.append(rows)
        return LogitScaling.by(float(len(taken)), 4)

    scaled = Rows(logits.astype(np.float64), targets, SINGLE, folds).out_of_fold(fit)
    assert [set(folds[each]) for each in taken] == [{1, 2}, {0, 2}, {0, 1}]
    np.testing.assert_allclose(scaled, logits / (folds[:, None] + 1.0), rtol=1e-6)


def test_rows_that_are_all_of_one_group_are_not_calibrated_and_it_says_why() -> None:
    validation = made(*drawn(0, 300, temperature=3.0))
    for folds in (None, np.zeros(300, dtype=np.int64)):
        found = calibrate(validation, metric(SINGLE), folds)
        assert (found.kind, found.fitted) == ("none", None)
        assert "one text or group" in found.reason
