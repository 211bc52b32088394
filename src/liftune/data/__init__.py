"""Data: any source in, audited train, validation and test out.

Public names are imported when first used, so that a listing of sources starts no reader.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liftune.data.load import load_data
    from liftune.data.readers.sources import SOURCES
    from liftune.data.splits import Split, Splits

__all__ = ["SOURCES", "Split", "Splits", "load_data"]

_HOMES = {"SOURCES": "readers.sources", "Split": "splits", "Splits": "splits", "load_data": "load"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
