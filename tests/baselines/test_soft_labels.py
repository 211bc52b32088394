"""What teaches tuning beside the labels: its answers to rows that it has not seen, mixed into the targets."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import save_tiny
from torch.nn import functional as F

from liftune.baselines.linear_models import fit_linear, out_of_fold
from liftune.baselines.soft_labels import FOLDS, BaselineFit, SoftLabels, best_temperature, make_soft_labels
from liftune.baselines.tfidf import tfidf
from liftune.data import load_data
from liftune.data.splits import Split, Splits
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.records.data import Audit
from liftune.spec import DataSpec, ModelSpec
from liftune.tasks import TaskKind, task_of
from liftune.training.loss import Objective

SINGLE, MULTI, NUMBERS = TaskKind.SINGLE_LABEL, TaskKind.MULTI_LABEL, TaskKind.REGRESSION
LABELS = ("anger", "joy", "love")


def splits_of(task: TaskKind, targets: list[Any], labels: tuple[str, ...] = LABELS) -> Splits:
    ids = tuple(f"train:{i}" for i in range(len(targets)))
    split = Split(ids, tuple(f"row {i}" for i in range(len(targets))), tuple(targets))
    return Splits(
        task, labels if task_of(task).outputs_labels else (), (), split, split, split, Audit(), False, False, "same"
    )


def test_rows_of_a_group_are_answered_by_fits_without_the_group() -> None:
    """One feature an author: whoever saw another row of the author's knows the label."""
    authors = np.repeat(np.arange(20), 3)
    splits = splits_of(SINGLE, [LABELS[i % 3] for i in authors])
    grouped = replace(splits, train=replace(splits.train, groups=tuple(map(str, authors))))
    fit = BaselineFit("probe", np.eye(20, dtype=np.float32)[authors], 100.0, (1.0, 0.0))
    taught = [make_soft_labels([fit], each) for each in (splits, grouped)]
    targets = splits.encoded(splits.train)
    seen, unseen = (float((each.targets.argmax(axis=1) == targets).mean()) for each in taught if each)
    assert seen > 0.8
    assert unseen < 0.6


def test_equal_rows_are_answered_by_fits_without_any_of_them() -> None:
    """One feature a text: whoever saw its twin knows the label."""
    text = np.repeat(np.arange(20), 3)
    splits = splits_of(SINGLE, [LABELS[i % 3] for i in text])
    equal = replace(splits, train=replace(splits.train, rows=tuple(f"text {i}" for i in text)))
    teacher = make_soft_labels([BaselineFit("probe", np.eye(20, dtype=np.float32)[text], 100.0, (1.0, 0.0))], equal)
    assert teacher is not None
    assert float((teacher.targets.argmax(axis=1) == splits.encoded(splits.train)).mean()) < 0.6


def test_a_teacher_has_not_seen_the_row_that_it_answers() -> None:
    """Each row has a feature of its own: whoever saw it knows its label, whoever did not knows nothing."""
    features = np.eye(60, dtype=np.float32)
    targets = np.arange(60) % 3
    seen = fit_linear(features, targets, 3, SINGLE, 100.0).logits(features)
    unseen = out_of_fold(features, targets, 3, SINGLE, 100.0, np.arange(60) // 3 % FOLDS)
    assert (seen.argmax(axis=1) == targets).all()
    own, rest = unseen[np.arange(60), targets], unseen.mean(axis=1)
    knows = seen[np.arange(60), targets] - seen.mean(axis=1)
    assert float((own - rest).max()) < 0.2 * float(knows.min()), "the shares of the labels are all that is left"


def test_the_temperature_is_what_the_logits_were_multiplied_by() -> None:
    generator = np.random.default_rng(0)
    logits = generator.normal(size=(4000, 4)) * 1.5
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    targets = np.array([generator.choice(4, p=row) for row in shares])
    assert best_temperature(3.0 * logits, targets, SINGLE) == pytest.approx(3.0, rel=0.15)
    chances = 1 / (1 + np.exp(-logits))
    ones = (generator.random(chances.shape) < chances).astype(int)
    assert best_temperature(3.0 * logits, ones, MULTI) == pytest.approx(3.0, rel=0.15)


def test_the_rung_that_validation_likes_better_teaches(emotions: Path) -> None:
    splits = load_data(DataSpec(source=str(emotions)))
    fit = tfidf(splits).baseline_fit(splits.train.rows)
    worse = BaselineFit("probe", np.zeros((len(splits.train), 2), dtype=np.float32), 1.0, (-1.0, -9.0))
    teacher = make_soft_labels([worse, fit], splits)
    assert teacher is not None
    assert teacher.name == "tfidf"
    assert teacher.targets.shape == (len(splits.train), 2)
    np.testing.assert_allclose(teacher.targets.sum(axis=1), 1.0, rtol=1e-5)
    found = teacher.targets.argmax(axis=1) == splits.encoded(splits.train)
    assert found.mean() > 0.9, "words alone decide these rows, and every word is in other folds too"


def test_too_few_rows_to_fold_have_no_teacher() -> None:
    splits = splits_of(SINGLE, ["joy", "anger", "love"])
    assert make_soft_labels([BaselineFit("probe", np.eye(3, dtype=np.float32), 1.0, (0.0, 0.0))], splits) is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("distilbert", tmp_path_factory.mktemp("model"))


def classifier_for(folder: Path, splits: Splits) -> Classifier:
    backbone = load_backbone(ModelSpec(name=str(folder)), task=splits.task, labels=splits.labels, seed=0)
    return attach(backbone, METHODS["lora"])


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("class_weights", [False, True])
def test_a_taught_target_is_the_mixture_of_both_losses(folder: Path, share: float, class_weights: bool) -> None:
    """(1 - share) of the loss on labels, share of the cross-entropy with what the teacher expects."""
    splits = splits_of(SINGLE, ["joy", "anger", "love", "joy"])
    expected = np.array([[0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [1 / 3] * 3, [0.0, 1.0, 0.0]], dtype=np.float32)
    classifier = classifier_for(folder, splits)
    labels = Objective.of(classifier, splits, class_weights=class_weights)
    taught = Objective.of(classifier, splits, class_weights=class_weights, soft_labels=expected, soft_share=share)
    logits = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    rows = [0, 1, 2, 3]
    weights = torch.ones(3) if labels.weights is None else labels.weights
    soft = -(torch.tensor(expected) * weights * F.log_softmax(logits, dim=1)).sum()
    wanted = (1 - share) * labels.loss(logits, rows) + share * soft
    torch.testing.assert_close(taught.loss(logits, rows), wanted)
    if share == 0:
        assert taught.weight(rows) == pytest.approx(labels.weight(rows))


def test_a_taught_multi_label_target_is_a_mixture_too(folder: Path) -> None:
    splits = splits_of(MULTI, [("joy",), ("anger", "love"), ()])
    expected = np.array([[0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.0, 0.0, 0.9]], dtype=np.float32)
    classifier = classifier_for(folder, splits)
    taught = Objective.of(classifier, splits, class_weights=False, soft_labels=expected, soft_share=0.4)
    logits = torch.randn(3, 3, generator=torch.Generator().manual_seed(0))
    ones = torch.tensor([[0.0, 1, 0], [1, 0, 1], [0, 0, 0]])
    each = [
        F.binary_cross_entropy_with_logits(logits, target, reduction="none").mean(dim=1).sum()
        for target in (ones, torch.tensor(expected))
    ]
    torch.testing.assert_close(taught.loss(logits, [0, 1, 2]), 0.6 * each[0] + 0.4 * each[1])


def test_a_taught_number_lies_between_target_and_teacher(folder: Path) -> None:
    """Both in the target's own unit, scaled together."""
    splits = splits_of(NUMBERS, [10.0, 20.0, 60.0])
    classifier = classifier_for(folder, splits)
    expected = np.array([[20.0], [20.0], [40.0]], dtype=np.float32)
    taught = Objective.of(classifier, splits, class_weights=False, soft_labels=expected, soft_share=0.5)
    values = np.array([15.0, 20.0, 50.0])
    mean, scale = np.mean([10, 20, 60]), np.std([10, 20, 60])
    np.testing.assert_allclose(taught.targets.numpy(), (values - mean) / scale, rtol=1e-5)


def test_a_teacher_holds_as_many_rows_as_train() -> None:
    splits = splits_of(SINGLE, [LABELS[i % 3] for i in range(30)])
    teacher = make_soft_labels([BaselineFit("probe", np.eye(30, dtype=np.float32), 1.0, (0.0, 0.0))], splits)
    assert isinstance(teacher, SoftLabels)
    assert teacher.targets.shape == (30, 3)
