"""Thresholds and abstention: chosen on validation, used only where validation says so, and kept promises."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import sklearn.metrics
from made_evaluations import evaluation
from numpy.typing import NDArray

from liftune.errors import SpecError
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.selective import cutoff_for, cutoffs
from liftune.evaluation.thresholds import Thresholds, choose_thresholds, label_cuts, shared_cuts
from liftune.metrics.metric import Metric
from liftune.metrics.registry import METRICS, check_metric
from liftune.tasks import TaskKind, task_of
from liftune.tasks.base import from_thresholds

SINGLE, MULTI = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL


def made(logits: NDArray, targets: NDArray, task: TaskKind = SINGLE) -> Evaluation:
    return evaluation("tuned", logits, targets, task)


def chosen_by(validation: Evaluation, metric: Metric) -> Thresholds | None:
    """In five folds, row by row."""
    return choose_thresholds(validation, metric, np.random.default_rng(0).permutation(len(validation)) % 5)


def drawn(seed: int, rows: int, means: tuple[float, ...] = (-3.0, -2.0, 0.5)) -> tuple[NDArray, NDArray]:
    """Calibrated logits of rare and common labels, and targets."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, len(means))) * 1.5 + np.array(means)
    return logits.astype(np.float32), (rng.random(logits.shape) < task_of(MULTI).probabilities(logits)).astype(np.int64)


def test_a_label_is_answered_from_its_threshold_on() -> None:
    logits = np.array([[0.0, -1.0], [-1.0, 0.0]])
    assert task_of(MULTI).decide(logits).tolist() == [[1, 0], [0, 1]]
    assert task_of(MULTI).decide(logits, [0.6, 0.2]).tolist() == [[0, 1], [0, 1]]
    each = np.array([[0.5, 0.9], [0.1, 0.9]])
    assert task_of(MULTI).decide(logits, each).tolist() == [[1, 0], [1, 0]]
    assert from_thresholds(logits, None) is logits


@pytest.mark.parametrize("name", ["micro_f1", "macro_f1"])
def test_cuts_are_the_best_there_are(name: str) -> None:
    """Against every combination of cuts on a small set."""
    logits, targets = drawn(1, 24, (-0.5, 0.0))
    metric = METRICS[name]
    tried = [np.append(np.sort(column), column.max() + 1) - 1e-4 for column in logits.T]
    values = {
        (a, b): metric(targets, logits - np.array([a, b], dtype=np.float32), MULTI) for a in tried[0] for b in tried[1]
    }
    best = label_cuts(logits.astype(np.float64), targets, name)
    assert metric(targets, logits - best, MULTI) == pytest.approx(max(values.values()))
    shared = shared_cuts(logits.astype(np.float64), targets, name)
    together = [metric(targets, logits - cut, MULTI) for cut in np.linspace(-4, 4, 100)]
    assert metric(targets, logits - shared, MULTI) >= max(together) - 0.02


@pytest.mark.parametrize("name", ["micro_f1", "macro_f1"])
def test_thresholds_that_help_are_used_and_lift_new_rows(name: str) -> None:
    chosen = chosen_by(made(*drawn(0, 1200), MULTI), METRICS[name])
    assert chosen.decisions.kind in ("shared", "per label")
    assert chosen.decisions.validation_after > chosen.decisions.validation_before
    logits, targets = drawn(5, 4000)
    metric = METRICS[name]
    assert metric(targets, metric.view(logits, chosen.values), MULTI) > metric(targets, logits, MULTI) + 0.01
    said = task_of(MULTI).decide(logits, chosen.values)
    average = name.removesuffix("_f1")
    assert metric(targets, metric.view(logits, chosen.values), MULTI) == pytest.approx(
        sklearn.metrics.f1_score(targets, said, average=average)
    )


def test_thresholds_that_help_by_chance_are_not_used() -> None:
    """One half is about the best where every label is answered or not without doubt."""
    used = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        targets = rng.integers(0, 2, (120, 4))
        logits = np.where(targets == 1, 4.0, -4.0) * np.where(rng.random(targets.shape) < 0.1, -1, 1)
        logits = (logits + rng.normal(size=targets.shape) * 0.1).astype(np.float32)
        used.append(chosen_by(made(logits, targets, MULTI), METRICS["micro_f1"]).decisions.kind != "half")
    assert sum(used) <= 1


def test_validation_is_scored_by_thresholds_that_its_own_rows_did_not_choose() -> None:
    chosen = chosen_by(made(*drawn(0, 600), MULTI), METRICS["macro_f1"])
    assert chosen.out_of_fold.shape == (600, 3)
    assert len(np.unique(chosen.out_of_fold, axis=0)) == 5


@pytest.mark.parametrize(("rows", "name", "word"), [(20, "micro_f1", "too few"), (300, "log_loss", "not for log_loss")])
def test_why_one_half_stays_is_said(rows: int, name: str, word: str) -> None:
    chosen = chosen_by(made(*drawn(0, rows), MULTI), METRICS[name])
    assert (chosen.decisions.kind, chosen.values) == ("half", None)
    assert word in chosen.decisions.reason


def test_rows_that_are_all_of_one_group_keep_one_half_and_it_says_why() -> None:
    chosen = choose_thresholds(made(*drawn(0, 300), MULTI), METRICS["micro_f1"], None)
    assert (chosen.decisions.kind, chosen.values) == ("half", None)
    assert "one text or group" in chosen.decisions.reason


def test_a_task_of_one_answer_has_no_thresholds() -> None:
    assert chosen_by(made(np.zeros((50, 2)), np.zeros(50, dtype=int)), check_metric(None, SINGLE)) is None


def scored(name: str, thresholds: tuple[float, ...] | None) -> Evaluation:
    contender = evaluation(name, *drawn(7, 500), MULTI, thresholds=thresholds)
    return replace(contender, metrics=scores([contender]))


def test_scores_comparisons_and_means_over_seeds_use_one_set_of_decisions() -> None:
    """Probabilities are judged as they are, whatever the thresholds."""
    half, moved = scored("half", None), scored("moved", (0.2, 0.25, 0.4))
    found = compare(half, moved, "micro_f1")
    gain = moved.metrics["micro_f1"].value - half.metrics["micro_f1"].value
    assert found.gain == pytest.approx(gain)
    assert gain > 0
    assert compare(half, moved, "log_loss").gain == 0
    assert moved.metrics["brier"] == half.metrics["brier"]
    assert scores([moved])["macro_f1"] == moved.metrics["macro_f1"]


# Abstention -----------------------------------------------------------------------------------------------------------


def sure_and_right(seed: int, rows: int) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(rows, 3)) * 3.0
    shares = task_of(SINGLE).probabilities(logits)
    return logits.astype(np.float32), (shares.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)


def test_the_table_counts_what_is_above_each_confidence() -> None:
    logits, targets = sure_and_right(0, 400)
    table = cutoffs(made(logits, targets))
    confidence = task_of(SINGLE).probabilities(logits).max(axis=1)
    for each in table:
        answered = confidence > each.above
        assert (each.rows, each.share) == (answered.sum(), answered.mean())
        assert each.accuracy.value == pytest.approx((logits.argmax(1) == targets)[answered].mean())
    assert table[-1].above == 0.0
    assert table[-1].share == 1.0
    assert [each.rows for each in table] == sorted(each.rows for each in table)


def test_the_precision_that_was_asked_for_is_kept_on_new_rows() -> None:
    """Chosen among twenty cutoffs, it still fails in at most one draw of twenty."""
    failed = 0
    for seed in range(60):
        chosen = cutoff_for(cutoffs(made(*sure_and_right(seed, 400))), 0.9)
        logits, targets = sure_and_right(1000 + seed, 4000)
        answered = task_of(SINGLE).probabilities(logits).max(axis=1) > chosen.above
        failed += (logits.argmax(1) == targets)[answered].mean() < 0.9
    assert failed <= 3


def test_a_higher_precision_answers_fewer_rows_and_one_beyond_reach_names_what_can_be_had() -> None:
    table = cutoffs(made(*sure_and_right(0, 400)))
    assert cutoff_for(table, 0.6).share > cutoff_for(table, 0.9).share > 0
    with pytest.raises(SpecError) as caught:
        cutoff_for(table, 0.999)
    assert "--min-precision" in str(caught.value)
    reachable = float(caught.value.hint.split("at most ")[1].split(",")[0])
    assert cutoff_for(table, reachable).rows > 0


@pytest.mark.parametrize("precision", [0.0, 1.0, -1.0, 95.0, float("nan")])
def test_a_precision_that_is_no_share_is_refused(precision: float) -> None:
    with pytest.raises(SpecError, match=r"cannot be asked for|must be a number"):
        cutoff_for(cutoffs(made(*sure_and_right(0, 400))), precision)


def test_what_has_no_table_says_so() -> None:
    assert cutoffs(made(np.zeros((9, 2)), np.zeros((9, 2), dtype=int), MULTI)) == ()
    with pytest.raises(SpecError, match="no table"):
        cutoff_for((), 0.9)


def test_rows_of_one_confidence_are_answered_together_or_not_at_all() -> None:
    logits = np.tile(np.array([[2.0, 0.0]], dtype=np.float32), (100, 1))
    table = cutoffs(made(logits, np.zeros(100, dtype=int)))
    assert [(each.rows, each.above) for each in table] == [(100, 0.0)]
