"""What the server knows of a model: its facts, and where rows for it are computed.

In: nothing.  Out: Protocols that a tuned model (tuned.py), a bundle (bundled.py) and a test's fake meet.
Not here: any of these, queues (waiting.py, batcher.py). This module needs no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from liftune.records.base import Head
from liftune.records.calibration import Cutoff
from liftune.tasks.base import TaskKind
from liftune.types import Row


class Work(NamedTuple):
    """One row, ready to be computed."""

    tokens: int
    """What it costs."""
    model: Any
    """Whatever the lane needs to know of the model."""
    encoded: Any
    """Whatever the lane computes on."""


class BatchExecutor(Protocol):
    """Computes rows in one batch, of one model or of many that share a base; called from one thread at a time."""

    def logits(self, work: Sequence[Work]) -> Sequence[NDArray[np.float32]]:
        """(C,) float32 of each row, in order; C may differ between rows of different models."""
        ...


class Engine(Protocol):
    """A model as the server asks it."""

    @property
    def lane(self) -> BatchExecutor:
        """Where its rows are computed; models whose lane is the same share batches."""
        ...

    def prepare(self, rows: Sequence[Row]) -> list[Work]:
        """Rows as the lane takes them, in order; called from any thread."""
        ...

    def base(self) -> Engine:
        """The untuned model, with the tuned one's labels; slow when first called.

        Raises:
            LiftuneError: there is none here.
        """
        ...


@dataclass(frozen=True)
class ModelInfo:
    """What is told of a model."""

    task: TaskKind
    labels: tuple[str, ...]
    pairs: bool
    base: str
    method: str
    max_length: int
    kind: str
    """`run` or `bundle`."""
    base_head: Head | None = None
    """Whether the untuned model's head was trained by anyone; None where there is no untuned model."""
    shared: bool = False
    """Whether its rows share batches with other models of its base."""
    thresholds: tuple[float, ...] | None = None
    base_thresholds: tuple[float, ...] | None = None
    """Multi-label: as of `task.decide`, of the model and of its base."""
    cutoffs: tuple[Cutoff, ...] = ()
    """By which it abstains where a precision is asked for."""


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model that is served under a name."""

    name: str
    path: Path
    facts: ModelInfo
    engine: Engine
