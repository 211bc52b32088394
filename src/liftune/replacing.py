"""A run that another one takes the place of: what of its folder may go, and the moment at which it does.

    RUN/checkpoint.new                what the new run keeps until its options, rows and model have been checked
    RUN/checkpoint.new/replaces       from here on the folder is the new run's, and the old one is being removed

In: a folder.  Out: whether a run alone lies in it; the folder of the new run, in the old one's place.
Not here: which folder a run takes (workflows/claiming.py), what a run keeps (unfinished.py).
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from liftune.claims import HOLDER, LOCK, claim_folder
from liftune.errors import ArtifactError, LiftuneError
from liftune.files import disk_errors, read_json_object, write_text
from liftune.unfinished import DECIDED, REQUEST, STAGED, WRITTEN, Unfinished

_RECORD, _SPEC = "record.json", "spec.json"
#: What is made of a run for its readers: written after all else, and again at any time.
FOR_READERS = ("README.md", "report.html", "report.md", "report.json", "flips.jsonl", "explained.json")
#: All that a run and its reports leave in its folder.
_OF_RUN = frozenset((*WRITTEN, _RECORD, *FOR_READERS, STAGED, LOCK, HOLDER))
#: What systems put into every folder.
_JUNK = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})
#: Files of which one shows that a folder is a run's, and keys that they hold.
_SHOWS = {
    _RECORD: {"schema", "contenders"},
    _SPEC: {"data", "model", "method"},
    f"checkpoint/{REQUEST}": {"spec", "rows"},
}


def holds_run(folder: Path) -> bool:
    """Whether a finished or unfinished run lies in a folder."""
    return folder.is_dir() and (
        is_decided(folder) or any(_has_keys(folder / name, keys) for name, keys in _SHOWS.items())
    )


def staged(folder: Path) -> Unfinished:
    """Where the new run keeps what it works out, until the old one has gone."""
    return Unfinished(folder, STAGED)


def refuse_to_replace(folder: Path, named: Iterable[str]) -> None:
    """Refuse a run whose folder holds more than it wrote, or what the new run reads.

    Args:
        named: texts of the new run's options, of which any may be a path.

    Raises:
        ArtifactError: with the names.
    """
    others = sorted(each.name for each in folder.iterdir() if each.name not in _OF_RUN | _JUNK)
    if others:
        shown = ", ".join(others[:5]) + ", ..." * (len(others) > 5)
        raise ArtifactError(
            f"{folder} holds a run and other files, which are not removed: {shown}",
            where="--overwrite",
            hint="move them away, or name another folder with --out",
        )
    for each in named:
        if each and _lies_in(each, folder):
            raise ArtifactError(
                f"{each} lies in the run that would be removed, and the new run reads it",
                where="--overwrite",
                hint="copy it elsewhere and name the copy, or name another folder with --out",
            )


def take_place(folder: Path) -> None:
    """Remove the old run, and put what the new one has kept in its place.

    One file decides: before it is there, the folder holds the old run, whole; from then on the new one, of which as
    much is worked out as it has kept. A process that is killed here leaves the rest of the work to `finish_taking`.

    Raises:
        ArtifactError: a file cannot be removed.
    """
    with disk_errors(folder):
        write_text(folder / STAGED / DECIDED, "")
        _clear(folder)


def is_decided(folder: Path) -> bool:
    """Whether the new run counts, though files of the old one may still be there."""
    return (folder / STAGED / DECIDED).is_file()


def finish_taking(folder: Path) -> None:
    """Remove what is left of a run that was being replaced when its process was killed; nothing where none was.

    Raises:
        Held: another process is about it.
        ArtifactError: a file cannot be removed.
    """
    if is_decided(folder):
        with claim_folder(folder), disk_errors(folder):
            if is_decided(folder):
                _clear(folder)


def _clear(folder: Path) -> None:
    """The record goes first: a folder that has it is taken for a whole run by whoever only reads."""
    _remove(folder / _RECORD)
    for name in sorted(_OF_RUN - {STAGED, LOCK, HOLDER}):
        _remove(folder / name)
    (folder / STAGED).rename(folder / "checkpoint")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _has_keys(path: Path, keys: set[str]) -> bool:
    try:
        return path.is_file() and keys <= set(read_json_object(path, hint=""))
    except LiftuneError:
        return False


def _lies_in(name: str, folder: Path) -> bool:
    try:
        path = Path(name).expanduser()
        return path.exists() and path.resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        return False
