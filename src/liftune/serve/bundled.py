"""Exported bundles as the server asks them: no torch.

In: a bundle's folder.  Out: an Engine and its Facts.
Not here: what runs a bundle (runtime).
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.errors import ArtifactError
from liftune.seam import Row
from liftune.serve.engine import Engine, Facts, Lane, Work

MARK = "bundle.json"
#: Bytes of a text that make about one token; a bundle counts its own only when it computes.
_BYTES_PER_TOKEN = 4


def is_bundle(path: Path) -> bool:
    """Whether a folder is an exported bundle."""
    return (path / MARK).is_file()


class BundleLane:
    """The rows of one bundle."""

    def __init__(self, bundle: Any) -> None:
        self._bundle = bundle

    def logits(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        """(C,) float32 of each row."""
        return list(np.asarray(self._bundle.logits([each.encoded for each in work]), dtype=np.float32))


class BundleEngine:
    """One bundle."""

    def __init__(self, bundle: Any) -> None:
        self.lane: Lane = BundleLane(bundle)

    def prepare(self, rows: Sequence[Row]) -> list[Work]:
        """Rows as they are."""
        return [Work(_tokens(row), None, row) for row in rows]

    def base(self) -> Engine:
        """A bundle has none.

        Raises:
            ArtifactError: always.
        """
        raise ArtifactError(
            "a bundle holds the tuned model alone: it has no base to ask",
            where="with_base",
            mend="leave out with_base, or serve the run that the bundle was exported from",
        )


def open_bundle(path: Path) -> tuple[Engine, Facts]:
    """The bundle, and what is told of it.

    Raises:
        LiftuneError: it is damaged, or what runs it is not installed.
    """
    try:
        runtime = importlib.import_module("liftune.runtime")
    except ModuleNotFoundError as error:
        if error.name != "liftune.runtime":
            raise
        raise ArtifactError(
            f"{path} is a bundle, which this liftune cannot run", mend="pip install --upgrade 'liftune[runtime]'"
        ) from None
    bundle = runtime.Bundle.open(path)
    facts = Facts(
        task=bundle.task,
        labels=tuple(bundle.labels),
        pairs=bool(bundle.pairs),
        base=str(getattr(bundle, "base", "")),
        method=str(getattr(bundle, "method", "")),
        max_length=int(getattr(bundle, "max_length", 0)),
        kind="bundle",
    )
    return BundleEngine(bundle), facts


def _tokens(row: Row) -> int:
    texts = (row,) if isinstance(row, str) else row
    return 2 + sum(len(text.encode(errors="replace")) for text in texts) // _BYTES_PER_TOKEN
