"""`liftune predict --in DIR --out DIR`: every file of a folder predicted, under the same name and in its format.

In: PredictOptions.  Out: a FolderRecord, and a folder that the same command goes on with.
Not here: one file (shard_work.py), processes (processes.py), what is kept (notes.py, place.py).
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

from liftune.addresses import Address
from liftune.bulk.notes import Begun, Note
from liftune.bulk.place import Place, place_of
from liftune.bulk.shard_work import Failure, Remark, Rows, Task, attempt, work
from liftune.bulk.shards import Found, Shard, find_shards
from liftune.data.readers.no_data import refuse_model
from liftune.errors import LiftuneError, SpecError, first_of
from liftune.files import sha256_of_files
from liftune.inference.files import CHUNK
from liftune.inference.loading import prediction_plan
from liftune.inference.locate import SavedModel, locate_model
from liftune.inference.onnx_bundle import usable_cpus
from liftune.models.moved_bases import places
from liftune.processes import Tries, Trouble, in_processes
from liftune.progress import Advance, Progress
from liftune.records.predictions import FolderRecord
from liftune.reports.sections.folder import files_text, summary
from liftune.seals import UNSEALED
from liftune.workflows.predict import PredictOptions

#: How often a file is begun, at most.
TRIES = 3
#: Names of files in a line; failed ones in the list of them.
_NAMED, _LISTED = 10, 50
Outcome: TypeAlias = Note | Failure | Trouble


class FilesFailed(LiftuneError):  # noqa: N818 - what happened: files failed
    """Some files have no predictions; all others have."""

    exit_code = 1


def predict_folder(options: PredictOptions, progress: Progress) -> FolderRecord:
    """Predict every file of a folder that has no predictions yet, or has changed since.

    Raises:
        LiftuneError: options, folders or model are wrong, before anything is predicted; or the disk cannot be written.
            A file that fails ends nothing: the record names it.
    """
    options.check()
    assert options.source is not None
    assert options.out is not None
    if not isinstance(options.source, Address):
        refuse_model(options.source, Path(options.source))
    model = locate_model(options.run, use=options.use, said=options.said)
    _check_jobs(options, model)
    found = find_shards(options.source)
    place = place_of(options.out, apart=options.cluster is not None)
    with place.claimed():
        return _predict(options, model, found, place, progress)


def _check_jobs(options: PredictOptions, model: SavedModel) -> None:
    """Refuse processes that would get in each other's way on one GPU; a bundle and a few contenders use none."""
    if options.jobs in (None, 1) or options.cluster or options.device == "cpu" or model.kind != "adapter":
        return
    plan = prediction_plan(options.device, options.precision)
    if plan.device != "cpu":
        raise SpecError(
            f"{options.jobs} processes would share {plan.device}, its memory and its speed",
            where="--jobs",
            hint="leave --jobs out, or give --device cpu",
        )


def refuse_failed(record: FolderRecord) -> None:
    """Raise FilesFailed where a file has no predictions."""
    if record.failed:
        lines = [f"\n  {name}: {why}" for name, why in list(record.failed.items())[:_LISTED]]
        more = len(record.failed) - len(lines)
        lines += [f"\n  and {more:,} more: --json names them all"] if more else []
        every = len(record.failed) + record.files
        raise FilesFailed(
            f"{len(record.failed):,} of {every:,} files have no predictions:{''.join(lines)}",
            where=record.source,
            hint="put these right, or take them out of the folder; the same command then does what is left",
        )


def _predict(
    options: PredictOptions, model: SavedModel, found: Found, place: Place, progress: Progress
) -> FolderRecord:
    """Once the folder is claimed."""
    started = time.monotonic()
    digest = digest_of(model)
    named = {"contender": model.contender, "path": str(model.folder.resolve())}
    begun = Begun(_settings(options, digest), _whole(str(options.source)), named)
    before = place.begin(begun)
    kept = place.notes()
    done = {each.name: kept[each.name] for each in found.shards if each.name in kept and _same(each, kept[each.name])}
    notes = _remarks_on(kept, done, found)
    if before.source != begun.source and len(done) < len(kept):
        raise SpecError(
            f"{place.name} holds predictions of another folder, {before.source}",
            where="--out",
            hint="name another folder with --out",
        )
    left = [each for each in found.shards if each.name not in done]
    if model.note:
        progress.tell(model.note)
    for line in (*_beginning(found, left), *notes):
        progress.log(line)
    jobs = min(options.jobs or 1, max(1, len(left)))
    task = Task(options, place, digest, places(), max(1, usable_cpus() // jobs) if jobs > 1 else None)
    fresh, failed = _all(task, model, left, jobs, progress)
    every = {**done, **fresh}
    if len(every) == len(found.shards):
        place.tidy()
    seconds = time.monotonic() - started
    record = FolderRecord(
        source=str(options.source),
        path=str(options.out),
        files=len(every),
        earlier=len(done),
        rows=sum(each.rows for each in every.values()),
        errors=sum(each.errors for each in every.values()),
        labels=_counted(every.values()),
        failed=dict(sorted({**found.unreadable, **failed}.items())),
        left_out=found.left_out,
        seconds=seconds,
        rows_per_second=sum(each.rows for each in fresh.values()) / seconds if fresh else None,
        notes=tuple(notes),
    )
    for line in summary(record):
        progress.log(line)
    return record


def digest_of(model: SavedModel) -> str:
    """sha256 over the names and bytes of a model's files: the same wherever it lies."""
    names = sorted(each.name for each in model.folder.iterdir() if each.is_file() and each.name not in UNSEALED)
    lines = [f"{sha256_of_files(model.folder / name)}  {name}\n" for name in names]
    return hashlib.sha256("".join([model.contender, *lines]).encode()).hexdigest()


def _settings(options: PredictOptions, model: str) -> dict[str, Any]:
    """All that the files depend on besides their rows, by the names of the options."""
    reading = options.reading
    return {
        "liftune": version("liftune"),
        "model": model,
        **options.about,
        "text": options.text,
        "text_pair": options.text_pair,
        "encoding": reading.encoding,
        "no_header": reading.no_header,
        "columns": list(reading.columns),
        "skip_lines": reading.skip_lines,
        "csv_safe": options.csv_safe,
        "chunk": CHUNK,
    }


def _whole(source: str) -> str:
    return source if isinstance(source, Address) else str(Path(source).resolve())


def _same(shard: Shard, note: Note) -> bool:
    """Whether a note is of the file as it is now."""
    return note.read == shard.stamp or shard.holds(note.sha256)


def _remarks_on(kept: dict[str, Note], done: dict[str, Note], found: Found) -> list[str]:
    """What is there of an earlier call, and no longer fits what is read."""
    names = {each.name for each in found.shards}
    gone, changed = [name for name in kept if name not in names], [name for name in kept if name in names - {*done}]
    lines = []
    if gone:
        lines.append(f"no longer in the input, and left as they are: {first_of(gone, _NAMED)}")
    if changed:
        lines.append(f"changed since they were predicted: {first_of(changed, _NAMED)}")
    return lines


def _beginning(found: Found, left: Sequence[Shard]) -> list[str]:
    every = len(found.shards)
    done = f", {every - len(left):,} of them done before" if len(left) < every else ""
    return [f"{files_text(every)}{done}"]


def _counted(notes: Any) -> dict[str, int]:
    counts = Counter[str]()
    for each in notes:
        counts.update(each.labels)
    return dict(counts.most_common())


def _all(
    task: Task, model: SavedModel, left: Sequence[Shard], jobs: int, progress: Progress
) -> tuple[dict[str, Note], dict[str, str]]:
    """Every file that is left, each in its place as soon as it is whole; and why files failed."""
    fresh: dict[str, Note] = {}
    failed: dict[str, str] = {}
    if not left:
        return fresh, failed
    with _saying_what_is_kept(fresh, task.place), progress.bar("predict", len(left), speed=False) as advance:
        screen = _Screen(progress, advance)
        with closing(_outcomes(task, model, left, jobs, screen)) as outcomes:
            for shard, outcome in outcomes:
                if isinstance(outcome, Note):
                    fresh[shard.name] = outcome
                else:
                    tried = f"{TRIES} times: " if isinstance(outcome, Trouble) else ""
                    failed[shard.name] = f"{tried}{outcome.reason}"
                    progress.log(f"{shard.name} has no predictions: {failed[shard.name]}")
                advance(1)
    return fresh, failed


def _outcomes(
    task: Task, model: SavedModel, left: Sequence[Shard], jobs: int, screen: _Screen
) -> Generator[tuple[Shard, Outcome], None, None]:
    """Each file with what came of it, by the workers that were asked for."""
    if task.options.cluster is not None:
        from liftune.bulk.on_cluster import outcomes_on_cluster

        return outcomes_on_cluster(task, model, left, tries=TRIES, again=screen.again, hear=screen.hear)
    if jobs == 1:
        return _here(task, left, screen)
    return in_processes(
        left, partial(work, task), jobs, tries=TRIES, again=screen.again, heard=screen.hear, call="liftune.predict"
    )


def _here(task: Task, left: Sequence[Shard], screen: _Screen) -> Generator[tuple[Shard, Outcome], None, None]:
    predictor = task.options.load()
    waiting = Tries(left, TRIES, screen.again)
    while (shard := waiting.next()) is not None:
        outcome = attempt(task, predictor, shard, screen.hear)
        if waiting.settles(shard, outcome):
            yield shard, outcome


class _Screen:
    """What is shown of what workers say: the rows that are done, and each remark once, however many files it is of."""

    def __init__(self, progress: Progress, advance: Advance) -> None:
        self._progress, self._advance = progress, advance
        self._rows, self._started = 0, time.monotonic()
        self._said: set[str] = set()

    def hear(self, what: object) -> None:
        if isinstance(what, Rows):
            self._rows += what.count
            rate = self._rows / max(time.monotonic() - self._started, 1e-9)
            self._advance(0, note=f"{self._rows:,} rows, {rate:,.0f} rows/s")
        elif isinstance(what, Remark):
            alike = what.text.replace(what.shard, "")
            if alike not in self._said:
                self._said.add(alike)
                self._progress.log(what.text)

    def again(self, shard: Shard, why: str) -> None:
        self._progress.log(f"{shard.name}: {why}; it is tried again")


@contextmanager
def _saying_what_is_kept(fresh: dict[str, Note], place: Place) -> Iterator[None]:
    """What ends the work early notes how many files are kept, and that the same command goes on."""
    try:
        yield
    except BaseException as error:  # Ctrl-C and defects of liftune too
        error.__notes__ = []  # of one of the files
        if fresh or not isinstance(error, LiftuneError):
            error.add_note(f"kept: {files_text(len(fresh))} of this call, in {place.name}; the same command continues")
        raise
