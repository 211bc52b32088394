"""A C source of ours as a library: one that a wheel brought, or built here for this very processor, once, and kept.

In: a source file, definitions.  Out: the library, loaded; or why there is none.
Not here: what is computed (models/packed/attention.c), whether it pays (measure.py), what a wheel brings (prebuilt.py).

What is loaded runs as this user, so that what was built here is only taken from a folder that nobody else can write to.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from liftune.hardware.measure import cache_folder
from liftune.hardware.prebuilt import FLAGS, find_prebuilt
from liftune.hardware.processor import find_compiler, processor_flags, processor_name

#: Ways to ask for all that this processor can; compilers know one or the other.
NATIVE = ("-march=native", "-mcpu=native")
#: Seconds after which a compiler is given up.
PATIENCE = 120


class NotBuiltError(Exception):
    """Why there is no library, in a few words."""


def load_library(source: Path, definitions: Mapping[str, int], *, folder: Path | None = None) -> ctypes.CDLL:
    """The library of a source: the wheel's, where it brought one for this kind of processor; else built here.

    Args:
        definitions: names and numbers that the compiler is given (-DNAME=NUMBER).
        folder: where libraries that are built here are kept; None is `compiled` in the user's cache folder for liftune.

    Raises:
        NotBuiltError: there is no compiler, it failed, or its folder is no place for code.
    """
    brought, unread = find_prebuilt(source, definitions), ""
    if brought is not None:
        try:
            return ctypes.CDLL(str(brought))
        except OSError as error:  # damaged, or of a C library that is newer than this system's
            unread = f", and what the wheel brought cannot be loaded ({error})"
    compiler = find_compiler()
    if not compiler:
        raise NotBuiltError(f"there is no C compiler (cc, gcc or clang){unread}")
    folder = folder or cache_folder() / "compiled"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_private(folder)
        library = folder / f"{source.stem}-{_key(source, definitions, compiler)}.so"
        if not library.exists():
            _build(source, definitions, compiler, library)
        _check_private(library)
        return ctypes.CDLL(str(library))
    except OSError as error:
        raise NotBuiltError(f"it cannot be built or loaded in {folder} ({error.strerror or error})") from None


def _check_private(path: Path) -> None:
    """Code of others is not run."""
    found = path.stat()
    if found.st_uid != os.getuid() or found.st_mode & 0o022:
        raise NotBuiltError(f"others can write to {path}")


def _key(source: Path, definitions: Mapping[str, int], compiler: str) -> str:
    """What a library was built of, by what, and for which processor."""
    found = os.stat(compiler)
    parts = (
        *FLAGS,
        *map(str, sorted(definitions.items())),
        *(compiler, str(found.st_size), str(found.st_mtime_ns)),
        *(processor_name(), *processor_flags()),
    )
    return hashlib.sha256(source.read_bytes() + "\n".join(parts).encode()).hexdigest()[:20]


def _build(source: Path, definitions: Mapping[str, int], compiler: str, library: Path) -> None:
    """For this very processor, under another name first: several processes may do it at once."""
    said = ""
    with tempfile.TemporaryDirectory(dir=library.parent) as place:
        built = Path(place) / library.name
        for native in NATIVE:
            complaint = build(source, definitions, compiler, (native,), built)
            if not complaint:
                built.chmod(0o500)
                os.replace(built, library)
                return
            said = said or complaint
    raise NotBuiltError(f"{compiler} failed: {said}")


def build(source: Path, definitions: Mapping[str, int], compiler: str, options: Sequence[str], library: Path) -> str:
    """Compile a source with these options; returns what the compiler complains of, empty where the library is there.

    Raises:
        NotBuiltError: the compiler does not end.
    """
    defined = [f"-D{name}={value}" for name, value in definitions.items()]
    command = [compiler, *FLAGS, *options, *defined, str(source), "-o", str(library), "-lm"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise NotBuiltError(f"{compiler} took more than {PATIENCE} seconds") from None
    return _complaint(done.stderr) or f"exit code {done.returncode}" if done.returncode else ""


def _complaint(printed: str) -> str:
    """The line that says what is wrong: the first with an error, else the first of all."""
    lines = printed.strip().splitlines()
    return next((line for line in lines if "error" in line), next(iter(lines), ""))
