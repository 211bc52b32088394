"""A sweep: every cell of a grid, one after the other or in several processes, then one leaderboard.

In: a SweepSpec, and rows where they are in memory.  Out: a SweepRecord, and a folder that a rerun continues.
Not here: one cell (cells.py), worker processes (workers.py), the disk (folder.py), the record (build.py).
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import product
from pathlib import Path

from liftune.claims import claim_folder
from liftune.cluster import Cluster
from liftune.data import load_data
from liftune.data.load import RowsInMemory
from liftune.data.splits import Splits
from liftune.errors import EXTRAS, ArtifactError, LiftuneError, SpecError, amount, lacks_memory, need
from liftune.formatting import interval
from liftune.hardware.measure import measure_machine, set_threads
from liftune.hardware.memory import short_of_memory
from liftune.hardware.plan import make_plan
from liftune.progress import Progress
from liftune.records.sweep import CellRecord, SearchRecord, SweepRecord
from liftune.reports.sections.power import power_before
from liftune.spec_text import Asked
from liftune.sweeps.build import build_record
from liftune.sweeps.cells import Stage, forget, keep_plan, run_shared_baselines, set_stage, tune_cell
from liftune.sweeps.disk import sweep_need
from liftune.sweeps.folder import SweepFolder, model_folder
from liftune.sweeps.grid import Cell, SweepSpec, record_of
from liftune.sweeps.on_cluster import ClusterAsk, cells_on_cluster, joined_for
from liftune.sweeps.search import Proposals, contenders_of
from liftune.sweeps.trials import trial_line
from liftune.sweeps.workers import Executor, in_processes
from liftune.workflows.disk_needs import check_disk
from liftune.workflows.request import read_rows


def sweep(
    spec: SweepSpec,
    rows: RowsInMemory | None = None,
    *,
    jobs: int | None = None,
    cluster: ClusterAsk | None = None,
    progress: Progress | None = None,
) -> SweepRecord:
    """Tune every model by every method under every seed on the same rows, and rank what came of it.

    Args:
        rows: those to tune on; None reads what the spec names. A rerun takes the same ones.
        jobs: processes at once, each with its share of the CPU's threads; None is one. On a cluster, cells at once;
            None is as many as there is room for.
        cluster: where cells are tuned; None is this machine. Neither changes what the sweep is: a rerun may go on
            elsewhere.

    Raises:
        LiftuneError: the options or the data are wrong, before anything is tuned; or the disk cannot be written. A cell
            that fails does not end the sweep: its reason is kept, and a rerun tries it again.
    """
    need(*EXTRAS["tune"], *(EXTRAS["search"] if spec.search else ()))
    progress = progress or Progress(quiet=True)
    check_jobs(spec, jobs, cluster)
    folder = SweepFolder.create(spec)
    with claim_folder(folder.path):
        asked = Asked("sweep", {"methods": ",".join(spec.methods)})
        splits = load_data(spec.run.data, asked=asked) if rows is None else read_rows(spec.run.data, rows, asked)
        stages = {model: set_stage(spec, model, splits, folder.of_model(model)) for model in spec.models}
        if spec.search is not None:
            contenders_of(spec, stages)  # refused where there is none
        if cluster is not None:
            progress.log(f"cluster {cluster.address}: looking at its nodes")
        with joined_for(cluster, spec.models) as nodes:
            place = _Place(jobs, nodes, cluster, in_no_file=rows is not None or bool(splits.audit.fetched))
            return _sweep(stages, splits, folder, place, progress)


@dataclass(frozen=True)
class _Place:
    """Where cells are tuned."""

    jobs: int | None
    cluster: Cluster | None
    ask: ClusterAsk | None
    in_no_file: bool
    """Whether the rows are in no file of this machine: what came from elsewhere is not brought for each process."""

    @property
    def at_once(self) -> int:
        """Cells on this machine at once; on a cluster, at all."""
        if self.cluster is None or self.ask is None:
            return self.jobs or 1
        held = self.cluster.holds(self.ask.share)
        return held if self.jobs is None else min(held, self.jobs)


def _sweep(
    stages: dict[str, Stage], splits: Splits, folder: SweepFolder, place: _Place, progress: Progress
) -> SweepRecord:
    """Once the folder is claimed, and the cluster is there."""
    spec = next(iter(stages.values())).spec
    check_disk(sweep_need(stages, folder.path, jobs=place.at_once), folder.path, what="sweep")
    folder.begin(spec, splits)
    for stage in stages.values():
        keep_plan(stage)
    for note in power_before(splits.task, splits.counts, hint=False):
        progress.log(f"a sweep compares on one split of the rows: {note}")
    for stage in stages.values():
        if folder.baselines(stage.model) is None:
            progress.log(f"{stage.model}: baselines")
            folder.save_baselines(run_shared_baselines(stage))
    if place.cluster is not None:
        progress.log(
            f"cluster {place.cluster.address}: {len(place.cluster.nodes())} nodes, {place.at_once} cells at once"
        )
    search = None
    with executor(stages, place, splits, progress) as compute:
        if spec.search is None:
            cells = spec.cells()
        else:
            cells, search = run_search(stages, folder, compute, place.at_once, progress)
        left = [cell for cell in cells if not folder.settled(cell)]
        log_start(spec, cells, left, progress)
        with note_on_error(folder, cells):
            run_cells(stages, folder, left, compute, progress)
    record = folder.save_record(build_record(stages, folder, splits, cells, search))
    for stage in stages.values():
        if all(folder.settled(cell) for cell in cells if cell.model == stage.model):
            forget(stage)  # else a rerun tries the failed cells again, from where they were
    return record


def run_search(
    stages: dict[str, Stage], folder: SweepFolder, compute: Executor, at_once: int, progress: Progress
) -> tuple[list[Cell], SearchRecord]:
    """Every trial of a search; then the winner's cells, still to be tuned on the same rows and looked at on test."""
    spec = next(iter(stages.values())).spec
    assert spec.search is not None
    proposals = Proposals(stages, folder, at_once=at_once, tell=progress.log)
    done = f", {proposals.settled} of them done before" if proposals.settled else ""
    if len(proposals):  # the winner is not known yet: what was begun is of one while fewer trials were asked for
        for stage in stages.values():
            for method, seed in product(spec.methods, spec.run.train.seeds):
                forget(stage, Cell(stage.model, method, seed).name)
    progress.log(f"{spec.search.trials} trials on validation{done}; test is looked at by the winner alone")
    try:
        records = compute(proposals)
        with closing(records), progress.bar("trials", len(proposals), speed=False) as advance:
            for cell in records:
                folder.save_cell(cell)
                if cell.state != "failed":
                    forget(stages[cell.model], cell.name)
                proposals.take(cell)
                progress.log(trial_line(cell, stages[cell.model].context.metric))
                advance(1, note=f"trial {cell.trial}")
    except BaseException as error:  # Ctrl-C and defects of liftune too
        error.add_note(f"kept: {proposals.settled} trials, in {folder.path}; the same command continues")
        raise
    return proposals.winner(), proposals.record()


def check_jobs(spec: SweepSpec, jobs: int | None, cluster: ClusterAsk | None = None) -> None:
    """Refuse processes that would get in each other's way.

    Raises:
        SpecError: fewer than one, or several on one GPU; or cells on a cluster that want a GPU and ask for none.
    """
    device = (spec.run.model.device or "cpu").partition(":")[0]
    if cluster is not None and device != "cpu" and not cluster.share.gpus:
        raise SpecError(
            f"cells are to run on {device}, and ask for no GPU of the cluster",
            where="--device",
            hint="give --gpus, such as 1, or 0.5 for two cells on a GPU",
        )
    if jobs is None:
        return
    if jobs < 1:
        raise SpecError(f"{jobs} processes can do nothing", where="--jobs", hint="give 1 or more")
    plan = make_plan(measure_machine(), device=spec.run.model.device)
    if jobs > 1 and plan.device != "cpu" and cluster is None:
        raise SpecError(
            f"{jobs} processes would share {plan.device}, its memory and its speed",
            where="--jobs",
            hint="leave --jobs out, or give --device cpu",
        )


def log_start(spec: SweepSpec, cells: Sequence[Cell], left: Sequence[Cell], progress: Progress) -> None:
    """How much there is to do."""
    every = len(cells)
    done = f", {every - len(left)} of them done before" if len(left) < every else ""
    if spec.search is not None:
        progress.log(f"{every} cells of the winner{done}")
        return
    models, methods, seeds = len(spec.models), len(spec.methods), len(spec.run.train.seeds)
    of_each = f"{amount(models, 'model')}, {amount(methods, 'method')}, {amount(seeds, 'seed')}"
    progress.log(f"{amount(every, 'cell')}: {of_each}{done}")


@contextmanager
def note_on_error(folder: SweepFolder, cells: Sequence[Cell]) -> Iterator[None]:
    """What ends a sweep early notes how many cells are kept, and that a rerun continues."""
    try:
        yield
    except BaseException as error:  # Ctrl-C and defects of liftune too
        done = sum(folder.settled(cell) for cell in cells)
        error.add_note(f"kept: {done} cells, in {folder.path}; the same command continues")
        raise


@contextmanager
def executor(stages: dict[str, Stage], place: _Place, splits: Splits, progress: Progress) -> Iterator[Executor]:
    """What tunes cells, where they are to be tuned."""
    if place.cluster is not None and place.ask is not None:
        share = place.ask.share
        work = work_on(stages, max(1, int(share.cpus)), splits)
        with cells_on_cluster(place.cluster, work, share, place.jobs, progress.log) as compute:
            yield compute
    elif place.at_once == 1:
        yield partial(_here, stages)
    else:
        threads = max(1, measure_machine().threads // place.at_once)
        work = work_on(stages, threads, splits if place.in_no_file else None)
        yield lambda cells: in_processes(cells, work, place.at_once, progress.log)


def run_cells(
    stages: dict[str, Stage], folder: SweepFolder, left: Sequence[Cell], compute: Executor, progress: Progress
) -> None:
    """Every cell that is left, each on disk as soon as it is done."""
    records = compute(left)
    with closing(records), progress.bar("cells", len(left), speed=False) as advance:
        for number, cell in enumerate(records, start=1):
            folder.save_cell(cell)
            if cell.state != "failed":  # a rerun tries that again, from where it was
                forget(stages[cell.model], cell.name)
            progress.log(line(cell, number, len(left), stages[cell.model].context.metric))
            advance(1, note=f"{cell.method} seed {cell.seed}")
    if failed := [cell for cell in left if not folder.settled(cell)]:
        names = ", ".join(f"{cell.model} {cell.method} seed {cell.seed}" for cell in failed)
        progress.log(f"{len(failed)} of {len(left)} cells failed: {names}; the same command tries them again")


def line(cell: CellRecord, number: int, of: int, metric: str) -> str:
    """What became of a cell."""
    what = f"  {number} of {of}: {cell.model} {cell.method} seed {cell.seed}"
    if cell.state != "done":
        return f"{what}: {cell.state}: {(cell.reason or '').splitlines()[0]}"
    return f"{what}: {metric} {interval(cell.metrics[metric])}, {cell.train_seconds or 0.0:.1f} s of training"


def attempt(stage: Callable[[], Stage], cell: Cell) -> CellRecord:
    """The cell, done or not: an error in one must not end the others.

    Raises:
        ArtifactError: the disk cannot be written, which no other cell would survive either.
        LiftuneError: what `stage` raises of them.
    """
    try:
        found = stage()
        try:
            return tune_cell(found, cell)
        except ArtifactError:
            raise
        except LiftuneError as error:
            reason = error.message
    except LiftuneError:
        raise
    except Exception as error:  # whatever a library raises is this cell's reason, stored and shown
        reason = short_of_memory(error).message if lacks_memory(error) else f"{type(error).__name__}: {error}"
    return record_of(cell, state="failed", reason=reason)


def _here(stages: dict[str, Stage], left: Iterable[Cell | None]) -> Generator[CellRecord, None, None]:
    for cell in left:
        if cell is not None:
            yield attempt(partial(stages.__getitem__, cell.model), cell)


@dataclass(frozen=True, eq=False)
class _Handed:
    """Rows that go to a worker process with its work: one and the same for all of its cells."""

    splits: Splits | None


def work_on(stages: dict[str, Stage], threads: int, rows: Splits | None = None) -> CellWork:
    """What a worker process does with a cell."""
    first = next(iter(stages.values()))
    places = {model: str(stage.context.folder.path) for model, stage in stages.items()}
    bases = {model: stage.base_sha256 for model, stage in stages.items()}
    return CellWork(first.spec.model_dump_json(), places, bases, threads, _Handed(rows))


@dataclass(frozen=True)
class CellWork:
    """What a worker process does with a cell, with all that it needs to know."""

    asked: str
    """The sweep's spec, as JSON."""
    places: dict[str, str]
    """Model -> its folder."""
    bases: dict[str, str]
    """Model -> the hash of its weights."""
    threads: int
    rows: _Handed

    def at(self, places: dict[str, str]) -> CellWork:
        """The same, in other folders."""
        return replace(self, places=places)

    def __call__(self, cell: Cell) -> CellRecord:
        """The cell, done or not."""
        return attempt(partial(self._stage, cell.model), cell)

    def _stage(self, model: str) -> Stage:
        stage = _stage(self.asked, model, self.places[model], self.threads, self.rows)
        if stage.base_sha256 != self.bases[model]:
            raise ArtifactError(
                f"the weights of {model} are others on {platform.node()} than where the sweep was begun",
                where=model,
                hint="put the same files on every node",
            )
        return stage


# A process gets one cell after the other: what a model's cells share is made once in it.
@lru_cache(maxsize=1)
def _stage(asked: str, model: str, place: str, threads: int, rows: _Handed) -> Stage:
    set_threads(threads)
    spec = SweepSpec.model_validate_json(asked)
    splits = load_data(spec.run.data) if rows.splits is None else rows.splits
    return set_stage(spec, model, splits, model_folder(Path(place)), goes_on=False)
