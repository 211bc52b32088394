"""Files and folders that are whole or not there, and clear messages where a disk fails.

In: paths, what to write.  Out: files and folders that take their name once all of them is on the disk; JSON objects.
Not here: JSON from text (json_text.py), what a file holds (run_folder.py, records/), reading data sets (data/readers/).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from liftune.addresses import refuse_as_output
from liftune.errors import ArtifactError, lacks_memory, pasted
from liftune.json_text import JsonError, parse_json

_ANOTHER = "name another place with --out"
#: What the system says -> what to do; it speaks of space in few cases.
INSTEAD = {
    **dict.fromkeys(
        (errno.ENOSPC, errno.EDQUOT), f"free some space or {_ANOTHER}; what was written before is still there"
    ),
    errno.ENAMETOOLONG: "give a shorter name: most disks take 255 bytes for one",
    **dict.fromkeys(
        (errno.ENOTDIR, errno.EEXIST),
        "a part of the path is a file or a device, not a folder: name another place",
    ),
    **dict.fromkeys((errno.EACCES, errno.EPERM), f"this user may not write there: {_ANOTHER}, or change the rights"),
    errno.EROFS: f"nothing can be written there: {_ANOTHER}",
    errno.EISDIR: "it is a folder: name a file in it",
    errno.ELOOP: f"a link in the path leads back to itself: {_ANOTHER}",
    errno.ENOENT: f"it, or a folder above it, has vanished: {_ANOTHER}; what was written before is still there",
}
_ELSE = f"check the disk, or {_ANOTHER}; what was written before is still there"


@contextlib.contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn a full or read-only disk into a message, and an address that is no place on it."""
    refuse_as_output(path)
    try:
        yield
    except OSError as error:
        if lacks_memory(error):
            raise
        raise ArtifactError(
            f"cannot write: {error.strerror.lower() if error.strerror else error}",
            where=str(path),
            hint=INSTEAD.get(error.errno or 0, _ELSE),
        ) from None


@contextlib.contextmanager
def safetensor_errors() -> Iterator[None]:
    """Turn an error of safetensors or tokenizers, which have no class for a full disk, into one of the disk."""
    from safetensors import SafetensorError

    try:
        yield
    except Exception as error:  # tokenizers raises bare Exception
        if isinstance(error, SafetensorError) or (type(error) is Exception and "os error" in str(error)):
            raise OSError(str(error)) from None
        raise


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name when all of it is on the disk; until then, what was there stays.

    A device or a pipe is written to: a file in its place would be no device.

    Raises:
        ArtifactError: the disk is full or read-only.
    """
    fresh = path.with_name(f"{path.name}.new")
    with disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not (path.is_file() or path.is_dir()):
            with path.open("wb") as file:
                yield file
            return
        try:
            with fresh.open("wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(fresh, path)
            sync_folder(path.parent)
        except BaseException:  # Ctrl-C too must leave no half of a file
            with contextlib.suppress(OSError):
                fresh.unlink()
            raise


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: what took its name just now keeps it when power fails.

    Where the system cannot do that to folders, as Windows cannot, nothing happens.
    """
    with contextlib.suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """An empty folder that replaces `path` when the block ends; until then, what was there stays.

    Where the block raises, nothing of the new folder is left, nor of the folders that were made above it.

    Raises:
        ArtifactError: the disk is full or read-only.
    """
    with disk_errors(path):
        existing = nearest_existing(path)
    fresh = path.with_name(f".{path.name}.partial")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with disk_errors(path):
            fresh.mkdir(parents=True)
            yield fresh
            _usual_modes(fresh)
            if path.exists():
                shutil.rmtree(path)
            fresh.rename(path)
    except BaseException:  # Ctrl-C too
        shutil.rmtree(fresh, ignore_errors=True)
        with contextlib.suppress(OSError):
            remove_empty(path.parent, below=existing)
        raise


def replaceable(folder: Path) -> bool:
    """Whether another folder may take its name: not where a disk is mounted on it, or somebody's shell stands in it."""
    return not folder.exists() or not (os.path.ismount(folder) or folder.samefile(Path.cwd()))


def _usual_modes(folder: Path) -> None:
    """Give files the mode that any new file gets: safetensors writes by a temporary file, which its owner alone may
    read, so that a service under another account could not load a model."""
    probe = folder / ".mode"
    probe.touch()
    mode = probe.stat().st_mode & 0o777
    probe.unlink()
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(path.stat().st_mode & 0o777 | mode)


def write_text(path: str | Path, text: str) -> None:
    """A text file, whole or not at all.

    Raises:
        ArtifactError: the disk is full or read-only.
    """
    with atomic_write(Path(path)) as file:
        file.write(text.encode("utf-8", "backslashreplace"))  # of a file name that is not UTF-8, as JSON writes it


def write_json(path: Path, values: Any) -> None:
    """Indented JSON, whole or not at all.

    Raises:
        ArtifactError: the disk is full or read-only.
    """
    write_text(path, json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def read_json_object(path: Path, *, hint: str) -> dict[str, Any]:
    """A file that holds one JSON object.

    Raises:
        ArtifactError: the file is missing, cannot be read, is damaged or holds anything else.
    """
    try:
        values = parse_json(path.read_bytes(), unique=True)
    except FileNotFoundError:
        raise ArtifactError(f"{path.name} is missing", where=str(path), hint=hint) from None
    except OSError as error:
        if lacks_memory(error):
            raise
        raise unreadable(path, error) from None
    except JsonError as error:
        raise damaged(path, error.message, hint=hint) from None
    if not isinstance(values, dict):
        raise damaged(path, f"it holds a {type(values).__name__}, not an object", hint=hint)
    return values


def damaged(path: Path, reason: str, *, hint: str) -> ArtifactError:
    """The error for a file that is there and cannot be understood."""
    return ArtifactError(f"{path.name} is damaged: {reason}", where=str(path), hint=hint)


def unreadable(path: Path, error: OSError) -> ArtifactError:
    """The error for a file that is there and cannot be read: whose it is, and who may read it."""
    reason = error.strerror.lower() if error.strerror else str(error)
    hint = "check the disk, and that it is the path of a file"
    if isinstance(error, PermissionError):
        hint = f"let this user read it: chmod a+r {pasted(path)}"
        with contextlib.suppress(OSError):
            reason = f"{reason} (it is of {_owner(path)}, mode {path.stat().st_mode & 0o7777:04o})"
    return ArtifactError(f"cannot read {path.name}: {reason}", where=str(path), hint=hint)


def _owner(path: Path) -> str:
    """The name of a file's owner, or the number where the system knows none."""
    try:
        return path.owner()
    except (KeyError, NotImplementedError):
        return f"user {path.stat().st_uid}"


def check_writable(path: Path) -> Path:
    """Refuse a place that nothing can be written to, before anything is computed.

    Returns:
        the nearest folder above it, or itself, that exists.

    Raises:
        ArtifactError: the disk is full or read-only.
    """
    with disk_errors(path):
        existing = nearest_existing(path)
    with disk_errors(path), tempfile.TemporaryFile(dir=existing) as trial:
        trial.write(b"\0")
    return existing


def expanded(path: str | Path) -> Path:
    """With the home folder for `~`; as it is where that is unknown."""
    return Path(os.path.expanduser(path))


def nearest_existing(path: Path) -> Path:
    """The path itself, or the nearest folder above it, that exists."""
    return next(each for each in (path, *path.absolute().parents) if each.exists())


def same_file(one: Path, other: Path) -> bool:
    """Whether two paths are one file that exists; what is too long for a path is none."""
    try:
        return one.exists() and other.exists() and one.samefile(other)
    except OSError:
        return False


def remove_empty(folder: Path, *, below: Path) -> None:
    """Remove a folder and those above it, as long as they are empty and lie below another."""
    while folder.absolute() != below.absolute() and folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def sha256_of_files(*paths: Path) -> str:
    """sha256 over the files' bytes, one after the other, in hexadecimal; of a single file it is that file's own."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            hashlib.file_digest(file, lambda: digest)
    return digest.hexdigest()
