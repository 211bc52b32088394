"""A fresh head starts from a linear fit on what it reads: on every family, with methods of every kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, save_tiny

from liftune.baselines.linear_models import Linear
from liftune.data import load_data
from liftune.data.splits import Split, Splits
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.records.data import Audit
from liftune.spec import DataSpec, ModelSpec, TrainSpec
from liftune.tasks import TaskKind
from liftune.training.head_init import init_head, without_bias
from liftune.training.loop import train
from liftune.training.schedule import Schedule


def classifier_for(folder: Path, splits: Splits, method: str = "lora") -> Classifier:
    backbone = load_backbone(ModelSpec(name=str(folder)), task=splits.task, labels=splits.labels, seed=0)
    return attach(backbone, METHODS[method], total_steps=20)


def grid() -> list[tuple[str, str]]:
    """LoRA on every family; on one each that pools its first and its last token, methods that lengthen the rows."""
    lengthening = [(family, method) for method in ("prompt", "p_tuning", "prefix") for family in ("bert", "gpt2")]
    return [
        *((family, "lora") for family in FAMILIES),
        *(each for each in lengthening if each[0] in METHODS[each[1]].families),
    ]


@pytest.mark.parametrize(("family", "method"), grid())
def test_the_classifier_answers_what_the_fit_says(family: str, method: str, emotions: Path, tmp_path: Path) -> None:
    """What is fitted is what the last layer reads, of each row in its order, whatever stands before it."""
    save_tiny(family, tmp_path / family)
    splits = load_data(DataSpec(source=str(emotions)))
    classifier = classifier_for(tmp_path / family, splits, method)
    before = classifier.logits(splits.test.rows)
    fitted = init_head(classifier, splits, seed=0)
    assert fitted is not None
    inputs = classifier.final_inputs(splits.test.rows)
    found = classifier.logits(splits.test.rows)
    np.testing.assert_allclose(found, fitted.logits(inputs), atol=1e-3, rtol=1e-3)
    assert np.abs(found - before).max() > 1e-3


def test_a_trained_head_is_left_alone(emotions: Path, tmp_path: Path) -> None:
    folder = save_tiny("distilbert", tmp_path / "model", head=("anger", "joy"))
    splits = load_data(DataSpec(source=str(emotions)))
    classifier = classifier_for(folder, splits)
    assert classifier.backbone.head == "trained"
    before = classifier.snapshot()
    assert init_head(classifier, splits, seed=0) is None
    assert all((before[name] == p).all() for name, p in classifier.trainable())


def test_numbers_are_fitted_in_the_scale_in_which_they_are_learnt(tmp_path: Path) -> None:
    folder = save_tiny("bert", tmp_path / "model")
    rows = tuple("a" * (i % 7) + "b" * (6 - i % 7) for i in range(60))
    split = Split(tuple(f"rows:{i}" for i in range(60)), rows, tuple(1e3 * (i % 7) + 1e5 for i in range(60)))
    splits = Splits(TaskKind.REGRESSION, (), (), split, split.take(range(20)), split, Audit(), False, False, "same")
    classifier = classifier_for(folder, splits)
    targets = splits.encoded(splits.train)
    classifier.set_target_scale(float(targets.mean()), float(targets.std()))
    # The inputs are read with dropout, which `train` seeds: the mean error varies by 0.12 of the spread.
    torch.manual_seed(1)
    assert init_head(classifier, splits, seed=0) is not None
    errors = classifier.logits(splits.test.rows)[:, 0] - splits.encoded(splits.test)
    assert np.sqrt((errors**2).mean()) < 0.9 * targets.std()
    assert abs(float(errors.mean())) < 0.1 * targets.std()


def test_a_bias_is_folded_where_the_layer_has_none() -> None:
    model = Linear(np.array([[1.0, 2.0], [0.0, -1.0]], dtype=np.float32), np.array([3.0, -1.0], dtype=np.float32))
    centre = np.array([0.5, 2.0], dtype=np.float32)
    folded = without_bias(model, centre)
    assert not folded.bias.any()
    np.testing.assert_allclose(folded.logits(centre[None]), model.logits(centre[None]), rtol=1e-6)


def test_training_starts_from_the_fit_unless_a_random_head_is_asked_for(emotions: Path, tmp_path: Path) -> None:
    folder = save_tiny("bert", tmp_path / "model")
    splits = load_data(DataSpec(source=str(emotions)))
    losses = {}
    for head in ("fitted", "random"):
        classifier = classifier_for(folder, splits)
        spec = TrainSpec(epochs=1, lr=1e-5, head=head)  # type: ignore[arg-type]
        schedule = Schedule.of(spec, rows=len(splits.train), learning_rate=1e-5)
        log = train(classifier, splits, spec, schedule, metric="accuracy", seed=0)
        losses[head] = log.epochs[0].train_loss
    assert losses["fitted"] < losses["random"]
