"""The files that liftune 0.1 wrote, laid out so that they open: tests/fixtures/v0_1/README.md says what they are.

In: a temporary folder.  Out: a copy of them in it, to be the working folder: paths in them are relative.
Not here: assertions.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

HERE = Path(__file__).parents[1] / "fixtures" / "v0_1"
#: When every file was last written: git keeps no times, and `predict --resume` compares them.
WRITTEN = 1_735_689_600


def lay_out(folder: Path) -> Path:
    """Copy all of it, with the times and the one full path that a repository cannot hold."""
    place = folder / "v0_1"
    shutil.copytree(HERE, place)
    begun = place / "predict" / "answers.jsonl.part.json"
    state = json.loads(begun.read_text(encoding="utf-8"))
    state["settings"]["in"] = str((place / state["settings"]["in"]).resolve())
    begun.write_text(json.dumps(state), encoding="utf-8")
    for path in place.rglob("*"):
        if path.is_file():
            os.utime(path, (WRITTEN, WRITTEN))
    return place
