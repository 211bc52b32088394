"""Tuned models of a tiny random base, saved as `liftune tune` saves them, without its training.

Not here: assertions.
"""

from __future__ import annotations

from pathlib import Path

import torch

from liftune.hardware.plan import Plan
from liftune.models.adapter_io import save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS, parse_options
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

#: What a processor's plan makes fast.
PACKED = Plan(accelerations=frozenset({"packing", "fused-lora", "last-layer"}))


def save_tuned(
    base: Path,
    folder: Path,
    *,
    method: str = "lora",
    labels: int = 3,
    names: tuple[str, ...] | None = None,
    task: TaskKind = TaskKind.SINGLE_LABEL,
    raw: dict[str, str] | None = None,
    pairs: bool = False,
) -> Path:
    """Write an adapter whose trainable numbers are no longer those of its initialisation; return its folder.

    Args:
        names: of the labels, in place of label0, label1, ...
    """
    names = tuple(f"label{i}" for i in range(labels)) if names is None else names
    backbone = load_backbone(ModelSpec(name=str(base)), task=task, labels=names, seed=labels)
    found = METHODS[method]
    classifier = attach(backbone, found, parse_options(found, raw or {}), seed=labels)
    generator = torch.Generator().manual_seed(labels)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    save_adapter(classifier, folder, pairs=pairs)
    return folder
