"""Adapters to be served: of liftune's default method, with numbers that no training made, as speed does not depend on
them.

In: a model, the data's labels.  Out: adapter folders, as `liftune tune` saves them.
Not here: serving them (serve.py, many.py).
"""

from __future__ import annotations

from pathlib import Path

import torch

from liftune.models.adapter_io import save_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.methods.registry import METHODS
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind


def save_adapters(model: str, labels: list[str], folder: Path, count: int) -> list[Path]:
    """Write so many adapters, each of other numbers."""
    backbone = load_backbone(ModelSpec(name=model), task=TaskKind.SINGLE_LABEL, labels=labels, seed=0)
    classifier = attach(backbone, METHODS["lora"], seed=0)
    folders = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            for _, parameter in classifier.trainable():
                parameter.copy_(0.02 * torch.randn(parameter.shape, generator=generator))
        save_adapter(classifier, folder / f"adapter{number}")
        folders.append(folder / f"adapter{number}")
    return folders
