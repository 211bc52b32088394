"""A sweep: every cell of a grid, one after the other or in several processes, then one leaderboard.

In: a SweepSpec, and rows where they are in memory.  Out: a SweepRecord, and a folder that a rerun continues.
Not here: one cell (cells.py), worker processes (workers.py), the disk (folder.py), the ranking (leaderboard.py).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import cast

from liftune.claims import claim_folder
from liftune.data import load_data
from liftune.data.load import RowsInMemory
from liftune.data.splits import Splits
from liftune.errors import EXTRAS, ArtifactError, LiftuneError, SpecError, lacks_memory, need
from liftune.evaluation.clean_rows import LEAST_CLEAN, Leaks
from liftune.evaluation.evaluate import Evaluation
from liftune.formatting import interval
from liftune.hardware.measure import measure_machine, set_threads
from liftune.hardware.memory import short_of_memory
from liftune.hardware.plan import make_plan
from liftune.metrics.registry import check_metric
from liftune.progress import Progress
from liftune.records.sweep import BaselinesRecord, CellRecord, SweepRecord
from liftune.reports.sections.power import power_before
from liftune.spec_text import Asked
from liftune.sweeps.cells import Stage, forget, keep_plan, run_shared_baselines, set_stage, tune_cell
from liftune.sweeps.disk import sweep_need
from liftune.sweeps.folder import SweepFolder, model_folder
from liftune.sweeps.grid import Cell, SweepSpec
from liftune.sweeps.leaderboard import LeaderboardEntry, chosen, entries_of, leaderboard
from liftune.sweeps.workers import Work, in_processes
from liftune.versions import versions
from liftune.workflows.disk_needs import check_disk
from liftune.workflows.request import read_rows


def sweep(
    spec: SweepSpec, rows: RowsInMemory | None = None, *, jobs: int = 1, progress: Progress | None = None
) -> SweepRecord:
    """Tune every model by every method under every seed on the same rows, and rank what came of it.

    Args:
        rows: those to tune on; None reads what the spec names. A rerun takes the same ones.
        jobs: processes at once, each with its share of the CPU's threads.

    Raises:
        LiftuneError: the options or the data are wrong, before anything is tuned; or the disk cannot be written. A cell
            that fails does not end the sweep: its reason is kept, and a rerun tries it again.
    """
    need(*EXTRAS["tune"])
    progress = progress or Progress(quiet=True)
    check_jobs(spec, jobs)
    folder = SweepFolder.create(spec)
    with claim_folder(folder.path):
        return _sweep(spec, rows, folder, jobs, progress)


def _sweep(
    spec: SweepSpec, rows: RowsInMemory | None, folder: SweepFolder, jobs: int, progress: Progress
) -> SweepRecord:
    """Once the folder is claimed."""
    asked = Asked("sweep", {"methods": ",".join(spec.methods)})
    splits = load_data(spec.run.data, asked=asked) if rows is None else read_rows(spec.run.data, rows, asked)
    stages = {model: set_stage(spec, model, splits, folder.of_model(model)) for model in spec.models}
    check_disk(sweep_need(stages, folder.path, jobs=jobs), folder.path, what="sweep")
    folder.begin(spec, splits)
    for stage in stages.values():
        keep_plan(stage)
    for note in power_before(splits.task, splits.counts, hint=False):
        progress.log(f"a sweep compares on one split of the rows: {note}")
    for stage in stages.values():
        if folder.baselines(stage.model) is None:
            progress.log(f"{stage.model}: baselines")
            folder.save_baselines(run_shared_baselines(stage))
    left = [cell for cell in spec.cells() if not folder.settled(cell)]
    log_start(spec, left, progress)
    with note_on_error(folder, spec):
        here = rows is not None or splits.audit.fetched  # what came from elsewhere is not brought for each process
        run_cells(stages, folder, left, jobs, progress, rows=splits if here else None)
    record = folder.save_record(build_record(stages, folder, splits))
    for stage in stages.values():
        if all(folder.settled(cell) for cell in spec.cells() if cell.model == stage.model):
            forget(stage)  # else a rerun tries the failed cells again, from where they were
    return record


def check_jobs(spec: SweepSpec, jobs: int) -> None:
    """Refuse processes that would get in each other's way.

    Raises:
        SpecError: fewer than one, or several on one GPU.
    """
    if jobs < 1:
        raise SpecError(f"{jobs} processes can do nothing", where="--jobs", hint="give 1 or more")
    plan = make_plan(measure_machine(), device=spec.run.model.device)
    if jobs > 1 and plan.device != "cpu":
        raise SpecError(
            f"{jobs} processes would share {plan.device}, its memory and its speed",
            where="--jobs",
            hint="leave --jobs out, or give --device cpu",
        )


def log_start(spec: SweepSpec, left: Sequence[Cell], progress: Progress) -> None:
    """How much there is to do."""
    every = len(spec.cells())
    done = f", {every - len(left)} of them done before" if len(left) < every else ""
    models, methods, seeds = len(spec.models), len(spec.methods), len(spec.run.train.seeds)
    progress.log(f"{every} cells: {models} models, {methods} methods, {seeds} seeds{done}")


@contextmanager
def note_on_error(folder: SweepFolder, spec: SweepSpec) -> Iterator[None]:
    """What ends a sweep early notes how many cells are kept, and that a rerun continues."""
    try:
        yield
    except BaseException as error:
        done = sum(folder.settled(cell) for cell in spec.cells())
        error.add_note(f"kept: {done} cells, in {folder.path}; the same command continues")
        raise


def run_cells(
    stages: dict[str, Stage],
    folder: SweepFolder,
    left: Sequence[Cell],
    jobs: int,
    progress: Progress,
    *,
    rows: Splits | None = None,
) -> None:
    """Every cell that is left, each on disk as soon as it is done.

    Args:
        rows: those that are in no file here, for other processes; None lets each read its source.
    """
    threads = max(1, measure_machine().threads // jobs)
    records = (
        _here(stages, left) if jobs == 1 else in_processes(left, work_on(stages, threads, rows), jobs, progress.log)
    )
    with closing(records), progress.bar("cells", len(left), speed=False) as advance:
        for number, cell in enumerate(records, start=1):
            folder.save_cell(cell)
            if cell.state != "failed":  # a rerun tries that again, from where it was
                forget(stages[cell.model], Cell(cell.model, cell.method, cell.seed))
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
    return CellRecord(model=cell.model, method=cell.method, seed=cell.seed, state="failed", reason=reason)


def _here(stages: dict[str, Stage], left: Sequence[Cell]) -> Generator[CellRecord, None, None]:
    for cell in left:
        yield attempt(partial(stages.__getitem__, cell.model), cell)


@dataclass(frozen=True, eq=False)
class _Handed:
    """Rows that go to a worker process with its work: one and the same for all of its cells."""

    splits: Splits | None


def work_on(stages: dict[str, Stage], threads: int, rows: Splits | None = None) -> Work:
    """What a worker process does with a cell."""
    places = {model: str(stage.context.folder.path) for model, stage in stages.items()}
    asked = next(iter(stages.values())).spec.model_dump_json()
    return partial(_attempt_in_process, asked, places, threads, _Handed(rows))


def _attempt_in_process(asked: str, places: dict[str, str], threads: int, rows: _Handed, cell: Cell) -> CellRecord:
    return attempt(partial(_stage, asked, cell.model, places[cell.model], threads, rows), cell)


# A process gets one cell after the other: what a model's cells share is made once in it.
@lru_cache(maxsize=1)
def _stage(asked: str, model: str, place: str, threads: int, rows: _Handed) -> Stage:
    set_threads(threads)
    spec = SweepSpec.model_validate_json(asked)
    splits = load_data(spec.run.data) if rows.splits is None else rows.splits
    return set_stage(spec, model, splits, model_folder(Path(place)), goes_on=False)


def build_record(stages: dict[str, Stage], folder: SweepFolder, splits: Splits) -> SweepRecord:
    """Everything that the sweep computed, as one record."""
    first = next(iter(stages.values()))
    spec, metric = first.spec, check_metric(first.spec.run.evaluation.metric, splits.task).name
    cells = tuple(record for cell in spec.cells() if (record := folder.cell(cell)) is not None)
    baselines = tuple(cast(BaselinesRecord, folder.baselines(model)) for model in spec.models)
    entries = [
        entry
        for stage, record in zip(stages.values(), baselines, strict=True)
        for entry in _entries(stage, record, cells)
    ]
    ranked = leaderboard(entries, metric)
    best = chosen(ranked, metric)
    return SweepRecord(
        sweep=str(folder.path),
        data=spec.run.data.source,
        task=splits.task,
        labels=splits.labels,
        partial=splits.partial,
        rows=splits.counts,
        audit=splits.audit,
        metric=metric,
        data_fingerprint=splits.fingerprint,
        baselines=baselines,
        cells=cells,
        leaderboard=ranked,
        chosen=None if best is None else f"{best.contender} on {best.model}",
        notes=(*notes(cells, baselines), *leaks(splits)),
        versions=versions(),
    )


def notes(cells: Sequence[CellRecord], baselines: Sequence[BaselinesRecord]) -> tuple[str, ...]:
    """What a reader of the numbers should know."""
    lines = []
    if any(cell.state == "done" and cell.memory_mib is None for cell in cells):
        lines.append("memory of a cell is unknown: this system does not let a process count it anew")
    if len({record.max_length for record in baselines}) > 1:
        lines.append("the models read rows cut at different lengths: " + ", ".join(_lengths(baselines)))
    return tuple(lines)


def leaks(splits: Splits) -> tuple[str, ...]:
    """On which test rows contenders are ranked, where some leak."""
    leaked, every = len(splits.audit.unclean), len(splits.test)
    if not leaked:
        return ()
    what = f"{leaked:,} of {every:,} test examples leak from train or validation"
    if every - leaked < LEAST_CLEAN:
        return (f"{what}, and too few are left without them: contenders are ranked on all",)
    return (f"{what}: contenders are ranked on the other {every - leaked:,}",)


def _lengths(baselines: Sequence[BaselinesRecord]) -> Iterator[str]:
    return (f"{record.model} {record.max_length} tokens" for record in baselines)


def _entries(stage: Stage, baselines: BaselinesRecord, cells: Sequence[CellRecord]) -> list[LeaderboardEntry]:
    """A model's contenders with their logits, from disk."""
    done = [cell for cell in cells if cell.model == stage.model and cell.state == "done"]
    as_cells = {
        contender.name: CellRecord(
            model=stage.model,
            method=contender.name,
            seed=stage.spec.run.train.seeds[0],
            state="done",
            metrics=contender.metrics,
            validation=contender.validation,
            train_seconds=contender.seconds.train,
            trainable_parameters=contender.trainable_parameters,
        )
        for contender in baselines.contenders
    }

    def evaluation(name: str) -> Evaluation:
        splits = stage.context.splits
        found = stage.context.folder.unrecorded_evaluation(name, splits, stage.context.metric)
        clean = Leaks.of(splits.audit).clean(found)
        return found if len(clean) < LEAST_CLEAN else found.take(clean)

    return entries_of(
        stage.model,
        {name: (cell, evaluation(name)) for name, cell in as_cells.items()},
        [(cell, evaluation(f"{cell.method}-{cell.seed}")) for cell in done],
    )
