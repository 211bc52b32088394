"""Frozen weights in four bits: what is trained is not, and the answers are those of the rounded numbers everywhere."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import save_tiny

from liftune.errors import MethodError, ModelError
from liftune.hardware.plan import Plan
from liftune.models.adapter_io import open_adapter, read_card, save_adapter, verify_saved_adapter
from liftune.models.attach import attach
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.classifier import Classifier
from liftune.models.families import is_four_bits
from liftune.models.memory_needs import size_of
from liftune.models.merge import open_merged
from liftune.models.methods.registry import METHODS
from liftune.models.quantised import as_numbers, in_four_bits
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="make test-quant installs bitsandbytes"
)
ROWS = ["good film", "bad one", "what is this?", "x"] * 2
PACKED = Plan(accelerations=frozenset({"packing", "fused-lora", "last-layer"}))
FOUR_BITS = [name for name in METHODS if METHODS[name].four_bits]


def wide(config: Any) -> None:
    """bitsandbytes shares a scale by 64 numbers."""
    sizes = {"hidden_size": 64, "intermediate_size": 128, "n_embd": 64, "head_dim": 16, "d_model": 64, "d_ff": 128}
    for name in sizes.keys() & config.to_dict().keys():
        setattr(config, name, sizes[name])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("bert", tmp_path_factory.mktemp("model"), change=wide)


def load(folder: Path, plan: Plan | None = None, seed: int = 0) -> Backbone:
    spec = ModelSpec(name=str(folder), base_precision="4bit")
    return load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=seed, plan=plan)


def gradients(classifier: Classifier) -> dict[str, torch.Tensor]:
    encoded = classifier.encode(ROWS)
    logits = classifier.forward(classifier.collate([encoded[i] for i in range(len(ROWS))]))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1] * 4)).backward()
    return {name: each.grad for name, each in classifier.trainable() if each.grad is not None}


def shaken(classifier: Classifier) -> Classifier:
    """With weights of its own, as after training."""
    torch.manual_seed(1)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            parameter.add_(0.03 * torch.randn_like(parameter))
    return classifier


def test_the_body_is_in_four_bits_and_what_is_trained_is_not(folder: Path) -> None:
    backbone = load(folder)
    held = [name for name, each in backbone.model.named_parameters() if is_four_bits(each)]
    assert held
    assert all(".encoder.layer." in name for name in held)
    assert not any(name.startswith(("classifier", "bert.pooler")) for name in held), "loading made these up"
    assert {"bert.pooler.dense", "classifier"} <= set(backbone.base_kept)
    (note,) = [each for each in backbone.notes if "four bits" in each]
    assert f"{in_four_bits(backbone.model):,} of" in note


@pytest.mark.parametrize("name", FOUR_BITS)
def test_a_method_gets_the_gradients_that_the_same_numbers_give_in_float32(name: str, folder: Path) -> None:
    four = attach(load(folder), METHODS[name], total_steps=10)
    backbone = load(folder)
    plain = attach(replace(backbone, model=as_numbers(backbone.model)), METHODS[name], total_steps=10)
    assert not in_four_bits(plain.model)
    left, right = gradients(shaken(four)), gradients(shaken(plain))
    assert left
    assert left.keys() == right.keys()
    assert max(float((left[each] - right[each]).abs().max()) for each in left) < 1e-6


@pytest.mark.parametrize("name", ["lora", "dora", "bitfit", "prompt"])
def test_what_was_tuned_on_four_bits_is_read_and_merged_as_it_was_tuned(
    name: str, folder: Path, tmp_path: Path
) -> None:
    classifier = shaken(attach(load(folder, PACKED), METHODS[name], plan=PACKED, total_steps=10))
    live = classifier.logits(ROWS)
    save_adapter(classifier, tmp_path / "adapter")
    assert read_card(tmp_path / "adapter").base_precision == "4bit"
    assert verify_saved_adapter(classifier, tmp_path / "adapter", ROWS).largest_gap < 1e-5
    opened = open_adapter(tmp_path / "adapter", plan=PACKED, seed=3)
    assert not in_four_bits(opened.model), "on a CPU the rounded numbers are held in float32"
    if METHODS[name].mergeable:
        merged = open_merged(tmp_path / "adapter", plan=PACKED)
        assert np.abs(merged.logits(ROWS) - live).max() < 1e-5
        assert "packing" in merged.plan.accelerations


def test_the_answers_are_not_those_of_the_exact_numbers(folder: Path) -> None:
    """Else nothing was rounded, and all of the above would hold of anything."""
    exact = load_backbone(ModelSpec(name=str(folder)), task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0)
    rounded = attach(load(folder), None).logits(ROWS)
    gap = np.abs(attach(exact, None).logits(ROWS) - rounded).max()
    assert 1e-5 < gap < 1.0
    again = load(folder)
    plain = attach(replace(again, model=as_numbers(again.model)), None)
    assert np.abs(plain.logits(ROWS) - rounded).max() < 1e-6


@pytest.mark.parametrize("name", sorted(set(METHODS) - set(FOUR_BITS)))
def test_other_methods_are_refused_with_those_that_can(name: str, folder: Path) -> None:
    with pytest.raises(MethodError, match="weights in four bits") as caught:
        attach(load(folder), METHODS[name])
    assert "choose one of: lora" in str(caught.value.hint)


def test_a_model_without_layers_of_whole_blocks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="multiple of 64 inputs"):
        load(save_tiny("distilbert", tmp_path / "narrow", change=lambda config: setattr(config, "hidden_dim", 96)))


def test_memory_counts_half_a_byte_for_what_is_in_four_bits(folder: Path) -> None:
    size = size_of(load(folder), METHODS["lora"], METHODS["lora"].options())
    assert size is not None
    rounded = in_four_bits(load(folder).model)
    assert size.in_four_bits == rounded
    exact = replace(size, in_four_bits=0)
    assert exact.bytes - size.bytes == pytest.approx(3.5 * rounded, rel=0.02)


@pytest.mark.parametrize("family", ["gpt2", "qwen3", "t5"])
def test_other_families(family: str, tmp_path: Path) -> None:
    folder = save_tiny(family, tmp_path / family, change=wide)
    classifier = shaken(attach(load(folder), METHODS["lora"], total_steps=10))
    live = classifier.logits(ROWS)
    save_adapter(classifier, tmp_path / "adapter")
    assert np.abs(open_adapter(tmp_path / "adapter", plan=Plan(), seed=3).logits(ROWS) - live).max() < 1e-5
