"""The attention that a plan chooses changes the time alone: either gives the same answers and the same gradients."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_models import FAMILIES, save_tiny
from torch.nn import functional as F

from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS, parse_options
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

LABELS = ("anger", "joy", "love")
#: Alike in length: in float64 a padding token that sees no token at all (ModernBERT's window is local) gives NaN in
#: transformers' own eager attention; in float32 it does not.
ROWS = ["Hold me, and hold me long.", "I smiled all the way home.", "Who parked on my lawn?"]
TARGETS = torch.tensor([2, 1, 0])


def learnt(folder: Path, attention: str) -> tuple[str, torch.Tensor, dict[str, torch.Tensor]]:
    """The attention that was taken, logits, and gradients of all that LoRA trains, in float64 and without dropout.

    Some families keep norms and rotary angles in float32 all the same.
    """
    plan = Plan(attention=attention)  # type: ignore[arg-type]
    backbone = load_backbone(ModelSpec(name=str(folder)), task=TaskKind.SINGLE_LABEL, labels=LABELS, seed=0, plan=plan)
    method = METHODS["lora"]
    classifier = attach(backbone, method, parse_options(method, {}), plan=plan, seed=0)
    model = classifier.model.double().eval()
    with torch.no_grad():
        for name, parameter in classifier.trainable():
            if "lora_B" in name:
                parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)) * 0.1)
    logits = model(**classifier.collate(list(classifier.encode(ROWS)))).logits
    F.cross_entropy(logits, TARGETS).backward()
    gradients = {name: p.grad for name, p in classifier.trainable() if p.grad is not None}
    return backbone.model.config._attn_implementation, logits.detach(), gradients


@pytest.mark.parametrize("family", FAMILIES)
def test_either_attention_answers_and_learns_alike(family: str, tmp_path: Path) -> None:
    """What `attention-kernel` switches: eager is plain products and a softmax, sdpa is torch's fused kernel."""
    save_tiny(family, tmp_path / family)
    eager, expected, gradients = learnt(tmp_path / family, "eager")
    taken, found, others = learnt(tmp_path / family, "sdpa")
    assert eager == "eager"
    assert taken in ("sdpa", "eager"), "a family without fused attention keeps its own"
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)
    assert gradients.keys() == others.keys()
    assert any("lora_" in name for name in gradients)
    for name, gradient in gradients.items():
        torch.testing.assert_close(others[name], gradient, rtol=1e-5, atol=1e-6, msg=name)
