"""Finished runs, a bundle and a sweep with seals, from the files that earlier liftunes wrote: nothing is tuned.

In: a folder.  Out: its layout.
Not here: assertions, damage (damage.py).
"""

from __future__ import annotations

import shutil
from pathlib import Path

from v0_1 import HERE, lay_out

from liftune.sweeps.check import check

#: The command that made the sweep, and goes on with it.
SWEEP = (
    *("sweep", "rows", "--models", "base", "--methods", "lora,ia3"),
    *("--epochs", "1", "--batch-size", "8", "--lr", "0.03", "--out", "sweep", "--quiet"),
)


def sealed_places(folder: Path) -> Path:
    """`run`, `bundle`, `sweep`, and `adapter` by itself, with their base and rows: to be the working folder."""
    place = lay_out(folder)
    shutil.rmtree(place / "run")
    (place / "spec.json").unlink()  # no run begins here
    shutil.copytree(HERE.parent / "schema_3" / "run", place / "run")
    for name in ("run", "bundle", "sweep"):
        check(place / name, seal=True)
    shutil.copytree(place / "run" / "adapter", place / "adapter")
    return place
