"""Many tuned models of one base in one batch answer as each does alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, save_tiny

from liftune.hardware.plan import Plan
from liftune.models.adapter import open_adapter, save_adapter
from liftune.models.attach import attach
from liftune.models.backbones import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.lowrank import Added, added_by, pool_of
from liftune.models.methods import METHODS, parse_options
from liftune.models.mixed import MixedModel, Turn
from liftune.spec import ModelSpec
from liftune.task import TaskKind

TEXTS = ["ok", "a longer row of text", "the middle", "", "another one that is far longer than all the rows before it"]
PACKED = Plan(accelerations=frozenset({"packing", "fused-lora", "last-layer"}))
#: name -> method, its options, number of labels.
MODELS = {
    "two": ("lora", {}, 2),
    "six": ("rslora", {"rank": "4"}, 6),
    "many": ("pissa", {"rank": "2"}, 77),
    "plus": ("loraplus", {}, 3),
    "head": ("probe", {}, 4),
}


def tuned(base: Path, method: str, raw: dict[str, str], count: int, *, plan: Plan | None = None) -> Classifier:
    """A classifier whose trainable numbers are no longer those of its initialisation."""
    labels = [f"label{i}" for i in range(count)]
    backbone = load_backbone(ModelSpec(name=str(base)), task=TaskKind.SINGLE_LABEL, labels=labels, seed=count)
    found = METHODS[method]
    classifier = attach(backbone, found, parse_options(found, raw), plan=plan, seed=count)
    generator = torch.Generator().manual_seed(count)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return classifier


def opened(base: Path, folder: Path, name: str, plan: Plan) -> Classifier:
    method, raw, count = MODELS[name]
    if not (folder / name).exists():
        save_adapter(tuned(base, method, raw, count), folder / name)
    return open_adapter(folder / name, plan=plan)


def mixed(base: Path, plan: Plan) -> tuple[MixedModel, Classifier, dict[str, torch.Tensor]]:
    backbone = load_backbone(ModelSpec(name=str(base)), task=TaskKind.SINGLE_LABEL, labels=["a", "b"], seed=9)
    classifier = attach(backbone, None, plan=plan.without({"fused-lora": "rows differ"}))
    pool = pool_of(classifier.backbone.model)
    return MixedModel(classifier), classifier, pool


@pytest.mark.parametrize("family", [each for each in sorted(FAMILIES) if each not in ("xlnet", "deberta-v2")])
def test_models_of_one_base_answer_in_one_batch_as_alone(family: str, tmp_path: Path) -> None:
    base = save_tiny(family, tmp_path / "base")
    model, classifier, pool = mixed(base, PACKED)
    alone, added = {}, {}
    for name in MODELS:
        each = opened(base, tmp_path, name, PACKED)
        alone[name] = each.logits(TEXTS)
        found = added_by(each, pool)
        assert isinstance(found, Added), found
        model.fit(found)
        added[name] = found
    # Every text to every model, the models by turns.
    asked = [(name, i) for i in range(len(TEXTS)) for name in MODELS]
    encoded = classifier.encode(TEXTS)
    found_logits = model.logits([Turn(added[name], encoded[i]) for name, i in asked])
    for (name, i), logits in zip(asked, found_logits, strict=True):
        assert logits.shape == (MODELS[name][2],)
        np.testing.assert_allclose(logits, alone[name][i], atol=1e-5 * max(1, np.abs(alone[name]).max()), rtol=0)
