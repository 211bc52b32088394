"""Cells in worker processes: one that dies costs its cell a second try, never the sweep.

In: cells, and what is done with one.  Out: their records, in the order in which they finish; no process is left.
Not here: what is done with a cell (run.py, cells.py), the processes (processes.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial

from liftune import processes
from liftune.processes import Say, Trouble
from liftune.records.sweep import CellRecord
from liftune.sweeps.grid import Cell, record_of

#: Done in the worker: it is pickled, with what it is given.
Work = Callable[[Cell], CellRecord]
#: Where cells are computed: gives their records, in the order in which they finish.
Executor = Callable[[Iterable[Cell | None]], Generator[CellRecord, None, None]]
#: How often a cell is begun, at most, when its process dies.
TRIES = 2


def in_processes(
    cells: Iterable[Cell | None], work: Work, jobs: int, tell: Callable[[str], None]
) -> Generator[CellRecord, None, None]:
    """Cells in so many new processes.

    Args:
        tell: is told of a process that has died.

    Raises:
        LiftuneError: what `work` raised; or no process starts.
    """

    def again(cell: Cell, death: str) -> None:
        tell(f"  {cell.said}: {death}; it is tried once more")

    found = processes.in_processes(
        cells, partial(_without_saying, work), jobs, tries=TRIES, again=again, call="liftune.sweep"
    )
    with closing(found):
        for cell, outcome in found:
            yield failed(cell, outcome.reason, "with fewer --jobs") if isinstance(outcome, Trouble) else outcome


def _without_saying(work: Work, cell: Cell, say: Say) -> CellRecord:
    return work(cell)


def failed(cell: Cell, death: str, how: str) -> CellRecord:
    """Of a cell that was lost each time.

    Args:
        how: it would need less memory, or get more.
    """
    reason = f"{death}, twice; the same command tries it again, and needs less memory {how}"
    return record_of(cell, state="failed", reason=reason)
