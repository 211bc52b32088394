"""What the system says of the processor, and of the compiler for it. Without torch.

In: nothing.  Out: its name, its abilities, the size of its cache; the path of a C compiler.
Not here: what is measured (measure.py), building (compiler.py).
The only reader of CPU flags.
"""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import sys
from functools import cache as kept_once
from pathlib import Path

#: Of one core; where its own second cache is smaller, or nobody says how large it is, a share of the third serves.
CACHE_BYTES = 2**20


def processor_name() -> str:
    """The CPU's own name."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line for line in lines if line.startswith("model name")).partition(":")[2].strip()
    return platform.processor() or platform.machine()


@kept_once
def core_cache_bytes() -> int:
    """How much of what a core has just written it reads again at once: its second cache, at least CACHE_BYTES."""
    try:
        return max(CACHE_BYTES, os.sysconf("SC_LEVEL2_CACHE_SIZE"))
    except (AttributeError, ValueError, OSError):  # no POSIX, or a C library that does not know
        return CACHE_BYTES


def has_wide_dot() -> bool:
    """Whether products of bytes add up without overflow: VNNI, AMX, or a CPU of another architecture than x86.

    Without it, a product of an unsigned and a signed byte is added in 16 bits, which large weights overflow.
    """
    flags = processor_flags()
    if flags:
        return bool({"avx512_vnni", "avx_vnni", "amx_int8"} & set(flags))
    return platform.machine().lower() not in ("x86_64", "amd64", "i386", "i686")


def processor_flags() -> tuple[str, ...]:
    """What the CPU can, by Linux's names on x86; nothing elsewhere."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return tuple(next(line for line in lines if line.startswith("flags")).partition(":")[2].split())
    return ()


def find_compiler() -> str:
    """The path of a C compiler: CC's, or the first of cc, gcc and clang; empty where none is here."""
    if sys.platform == "win32":  # what is compiled is written for others' tools
        return ""
    names = (*os.environ.get("CC", "").split()[:1], "cc", "gcc", "clang")
    return next(filter(None, map(shutil.which, names)), "")
