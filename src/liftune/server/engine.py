"""What the server knows of a model: its description, and what computes its rows.

In: nothing.  Out: Protocols of an adapter (adapter_engine.py), a bundle (bundle_engine.py) and a test's fake.
Not here: any of these, queues (queue.py, batcher.py). This module needs no torch.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from liftune.records.base import Head, TextColumns
from liftune.records.calibration import Cutoff
from liftune.tasks import TaskKind
from liftune.types import Row


class Work(NamedTuple):
    """One row, ready to be computed."""

    tokens: int
    """How many it has, or about."""
    model: Any
    """Whatever the executor needs to know of the model."""
    encoded: Any
    """Whatever the executor computes on."""


#: Bytes of a text that make about one token, for a model that counts its own only when it computes.
_BYTES_PER_TOKEN = 4


def about_tokens(row: Row) -> int:
    """How many tokens a row has, or about."""
    texts = (row,) if isinstance(row, str) else row
    return 2 + sum(len(text.encode(errors="replace")) for text in texts) // _BYTES_PER_TOKEN


class BatchExecutor(Protocol):
    """Computes one batch of rows, of one model or of many that share a base; called from one thread at a time."""

    def logits(self, work: Sequence[Work]) -> Sequence[NDArray[np.float32]]:
        """(C,) float32 of each row, in order; C may differ between rows of different models."""
        ...


class Engine(Protocol):
    """A loaded model as the server uses it."""

    @property
    def executor(self) -> BatchExecutor:
        """What computes its rows; models with the same executor share batches."""
        ...

    def prepare(self, rows: Sequence[Row]) -> list[Work]:
        """Rows as the executor takes them, in order; called from any thread."""
        ...

    def as_read(self, row: Row) -> Hashable | None:
        """As of Predictor; called from any thread."""
        ...

    def base(self) -> Engine:
        """The base model, with the tuned one's labels; slow when first called.

        Raises:
            LiftuneError: there is none here.
        """
        ...


@dataclass(frozen=True)
class ModelInfo:
    """A model's description."""

    task: TaskKind
    labels: tuple[str, ...]
    pairs: bool
    base: str
    method: str
    max_length: int
    kind: str
    """`run` or `bundle`."""
    contender: str = "tuned"
    """Which one of its run."""
    note: str = ""
    """What to say of that choice; empty where it is the tuned model."""
    base_head: Head | None = None
    columns: TextColumns | None = None
    """As in the model's card."""
    """Whether the base model's head was trained by anyone; None where the base model is not there."""
    shared: bool = False
    """Whether its rows share batches with other models of its base."""
    thresholds: tuple[float, ...] | None = None
    base_thresholds: tuple[float, ...] | None = None
    """Multi-label: as of `Task.decide`, of the model and of its base."""
    cutoffs: tuple[Cutoff, ...] = ()
    """By which it abstains where a request asks for a precision."""
    others: bool = False
    """Whether others saved it, so that `pairs` is what the user says and not what it was tuned on."""


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model and the name that it is served by."""

    name: str
    path: Path
    info: ModelInfo
    engine: Engine
