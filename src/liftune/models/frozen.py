"""A pretrained model as it is, named on disk so that it can be loaded again: for the contenders base and probe.

In: a Classifier without a method, a folder, later an AdapterCard.  Out: head.safetensors where loading made up
parameters; the Classifier again, and a Scorer of a linear model on its features.
Not here: a tuned model (adapter_io.py), the probe's own arrays (baselines/saved.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from liftune.files import safetensor_errors
from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.classifier import Classifier
from liftune.models.saved_backbone import reload_unchanged
from liftune.records.training import AdapterCard
from liftune.tasks import TaskKind
from liftune.types import FloatArray, Row

HEAD = "head.safetensors"


def save_head(classifier: Classifier, folder: Path) -> None:
    """Write what loading made up of the model; nothing where all of it is in the checkpoint."""
    from safetensors.torch import save_file

    backbone = classifier.backbone
    if backbone.fresh:
        made_up = {name: backbone.model.get_parameter(name).detach().cpu().contiguous() for name in backbone.fresh}
        with safetensor_errors():
            save_file(made_up, folder / HEAD)


def open_frozen(
    card: AdapterCard, head: Path | None, *, plan: Plan, seed: int = 0, trust_remote_code: bool = False
) -> Classifier:
    """The pretrained model of a card.

    Args:
        head: the folder where `save_head` wrote; None where its head is not asked.
        seed: of the parameters that loading makes up; it cannot matter where the folder holds them, nor to features.
        trust_remote_code: as of `open_adapter`.

    Raises:
        ArtifactError: the model has changed since.
        ModelError: it cannot be loaded, or needs code that was not allowed.
        OSError, ValueError, RuntimeError, SafetensorError: the saved head is missing or damaged.
    """
    from safetensors.torch import load_file

    backbone = reload_unchanged(card, seed=seed, plan=plan, trust_remote_code=trust_remote_code)
    if head is not None and (head / HEAD).is_file():
        with torch.no_grad():
            for name, values in load_file(head / HEAD).items():
                backbone.model.get_parameter(name).copy_(values)
    elif head is not None and backbone.fresh:
        raise FileNotFoundError(f"{HEAD} is missing, and the model has no head of its own")
    return attach(backbone, None, plan=plan)


class OnFeatures:
    """A Scorer: a pretrained model's features of a row, and a function from these to logits.

    Args:
        logits_of: features as `Classifier.features` gives them, (N, D) each, to (N, C) float32.
    """

    def __init__(self, base: Classifier, logits_of: Callable[[Mapping[str, FloatArray]], NDArray[np.float32]]) -> None:
        self.base, self._logits_of = base, logits_of

    @property
    def task(self) -> TaskKind:
        """What it predicts."""
        return self.base.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, in the order of `logits`."""
        return self.base.labels

    def logits(self, rows: Sequence[Row]) -> NDArray[np.float32]:
        """(N, C) float32, in input order."""
        if not rows:
            return np.zeros((0, self.base.backbone.outputs), dtype=np.float32)
        return self._logits_of(self.base.features(rows))
