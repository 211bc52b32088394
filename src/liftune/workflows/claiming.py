"""Which folder a run is written to, that no other process writes to it, and whether an unfinished run goes on there.

In: a TuneRequest.  Out: the same with its folder, claimed until the block ends.
Not here: options and rows (request.py), the lock (claims.py), what differs between requests (asked.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liftune.addresses import is_address
from liftune.claims import Held, claim_folder
from liftune.errors import ArtifactError, SpecError, pasted
from liftune.new_run import numbered
from liftune.replacing import finish_taking, holds_run, is_decided, refuse_to_replace, staged
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.workflows.asked import Request, as_asked, differing_options, refuse_others
from liftune.workflows.request import TuneRequest, run_name
from liftune.workflows.stages import outside_fingerprint, rows_fingerprint
from liftune.wrong_path import refusal


@dataclass(frozen=True)
class Claimed:
    """A request that may be carried out."""

    request: TuneRequest
    goes_on: bool
    """Whether an earlier process has begun with it."""
    key: str
    """Names what all outcomes of the run follow from."""
    replaces: bool = False
    """Whether another run still lies in the folder, which goes once the model has been checked."""


@contextmanager
def claimed(request: TuneRequest, *, overwrite: bool = False) -> Iterator[Claimed]:
    """The request with a folder that is this run's alone: what --out names, else the first that nobody has.

    An unfinished run of the same request goes on, unless it is to be replaced.

    Raises:
        Held: another process writes to what --out names.
        ArtifactError: an unfinished run there was asked otherwise, or the disk cannot be written.
    """
    with ExitStack() as claim:
        outside = outside_fingerprint(request.answers, request.descriptions)
        wanted = Request.of(request.spec, rows_fingerprint(request.splits), outside)
        folder = _take(request, wanted, claim, overwrite=overwrite)
        replaces = overwrite and not folder.unfinished.is_blank
        before = None if replaces else Request.read(folder)
        folder.unfinished.remove_leftovers()
        if before is None:
            wanted.save(staged(folder.path) if replaces else folder.unfinished)
        spec = (before or wanted).spec
        try:
            yield Claimed(replace(request, folder=folder, spec=spec), before is not None, wanted.key, replaces)
        finally:
            if replaces and not is_decided(folder.path):  # it is there still where the new run was refused
                shutil.rmtree(staged(folder.path).folder, ignore_errors=True)


def _take(request: TuneRequest, wanted: Request, claim: ExitStack, *, overwrite: bool) -> RunFolder:
    if request.spec.out:
        folder = RunFolder(request.folder.path)
        claim.enter_context(claim_folder(folder.path))
        if overwrite and holds_run(folder.path):
            return folder
        if not folder.unfinished.is_blank:
            before = Request.read(folder) if folder.unfinished.can_go_on else None
            if before is None:  # another run was quicker, and has ended
                raise ArtifactError(f"{folder.path} was written to just now", where="--out", hint="name another folder")
            _refuse(folder, before.differences(wanted))
        return folder
    for path in numbered(run_name(request.spec)):
        folder = RunFolder(path)
        if path.exists() and not (path.is_dir() and _suits(folder, wanted)):
            continue
        with ExitStack() as trial:
            try:
                trial.enter_context(claim_folder(path))
            except Held:
                continue
            if _suits(folder, wanted):
                claim.enter_context(trial.pop_all())
                return folder
    raise ArtifactError("thousands of runs of this name are there", where="runs", hint="name a folder with --out")


def _suits(folder: RunFolder, wanted: Request) -> bool:
    """Whether a folder of a default name is empty, or holds an unfinished run of the same request."""
    if folder.unfinished.is_blank:
        return True
    if not folder.unfinished.can_go_on:
        return False
    try:
        before = Request.read(folder)
    except ArtifactError:  # damaged: another folder is free
        return False
    return before is not None and not before.differences(wanted)


def refuse_other_spec(spec: RunSpec, *, overwrite: bool = False) -> None:
    """Refuse options that an unfinished run in --out does not have, before rows are read.

    Args:
        overwrite: a run there is to be replaced, whatever it was asked.

    Raises:
        SpecError: nothing names what is to be replaced.
        ArtifactError: naming what differs, or what in the folder is not the run's.
    """
    if overwrite and spec.out is None:
        raise SpecError("nothing names the run to replace", where="--overwrite", hint="name its folder with --out")
    if spec.out is None:
        return
    folder = RunFolder(Path(spec.out))
    if overwrite:
        if holds_run(folder.path):
            refuse_to_replace(folder.path, _texts(spec.model_dump(mode="json", exclude={"out"})))
        return
    before = Request.read(folder) if folder.unfinished.can_go_on else None
    if before is not None:
        _refuse(folder, differing_options(as_asked(spec), as_asked(before.spec)))


def _texts(value: Any) -> Iterator[str]:
    """Every text among the options."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)


def _refuse(folder: RunFolder, lines: list[str]) -> None:
    hint = (
        f"finish that run: liftune tune --resume {pasted(folder.path)}; or replace it with --overwrite, or name "
        "another folder with --out"
    )
    refuse_others(folder.path, lines, what="an unfinished run", hint=hint)


def spec_of_unfinished(run: str) -> RunSpec:
    """What the unfinished run in a folder was asked, to be asked again.

    Raises:
        ArtifactError: there is none, or it was begun by a liftune that kept nothing.
    """
    if is_address(run):
        message, hint = refusal(run, "run")
        raise ArtifactError(message, where="--resume", hint=hint)
    folder = RunFolder(Path(run))
    finish_taking(folder.path)
    before = Request.read(folder) if folder.unfinished.can_go_on else None
    if before is None:
        what = "a finished run" if folder.has_record else "no run that can be gone on with"
        hint = (
            "read it: liftune report " + pasted(run)
            if folder.has_record
            else "nothing was kept of it: give the whole command again"
        )
        raise ArtifactError(f"{run} holds {what}", where="--resume", hint=hint)
    return before.spec.model_copy(update={"out": run})
