"""Cells whose processes die, or wait: what worker processes of a sweep are tested with, without a model.

As a program, it works on cells that wait, in two workers:

    python tests/support/dying_cells.py FOLDER

In: a folder, in which each start of a cell is noted.  Out: records.  Not here: what is asserted.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from liftune.errors import ArtifactError
from liftune.records.sweep import CellRecord
from liftune.stopping import ending_tidily, saving_first
from liftune.sweeps.grid import Cell
from liftune.sweeps.workers import in_processes


def begun(folder: str, cell: Cell) -> int:
    """How often the cell was begun, now included; the process is noted."""
    number = len(list(Path(folder).glob(f"{cell.method}-*"))) + 1
    (Path(folder) / f"{cell.method}-{number}").write_text(str(os.getpid()))
    return number


def work(folder: str, cell: Cell) -> CellRecord:
    """By the method's name: `SIGKILL` dies of it at each try, `once-SIGKILL` at the first, `disk` cannot write."""
    number, (what, _, name) = begun(folder, cell), cell.method.rpartition("-")
    if name.startswith("SIG") and (what != "once" or number == 1):
        os.kill(os.getpid(), getattr(signal, name))
    if name == "exit":
        os._exit(3)
    if name == "disk":
        raise ArtifactError("cannot write: no space left on device", where="here", hint="make room")
    return CellRecord(model=cell.model, method=cell.method, seed=cell.seed, state="done")


def wait(folder: str, cell: Cell) -> CellRecord:
    """Until it is told to save, where the method is `saves`; for ever else."""
    begun(folder, cell)
    if cell.method == "saves":
        with saving_first() as wanted:
            while not wanted():
                time.sleep(0.001)
            (Path(folder) / "saved").touch()
    while True:
        time.sleep(1)


if __name__ == "__main__":
    with ending_tidily():
        list(in_processes([Cell("m", name, 0) for name in ("saves", "waits")], partial(wait, sys.argv[1]), 2, print))
