"""Against plain transformers and PEFT, end to end: training steps, and what is saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from packed_models import EVERYTHING, FAMILIES_PACKED, ROWS, attached, backbone_of
from peft import LoraConfig, PeftModel, get_peft_model
from tiny_models import save_tiny
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import AutoModelForSequenceClassification

from liftune.data import load_data
from liftune.hardware.plan import Plan
from liftune.models.adapter_io import save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS
from liftune.models.packed.install import PACKED
from liftune.spec import DataSpec, ModelSpec, TrainSpec
from liftune.training.loop import train
from liftune.training.schedule import Schedule


def trained_by_hand(folder: Path, batches: list[tuple[list[str], Tensor]], start: dict[str, Tensor], lr: float) -> Any:
    """Plain transformers and PEFT: LoRA of rank 8 on every linear layer, AdamW, gradients clipped at 1."""
    base = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)
    targets = ["query", "key", "value", "attention.output.dense", "intermediate.dense", "output.dense", "pooler.dense"]
    heads = ["classifier"]
    model: Any = get_peft_model(base, LoraConfig(r=8, lora_alpha=16, target_modules=targets, modules_to_save=heads))
    model.load_state_dict(start, strict=False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    trained = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": 0.01},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=lr)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, 0, len(batches))
    model.train()
    for texts, targets_of in batches:
        encoded = tokenizer(texts, padding=True, return_tensors="pt")
        F.cross_entropy(model(**encoded).logits, targets_of).backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("on", [(), PACKED])
def test_training_takes_the_steps_of_a_plain_peft_loop(
    on: Sequence[str], emotions: Path, tmp_path: Path, still: Callable[[str], Path]
) -> None:
    """Without accelerations, and with all of them, the same rows move every parameter to the same place."""

    def no_dropout(config: Any) -> None:
        config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0

    folder = save_tiny("bert", tmp_path / "model", head=("anger", "joy"), change=no_dropout)
    splits = load_data(DataSpec(source=str(emotions)))
    plan = Plan(accelerations=frozenset(on))
    backbone = load_backbone(ModelSpec(name=str(folder)), task=splits.task, labels=splits.labels, seed=0, plan=plan)
    assert backbone.head == "trained"
    classifier = attach(backbone, METHODS["lora"], plan=plan, seed=0, total_steps=3)
    start = classifier.snapshot()
    spec = TrainSpec(epochs=1, batch_size=16, warmup_fraction=0.0)
    schedule = Schedule.of(spec, rows=len(splits.train), learning_rate=1e-3)
    log = train(classifier, splits, spec, schedule, metric="log_loss", seed=4)
    assert log.best_epoch == 1, "else it is the start that was kept"
    order = np.random.default_rng(4).permutation(len(splits.train)).reshape(3, 16)
    targets = torch.as_tensor(splits.encoded(splits.train)).long()
    batches = [([splits.train.rows[i] for i in step], targets[step]) for step in order]
    expected = trained_by_hand(folder, batches, start, 1e-3)  # type: ignore[arg-type]
    assert expected.keys() == start.keys()
    moved = 0.0
    for name, parameter in classifier.trainable():
        assert float((parameter.detach() - expected[name]).abs().max()) <= 1e-5, name
        moved = max(moved, float((parameter.detach() - start[name]).abs().max()))
    assert moved > 1e-3


@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_plain_peft_reads_what_was_saved(family: str, still: Callable[[str], Path], tmp_path: Path) -> None:
    tuned = attached(still(family), "lora")
    save_adapter(tuned, tmp_path / "adapter")
    base = AutoModelForSequenceClassification.from_pretrained(still(family), num_labels=3, dtype=torch.float32)
    plain = PeftModel.from_pretrained(base, tmp_path / "adapter").eval()
    with torch.inference_mode():
        answers = plain(**tuned.collate(tuned.encode(ROWS))).logits.numpy()
    assert np.abs(tuned.logits(ROWS) - answers).max() <= 1e-5


def test_a_whole_model_can_be_saved_after_its_weights_were_laid_side_by_side(
    still: Callable[[str], Path], tmp_path: Path
) -> None:
    base = attach(backbone_of(still("bert")), None, plan=EVERYTHING)
    base.backbone.model.save_pretrained(tmp_path)
    again = AutoModelForSequenceClassification.from_pretrained(tmp_path)
    for name, values in base.backbone.model.state_dict().items():
        assert torch.equal(values, again.state_dict()[name]), name
