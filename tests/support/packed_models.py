"""Tiny models with and without the packed encoder, and what is compared of them.

Not here: the fixtures (tests/models/packed/conftest.py), assertions but for `assert_alike`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tiny_tuning import attach as plain_attach
from tiny_tuning import tiny_classifier
from torch import Tensor, nn
from torch.nn import functional as F

from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS, parse_options
from liftune.models.packed.encoder import PackedEncoder
from liftune.models.packed.install import PACKED
from liftune.models.packed.layouts import EncoderModules, find_encoder
from liftune.models.packed.packing import SHORT
from liftune.records.base import Choice
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

FAMILIES_PACKED = ("bert", "distilbert", "electra", "roberta")
COUSINS = ("camembert", "xlm-roberta")
#: What is plain LoRA, or leaves the layers as they are, while it is trained.
FUSED = {"lora", "lorafa", "loraplus", "rslora", "probe", "prompt", "p_tuning"}
GRID = [(method, family) for method in METHODS for family in FAMILIES_PACKED if family in METHODS[method].families]
EVERYTHING = Plan(
    accelerations=frozenset(PACKED), choices=tuple(Choice(choice=name, value="on", reason="wanted") for name in PACKED)
)
BATCHES = {
    "equal": (5, 5, 5),
    "mixed": (3, 9, 4, 12, 4),
    "one row": (7,),
    "one token": (1,),
    "one token beside others": (1, 1, 6),
    "long": (70, 70),
    "long, equal after rounding": (66, 70, 96),
    "short beside long": (5, 70, SHORT, SHORT + 1, 127, 3),
}
LABELS = ("anger", "joy", "love")
ROWS = [
    "I could not stop smiling all the way home.",
    "Hold me.",
    "The letter lay on the table for three days before anyone of us found the courage to open it and read it out.",
    "Who on earth parked across my drive again?",
]
TARGETS = torch.tensor([1, 2, 0, 0])


def adapted(family: str, targets: dict[str, Sequence[str]], *, method: str = "lora") -> tuple[Any, EncoderModules]:
    """A tiny model under PEFT in float64, no part of whose adapter is zero, and its encoder."""
    plain = tiny_classifier(family).double()
    layout = "distilbert" if family == "distilbert" else "bert"
    model = plain_attach(METHODS[method], plain, {"target_modules": targets[layout]}).double().eval()
    stir(model)
    encoder = find_encoder(plain)
    assert isinstance(encoder, EncoderModules)
    return model, encoder


def stir(model: nn.Module, size: float = 0.1) -> None:
    """Move everything that is trained, so that nothing of it is zero."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += size * torch.randn(parameter.shape, generator=generator).to(parameter.dtype)


def tokens(lengths: Sequence[int]) -> dict[str, Tensor]:
    """Right-padded rows of these lengths; 1 is RoBERTa's padding, which decides its positions."""
    ids = torch.randint(10, 200, (len(lengths), max(lengths)), generator=torch.Generator().manual_seed(3))
    mask = (torch.arange(max(lengths))[None, :] < torch.tensor(lengths)[:, None]).long()
    return {"input_ids": ids.masked_fill(mask == 0, 1), "attention_mask": mask}


def logits_and_gradients(model: nn.Module, forward: Callable[[], Tensor], *, seed: int = 0) -> dict[str, Tensor]:
    """Logits, and the gradient of every trained parameter; zeros where it has none."""
    model.zero_grad()
    torch.manual_seed(seed)
    logits = forward()
    F.cross_entropy(logits, torch.arange(len(logits)) % 3).backward()
    trained = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    gradients = {name: torch.zeros_like(p) if p.grad is None else p.grad.clone() for name, p in trained}
    assert gradients
    return {"logits": logits.detach(), **gradients}


def called(model: Any, lengths: Sequence[int], *, seed: int = 0) -> dict[str, Tensor]:
    return logits_and_gradients(model, lambda: model(**tokens(lengths)).logits, seed=seed)


def assert_alike(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    """Each tensor by its own largest number, or where that is next to nothing by a thousandth of the largest of all."""
    assert found.keys() == expected.keys()
    largest = max(float(each.abs().max()) for each in expected.values())
    for name, wanted in expected.items():
        gap = float((found[name] - wanted).abs().max())
        assert gap <= tolerance * max(float(wanted.abs().max()), 1e-3 * largest), (name, gap)


def installed(encoder: EncoderModules, *, fused: bool, first_only: bool = False, pooled: bool = False) -> PackedEncoder:
    packed = PackedEncoder(encoder, fused=fused, first_only=first_only, pooled=pooled)
    packed.install()
    return packed


TARGET_MODULES = {
    "all": {"bert": ["all-linear"], "distilbert": ["all-linear"]},
    "q, k, v": {"bert": ["query", "key", "value"], "distilbert": ["q_lin", "k_lin", "v_lin"]},
    "q and v": {"bert": ["query", "value"], "distilbert": ["q_lin", "v_lin"]},
    "k and up": {"bert": ["key", "intermediate.dense"], "distilbert": ["k_lin", "lin1"]},
}


def backbone_of(folder: Path, plan: Plan = EVERYTHING) -> Backbone:
    return load_backbone(ModelSpec(name=str(folder)), task=TaskKind.SINGLE_LABEL, labels=LABELS, seed=0, plan=plan)


def attached(folder: Path, method: str | None, plan: Plan = EVERYTHING, **options: Any) -> Classifier:
    """A classifier, everything that it trains moved the same way every time."""
    chosen = METHODS[method] if method else None
    parsed = parse_options(chosen, options) if chosen else None
    classifier = attach(backbone_of(folder, plan), chosen, parsed, plan=plan, seed=0, total_steps=10)
    stir(classifier.model, 0.03)
    return classifier


def learnt(classifier: Classifier, *, seed: int = 0) -> dict[str, Tensor]:
    """Logits and gradients in training."""
    batch = classifier.collate(classifier.encode(ROWS))
    classifier.model.train()
    found = logits_and_gradients(classifier.model, lambda: classifier.forward(batch), seed=seed)
    classifier.model.eval()
    return found


def reasons(classifier: Classifier) -> dict[str, str]:
    return {choice.choice: choice.reason for choice in classifier.plan.choices if choice.value == "off"}


def alignment(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Cosine between all numbers of the one and the other."""
    one, other = (torch.cat([each.flatten() for each in numbers.values()]) for numbers in (found, expected))
    return float(F.cosine_similarity(one, other, dim=0))
