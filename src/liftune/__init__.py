"""liftune: lightweight fine-tuning of foundation models on text classification.

    >>> import liftune
    >>> sorted(liftune.__all__)[:3]
    ['LiftuneError', 'Listener', '__version__']

Public names are imported when first used (PEP 562), so that nothing that is not asked for costs time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from liftune.api import (
        check,
        compare,
        doctor,
        evaluate,
        explain,
        export,
        init,
        inspect,
        label,
        list_accelerations,
        list_formats,
        list_methods,
        list_metrics,
        list_sources,
        list_strategies,
        list_trackers,
        load,
        predict,
        push,
        read,
        report,
        serve,
        sweep,
        tune,
    )
    from liftune.errors import LiftuneError
    from liftune.events import Listener

__version__ = "0.1.0"
__all__ = [
    "LiftuneError",
    "Listener",
    "__version__",
    "check",
    "compare",
    "doctor",
    "evaluate",
    "explain",
    "export",
    "init",
    "inspect",
    "label",
    "list_accelerations",
    "list_formats",
    "list_methods",
    "list_metrics",
    "list_sources",
    "list_strategies",
    "list_trackers",
    "load",
    "predict",
    "push",
    "read",
    "report",
    "serve",
    "sweep",
    "tune",
]

_HOMES = {"LiftuneError": "errors", "Listener": "events"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES.get(name, 'api')}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
