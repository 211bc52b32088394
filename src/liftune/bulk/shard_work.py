"""One file of a folder predicted, in any process: read, predicted, put in its place; or why not.

In: a Task, which can be pickled, a Shard.  Out: its Note, or a Failure; Trouble where another try may do.
Not here: which files there are (shards.py), where they go (place.py), who works on them (run.py).
"""

from __future__ import annotations

import os
import re
import shlex
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath

from liftune.addresses import Address
from liftune.bulk.notes import Note
from liftune.bulk.place import InStore, Place
from liftune.bulk.shards import Shard, stamp_of
from liftune.data.readers.fetching import fetched
from liftune.errors import DataError, LiftuneError, ModelError, OutOfMemory, lacks_memory
from liftune.files import sha256_of_files
from liftune.hardware.memory import short_of_memory
from liftune.inference.predictor import Predictor
from liftune.inference.row_texts import UnclearColumnError
from liftune.models.moved_bases import look_in
from liftune.processes import Say, Trouble
from liftune.progress import Advance, Progress
from liftune.workflows.predict import FRESH_BASE, PredictOptions, predict_to_file

#: What errors of one file say where they are of its rows: it alone fails.
_OF_FILES = ("--in", "--out")
#: An option in a hint.
_OPTION = re.compile(r"(?<!\S)--[a-z]")


@dataclass(frozen=True)
class Failure:
    """A file that has no predictions, and would have none if it were tried again."""

    reason: str


@dataclass(frozen=True)
class Rows:
    """Told meanwhile: so many rows more are predicted."""

    count: int


@dataclass(frozen=True)
class Remark:
    """Told meanwhile: what there is to say of a file."""

    shard: str
    text: str


@dataclass(frozen=True)
class Task:
    """What is done with each file of a folder."""

    options: PredictOptions
    place: Place
    model: str
    """Its digest."""
    bases: tuple[str, ...] = ()
    """Where base models are that have moved."""
    threads: int | None = None
    """Of the process; None leaves them as they are."""


def work(task: Task, shard: Shard, say: Say) -> Note | Failure | Trouble:
    """In a process of its own, whose model is loaded once: see `attempt`."""
    return attempt(task, _loaded(task), shard, say)


@lru_cache(maxsize=1)
def _loaded(task: Task) -> Predictor:
    if task.threads:  # before a library that computes is imported
        os.environ["OMP_NUM_THREADS"] = str(task.threads)
    for base in task.bases:
        look_in(base)
    return task.options.load()


def attempt(task: Task, predictor: Predictor, shard: Shard, say: Say) -> Note | Failure | Trouble:
    """Predict a file and put it in its place.

    Raises:
        LiftuneError: what no other file would survive either: a disk that cannot be written, a damaged model.
    """
    if predictor.base_head == "fresh":
        say(Remark(shard.name, FRESH_BASE))
    try:
        with _in_reading(shard):
            return _predicted(task, predictor, shard, say)
    except (DataError, ModelError) as error:
        if (error.where or "--in") not in _OF_FILES and (error.where or "").startswith("--"):
            raise  # of an option, as for any other file
        hint = _hint_of(task, shard, error)
        reason = error.message + (f" ({hint})" if hint else "")
        return Trouble(reason) if _may_pass(task, shard) else Failure(reason)
    except OutOfMemory as error:
        return Trouble(error.message)
    except LiftuneError:
        raise
    except Exception as error:  # whatever a library raises is this file's reason, kept and shown
        short = lacks_memory(error)
        return Trouble(short_of_memory(error).message if short else f"{type(error).__name__}: {error}")


def _hint_of(task: Task, shard: Shard, error: LiftuneError) -> str | None:
    """What to do about one file of a folder: options hold for all files, and files that are done had none or others."""
    renamed = isinstance(error, UnclearColumnError) and error.option == "--text"
    if not renamed and not (error.hint and _OPTION.search(error.hint)):
        return error.hint
    options = task.options
    given = {"--use": options.use, "--in": str(shard.source), "--out": f"predicted-{PurePosixPath(shard.name).name}"}
    words = [word for option, value in given.items() if value for word in (option, value)]
    alone = shlex.join(["liftune", "predict", str(options.run), *words])
    if isinstance(error, UnclearColumnError):
        rename = "rename that column to text, or " if renamed else ""
        return f"{rename}predict this file by itself: {alone} {error.typed}"
    return f"{error.hint}; options are for all files of a folder: for this one give it with {alone}"


def _may_pass(task: Task, shard: Shard) -> bool:
    """Whether another try may do: a store or a network may answer then, another machine see the file."""
    elsewhere = isinstance(shard.source, Address) or isinstance(task.place, InStore)
    return elsewhere or not os.path.exists(shard.source)


def _predicted(task: Task, predictor: Predictor, shard: Shard, say: Say) -> Note:
    started = time.monotonic()
    source, counts = shard.fresh, Counter[str]()
    if isinstance(source, Address):
        sha256, stamp = fetched(source).sha256, shard.stamp
    else:
        stamp = stamp_of(Path(source))
        sha256 = sha256_of_files(Path(source))
    with task.place.work(shard) as made:
        about = {"model": task.model, **task.options.about}
        rows, errors = predict_to_file(
            predictor, task.options, source, str(made), about, _Told(shard, say), or_anew=True, counts=counts
        )
        if not isinstance(source, Address) and stamp_of(Path(source)) != stamp:
            made.unlink()
            raise DataError("it was written while its rows were predicted", where=source, hint="run the command again")
        labels = dict(sorted(counts.items()))
        note = Note(
            shard.name, stamp, sha256, rows, errors, labels, time.monotonic() - started, "", sha256_of_files(made)
        )
        return task.place.deliver(made, note)


@contextmanager
def _in_reading(shard: Shard) -> Iterator[None]:
    """Turn what the system raises over the file that is read into a DataError."""
    try:
        yield
    except OSError as error:
        if isinstance(shard.source, Address) or str(error.filename) != shard.source:
            raise
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"it cannot be read: {reason}", where=shard.source, hint="check its permissions") from None


class _Told(Progress):
    """Tells what is shown to whoever gave the work."""

    def __init__(self, shard: Shard, say: Say) -> None:
        super().__init__(quiet=True)
        self._shard, self._say = shard, say

    def log(self, text: str) -> None:
        self._say(Remark(self._shard.name, text.replace(str(self._shard.source), self._shard.name)))

    tell = log

    @contextmanager
    def bar(self, what: str, rows: int | None, *, speed: bool = True) -> Iterator[Advance]:
        def advance(rows: int = 1, *, note: str | None = None) -> None:
            self._say(Rows(rows))

        yield advance
