"""Blocks that are computed again on the way back: the same numbers, with a fraction of the memory."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import save_tiny
from torch import Tensor

from liftune.hardware.plan import Plan
from liftune.models.attach import attach, restore_full_precision
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

ROWS = ["good film", "bad one", "what is this?", "x"] * 2
PACKED = frozenset({"packing", "fused-lora", "last-layer"})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("bert", tmp_path_factory.mktemp("model"))


def load(folder: Path) -> Backbone:
    return load_backbone(ModelSpec(name=str(folder)), task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0)


def step(classifier: Classifier) -> tuple[dict[str, Tensor], int]:
    """Gradients of a pass with dropout, and the bytes that it kept for the way back."""
    kept = 0

    def count(tensor: Tensor) -> Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    classifier.model.train()
    torch.manual_seed(1)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            parameter.add_(0.03 * torch.randn_like(parameter))
    encoded = classifier.encode(ROWS)
    with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
        logits = classifier.forward(classifier.collate([encoded[i] for i in range(len(ROWS))]))
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1] * 4))
    loss.backward()
    return {name: each.grad for name, each in classifier.trainable() if each.grad is not None}, kept


@pytest.mark.parametrize(
    "name", [name for name in METHODS if METHODS[name].recomputes and "bert" in METHODS[name].families]
)
def test_a_method_gets_the_same_gradients(name: str, folder: Path) -> None:
    kept, kept_bytes = step(attach(load(folder), METHODS[name], total_steps=10))
    again, again_bytes = step(attach(load(folder), METHODS[name], plan=Plan(recompute=True), total_steps=10))
    assert kept.keys() == again.keys()
    assert all(torch.equal(kept[each], again[each]) for each in kept)
    # Of a frozen body nothing is kept anyway.
    assert again_bytes < 0.5 * kept_bytes or METHODS[name].kind == "probe"


def test_the_layers_by_hand_give_way_and_come_back(folder: Path) -> None:
    """What keeps less cannot be what keeps all: packing has its own way back."""
    plan = Plan(accelerations=PACKED, recompute=True)
    classifier = attach(load(folder), METHODS["lora"], plan=plan)
    assert not classifier.plan.accelerations
    restore_full_precision(classifier, load(folder))
    assert not classifier.plan.recompute
    assert not classifier.backbone.model.is_gradient_checkpointing
    base = attach(load(folder), None, plan=plan.for_inference)
    assert "packing" in base.plan.accelerations
