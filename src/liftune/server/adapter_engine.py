"""Adapters as the server's engines: torch behind the protocols of engine.py.

In: an adapter folder.  Out: an Engine and its ModelInfo.
Not here: which models share memory and batches (models/multi_lora/).
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from liftune.errors import EXTRAS, need
from liftune.models.foreign.card import ForeignCard
from liftune.server.engine import BatchExecutor, Engine, ModelInfo, Work
from liftune.types import Row

if TYPE_CHECKING:
    from liftune.hardware.plan import Precision
    from liftune.models.multi_lora.shared_base import AdapterPool, PooledAdapter
    from liftune.records.training import AdapterCard

#: Tokenizers keep their truncation as state, and models of one base have one tokenizer.
_TOKENISING = Lock()
#: How many kernels oneDNN may keep, a third of a MiB each: requests have ever new shapes, and its default is 1,024.
KERNELS = "ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256"


class AdapterEngine:
    """One adapter on its base model, or a fully tuned model."""

    def __init__(self, adapter: PooledAdapter, loader: AdapterLoader) -> None:
        self._adapter, self._loader = adapter, loader
        self._base: AdapterEngine | None = None
        self.executor: BatchExecutor = adapter.mixed_model

    def prepare(self, rows: Sequence[Row]) -> list[Work]:
        """Rows as tokens."""
        with _TOKENISING:
            chunk = self._adapter.row_encoder.chunk(rows)
        return [Work(len(each), self._adapter.weights, each) for each in map(chunk.row, range(len(chunk)))]

    def as_read(self, row: Row) -> Hashable:
        """As of Predictor."""
        return tuple(self.prepare([row])[0].encoded.ids.tolist())

    def base(self) -> AdapterEngine:
        """The base model; loaded when first asked for."""
        if self._base is None:
            self._base = self._loader.base_of(self._adapter)
        return self._base


class AdapterLoader:
    """Opens adapters, and knows which of them share an executor.

    Args:
        tokens: of one forward pass at most.
    """

    def __init__(self, *, device: str | None, precision: Precision, tokens: int) -> None:
        self._device, self._precision, self._tokens = device, precision, tokens
        self._pool: AdapterPool | None = None
        self._loading = Lock()

    def open(
        self, folder: Path, *, card: AdapterCard | None = None, trust_remote_code: bool = False
    ) -> tuple[Engine, ModelInfo]:
        """The model, and its description.

        Args:
            card: what describes it; None reads liftune.json.
            trust_remote_code: whether Python code of the model's own may run.

        Raises:
            LiftuneError: the adapter cannot be loaded.
        """
        need(*EXTRAS["tune"])
        with self._loading:
            adapter = self._adapters().open(folder, card=card, trust_remote_code=trust_remote_code)
        card = adapter.card
        info = ModelInfo(
            task=card.task,
            labels=card.labels,
            pairs=card.pairs,
            columns=card.columns,
            base=card.base,
            method=card.method,
            max_length=card.max_length,
            kind="run",
            base_head=card.head,
            shared=adapter.shared,
            thresholds=card.thresholds,
            base_thresholds=card.base_thresholds,
            cutoffs=card.cutoffs,
            others=isinstance(card, ForeignCard),
        )
        return self._engine(adapter), info

    def base_of(self, adapter: PooledAdapter) -> AdapterEngine:
        """The base model, with the adapter's labels."""
        with self._loading:
            trusted = adapter.trust_remote_code
            return self._engine(self._adapters().load_base(adapter.card, trust_remote_code=trusted))

    def _engine(self, adapter: PooledAdapter) -> AdapterEngine:
        from liftune.hardware.measure import release_memory

        release_memory()  # loading read a base for each model
        return AdapterEngine(adapter, self)

    def _adapters(self) -> AdapterPool:
        if self._pool is None:
            os.environ.setdefault(*KERNELS)  # read once, at the process's first matrix product
            from dataclasses import replace

            from liftune.hardware.measure import measure_machine
            from liftune.hardware.plan import make_plan
            from liftune.models.multi_lora.shared_base import AdapterPool

            plan = make_plan(measure_machine(), device=self._device).for_inference
            self._pool = AdapterPool(replace(plan, dtype=self._precision), tokens=self._tokens)
        return self._pool
