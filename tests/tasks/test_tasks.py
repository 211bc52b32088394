"""Every task kind keeps the contract that the rest of liftune stands on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from liftune.metrics.registry import METRICS, metrics_of
from liftune.tasks import Task, TaskKind, task_of
from liftune.training.loss import LOSSES
from liftune.types import Target

LABELS = ("a", "b", "c")
TARGETS: dict[str, list[Target]] = {
    "label": ["b", "a", "c", "c"],
    "labels": [("b",), (), ("a", "c"), ("c",)],
    "value": [1.5, -2.0, 0.0, 7.25],
}


@pytest.fixture(params=TaskKind)
def task(request: pytest.FixtureRequest) -> Task:
    """Each kind's task."""
    return task_of(request.param)


@pytest.fixture
def logits(task: Task) -> NDArray[np.float32]:
    """(4, C) of any size."""
    return np.random.default_rng(0).normal(size=(4, task.outputs(LABELS))).astype(np.float32)


@pytest.fixture
def targets(task: Task) -> NDArray[Any]:
    """Encoded."""
    return task.encode(TARGETS[task.shape], LABELS)


def test_a_task_is_of_the_kind_that_names_it(task: Task) -> None:
    """Records hold the kind alone."""
    assert task_of(task.kind) is task


def test_decode_gives_back_what_encode_took(task: Task, targets: NDArray[Any]) -> None:
    """A prediction is shown in the data's own terms."""
    assert task.decode(targets, LABELS) == TARGETS[task.shape]


def test_decisions_have_the_form_of_targets(task: Task, targets: NDArray[Any], logits: NDArray[np.float32]) -> None:
    """What is decided can be compared with what is true, and shown like it."""
    decisions = task.decide(logits)
    assert decisions.shape == targets.shape
    assert task.is_right(decisions, logits).all()
    assert len(task.decode(decisions, LABELS)) == 4


def test_the_gradient_is_that_of_the_loss(task: Task, targets: NDArray[Any], logits: NDArray[np.float32]) -> None:
    """Linear models and calibration trust it; finite differences are the witness."""
    wanted = task.indicators(targets, logits.shape[1]).astype(np.float64)
    wide, step = logits.astype(np.float64), 1e-6
    _, slope = task.loss_and_slope(wide, wanted)  # type: ignore[arg-type]  # float64 is kept
    for place in np.ndindex(*wide.shape):
        moved = [wide.copy(), wide.copy()]
        moved[0][place] -= step
        moved[1][place] += step
        below, above = (task.loss_and_slope(each, wanted)[0] for each in moved)  # type: ignore[arg-type]
        assert slope[place] == pytest.approx((above - below) / (2 * step), abs=1e-4)


def test_the_loss_of_rows_agrees_with_the_loss_that_fits(
    task: Task, targets: NDArray[Any], logits: NDArray[np.float32]
) -> None:
    """One loss in two forms: a mean over rows, and a sum with its gradient."""
    summed, _ = task.loss_and_slope(logits, task.indicators(targets, logits.shape[1]))
    cells = logits.size if task.shape == "labels" else len(logits)
    assert task.row_losses(targets, logits).mean() == pytest.approx(summed / cells, rel=1e-5)


def test_constant_logits_of_the_prior_beat_zeros(task: Task, targets: NDArray[Any]) -> None:
    """It is the best that a model can do without reading."""
    outputs = task.outputs(LABELS)
    prior = np.tile(task.prior_logits(targets, outputs), (len(targets), 1))
    assert task.row_losses(targets, prior).mean() <= task.row_losses(targets, np.zeros_like(prior)).mean()


def test_strata_can_be_counted(task: Task) -> None:
    """Sampling deals rows out by them."""
    assert len(task.strata(TARGETS[task.shape])) == 4
    assert {*task.strata(TARGETS[task.shape])}


def test_flips_are_rows_that_change(task: Task, targets: NDArray[Any], logits: NDArray[np.float32]) -> None:
    """A row is fixed or broken or neither, and not both; the way back swaps the two."""
    fixed, broken, weight = task.flips(targets, logits, -logits)
    back = task.flips(targets, -logits, logits)
    assert not (fixed & broken).any()
    assert weight.shape == (4,)
    assert (back[0] == broken).all()
    assert (back[1] == fixed).all()


def test_every_named_metric_fits(task: Task) -> None:
    """The deciding metric, the one of groups, the one that chooses fits."""
    names = {metric.name for metric in metrics_of(task.kind)}
    assert {task.default_metric, task.group_metric, task.selection_metric, *task.metrics} <= names <= {*METRICS}


def test_tasks_with_labels_answer_what_tables_ask(
    task: Task, targets: NDArray[Any], logits: NDArray[np.float32]
) -> None:
    """Label tables, reliability and calibration rest on these; a value has no answer to them."""
    if not task.outputs_labels:
        with pytest.raises(TypeError, match="outputs_labels"):
            task.confidence(logits)
        return
    truth, predicted = task.truth_and_predicted(targets, logits)
    assert truth.shape == predicted.shape == (4, 3)
    assert (task.is_right(targets, logits) == (truth == predicted).all(axis=1)).all()
    shares, came_true = task.reliability(targets, logits)
    assert shares.shape == came_true.shape
    assert ((task.confidence(logits) > 0) & (task.confidence(logits) <= 1)).all()
    assert task.row_briers(targets, logits).shape == (4,)
    known, within = task.known(targets, 2)
    assert known.shape == (4,)
    assert len(within) == known.sum()
    assert task.worst_gain(targets, logits, 2 * logits) <= 0


def test_a_corrected_target_has_the_form_of_a_prediction(
    task: Task, targets: NDArray[Any], logits: NDArray[np.float32]
) -> None:
    """What label errors show as the better target can be shown like any."""
    if not task.outputs_labels:
        return
    probabilities = task.probabilities(logits)
    choices = task.choices(targets, probabilities)
    assert all(shares.sum(axis=1) == pytest.approx(1.0) for shares, _ in choices)
    assert task.self_confidence(targets, probabilities).shape == (4,)
    wrong = np.ones((4, len(choices)), dtype=bool)
    assert task.corrected(targets, probabilities, wrong).shape == task.decide(logits).shape


def test_every_loss_is_in_the_table_of_training(task: Task) -> None:
    """A task names it; the table holds it, as torch stays out of tasks."""
    assert task.loss in LOSSES
    assert LOSSES[task.loss].has_classes == task.outputs_labels


def test_thresholds_decide_only_where_the_task_has_them(task: Task, logits: NDArray[np.float32]) -> None:
    """A label is predicted from its threshold on."""
    if task.has_thresholds:
        assert task.decide(logits, [1e-9] * 3).all()
        assert not task.decide(logits, [1 - 1e-9] * 3).any()
    assert (task.decide(logits, None) == task.decide(logits)).all()


def test_answers_are_alike_where_none_tells_rows_apart(task: Task) -> None:
    """Of numbers, within a thousandth of the targets' spread: arithmetic rounds by the row's length."""
    targets = task.encode(TARGETS[task.shape], LABELS)
    same = np.repeat(targets[:1], 4, axis=0)
    assert task.are_alike(same, targets)
    assert task.are_alike(same[:0], targets[:0])
    assert not task.are_alike(targets, targets)
    if task.shape == "value":
        assert task.are_alike(same + np.array([0.0, 1e-4, -1e-4, 1e-3]), targets)
        assert not task.are_alike(same + np.array([0.0, 0.1, -0.1, 0.0]), targets)
