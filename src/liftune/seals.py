"""Seals: the sha256 of every file that decides answers, kept in the card beside them, and the card's own.

    "files": {"adapter_model.safetensors": SHA256, ...}    relative to the card's folder
    "seal": SHA256                                         of the card's canonical JSON, without this field

In: a folder, what its card says.  Out: hashes to be written; a refusal that names the file that is not as it was.
Not here: what a card holds (records/), every file of a run at once (workflows/check.py).

A seal shows damage and mix-ups, not malice: whoever can change a file can change its hash.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from liftune.errors import ArtifactError, pasted
from liftune.files import damaged, read_json_object, sha256_of_files, unreadable

SEAL, FILES = "seal", "files"
#: Written after the card, for readers alone.
UNSEALED = ("README.md",)
#: Files hashed at a time: hashing holds no lock of the interpreter.
_THREADS = 4


def seal_of(values: Mapping[str, Any]) -> str:
    """sha256 of a JSON object without its seal, however it is laid out."""
    rest = {key: value for key, value in values.items() if key != SEAL}
    return hashlib.sha256(json.dumps(rest, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def with_seal(values: Mapping[str, Any]) -> dict[str, Any]:
    """The object with its seal, last."""
    rest = {key: value for key, value in values.items() if key != SEAL}
    return {**rest, SEAL: seal_of(rest)}


def check_own_seal(values: dict[str, Any], path: Path, *, hint: str) -> dict[str, Any]:
    """The object without its seal; one without a seal as it is.

    Raises:
        ArtifactError: the seal is not that of the object.
    """
    if SEAL not in values:
        return values
    if values[SEAL] != seal_of(values):
        raise damaged(path, "it is not what was written (its seal differs)", hint=hint)
    return {key: value for key, value in values.items() if key != SEAL}


def is_sealed(card: Path) -> bool:
    """Whether a card has a seal; one that cannot be read counts as sealed, as whoever reads it says more."""
    try:
        return SEAL in read_json_object(card, hint="")
    except ArtifactError:
        return True


def unsealed_note(path: Path) -> str:
    """What to say of a run or adapter that has none."""
    seal = f"liftune check --seal {pasted(path)}"
    return f"unsealed: an earlier liftune wrote it, and damage to it may go unseen; `{seal}` seals it"


def hash_files(folder: Path, names: Iterable[str]) -> dict[str, str]:
    """Name -> sha256, in order of name.

    Args:
        names: relative to the folder, with slashes.

    Raises:
        OSError: a file is missing or cannot be read.
    """
    names = sorted(names)
    with ThreadPoolExecutor(_THREADS) as pool:
        return dict(zip(names, pool.map(lambda name: sha256_of_files(folder / name), names), strict=True))


def hash_folder(folder: Path, *, card: str) -> dict[str, str]:
    """The same of all files in a folder that its card seals: all but the card itself and what readers alone read."""
    return hash_files(folder, files_in(folder, but=(card, *UNSEALED)))


def hash_matching(folder: Path, *patterns: str) -> dict[str, str]:
    """The same of the files that match any of some patterns."""
    found = {path.relative_to(folder).as_posix() for each in patterns for path in folder.glob(each) if path.is_file()}
    return hash_files(folder, found)


def files_in(folder: Path, *, but: Collection[str] = ()) -> list[str]:
    """Names of the files in a folder and below, with slashes; without hidden ones, which are the system's."""
    found = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if name not in but and "/." not in f"/{name}")


def fault_of(path: Path, sha256: str, *, card: str, hint: str) -> ArtifactError | None:
    """What is wrong with a file that a card seals; None where nothing is."""
    try:
        if sha256_of_files(path) == sha256:
            return None
    except FileNotFoundError:
        return ArtifactError(f"{path.name} is missing", where=str(path), hint=hint)
    except OSError as error:
        return unreadable(path, error)
    return _not_as_written(path, card, hint)


def _not_as_written(path: Path, card: str, hint: str) -> ArtifactError:
    """Which of the two is another's cannot be told: both are named."""
    return damaged(path, f"it is not the file that was written (its sha256 is not the one in {card})", hint=hint)


def read_sealed(path: Path, sha256: str | None, *, card: str, needed: bool = False, hint: str) -> bytes:
    """A file's bytes, as they were sealed.

    Args:
        sha256: None takes the file as it is.
        card: the file that says so, for messages.
        needed: refuse a file without a seal.

    Raises:
        ArtifactError: it is missing, cannot be read or is another.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ArtifactError(f"{path.name} is missing", where=str(path), hint=hint) from None
    except OSError as error:
        raise unreadable(path, error) from None
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise _not_as_written(path, card, hint)
    if needed and sha256 is None:
        raise ArtifactError(f"{path.name} is no file of this run: {card} has no seal of it", where=str(path), hint=hint)
    return content


@contextmanager
def checked(folder: Path, files: Mapping[str, str], *, card: str, hint: str) -> Iterator[None]:
    """Hash the sealed files of a folder beside the block that loads them: it takes no longer than the slower of both.

    An error of the block gives way to the damage that explains it.

    Args:
        files: relative name -> sha256; none are held against nothing.
        card: the file that says so, for messages.

    Raises:
        ArtifactError: a file is missing, cannot be read or is another; the first in order of name.
    """
    with ThreadPoolExecutor(max(1, min(_THREADS, len(files)))) as pool:
        faults = [
            pool.submit(fault_of, folder / name, sha256, card=card, hint=hint) for name, sha256 in sorted(files.items())
        ]
        try:
            yield
        except Exception:  # whatever a reader makes of a damaged file; what no damage explains goes on as it is
            _raise_first(faults)
            raise
        except BaseException:  # Ctrl-C
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        _raise_first(faults)


def _raise_first(faults: list[Future[ArtifactError | None]]) -> None:
    fault = next((found for each in faults if (found := each.result()) is not None), None)
    if fault is not None:
        raise fault from None


def unreadable_in(folder: Path) -> ArtifactError | None:
    """The error for the first file of a folder that this user may not read; None where all may be read."""
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and not os.access(path, os.R_OK))
    path = next(paths, None)
    return None if path is None else unreadable(path, PermissionError(13, "Permission denied"))
