"""A model that answers the same whatever it is asked, saved as a run saves its majority: opened without torch.

Not here: assertions.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from liftune.records.contender import ContenderCard
from liftune.records.reading import CONTENDER_CARD, write_sealed
from liftune.tasks import TaskKind


def save_constant(folder: Path, logits: Sequence[float]) -> Path:
    """Write it; return its folder."""
    folder.mkdir(parents=True)
    labels = tuple(f"label{i}" for i in range(len(logits)))
    settings = {"constant": list(logits)}
    card = ContenderCard(liftune="0", name="majority", task=TaskKind.SINGLE_LABEL, labels=labels, settings=settings)
    write_sealed(folder / CONTENDER_CARD, card)
    return folder
