"""Metrics: each equals scikit-learn's or SciPy's value, and its row statistics add up to that value."""

import numpy as np
import pytest
import scipy.stats
import sklearn.metrics

from liftune.errors import SpecError
from liftune.metrics.registry import METRICS, check_metric, default_metric, metrics_of
from liftune.tasks import TaskKind, task_of
from liftune.tasks.base import LEAST_PROBABILITY

SINGLE, MULTI, VALUE = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL, TaskKind.REGRESSION


def answers(task, rows=60, labels=4, seed=0):
    """Targets (single-label and multi-label hold one label more than the logits have) and logits."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, 1 if task is VALUE else labels)).astype(np.float32)
    if task is SINGLE:
        return rng.integers(0, labels + 1, rows), logits
    if task is MULTI:
        return rng.integers(0, 2, (rows, labels + 1)), logits
    return np.round(logits[:, 0] + rng.normal(size=rows), 1), np.round(logits, 1)


CASES = [(name, task) for name in METRICS for task in METRICS[name].tasks]


@pytest.mark.parametrize(("name", "task"), CASES)
def test_row_statistics_give_the_metric_of_all_rows(name, task):
    targets, logits = answers(task)
    metric = METRICS[name]
    statistics = metric.statistics(targets, logits, task)
    assert statistics.values(np.ones((1, len(targets))))[0] == pytest.approx(metric(targets, logits, task), rel=1e-9)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_row_statistics_give_the_metric_of_any_resample(name, task):
    """What a bootstrap weighs is what it would have found by scoring the drawn rows."""
    targets, logits = answers(task, seed=1)
    metric = METRICS[name]
    drawn = np.random.default_rng(2).integers(0, len(targets), (5, len(targets)))
    weights = np.stack([np.bincount(rows, minlength=len(targets)) for rows in drawn]).astype(float)
    values = metric.statistics(targets, logits, task).values(weights)
    assert values == pytest.approx([metric(targets[rows], logits[rows], task) for rows in drawn], rel=1e-9)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_rows_of_one_group_add_the_same(name, task):
    targets, logits = answers(task, seed=3)
    statistics = METRICS[name].statistics(targets, logits, task)
    _, first, group = np.unique(statistics.groups, return_index=True, return_inverse=True)
    counts = np.bincount(group).astype(float)[None]
    whole = statistics.values(np.ones((1, len(targets))))
    assert statistics.take(first).values(counts) == pytest.approx(whole, rel=1e-9)


def test_single_label_values_are_those_of_scikit_learn():
    targets, logits = answers(SINGLE)
    targets = targets % 4
    said = logits.argmax(axis=1)
    assert METRICS["accuracy"](targets, logits, SINGLE) == sklearn.metrics.accuracy_score(targets, said)
    assert METRICS["macro_f1"](targets, logits, SINGLE) == pytest.approx(
        sklearn.metrics.f1_score(targets, said, average="macro")
    )
    assert METRICS["log_loss"](targets, logits, SINGLE) == pytest.approx(
        sklearn.metrics.log_loss(targets, task_of(SINGLE).probabilities(logits), labels=range(4))
    )


def test_multi_label_values_are_those_of_scikit_learn():
    targets, logits = answers(MULTI)
    targets = targets[:, :4]
    for average in ("micro", "macro"):
        assert METRICS[f"{average}_f1"](targets, logits, MULTI) == pytest.approx(
            sklearn.metrics.f1_score(targets, (logits >= 0).astype(int), average=average)
        )


def test_log_loss_and_brier_of_multi_labels_are_the_mean_over_labels_of_scikit_learns():
    targets, logits = answers(MULTI)
    targets, shares = targets[:, :4], task_of(MULTI).probabilities(logits)
    for name, theirs in (("log_loss", sklearn.metrics.log_loss), ("brier", sklearn.metrics.brier_score_loss)):
        each = [theirs(targets[:, label], shares[:, label]) for label in range(4)]
        assert METRICS[name](targets, logits, MULTI) == pytest.approx(np.mean(each))


def test_brier_of_single_labels_is_the_squared_distance_from_the_truth():
    targets, logits = answers(SINGLE)
    targets = targets % 4
    expected = ((task_of(SINGLE).probabilities(logits) - np.eye(4)[targets]) ** 2).sum(axis=1).mean()
    assert METRICS["brier"](targets, logits, SINGLE) == pytest.approx(expected)


def test_thresholds_matter_to_what_judges_answers_and_to_nothing_else():
    _, logits = answers(MULTI)
    seen = {name: METRICS[name].view(logits, [0.1] * 4) is not logits for name, task in CASES if task is MULTI}
    assert seen == {"macro_f1": True, "micro_f1": True, "log_loss": False, "brier": False}


def test_regression_values_are_those_of_scipy():
    targets, logits = answers(VALUE)
    said = logits[:, 0].astype(float)
    assert METRICS["pearson"](targets, logits, VALUE) == pytest.approx(scipy.stats.pearsonr(targets, said).statistic)
    assert METRICS["spearman"](targets, logits, VALUE) == pytest.approx(scipy.stats.spearmanr(targets, said).statistic)
    assert METRICS["rmse"](targets, logits, VALUE) == pytest.approx(np.sqrt(((targets - said) ** 2).mean()))


def test_a_label_that_the_model_never_had_is_wrong_under_every_measure():
    logits = np.array([[9.0, 0.0], [0.0, 9.0]], dtype=np.float32)
    known, unseen = np.array([0, 1]), np.array([0, 2])
    assert METRICS["accuracy"](known, logits, SINGLE) == 1.0
    assert METRICS["accuracy"](unseen, logits, SINGLE) == 0.5
    assert METRICS["macro_f1"](unseen, logits, SINGLE) == pytest.approx(1 / 3)
    assert METRICS["brier"](unseen, logits, SINGLE) == pytest.approx(1.0, abs=1e-3)  # a right row, and one at 2
    loss = METRICS["log_loss"](unseen, logits, SINGLE)
    assert loss == pytest.approx((-np.log(LEAST_PROBABILITY) + np.log1p(np.exp(-9.0))) / 2)


def test_log_loss_is_finite_for_a_sure_and_wrong_answer():
    logits = np.array([[1e4, 0.0]], dtype=np.float32)
    assert METRICS["log_loss"](np.array([1]), logits, SINGLE) == pytest.approx(-np.log(LEAST_PROBABILITY))


def test_macro_f1_leaves_out_a_label_that_neither_occurs_nor_is_answered():
    logits = np.eye(4, dtype=np.float32)[:2]
    assert METRICS["macro_f1"](np.array([0, 1]), logits, SINGLE) == 1.0
    both = np.array([[1, 0, 0], [0, 1, 0]])
    assert METRICS["macro_f1"](both, np.where(both, 5.0, -5.0), MULTI) == 1.0


def test_macro_f1_of_a_multi_label_set_with_one_label_is_that_labels_f1():
    targets = np.array([[1], [1], [0]])
    logits = np.array([[1.0], [-1.0], [-1.0]])
    assert METRICS["macro_f1"](targets, logits, MULTI) == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", ["pearson", "spearman"])
def test_a_correlation_with_constant_answers_is_undefined(name):
    targets = np.array([1.0, 2.0, 3.0])
    constant = np.full((3, 1), 0.1, dtype=np.float32)
    assert METRICS[name](targets, constant, VALUE) is None
    assert np.isnan(METRICS[name].statistics(targets, constant, VALUE).values(np.ones((1, 3)))).all()


@pytest.mark.parametrize("name", ["micro_f1", "macro_f1"])
def test_f1_of_no_labels_at_all_is_undefined(name):
    assert METRICS[name](np.zeros((3, 2), dtype=int), np.full((3, 2), -1.0), MULTI) is None


def test_no_rows_have_no_value():
    assert METRICS["accuracy"](np.array([], dtype=int), np.zeros((0, 2)), SINGLE) is None


@pytest.mark.parametrize("task", TaskKind)
def test_the_default_metric_fits_its_task(task):
    assert check_metric(None, task).name == default_metric(task)
    assert default_metric(task) in [metric.name for metric in metrics_of(task)]


def test_an_unknown_metric_is_refused_with_the_nearest():
    with pytest.raises(SpecError, match="did you mean accuracy"):
        check_metric("acuracy", SINGLE)


def test_a_metric_of_another_task_is_refused_with_those_that_fit():
    with pytest.raises(SpecError) as caught:
        check_metric("pearson", SINGLE)
    assert "accuracy, macro_f1, log_loss" in str(caught.value)


@pytest.mark.parametrize(("name", "task"), CASES)
def test_values_lie_within_the_bounds(name, task):
    """Intervals are cut there, and nowhere else."""
    targets, logits = answers(task, seed=4)
    low, high = METRICS[name].bounds
    assert low <= METRICS[name](targets, logits * 50, task) <= high
    assert METRICS[name].bounds != (-np.inf, np.inf)


@pytest.mark.parametrize(("name", "task"), [case for case in CASES if METRICS[case[0]].proportion])
def test_a_proportion_is_the_mean_of_its_hits(name, task):
    """Exact intervals and tests count them."""
    targets, logits = answers(task, seed=5)
    assert METRICS[name].hits(targets, logits, task).mean() == pytest.approx(METRICS[name](targets, logits, task))


def test_a_task_may_name_metrics_of_other_kinds(monkeypatch):
    """An ordinal kind takes accuracy without a change of this registry."""
    monkeypatch.setattr(type(task_of(VALUE)), "metrics", ("accuracy",))
    assert METRICS["accuracy"].fits(VALUE)
    assert "accuracy" in [each.name for each in metrics_of(VALUE)]
