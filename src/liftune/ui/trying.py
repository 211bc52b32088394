"""Texts tried on a finished run.

In: a run's folder, texts.  Out: predictions as `predict --json` prints them.
Not here: loading (inference/opening.py), predicting (inference/predictor.py).
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from liftune.inference.opening import load_predictor
from liftune.inference.predictor import Predictor
from liftune.server.errors import RequestError
from liftune.ui.limits import UiLimits


class TryForm(BaseModel):
    """Texts to classify; of a model of pairs each has a second text."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    texts: Annotated[list[str], Field(min_length=1)]
    pairs: list[str] | None = None


class Trying:
    """Loads the model of one run at a time, and lets it predict."""

    def __init__(self, limits: UiLimits) -> None:
        self._limits, self._lock = limits, asyncio.Lock()
        self._loaded: tuple[Path, Predictor] | None = None

    async def predict(self, run: Path, form: TryForm) -> dict[str, Any]:
        """The predictions.

        Raises:
            RequestError: 413, too many or too long texts; 422, not as many second texts.
            LiftuneError: the model cannot be loaded.
        """
        self._check(form)
        async with self._lock:
            return await asyncio.to_thread(self._predict, run, form)

    def forget(self, run: Path) -> None:
        """Let go of a run that is removed."""
        if self._loaded and self._loaded[0] == run:
            self._loaded = None

    def _predict(self, run: Path, form: TryForm) -> dict[str, Any]:
        if self._loaded is None or self._loaded[0] != run:
            self._loaded = None  # its memory goes before another is loaded
            self._loaded = (run, load_predictor(run))
        predictor = self._loaded[1]
        rows: Any = form.texts if form.pairs is None else list(zip(form.texts, form.pairs, strict=True))
        return {"results": [each.to_json() for each in predictor.predict(rows)]}

    def _check(self, form: TryForm) -> None:
        if len(form.texts) > self._limits.texts:
            raise RequestError(
                413, f"{len(form.texts):,} texts; at most {self._limits.texts:,} at a time", where="texts"
            )
        if form.pairs is not None and len(form.pairs) != len(form.texts):
            raise RequestError(422, "each text needs a second one", where="pairs", hint="write as many of each")
        for text in (*form.texts, *(form.pairs or ())):
            if len(text) > self._limits.characters:
                raise RequestError(
                    413, f"a text has {len(text):,} characters; at most {self._limits.characters:,}", where="texts"
                )
