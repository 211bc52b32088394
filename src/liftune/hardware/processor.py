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
#: What decides how fast products are, by Linux's names, the fastest first; virtual machines of one name differ in it.
ARITHMETIC = {"amx_bf16": "AMX-BF16", "avx512_bf16": "AVX512-BF16", "avx512f": "AVX-512", "avx2": "AVX2"}


def processor_name() -> str:
    """The CPU's own name and, where the system says so, its fastest arithmetic: "AMD EPYC (AVX512-BF16)"."""
    arithmetic = next((name for flag, name in ARITHMETIC.items() if flag in processor_flags()), "")
    name = _cpu_info("model name") or platform.processor() or platform.machine()
    return f"{name} ({arithmetic})" if arithmetic else name


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
    return tuple(_cpu_info("flags").split())


def _cpu_info(entry: str) -> str:
    """What Linux says of the first CPU; nothing where it does not."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        return next(line for line in lines if line.startswith(entry)).partition(":")[2].strip()
    return ""


def find_compiler() -> str:
    """The path of a C compiler: CC's, or the first of cc, gcc and clang; empty where none is here."""
    if sys.platform == "win32":  # what is compiled is written for others' tools
        return ""
    names = (*os.environ.get("CC", "").split()[:1], "cc", "gcc", "clang")
    return next(filter(None, map(shutil.which, names)), "")
