"""The queue: one job at a time, each a child process of the command line that can be stopped as one in a terminal.

In: jobs that wait, a wish to cancel one.  Out: the same with the state that they end in, each change on disk.
Not here: what a job's child is told (choices.py), how far it is (following.py), how a child is started (children.py).

A server that ends asks its child to save and waits for it. A server that is killed leaves its child running: the next
one on the same folder sees that the run's folder is held, and waits until it is let go.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

from liftune.claims import HOLDER, Held, refuse_held
from liftune.errors import LiftuneError
from liftune.files import disk_errors
from liftune.json_text import JsonError, parse_json
from liftune.server.errors import RequestError
from liftune.ui.children import Child, Starter, fault_in, named_for_user
from liftune.ui.limits import UiLimits
from liftune.ui.store import ACTIVE, EVENTS, LOG, OPEN, OPTIONS, Bundle, Fault, Job, Store

#: Seconds between two looks at a run that an earlier server's child carries out.
_LOOK_SECONDS = 1.0
#: Characters of a log that are looked at for the fault at its end.
_TAIL = 16_384
BUNDLE = "bundle"
_FORMAT = "onnx"


class Queue:
    """Carries out jobs, one after the other, for as long as `run` does.

    Args:
        start: starts a command.
    """

    def __init__(self, store: Store, start: Starter, limits: UiLimits, clock: Callable[[], float] = time.time) -> None:
        self._store, self._start, self._limits, self._clock = store, start, limits, clock
        self._wake = asyncio.Event()
        self._closing = False
        self._child: tuple[str, Child] | None = None

    async def run(self) -> None:
        """Carry out what waits, until it is cancelled."""
        await self._wait_for_earlier()
        while not self._closing:
            self._wake.clear()
            job = self._next()
            if job is None:
                await self._wake.wait()
            elif job.state == "queued":
                await self._tune(job)
            else:
                await self._export(job)

    async def close(self) -> None:
        """Ask the child to save and end, and wait for it."""
        self._closing = True
        self._wake.set()
        if self._child:
            name, child = self._child
            job = self._store.jobs.get(name)
            if job and job.state == "running":
                self._store.keep(job, state="stopping")
            child.stop()

    def add(self, job: Job) -> None:
        """A job waits."""
        self._wake.set()

    def check_room(self) -> None:
        """Refuse one more job where the queue is full.

        Raises:
            RequestError: 503.
        """
        if sum(job.state == "queued" for job in self._store.jobs.values()) >= self._limits.waiting:
            raise RequestError(
                503, f"{self._limits.waiting} runs wait already", hint="cancel one, or start this one later"
            )

    def cancel(self, job: Job) -> Job:
        """Take a job out of the queue, or ask its child to save and to end.

        Raises:
            RequestError: 409, it is over.
        """
        if job.state == "queued":
            return self._store.keep(job, state="stopped", ended=self._clock(), fault=None)
        if job.bundle and job.bundle.state in OPEN:
            if job.bundle.state == "queued":
                return self._store.keep(job, bundle=None)
            self._stop_child(job)
            return self._store.keep(job, bundle=Bundle(state="stopping"))
        if job.state not in ACTIVE:
            raise RequestError(409, "this run is over", hint="reload the page")
        self._stop_child(job)
        return self._store.keep(job, state="stopping")

    def resume(self, job: Job) -> Job:
        """Let a job that was stopped, or failed, wait again: the same command goes on with what was kept.

        Raises:
            RequestError: 409, it is not over, or done.
        """
        if job.state not in ("stopped", "failed"):
            raise RequestError(409, "only a run that was stopped, or failed, can go on", hint="reload the page")
        self.check_room()
        job = self._store.keep(job, state="queued", turn=self._store.next_turn(), ended=None, fault=None)
        self._wake.set()
        return job

    def bundle(self, job: Job) -> Job:
        """Let a finished job be exported as a bundle.

        Raises:
            RequestError: 409, it is not done, or its bundle is being made.
        """
        if job.state != "done" or (job.bundle and job.bundle.state in (*OPEN, "done")):
            raise RequestError(409, "a bundle is made of a finished run, once", hint="reload the page")
        job = self._store.keep(job, bundle=Bundle(state="queued", turn=self._store.next_turn()))
        self._wake.set()
        return job

    def _next(self) -> Job | None:
        waiting = [(job.turn, job) for job in self._store.jobs.values() if job.state == "queued"]
        waiting += [
            (job.bundle.turn, job)
            for job in self._store.jobs.values()
            if job.bundle and job.bundle.state == "queued" and job.state == "done"
        ]
        return min(waiting, key=lambda each: each[0])[1] if waiting else None

    async def _tune(self, job: Job) -> None:
        place = f"jobs/{job.id}"
        arguments = ("tune", "--config", f"{place}/{OPTIONS}", "--events", f"{place}/{EVENTS}")
        job = self._store.keep(job, state="running", started=self._clock(), ended=None, fault=None)
        try:
            code = await self._carry_out(job, arguments)
        except LiftuneError as error:
            job = self._store.jobs.get(job.id, job)
            self._store.keep(job, state="failed", ended=self._clock(), fault=Fault.of(error))
            return
        self._over(job.id, code)

    async def _export(self, job: Job) -> None:
        place = f"jobs/{job.id}"
        arguments = ("export", f"{place}/run", "--to", f"{place}/{BUNDLE}", "--format", _FORMAT)
        job = self._store.keep(job, bundle=Bundle(state="running"))
        try:
            code = await self._carry_out(job, arguments)
        except LiftuneError as error:
            self._store.keep(self._store.jobs[job.id], bundle=Bundle(state="failed", fault=Fault.of(error)))
            return
        job = self._store.jobs[job.id]
        if code == 0:
            made = Bundle(state="done")
        elif job.bundle and job.bundle.state == "stopping":
            self._store.keep(job, bundle=None)
            return
        else:
            made = Bundle(state="failed", fault=self._fault(job))
        self._store.keep(job, bundle=made)

    async def _carry_out(self, job: Job, arguments: tuple[str, ...]) -> int:
        """Run the command to its end; its exit code."""
        log = self._store.place(job) / LOG
        with disk_errors(log):
            child = await self._start(arguments, self._store.folder, log)
        self._child = (job.id, child)
        try:
            job = self._store.keep(self._store.jobs[job.id], pid=child.pid)
            stopping = job.state == "stopping" or (job.bundle and job.bundle.state == "stopping")
            if stopping or self._closing:  # asked for while it was started
                child.stop()
            return await child.wait()
        finally:
            self._child = None

    def _over(self, name: str, code: int | None) -> None:
        """Keep the state in which a run has ended, by what lies in its folder.

        Args:
            code: of its child; None where an earlier server had started that.
        """
        job = self._store.jobs.get(name)
        if job is None:
            return
        run = self._store.run(job)
        whole = (run.run / "record.json").is_file() and not run.can_go_on
        if whole and code in (0, None):
            state, fault = "done", None
        elif job.state == "stopping" or code is None or code < 0 or code >= 128:
            state, fault = "stopped", None
        else:
            state, fault = "failed", self._fault(job)
        self._store.keep(job, state=state, ended=self._clock(), pid=None, fault=fault)

    def _fault(self, job: Job) -> Fault:
        found = fault_in(tail_of(self._store.place(job) / LOG))
        return Fault.of(named_for_user(found, self._store.names(job)))

    def _stop_child(self, job: Job) -> None:
        if self._child and self._child[0] == job.id:
            self._child[1].stop()
        elif (held := _holder_of(self._store.run(job).run)) is not None and held == job.pid:
            with contextlib.suppress(OSError):
                os.kill(held, signal.SIGTERM)

    async def _wait_for_earlier(self) -> None:
        """Of jobs that an earlier server has begun, wait for those that still run, and keep how the others ended."""
        for job in list(self._store.jobs.values()):
            if job.bundle and job.bundle.state in ACTIVE:
                job = self._store.keep(job, bundle=None)
            if job.state in ACTIVE:
                while _is_held(self._store.run(job).run):
                    await asyncio.sleep(_LOOK_SECONDS)
                self._over(job.id, None)


def tail_of(log: Path, most: int = _TAIL) -> str:
    """The end of a log."""
    try:
        with log.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - most))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _is_held(run: Path) -> bool:
    try:
        refuse_held(run)
    except Held:
        return True
    return False


def _holder_of(run: Path) -> int | None:
    """The process that writes to a run's folder."""
    if not _is_held(run):
        return None
    try:
        return int(parse_json((run / HOLDER).read_bytes())["process"])
    except (OSError, JsonError, KeyError, TypeError, ValueError):
        return None
