"""Cells on a cluster: a node or process that is lost costs its cell a second try, and the folder is as of any sweep.

In: cells, and what is done with one.  Out: their records, in the order in which they finish; their files on this disk.
Not here: what is done with a cell (run.py, cells.py), Ray (liftune.cluster).

A node that sees the sweep's folder, by its path, works in it as a process of this machine does: what a cell was saving
is gone on with. Any other one works in a folder of its own, and what a cell leaves comes back through Ray, to be
written here (docs/adr/0017). Which it is, each process finds out for itself: a file of a random name is there or not.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from liftune.cluster import Cluster, Share, joined, on_cluster, parse_address
from liftune.errors import LiftuneError, SpecError
from liftune.files import atomic_write, disk_errors
from liftune.processes import Trouble
from liftune.records.sweep import CellRecord
from liftune.sweeps.grid import Cell
from liftune.sweeps.workers import TRIES, Executor, failed

#: Of a model's folder, what its cells read; and what one of them leaves besides its record.
_READ, _LEFT = ("teacher.json", "teacher.npy"), "logits/{}.npz"


@dataclass(frozen=True)
class ClusterAsk:
    """What was asked of a cluster."""

    address: str
    share: Share
    """Of one cell."""

    @classmethod
    def of(cls, address: str | None, cpus: float | None, gpus: float | None) -> ClusterAsk | None:
        """What was asked; None where no cluster was.

        Raises:
            SpecError: parts of machines that cannot be had, or without a cluster to have them of.
        """
        for name, value in (("--cpus", cpus), ("--gpus", gpus)):
            if value is None:
                continue
            if address is None:
                raise SpecError(
                    f"{name} asks for part of a cluster, and no cluster is asked for",
                    where=name,
                    hint="give --cluster too, or --jobs for processes of this machine",
                )
            if not (0 <= value <= 2**20) or (value > 1 and value != int(value)) or (name == "--cpus" and not value):
                raise SpecError(
                    f"a cell cannot ask for {value:g} {name[2:-1].upper()}s",
                    where=name,
                    hint="give a whole number, or a part between 0 and 1",
                )
        return (
            None if address is None else cls(parse_address(address), Share(1.0 if cpus is None else cpus, gpus or 0.0))
        )


class MovableWork(Protocol):
    """What a worker does with a cell, in folders that may be other ones."""

    @property
    def places(self) -> dict[str, str]:
        """Model -> its folder."""

    def at(self, places: dict[str, str]) -> Self:
        """The same elsewhere."""

    def __call__(self, cell: Cell) -> CellRecord:
        """A cell's record."""


@dataclass(frozen=True)
class Left:
    """What a cell leaves: a record, and files of its model's folder where they are not there already."""

    record: CellRecord
    files: dict[str, bytes]


@contextlib.contextmanager
def cells_on_cluster(
    cluster: Cluster, work: MovableWork, share: Share, most: int | None, tell: Callable[[str], None]
) -> Iterator[Executor]:
    """What gives cells to a cluster.

    Args:
        share: what a cell asks of its node.
        most: cells at once; None is as many as there is room for.
        tell: is told of a node or process that was lost.
    """
    places = {model: str(Path(place).resolve()) for model, place in work.places.items()}
    mark = Path(next(iter(places.values()))).parent / f".cluster-{uuid.uuid4().hex}"

    def again(cell: Cell, reason: str) -> None:
        tell(f"  {cell.said}: {reason}; it is tried once more")

    def records(cells: Iterable[Cell | None]) -> Generator[CellRecord, None, None]:
        handed = {
            model: {name: path.read_bytes() for name in _READ if (path := Path(place, name)).is_file()}
            for model, place in places.items()
        }
        given = (work.at(places), handed, str(mark), os.getcwd())
        found = on_cluster(cluster, cells, made, *given, share=share, most=most, tries=TRIES, again=again)
        with closing(found):
            for cell, outcome in found:
                if isinstance(outcome, Trouble):
                    yield failed(cell, outcome.reason, "with more --cpus, as fewer then share a node")
                    continue
                for name, content in outcome.files.items():
                    with atomic_write(Path(places[cell.model], name)) as file:
                        file.write(content)
                yield outcome.record

    with disk_errors(mark):
        mark.touch()
    try:
        yield records
    finally:
        mark.unlink(missing_ok=True)


def made(work: MovableWork, handed: dict[str, dict[str, bytes]], mark: str, folder: str) -> Callable[[Cell], Left]:
    """In a process of the cluster: what does the cells, in the sweep's folder where that is seen."""
    if Path(folder).is_dir():
        os.chdir(folder)  # a model may be named by a path from there
    if Path(mark).is_file():
        return lambda cell: Left(work(cell), {})
    kept = tempfile.TemporaryDirectory(prefix="liftune-cells-")
    own = {model: str(Path(kept.name, str(number))) for number, model in enumerate(handed)}
    for model, files in handed.items():
        for name, content in files.items():
            with atomic_write(Path(own[model], name)) as file:
                file.write(content)
    moved = work.at(own)

    def do(cell: Cell) -> Left:
        record, left = moved(cell), Path(kept.name, own[cell.model], _LEFT.format(cell.name))
        files = {}
        if left.is_file():
            files[_LEFT.format(cell.name)] = left.read_bytes()
            left.unlink()
        return Left(record, files)

    return do


@contextlib.contextmanager
def joined_for(ask: ClusterAsk | None, models: Sequence[str]) -> Iterator[Cluster | None]:
    """The cluster that was asked for, its nodes with every base model; None where none was.

    Raises:
        SpecError: it is not fit for the work; which node lacks what is said.
    """
    if ask is None:
        yield None
        return
    with joined(ask.address, ask.share, asks="--cpus or --gpus") as cluster:
        said = cluster.on_each(_models_missing, tuple(models), os.getcwd())
        wrong = [f"{node}: {fault}" for node, faults in said.items() for fault in faults]
        if wrong:
            raise SpecError(
                f"not every node has the base model: {'; '.join(wrong)}",
                where="--cluster",
                hint="put it at the same path on every node, or name one of the hub",
            )
        yield cluster


def _models_missing(models: Sequence[str], folder: str) -> list[str]:
    """On a node: why a base model is not found there."""
    from liftune.models.checkpoint import locate

    if Path(folder).is_dir():
        os.chdir(folder)
    faults = []
    for model in models:
        try:
            locate(model)
        except LiftuneError as error:
            faults.append(error.message)
    return faults
