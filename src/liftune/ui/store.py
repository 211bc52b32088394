"""What the page keeps, in one folder, so that a reload and a restart find it again.

    FOLDER/uploads/upload-1/upload.json    what is known of a file; the file itself is rows.csv, ... beside it
    FOLDER/jobs/job-1/job.json             a run: what was asked, where it stands
    FOLDER/jobs/job-1/options.json         the options, as `tune --config` takes them
    FOLDER/jobs/job-1/events.jsonl, log    what happened, and what the command said
    FOLDER/jobs/job-1/run/                 the run's folder
    FOLDER/jobs/job-1/bundle/              the model as a bundle, where one was asked for

In: uploads and jobs.  Out: the same, on disk and by their ids. Every name is made here.
Not here: receiving files (incoming.py), starting jobs (queue.py).
"""

from __future__ import annotations

import re
import secrets
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from liftune.errors import LiftuneError
from liftune.files import disk_errors, read_json_object, write_json
from liftune.server.errors import RequestError
from liftune.spec import RunSpec
from liftune.unfinished import Unfinished

State = Literal["queued", "running", "stopping", "stopped", "failed", "done"]
#: Of a job that is not over.
OPEN: tuple[State, ...] = ("queued", "running", "stopping")
#: Of a job whose child may run.
ACTIVE: tuple[State, ...] = ("running", "stopping")
_UPLOAD, _JOB, OPTIONS, EVENTS, LOG = "upload.json", "job.json", "options.json", "events.jsonl", "log.txt"
_INCOMING = ".incoming-"
_HINT = "remove the folder that it lies in; the others are still there"


class Stored(BaseModel):
    """Base of what is kept: frozen values."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: str
    """Made by the server; also the folder's name."""

    @property
    def number(self) -> int:
        """In order of their making."""
        return int(self.id.rpartition("-")[2])


class Upload(Stored):
    """A file that was sent and read."""

    name: str
    """The sender's, to be shown."""
    file: str
    """The server's."""
    bytes: int
    rows: int
    columns: tuple[str, ...]
    first: tuple[tuple[str, ...], ...]
    """Cells of the first rows, cut."""
    notes: tuple[str, ...] = ()
    at: float


class Fault(BaseModel):
    """Why a job failed."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    message: str
    where: str | None = None
    hint: str | None = None

    @classmethod
    def of(cls, error: LiftuneError) -> Fault:
        """What an error says."""
        return cls(message=error.message, where=error.where, hint=error.hint)


class Bundle(BaseModel):
    """The export of a finished job."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    state: State
    turn: int = 0
    """Its place in the queue."""
    fault: Fault | None = None


class Job(Stored):
    """A run that was asked for."""

    title: str
    """The data's name, to be shown."""
    upload: str | None
    """None of the sample."""
    spec: RunSpec
    state: State = "queued"
    turn: int = 0
    """Its place in the queue: the lowest is next."""
    asked: float
    started: float | None = None
    ended: float | None = None
    pid: int | None = None
    fault: Fault | None = None
    bundle: Bundle | None = None


S = TypeVar("S", bound=Stored)


class Store:
    """The folder.

    Args:
        folder: made where there is none.

    Raises:
        ArtifactError: the disk cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        with disk_errors(folder):
            for each in (self._uploads, self._jobs):
                each.mkdir(parents=True, exist_ok=True)
        for left in self._uploads.glob(f"{_INCOMING}*"):
            shutil.rmtree(left, ignore_errors=True)
        self.unreadable: list[str] = []
        self._made: dict[str, int] = {}
        self.uploads: dict[str, Upload] = {each.id: each for each in self._read(self._uploads, _UPLOAD, Upload)}
        self.jobs: dict[str, Job] = {each.id: each for each in self._read(self._jobs, _JOB, Job)}

    @property
    def _uploads(self) -> Path:
        return self.folder / "uploads"

    @property
    def _jobs(self) -> Path:
        return self.folder / "jobs"

    def upload(self, given: str) -> Upload:
        """An upload by its id.

        Raises:
            RequestError: 404.
        """
        return _found(self.uploads, given, "file")

    def job(self, given: str) -> Job:
        """A job by its id.

        Raises:
            RequestError: 404.
        """
        return _found(self.jobs, given, "run")

    def place(self, stored: Stored) -> Path:
        """The folder of an upload or a job."""
        return (self._jobs if isinstance(stored, Job) else self._uploads) / stored.id

    def run(self, job: Job) -> Unfinished:
        """The run's folder, and whether it can be gone on with."""
        return Unfinished(self.place(job) / "run")

    def source(self, upload: Upload) -> str:
        """An upload's file as options name it: from the folder on."""
        return f"uploads/{upload.id}/{upload.file}"

    def names(self, job: Job) -> dict[str, str]:
        """How the job's file is named in what liftune says, and how by the user who sent it."""
        upload = self.uploads.get(job.upload or "")
        return {self.source(upload): upload.name} if upload else {}

    def incoming(self) -> Path:
        """A new folder for a file that is being received."""
        folder = self._uploads / f"{_INCOMING}{secrets.token_hex(8)}"
        with disk_errors(folder):
            folder.mkdir(mode=0o700)
        return folder

    def add_upload(self, folder: Path, *, most: int, **facts: Any) -> Upload:
        """Keep a folder that holds a file; beyond `most` the oldest goes that no job has used."""
        used = {job.upload for job in self.jobs.values()}
        free = [each for each in sorted(self.uploads.values(), key=_number) if each.id not in used]
        while len(self.uploads) >= most and free:
            self._remove(free.pop(0), self.uploads)
        if len(self.uploads) >= most:
            raise RequestError(
                507, f"{most} files are kept, each used by a run", hint="remove runs that are not needed"
            )
        upload = Upload(id=self._next(self._uploads, "upload"), **facts)
        write_json(folder / _UPLOAD, upload.model_dump(mode="json"))
        with disk_errors(folder):
            folder.rename(self.place(upload))
        self.uploads[upload.id] = upload
        return upload

    def add_job(self, *, title: str, upload: str | None, spec: RunSpec, asked: float) -> Job:
        """Keep a new job, at the end of the queue."""
        name = self._next(self._jobs, "job")
        spec = spec.model_copy(update={"out": f"jobs/{name}/run"})
        job = Job(id=name, title=title, upload=upload, spec=spec, asked=asked, turn=self.next_turn())
        with disk_errors(self.place(job)):
            self.place(job).mkdir()
        options = spec.model_dump(mode="json", exclude_defaults=True)
        write_json(self.place(job) / OPTIONS, options)
        return self.keep(job)

    def keep(self, job: Job, **changes: Any) -> Job:
        """A job, with what is new of it."""
        job = job.model_copy(update=changes)
        write_json(self.place(job) / _JOB, job.model_dump(mode="json"))
        self.jobs[job.id] = job
        return job

    def remove(self, job: Job) -> None:
        """Remove a job and its run; its file stays for others."""
        self._remove(job, self.jobs)

    def next_turn(self) -> int:
        """Behind all that wait."""
        turns = [job.turn for job in self.jobs.values()]
        turns += [job.bundle.turn for job in self.jobs.values() if job.bundle]
        return max(turns, default=0) + 1

    def _remove(self, stored: S, kept: dict[str, S]) -> None:
        kept.pop(stored.id, None)
        shutil.rmtree(self.place(stored), ignore_errors=True)

    def _next(self, parent: Path, kind: str) -> str:
        taken = [int(found[1]) for each in parent.iterdir() if (found := re.fullmatch(rf"{kind}-(\d+)", each.name))]
        self._made[kind] = (
            max((self._made.get(kind, 0), *taken)) + 1
        )  # a page that is open may still name one that has gone
        return f"{kind}-{self._made[kind]}"

    def _read(self, parent: Path, name: str, kind: type[S]) -> Iterable[S]:
        for folder in sorted(parent.iterdir()):
            path = folder / name
            if not path.is_file():
                continue
            try:
                found = kind.model_validate(read_json_object(path, hint=_HINT))
            except (LiftuneError, ValidationError) as error:
                self.unreadable.append(f"{path}: {str(error).splitlines()[0]}")
                continue
            if found.id == folder.name:
                yield found


def _number(stored: Stored) -> int:
    return stored.number


def _found(kept: dict[str, S], given: str, kind: str) -> S:
    if given not in kept:
        raise RequestError(404, f"there is no such {kind} any more", hint="reload the page")
    return kept[given]
