"""Which folder a run is written to, and that no other process writes to it.

In: a TuneRequest.  Out: the same with its folder, claimed until the block ends.
Not here: options and rows (request.py), the lock (claims.py), what lies where in a run (run_folder.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from liftune.claims import Held, claim_folder, is_empty
from liftune.errors import ArtifactError
from liftune.run_folder import RunFolder, unused
from liftune.workflows.request import TuneRequest, run_name


@contextmanager
def claimed(request: TuneRequest) -> Iterator[TuneRequest]:
    """The request with a folder that is this run's alone: what --out names, else the first that nobody has.

    Raises:
        Held: another process writes to what --out names.
        ArtifactError: the disk cannot be written.
    """
    with ExitStack() as claim:
        yield replace(request, folder=_take(request, claim))


def _take(request: TuneRequest, claim: ExitStack) -> RunFolder:
    if request.spec.out:
        path = request.folder.path
        claim.enter_context(claim_folder(path))
        if not is_empty(path):  # another run was quicker, and has ended
            raise ArtifactError(f"{path} was written to just now", where="--out", hint="name another folder")
        return RunFolder(path, existing=path)
    for path in unused(run_name(request.spec)):
        with ExitStack() as trial:
            try:
                trial.enter_context(claim_folder(path))
            except Held:
                continue
            if is_empty(path):
                claim.enter_context(trial.pop_all())
                return RunFolder(path, existing=path)
    raise ArtifactError("thousands of runs of this name are there", where="runs", hint="name a folder with --out")
