"""The folder that a new run is written to: as asked for, or the next free one below `runs`.

In: a path or a name.  Out: a path that may be written, or an ArtifactError that says what is in the way.
Not here: the files of a run (run_folder.py), putting a new run in the place of another (replacing.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from liftune.claims import refuse_held
from liftune.errors import ArtifactError, pasted
from liftune.files import check_writable, disk_errors
from liftune.replacing import holds_run
from liftune.unfinished import Unfinished

#: With less free disk space than this, liftune refuses to start a run.
LEAST_FREE_BYTES = 64 * 2**20


def free_folder(out: str | None, *, name: str, overwrite: bool | None = None) -> Path:
    """A folder for a new run; nothing is made.

    Args:
        out: as asked for; None takes `runs/NAME`, numbered where that exists.
        overwrite: whether the folder may hold a run, which is to be replaced; None where nobody can ask for that.

    Raises:
        Held: another process writes to the folder.
        ArtifactError: the folder holds another run or other files, or cannot be written.
    """
    path = Path(out) if out else next(path for path in numbered(name) if not path.exists())
    if out:
        refuse_held(path)
    is_free = path.is_dir() and (Unfinished(path).is_blank or Unfinished(path).can_go_on)
    if path.exists() and not (is_free or (overwrite and holds_run(path))):
        raise ArtifactError(
            f"{path} exists and holds {_contents(path)}" if path.is_dir() else f"{path} is a file",
            where="--out",
            hint=_instead(path, offered=overwrite is False and holds_run(path)),
        )
    existing = check_writable(path)
    with disk_errors(path):
        free = shutil.disk_usage(existing).free
    if free < LEAST_FREE_BYTES:
        raise ArtifactError(
            f"only {free / 2**20:.0f} MiB are free on the disk, a run needs {LEAST_FREE_BYTES / 2**20:.0f}",
            where=str(path),
            hint="free some space, or name a folder on another disk with --out",
        )
    return path


def _instead(path: Path, *, offered: bool) -> str:
    replaced = "replace it with --overwrite, " if offered else ""
    if path.is_dir() and (path / "record.json").exists():
        return (
            f"read it with `liftune report {pasted(path)}`, {replaced}or name another folder for a new run with --out"
        )
    if offered:
        return f"{replaced}or name another folder with --out"
    return "name another folder, or move away what this one holds" if path.is_dir() else "name a folder"


def _contents(folder: Path) -> str:
    if (folder / "record.json").exists():
        return "a finished run"
    return "an unfinished run" if (folder / "spec.json").exists() else "other files"


def numbered(name: str) -> Iterator[Path]:
    """Folders for a run that was given none: `runs/NAME`, `runs/NAME-2`, ..."""
    path = Path("runs") / name
    yield path
    yield from (path.with_name(f"{name}-{i}") for i in range(2, 10_000))
