"""A linear model on a body's states as the head of a plain model, which a graph holds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import save_tiny
from trainings import PLAIN, splits_of

from liftune.baselines.linear_models import Linear
from liftune.baselines.linear_probe import SCALINGS, FeatureScaling, LinearProbe, Scale
from liftune.exports.feature_head import put_head
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.spec import ModelSpec

ROWS = ["a fine day", "so much rain that nobody went out at all", "what", "was that a joke"]


@pytest.fixture(scope="module", params=["bert", "distilbert", "gpt2", "t5"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(request.param, tmp_path_factory.mktemp("model"))


def classifier_of(model: Path) -> Classifier:
    splits = splits_of()
    spec = ModelSpec(name=str(model))
    backbone = load_backbone(spec, task=splits.task, labels=splits.labels, seed=0, plan=PLAIN)
    return attach(backbone, None, plan=PLAIN)


@pytest.mark.parametrize("pooling", ["mean", "first", "last", "head"])
@pytest.mark.parametrize("scaling", SCALINGS)
def test_it_answers_as_the_probe_does(model: Path, pooling: str, scaling: FeatureScaling) -> None:
    """Rows of several lengths in one batch; a feature that is the same in every row counts nothing."""
    classifier = classifier_of(model)
    features = classifier.features(ROWS)
    scale = Scale.learn(scaling, features[pooling])
    scale.spread[3] = np.inf
    rng, width = np.random.default_rng(0), features[pooling].shape[1]
    outputs = len(classifier.labels)
    linear = Linear(rng.normal(size=(outputs, width)).astype(np.float32), rng.normal(size=outputs).astype(np.float32))
    probe = LinearProbe(pooling, scale, linear, 1.0, (0.0, 0.0))
    expected = probe.logits_of(features)
    found = put_head(classifier, probe).logits(ROWS)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max(), rtol=0)
