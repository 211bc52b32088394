"""Every (method, family) pair that the registry claims survives the disk: in liftune, and in plain PEFT.

One process trains and saves them all, ONE fresh process reloads them all; the tests only compare what the two answered.
The default run takes lora on every family, on some with all that is lean as well, and every method on one family each;
`-m slow` takes the whole grid.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, save_tiny
from torch.nn import functional as F

from liftune.hardware.plan import Plan
from liftune.models.adapter_io import save_adapter, verify_saved_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS
from liftune.models.packed.install import PACKED
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

LABELS = ("anger", "joy", "love")
ROWS = [
    "I could not stop smiling all the way home.",
    "Who on earth parked across my drive again?",
    "Hold me.",
    "The letter lay on the table for three days before anyone of us found the courage to open it and read it out.",
]
TARGETS = torch.tensor([1, 0, 2, 0])
#: How far training must move some logit, and how far dropping a part must move one, to be sure that it matters.
MOVED, NOTICED, SAME = 0.1, 1e-3, 1e-5

#: Behind a method's name: tuned by the fast path.
LEANLY = "+lean"

GRID = [(method, family) for method in METHODS for family in FAMILIES if family in METHODS[method].families]


def _slice() -> list[tuple[str, str]]:
    """lora everywhere; each other method on one of its families, another one each time."""
    pairs = [("lora", family) for family in FAMILIES]
    pairs += [(f"lora{LEANLY}", family) for family in ("bert", "distilbert")]
    for i, method in enumerate(method for method in METHODS if method != "lora"):
        fitting = [family for name, family in GRID if name == method]
        pairs.append((method, fitting[i % len(fitting)]))
    return pairs


def tune(classifier: Classifier) -> None:
    """Train as train.py does, hooks and all, until the logits have moved."""
    method, steps = classifier.method, 10
    assert method is not None
    start = classifier.logits(ROWS)
    if method.optimizer is not None:
        optimizer = method.optimizer(classifier.model, classifier.options, 1e-2, 0.0)
    else:
        optimizer = torch.optim.AdamW([p for _, p in classifier.trainable()], lr=1e-2)
    batch = classifier.collate(classifier.encode(ROWS))
    for step in range(1, 5 * steps + 1):
        classifier.model.train()
        loss = F.cross_entropy(classifier.forward(batch), TARGETS)
        if method.penalty is not None:
            loss = loss + method.penalty(classifier.model)
        loss.backward()
        optimizer.step()
        if method.after_step is not None and step <= steps:
            method.after_step(classifier.model, step)
        optimizer.zero_grad()
        classifier.model.eval()
        if step % steps == 0 and np.abs(classifier.logits(ROWS) - start).max() >= MOVED:
            return


def make(pairs: list[tuple[str, str]], folder: Path) -> dict[tuple[str, str], Path]:
    """Tune and save every pair, then reload them all in one fresh process."""
    bases = {family: save_tiny(family, folder / "base" / family) for family in {family for _, family in pairs}}
    manifest: list[dict[str, Any]] = []
    made = {}
    for name, family in pairs:
        target, method = folder / name / family, name.removesuffix(LEANLY)
        plan = Plan(accelerations=frozenset(PACKED if name.endswith(LEANLY) else ()))
        backbone = load_backbone(ModelSpec(name=str(bases[family])), task=TaskKind.SINGLE_LABEL, labels=LABELS, seed=0)
        base = attach(backbone, None).logits(ROWS)
        classifier = attach(backbone, METHODS[method], plan=plan, seed=0, total_steps=10)
        assert classifier.plan.accelerations == plan.accelerations
        torch.manual_seed(0)
        tune(classifier)
        save_adapter(classifier, target / "adapter")
        np.save(target / "base.npy", base)
        np.save(target / "tuned.npy", classifier.logits(ROWS))
        verify_saved_adapter(classifier, target / "adapter", ROWS)
        manifest.append(
            {
                "folder": str(target),
                "base": str(bases[family]),
                "kind": METHODS[method].kind,
                "head_modules": list(classifier.backbone.head_modules),
                "labels": len(LABELS),
                "pad": backbone.pad_token_id,
                "max_length": classifier.max_length,
                "rows": ROWS,
            }
        )
        made[name, family] = target
    path = folder / "manifest.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    worker = Path(__file__).parents[2] / "support" / "contract_reload.py"
    # Hash order must not matter either: PEFT keeps target modules in sets.
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    done = subprocess.run([sys.executable, worker, path], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    return made


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Path]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield make(_slice(), tmp_path_factory.mktemp("few"))
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def all_pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[tuple[str, str], Path]]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield make(GRID, tmp_path_factory.mktemp("all"))
    torch.set_num_threads(threads)


def gap(folder: Path, one: str, other: str) -> float:
    return float(np.abs(np.load(folder / f"{one}.npy") - np.load(folder / f"{other}.npy")).max())


def check(folder: Path) -> None:
    assert gap(folder, "tuned", "base") >= MOVED, "training changed too little to prove anything"
    scale = max(1.0, float(np.abs(np.load(folder / "tuned.npy")).max()))
    assert gap(folder, "tuned", "liftune") <= SAME * scale
    assert gap(folder, "tuned", "plain") <= SAME * scale
    for part in ("adapter", "head"):
        if (folder / f"without_{part}.npy").exists():
            assert gap(folder, "plain", f"without_{part}") >= NOTICED, f"nothing changes without the {part}"
            assert (folder / f"without_{part}.refused").read_text(encoding="utf-8") == "True"


@pytest.mark.parametrize(("method", "family"), _slice())
def test_a_reloaded_adapter_answers_as_before(method: str, family: str, few: dict[tuple[str, str], Path]) -> None:
    """Adapter and head both survive the disk, and the test would notice if either did not."""
    check(few[method, family])


@pytest.mark.slow
@pytest.mark.parametrize(("method", "family"), GRID)
def test_every_pair_that_the_registry_claims_survives_the_disk(
    method: str, family: str, all_pairs: dict[tuple[str, str], Path]
) -> None:
    check(all_pairs[method, family])
