"""An adapter of every method is tuned further: old labels answer as before, new ones are there, and it saves again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_adapters import save_tuned
from tiny_models import save_tiny

from liftune.errors import ArtifactError, ModelError
from liftune.hardware.plan import Plan
from liftune.models.adapter_io import open_adapter, save_adapter
from liftune.models.methods.registry import METHODS
from liftune.models.started import go_on_from
from liftune.spec import ModelSpec
from liftune.training.optimizer import make_optimizer

ROWS = ["a small text", "another one, longer than the first", "third", "and a fourth"]
OLD = ("label0", "label1", "label2")
MORE = ("another", "label2", "label0", "label1")
GOING_ON = [each.name for each in METHODS.entries() if each.goes_on]


def test_what_cannot_go_on_is_named() -> None:
    """PEFT reads prompts for predicting alone, and a whole model is a base by itself."""
    assert {each.name for each in METHODS.entries()} - set(GOING_ON) == {"prompt", "p_tuning", "prefix", "full"}


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("distilbert", tmp_path_factory.mktemp("base"))


@pytest.mark.parametrize("name", GOING_ON)
def test_every_method_goes_on(name: str, base: Path, tmp_path: Path) -> None:
    """From the same answers, by training what was trained, to an adapter that can be read again."""
    method = METHODS[name]
    folder = save_tuned(base, tmp_path / "old", method=name)
    old = open_adapter(folder)
    before = old.logits(ROWS)
    started = go_on_from(folder, ModelSpec(name=str(base)), MORE, method, plan=Plan())
    assert started.labels == MORE
    assert started.backbone.added_labels == ("another",)
    after = started.logits(ROWS)
    assert np.allclose(after[:, [2, 3, 1]], before, atol=1e-5)
    kept = {each: parameter.detach().clone() for each, parameter in started.trainable()}
    optimizer = make_optimizer(started, 0.01, 0.0)
    started.model.train()
    loss = torch.nn.functional.cross_entropy(
        started.forward(started.collate([started.encode(ROWS)[i] for i in range(4)])), torch.tensor([0, 1, 2, 3])
    )
    loss.backward()
    optimizer.step()
    started.model.eval()
    moved = {each for each, parameter in started.trainable() if not torch.equal(parameter, kept[each])}
    assert any("classifier" in each for each in moved)
    assert method.kind == "probe" or any("classifier" not in each for each in moved)
    answers = started.logits(ROWS)
    save_adapter(started, tmp_path / "new")
    assert np.allclose(open_adapter(tmp_path / "new", seed=7).logits(ROWS), answers, atol=1e-4)
    assert np.allclose(open_adapter(folder).logits(ROWS), before, atol=1e-6)


@pytest.mark.parametrize("family", ["bert", "roberta", "deberta-v2", "gpt2", "t5", "xlnet", "llama"])
def test_heads_of_other_families_gain_a_row(family: str, tmp_path: Path) -> None:
    base = save_tiny(family, tmp_path / "base")
    folder = save_tuned(base, tmp_path / "old")
    before = open_adapter(folder).logits(ROWS)
    started = go_on_from(folder, ModelSpec(name=str(base)), MORE, METHODS["lora"], plan=Plan())
    answers = started.logits(ROWS)
    assert np.allclose(answers[:, [2, 3, 1]], before, atol=1e-5)
    save_adapter(started, tmp_path / "new")
    assert np.allclose(open_adapter(tmp_path / "new", seed=7).logits(ROWS), answers, atol=1e-4)


def test_the_same_labels_are_the_same_model(base: Path, tmp_path: Path) -> None:
    folder = save_tuned(base, tmp_path / "old")
    started = go_on_from(folder, ModelSpec(name=str(base)), OLD, METHODS["lora"], plan=Plan())
    assert started.backbone.added_labels == ()
    assert np.allclose(started.logits(ROWS), open_adapter(folder).logits(ROWS), atol=1e-6)


def test_another_base_and_a_damaged_file_are_refused(base: Path, tmp_path: Path) -> None:
    folder = save_tuned(base, tmp_path / "old")
    other = save_tiny("distilbert", tmp_path / "other", seed=9)
    with pytest.raises((ArtifactError, ModelError)):
        go_on_from(folder, ModelSpec(name=str(other)), OLD, METHODS["lora"])
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-3] + b"abc")
    with pytest.raises(ArtifactError, match=r"adapter_model\.safetensors"):
        go_on_from(folder, ModelSpec(name=str(base)), OLD, METHODS["lora"])
