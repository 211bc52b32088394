"""What needs a CUDA device: its precision, weights in four bits, blocks computed twice, several devices over nccl.

Weights are drawn from a config and rows are made up: nothing here says how good anything is.
Run it as `make test-gpu`, in any environment that has torch for CUDA, liftune, pytest and, for four bits, bitsandbytes.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import save_tiny

import liftune
from liftune.hardware.measure import device_room
from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS
from liftune.run_folder import RunFolder
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
ROWS = ["good film", "bad one", "what is this?", "x"] * 8
NO_BITSANDBYTES = importlib.util.find_spec("bitsandbytes") is None


def broad(config: Any) -> None:
    """Wide enough for bitsandbytes' blocks, and for memory to be seen."""
    for name, size in {"hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8, "head_dim": 64}.items():
        if name in config.to_dict():
            setattr(config, name, size)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("bert", tmp_path_factory.mktemp("model"), change=broad)


def gradients(model: Path, plan: Plan) -> dict[str, torch.Tensor]:
    backbone = load_backbone(ModelSpec(name=str(model)), task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0)
    classifier = attach(backbone, METHODS["lora"], plan=plan)
    classifier.model.train()
    encoded = classifier.encode(ROWS)
    torch.manual_seed(1)
    logits = classifier.forward(classifier.collate([encoded[i] for i in range(len(ROWS))]))
    torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1] * 16, device=logits.device)).backward()
    return {name: each.grad for name, each in classifier.trainable() if each.grad is not None}


def test_a_run_on_the_device_answers_on_a_cpu_as_it_did(model: Path, kept_emotions: Path, tmp_path: Path) -> None:
    record = liftune.tune(str(kept_emotions), model=str(model), epochs=2, out=tmp_path / "run")
    assert [each.value for each in record.speed.plan if each.choice == "device"] == ["cuda"]
    there, here = (
        liftune.load(tmp_path / "run", use="tuned", device=device).logits(ROWS) for device in ("cuda", "cpu")
    )
    assert np.abs(there - here).max() <= 2e-2 * max(1.0, np.abs(here).max())
    assert device_room("cuda").bytes > 0


@pytest.mark.skipif(NO_BITSANDBYTES, reason="needs bitsandbytes")
def test_four_bits_take_less_memory_and_answer_as_tuned(model: Path, kept_emotions: Path, tmp_path: Path) -> None:
    def held(**asked: Any) -> int:
        torch.cuda.empty_cache()
        before = torch.cuda.memory_allocated()
        spec = ModelSpec(name=str(model), **asked)
        plan = Plan(device="cuda", dtype="bfloat16", inference_dtype="bfloat16")
        backbone = load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0, plan=plan)
        loaded = attach(backbone, METHODS["lora"], plan=plan)
        after = torch.cuda.memory_allocated()
        del loaded
        return after - before

    assert held(base_precision="4bit") < 0.6 * held()
    run = tmp_path / "run"
    record = liftune.tune(str(kept_emotions), model=str(model), epochs=2, out=run, base_precision="4bit")
    assert record.integrity.largest_gap <= record.integrity.tolerance
    there, here = (liftune.load(run, use="tuned", device=device).logits(ROWS) for device in ("cuda", "cpu"))
    assert np.abs(there - here).max() <= 5e-2 * max(1.0, np.abs(here).max())


def test_blocks_computed_twice_give_the_same_gradients(model: Path) -> None:
    once, twice = (gradients(model, Plan(device="cuda", recompute=recompute)) for recompute in (False, True))
    assert once.keys() == twice.keys()
    assert max(float((once[each] - twice[each]).abs().max()) for each in once) < 1e-5


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two CUDA devices: nccl takes one process a device")
def test_two_devices_give_one_devices_run(model: Path, kept_emotions: Path, tmp_path: Path) -> None:
    base, probe = [], []
    for devices in (1, 2):
        run = tmp_path / f"on-{devices}"
        asked = ["--model", str(model), "--epochs", "2", "--devices", str(devices), "--out", str(run)]
        command = [sys.executable, "-m", "liftune", "tune", str(kept_emotions), *asked]
        subprocess.run(command, check=True, env=os.environ)
        record = json.loads((run / "record.json").read_text(encoding="utf-8"))
        engine = [each["value"] for each in record["speed"]["plan"] if each["choice"] == "processes"]
        assert engine == ([] if devices == 1 else ["2 (nccl)"])
        base.append(RunFolder.open(run).logits("base"))
        probe.append(RunFolder.open(run).logits("probe"))
    np.testing.assert_allclose(base[1], base[0], atol=1e-2)
    np.testing.assert_allclose(probe[1], probe[0], atol=1e-2)
