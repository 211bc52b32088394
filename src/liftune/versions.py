"""The versions of the packages that a number may depend on.

In: package names.  Out: their installed versions.
Not here: which packages an extra needs (errors.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

#: Whose versions a record keeps: what a number may depend on.
RECORDED = ("liftune", "torch", "transformers", "peft", "accelerate", "datasets", "scikit-learn", "numpy", "scipy")


def versions(names: Iterable[str] = RECORDED) -> dict[str, str]:
    """What a number may depend on, as far as it is installed."""
    installed = {}
    for name in names:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed
