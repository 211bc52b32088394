"""Runs and adapters as the server asks them: torch behind the engine's protocols.

In: a run or adapter folder.  Out: an Engine and its Facts.
Not here: which models share memory and batches (models/multi_lora/).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from liftune.errors import EXTRAS, need
from liftune.serve.engine import BatchExecutor, Engine, ModelInfo, Work
from liftune.types import Row

if TYPE_CHECKING:
    from liftune.hardware.plan import Precision
    from liftune.models.multi_lora.shared_base import AdapterPool, PooledAdapter

#: Tokenizers keep their truncation as state, and models of one base have one tokenizer.
_TOKENISING = Lock()
#: How many kernels oneDNN may keep, each a third of a MiB: requests bring ever new shapes, and it would keep 1,024.
KERNELS = "ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256"


class AdapterEngine:
    """One opened model."""

    def __init__(self, opened: PooledAdapter, door: AdapterLoader) -> None:
        self._opened, self._door = opened, door
        self._base: AdapterEngine | None = None
        self.lane: BatchExecutor = opened.mixed_model

    def prepare(self, rows: Sequence[Row]) -> list[Work]:
        """Rows as tokens."""
        with _TOKENISING:
            chunk = self._opened.row_encoder.chunk(rows)
        return [Work(len(each), self._opened.weights, each) for each in map(chunk.row, range(len(chunk)))]

    def base(self) -> AdapterEngine:
        """The untuned model; loaded when first asked for."""
        if self._base is None:
            self._base = self._door.base_of(self._opened)
        return self._base


class AdapterLoader:
    """Opens runs and adapters, and knows which of them share a lane.

    Args:
        tokens: of one forward pass at most.
    """

    def __init__(self, *, device: str | None, precision: Precision, tokens: int) -> None:
        self._device, self._precision, self._tokens = device, precision, tokens
        self._pool: AdapterPool | None = None
        self._loading = Lock()

    def open(self, folder: Path) -> tuple[Engine, ModelInfo]:
        """The model, and what is told of it.

        Raises:
            LiftuneError: the adapter cannot be loaded.
        """
        need(*EXTRAS["tune"])
        with self._loading:
            opened = self._adapters().open(folder)
        card = opened.card
        facts = ModelInfo(
            task=card.task,
            labels=card.labels,
            pairs=card.pairs,
            base=card.base,
            method=card.method,
            max_length=card.max_length,
            kind="run",
            base_head=card.head,
            shared=opened.shared,
            thresholds=card.thresholds,
            base_thresholds=card.base_thresholds,
            cutoffs=card.cutoffs,
        )
        return self._engine(opened), facts

    def base_of(self, opened: PooledAdapter) -> AdapterEngine:
        """The untuned model of an opened one."""
        with self._loading:
            return self._engine(self._adapters().load_base(opened.card))

    def _engine(self, opened: PooledAdapter) -> AdapterEngine:
        from liftune.hardware.measure import release_memory

        release_memory()  # loading read a base for each model
        return AdapterEngine(opened, self)

    def _adapters(self) -> AdapterPool:
        if self._pool is None:
            os.environ.setdefault(*KERNELS)  # read once, at the process's first product
            from dataclasses import replace

            from liftune.hardware.measure import measure_machine
            from liftune.hardware.plan import make_plan
            from liftune.models.multi_lora.shared_base import AdapterPool

            plan = make_plan(measure_machine(), device=self._device).for_inference
            self._pool = AdapterPool(replace(plan, dtype=self._precision), tokens=self._tokens)
        return self._pool
