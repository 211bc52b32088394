"""Every target by its name, imported only where it is wanted: some need torch.

In: a name.  Out: a Target.
"""

from __future__ import annotations

import importlib

from fuzz.target import TARGETS, Target

#: Module -> what it registers.
MODULES = {
    "data": ("csv", "tsv", "json", "jsonl", "parquet", "arrow", "xlsx", "zip", "packed", "labels"),
    "saved": ("record", "record_multi", "adapter", "base", "bundle", "sweep", "spec", "part"),
    "door": ("cli", "options", "texts", "http"),
}
NAMES = tuple(name for each in MODULES.values() for name in each)


def made(name: str) -> Target:
    """The target of this name, in a working folder with the files of liftune 0.1."""
    module = next(each for each, names in MODULES.items() if name in names)
    importlib.import_module(f"fuzz.{module}_targets")
    return TARGETS[name]()
