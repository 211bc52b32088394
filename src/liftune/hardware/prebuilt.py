"""Libraries of a C source that were built beforehand, for kinds of processors: what a wheel for a system brings.

In: a source, definitions, what this processor can.  Out: the path of the library that suits it best, or nothing.
Not here: building for this very processor (compiler.py), which libraries a wheel brings (`make wheels`).

A library's name holds a hash of all that it was built of, so that one of another version is never taken.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from liftune.hardware.processor import processor_flags

#: Where they lie; not there in a checkout, nor in a wheel for any system.
BUILT = Path(__file__).with_name("built")
#: No -ffast-math: it would let this process round the smallest numbers to zero, and drop tests for what is no number.
FLAGS = ("-std=gnu11", "-O3", "-fPIC", "-shared", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast", "-w")

# The x86-64 psABI's levels, by Linux's names; a level's processor can all that the level below can.
_V3 = frozenset({"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"})
_V4 = _V3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}


@dataclass(frozen=True)
class Kind:
    """Processors for which one library serves."""

    name: str
    machine: str
    """By Python's `platform.machine()`."""
    flags: frozenset[str]
    """What such a processor can at least, by Linux's names."""
    options: tuple[str, ...]
    """By which gcc and clang build for it."""


#: The fastest first.
KINDS = (
    Kind("x86-64-v4+bf16", "x86_64", _V4 | {"avx512_bf16"}, ("-march=x86-64-v4", "-mavx512bf16")),
    Kind("x86-64-v4", "x86_64", _V4, ("-march=x86-64-v4",)),
    Kind("x86-64-v3", "x86_64", _V3, ("-march=x86-64-v3",)),
    Kind("armv8-a", "aarch64", frozenset(), ("-march=armv8-a",)),
)


def kinds_here() -> tuple[Kind, ...]:
    """The kinds that this processor is of, the fastest first; none but on Linux, whose C library they need."""
    if sys.platform != "linux":
        return ()
    flags, machine = set(processor_flags()), platform.machine()
    return tuple(kind for kind in KINDS if kind.machine == machine and kind.flags <= flags)


def find_prebuilt(source: Path, definitions: Mapping[str, int], *, folder: Path = BUILT) -> Path | None:
    """The library of a source and definitions for the best kind that this processor is of; None where none is here."""
    kinds = kinds_here() if folder.is_dir() else ()
    paths = (folder / library_name(source, definitions, kind) for kind in kinds)
    return next(filter(Path.is_file, paths), None)


def prebuilt_kind(*, folder: Path = BUILT) -> str:
    """The best kind of which any library is here and which this processor is of; empty where there is none."""
    return next((kind.name for kind in kinds_here() if any(folder.glob(f"*-for-{kind.name}-*.so"))), "")


def library_name(source: Path, definitions: Mapping[str, int], kind: Kind) -> str:
    """The file's name: its source, its kind, and a hash of what it is built of and how."""
    parts = "\n".join((*FLAGS, *kind.options, *map(str, sorted(definitions.items()))))
    return f"{source.stem}-for-{kind.name}-{hashlib.sha256(source.read_bytes() + parts.encode()).hexdigest()[:12]}.so"
