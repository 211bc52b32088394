"""Which folder a run is written to, that no other process writes to it, and whether an unfinished run goes on there.

In: a TuneRequest.  Out: the same with its folder, claimed until the block ends.
Not here: options and rows (request.py), the lock (claims.py), what differs between requests (asked.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from liftune.claims import Held, claim_folder
from liftune.errors import ArtifactError
from liftune.run_folder import RunFolder, numbered
from liftune.spec import RunSpec
from liftune.workflows.asked import Request, as_asked, differing_options, refuse_others
from liftune.workflows.request import TuneRequest, run_name
from liftune.workflows.stages import rows_fingerprint


@dataclass(frozen=True)
class Claimed:
    """A request that may be carried out."""

    request: TuneRequest
    goes_on: bool
    """Whether an earlier process has begun with it."""
    key: str
    """Names what all outcomes of the run follow from."""


@contextmanager
def claimed(request: TuneRequest) -> Iterator[Claimed]:
    """The request with a folder that is this run's alone: what --out names, else the first that nobody has.

    An unfinished run of the same request goes on.

    Raises:
        Held: another process writes to what --out names.
        ArtifactError: an unfinished run there was asked otherwise, or the disk cannot be written.
    """
    with ExitStack() as claim:
        wanted = Request.of(request.spec, rows_fingerprint(request.splits))
        folder = _take(request, wanted, claim)
        before = Request.read(folder)
        folder.unfinished.remove_leftovers()
        if before is None:
            wanted.save(folder)
        yield Claimed(replace(request, folder=folder, spec=(before or wanted).spec), before is not None, wanted.key)


def _take(request: TuneRequest, wanted: Request, claim: ExitStack) -> RunFolder:
    if request.spec.out:
        folder = RunFolder(request.folder.path)
        claim.enter_context(claim_folder(folder.path))
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


def refuse_other_spec(spec: RunSpec) -> None:
    """Refuse options that an unfinished run in --out does not have, before rows are read.

    Raises:
        ArtifactError: naming what differs.
    """
    if spec.out is None:
        return
    folder = RunFolder(Path(spec.out))
    before = Request.read(folder) if folder.unfinished.can_go_on else None
    if before is not None:
        _refuse(folder, differing_options(as_asked(spec), as_asked(before.spec)))


def _refuse(folder: RunFolder, lines: list[str]) -> None:
    hint = f"name another folder, or finish that run: liftune tune --resume {folder.path}"
    refuse_others(folder.path, lines, what="an unfinished run", hint=hint)


def spec_of_unfinished(run: str) -> RunSpec:
    """What the unfinished run in a folder was asked, to be asked again.

    Raises:
        ArtifactError: there is none, or it was begun by a liftune that kept nothing.
    """
    folder = RunFolder(Path(run))
    before = Request.read(folder) if folder.unfinished.can_go_on else None
    if before is None:
        what = "a finished run" if folder.has_record else "no run that can be gone on with"
        hint = (
            "read it: liftune report " + run
            if folder.has_record
            else "nothing was kept of it: give the whole command again"
        )
        raise ArtifactError(f"{run} holds {what}", where="--resume", hint=hint)
    return before.spec.model_copy(update={"out": run})
