"""The loop: what it optimises does not depend on how a step is cut; it keeps the best epoch; it can be repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import save_tiny

from liftune.baselines.soft_labels import SoftLabels
from liftune.data import load_data
from liftune.data.splits import Split, Splits
from liftune.errors import LiftuneError, SpecError
from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.records.data import Audit
from liftune.spec import DataSpec, ModelSpec, TrainSpec
from liftune.tasks import TaskKind
from liftune.training.early_stopping import BestCheckpoint
from liftune.training.gradients import StepGradients
from liftune.training.loop import scored, train
from liftune.training.loss import Objective
from liftune.training.micro_batches import micro_batches
from liftune.training.schedule import Schedule


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("distilbert", tmp_path_factory.mktemp("model"))


def tiny(model: Path, splits: Splits, *, plan: Plan | None = None, method: str = "lora", seed: int = 0) -> Classifier:
    plan = plan or Plan()
    backbone = load_backbone(ModelSpec(name=str(model)), task=splits.task, labels=splits.labels, seed=seed, plan=plan)
    return attach(backbone, METHODS[method], plan=plan, seed=seed, total_steps=100)


def tuned(model: Path, splits: Splits, *, seed: int = 0, **spec: Any) -> tuple[Classifier, Any]:
    classifier = tiny(model, splits, seed=seed)
    asked = TrainSpec(**{"epochs": 2, "batch_size": 8, "lr": 5e-3, **spec})
    schedule = Schedule.of(asked, rows=len(splits.train), learning_rate=1e-3)
    return classifier, train(classifier, splits, asked, schedule, metric="accuracy", seed=seed)


def regression(scale: float) -> Splits:
    """Rows whose target is how often a letter occurs, times a scale, far from zero."""
    rows = tuple("a" * (i % 7) + "b" * (6 - i % 7) for i in range(60))
    targets = tuple(scale * (i % 7) + 100 * scale for i in range(60))
    split = Split(tuple(f"rows:{i}" for i in range(60)), rows, targets)
    return Splits(TaskKind.REGRESSION, (), (), split, split.take(range(20)), split, Audit(), False, False, "same")


def test_many_rows_take_larger_steps_unless_something_else_is_asked_for() -> None:
    def of(rows: int, **asked: Any) -> tuple[int, float]:
        schedule = Schedule.of(TrainSpec(**asked), rows=rows, learning_rate=1e-3)
        return schedule.batch_size, schedule.learning_rate

    assert of(9_999) == (16, 1e-3)
    assert of(10_000) == (32, pytest.approx(1.4e-3))
    assert of(10_000, batch_size=32) == (32, 1e-3)
    assert of(10_000, lr=5e-4) == (32, 5e-4)
    assert of(500, batch_size=64) == (64, 1e-3)


def test_a_step_cut_by_length_has_the_gradient_of_the_whole_step(model: Path, emotions: Path) -> None:
    splits = load_data(DataSpec(source=str(emotions)))
    gradients = []
    for cut in (1, 3, 8):
        classifier = tiny(model, splits, plan=Plan(micro_batch_rows=cut))
        rows = classifier.encode(splits.train.rows)
        cuts = micro_batches(np.arange(8), [len(row) for row in rows], classifier.plan)
        assert len(cuts) == -(-8 // cut)
        objective = Objective.of(classifier, splits, class_weights=False)
        StepGradients(classifier, objective, rows).backward([cuts])
        gradients.append(torch.cat([p.grad.flatten() for _, p in classifier.trainable() if p.grad is not None]))
    assert torch.allclose(gradients[0], gradients[1], atol=1e-6)
    assert torch.allclose(gradients[0], gradients[2], atol=1e-6)
    assert float(gradients[0].abs().max()) > 1e-4


def test_short_rows_are_cut_from_long_ones_within_a_budget_of_tokens() -> None:
    lengths = [5, 500, 6, 500, 7, 500]
    cuts = micro_batches(np.arange(6), lengths, Plan(micro_batch_rows=8, micro_batch_tokens=1000))
    assert cuts == [[0, 2, 4], [1, 3], [5]]


def test_tuning_learns_what_words_decide(model: Path, emotions: Path) -> None:
    splits = load_data(DataSpec(source=str(emotions)))
    # A body of random numbers knows nothing that a head could be fitted to.
    _, log = tuned(model, splits, epochs=8, lr=1e-2, patience=8, head="random")
    assert log.epochs[-1].train_loss < log.epochs[0].train_loss
    assert max(epoch.validation["accuracy"] for epoch in log.epochs) >= 0.9


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(model: Path, emotions: Path) -> None:
    splits = load_data(DataSpec(source=str(emotions)))
    first, again, other = (tuned(model, splits, seed=seed)[0].logits(splits.test.rows) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.allclose(first, other)


def test_the_best_epoch_is_kept_and_training_stops_when_patience_ends(model: Path, emotions: Path) -> None:
    splits = load_data(DataSpec(source=str(emotions)))
    classifier, log = tuned(model, splits, epochs=30, patience=1, lr=2e-2)
    scores = [epoch.validation["accuracy"] for epoch in log.epochs]
    assert scores[log.best_epoch - 1] == max(scores)
    assert log.best_epoch == max(i + 1 for i, score in enumerate(scores) if score == max(scores))
    from liftune.evaluation.evaluate import Evaluation, selection_scores

    logits = classifier.logits(splits.validation.rows)
    kept = selection_scores(Evaluation.of("tuned", logits, splits, splits.validation))
    assert kept["accuracy"] == max(scores)


@pytest.mark.parametrize("scale", [0.001, 1.0, 1000.0])
def test_a_regression_learns_in_any_unit(model: Path, scale: float) -> None:
    """The target is scaled for training and the scale is folded into the head: the answers are in the target's unit."""
    splits = regression(scale)
    classifier = tiny(model, splits)
    asked = TrainSpec(epochs=12, batch_size=8, lr=1e-2, patience=12)
    schedule = Schedule.of(asked, rows=60, learning_rate=1e-3)
    train(classifier, splits, asked, schedule, metric="rmse", seed=0)
    errors = classifier.logits(splits.test.rows)[:, 0] - np.array(splits.test.targets)
    assert float(np.sqrt(np.mean(errors**2))) < 1.5 * scale  # the targets' own spread is 2 times the scale


def test_class_weights_make_a_rare_class_count_as_much_as_a_common_one(model: Path) -> None:
    rows = tuple(f"row {i}" for i in range(20))
    split = Split(tuple(f"rows:{i}" for i in range(20)), rows, ("rare",) * 2 + ("usual",) * 18)
    splits = Splits(TaskKind.SINGLE_LABEL, ("rare", "usual"), (), split, split, split, Audit(), False, False, "same")
    objective = Objective.of(tiny(model, splits), splits, class_weights=True)
    assert objective.weights is not None
    assert 2 * float(objective.weights[0]) == pytest.approx(18 * float(objective.weights[1]))
    assert objective.weight(range(20)) == pytest.approx(20)


def test_class_weights_are_refused_for_a_regression(model: Path) -> None:
    splits = regression(1.0)
    with pytest.raises(SpecError, match="no classes"):
        Objective.of(tiny(model, splits), splits, class_weights=True)


def test_a_loss_that_is_no_number_in_the_first_epoch_is_said_with_a_rate_to_try(model: Path, emotions: Path) -> None:
    splits = load_data(DataSpec(source=str(emotions)))
    classifier = tiny(model, splits)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            parameter.fill_(float("nan"))
    asked = TrainSpec(epochs=1)
    schedule = Schedule.of(asked, rows=len(splits.train), learning_rate=1e-3)
    with pytest.raises(LiftuneError, match="stopped being a number") as caught:
        train(classifier, splits, asked, schedule, metric="accuracy", seed=0)
    assert "--lr" in (caught.value.hint or "")


def test_a_later_loss_that_is_no_number_keeps_the_best_epoch(model: Path, emotions: Path) -> None:
    classifier = tiny(model, load_data(DataSpec(source=str(emotions))))
    best = BestCheckpoint("accuracy", patience=2, epochs=3)
    best.update(1, {"accuracy": 0.5}, 1.0, 1.0, 8, classifier)
    best.diverged(2, 9, 1e-3)
    assert "epoch 2" in best.stopped


def test_a_start_that_no_epoch_beats_is_kept(model: Path, emotions: Path) -> None:
    """A rate that wrecks the fitted head must not cost what the fit knew."""
    splits = load_data(DataSpec(source=str(emotions)))
    asked = TrainSpec(epochs=2, batch_size=8, lr=3.0)
    schedule = Schedule.of(asked, rows=len(splits.train), learning_rate=1e-3)
    classifier = tiny(model, splits)
    log = train(classifier, splits, asked, schedule, metric="log_loss", seed=0)
    assert log.best_epoch == 0
    assert all(epoch.validation["log_loss"] > log.start["log_loss"] for epoch in log.epochs)
    assert scored(classifier, splits) == pytest.approx(log.start)
    assert tuned(model, splits, head="random")[1].start is None


def test_the_end_of_a_short_schedule_is_waited_for_though_the_start_is_best(model: Path, emotions: Path) -> None:
    classifier = tiny(model, load_data(DataSpec(source=str(emotions))))
    best = BestCheckpoint("accuracy", patience=3, epochs=4)
    best.set_baseline({"accuracy": 0.9}, classifier)
    for epoch in range(1, 4):
        best.update(epoch, {"accuracy": 0.5}, 1.0, 1.0, 8, classifier)
        assert not best.stopped
    best.update(4, {"accuracy": 0.9}, 1.0, 1.0, 8, classifier)
    assert best.epoch == 4


@pytest.mark.parametrize("method", ["adalora", "loraplus"])
def test_methods_with_their_own_step_or_optimizer_train(model: Path, emotions: Path, method: str) -> None:
    splits = load_data(DataSpec(source=str(emotions)))
    asked = TrainSpec(epochs=3, batch_size=8)
    schedule = Schedule.of(asked, rows=len(splits.train), learning_rate=METHODS[method].learning_rate)
    plan = Plan()
    backbone = load_backbone(ModelSpec(name=str(model)), task=splits.task, labels=splits.labels, seed=0, plan=plan)
    classifier = attach(backbone, METHODS[method], plan=plan, total_steps=schedule.steps)
    before = classifier.logits(splits.test.rows)
    log = train(classifier, splits, asked, schedule, metric="accuracy", seed=0)
    assert log.steps == schedule.steps
    assert np.abs(classifier.logits(splits.test.rows) - before).max() > 1e-3


@pytest.mark.parametrize(("score", "taught"), [(-1.0, 1), (2.0, 3)])
def test_a_teacher_is_listened_to_while_it_is_better(model: Path, emotions: Path, score: float, taught: int) -> None:
    """A weaker one would hold the classifier back: from the epoch that is as good on, labels alone count."""
    splits = load_data(DataSpec(source=str(emotions)))
    classifier = tiny(model, splits)
    asked = TrainSpec(epochs=3, batch_size=8, lr=1e-3, patience=5, teacher_share=0.5)
    schedule = Schedule.of(asked, rows=len(splits.train), learning_rate=1e-3)
    teacher = SoftLabels("probe", np.full((len(splits.train), 2), 0.5, dtype=np.float32), score)
    log = train(classifier, splits, asked, schedule, metric="accuracy", seed=0, soft_labels=teacher)
    assert (log.teacher, log.teacher_share, log.taught_epochs) == ("probe", 0.5, taught)
