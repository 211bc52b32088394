"""Look at the machine, and measure it where a flag would lie.

In: nothing.  Out: Facts, cached for this machine and torch.  Not here: deciding (plan.py).
The only reader of the machine: nothing else in liftune says cuda or mps, or looks at processor flags.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

#: Rises when what is measured changes, so that an old cache is not believed.
PROBE_VERSION = 1


@dataclass(frozen=True)
class Facts:
    """What was found. Ratios are times of the plain way over times of the other: above 1, the other is faster."""

    devices: tuple[str, ...]
    """Usable devices, best first; always ends in cpu."""
    processor: str
    threads: int
    bfloat16_speedup: float
    """float32 over bfloat16 time of one matrix product at a small encoder's shape, on the CPU."""
    eager_speedup: dict[str, float]
    """dtype -> fused (sdpa) over plain (eager) attention time, forward and backward, on the CPU."""
    accelerator_bfloat16: bool = False
    accelerators: int = 0
    """How many devices cuda has."""


def probe(*, cache: Path | None = None) -> Facts:
    """Facts of this machine; measured once (about a second), then read from the cache.

    Args:
        cache: the file to keep them in; default `hardware.json` in the user's cache folder for liftune.
    """
    cache = cache or cache_folder() / "hardware.json"
    key = f"{PROBE_VERSION}|{platform.processor()}|{platform.node()}|{torch.__version__}|{torch.get_num_threads()}"
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = json.loads(cache.read_text(encoding="utf-8"))
        if kept["key"] == key and kept["facts"]["devices"] == list(_devices()):
            now = {"devices": _devices(), "accelerators": torch.cuda.device_count()}
            return Facts(**{**kept["facts"], **now})
    facts = measure()
    with contextlib.suppress(OSError):  # a read-only home costs a second a run, not the run
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps({"key": key, "facts": asdict(facts)}), encoding="utf-8")
    return facts


def cache_folder() -> Path:
    """Where liftune keeps what can be made again."""
    home = os.environ.get("LIFTUNE_CACHE") or os.environ.get("XDG_CACHE_HOME")
    if os.environ.get("LIFTUNE_CACHE"):
        return Path(str(home))
    return Path(home or Path.home() / ".cache") / "liftune"


def measure() -> Facts:
    """Facts of this machine, measured now."""
    return Facts(
        devices=_devices(),
        processor=platform.processor() or platform.machine(),
        threads=torch.get_num_threads(),
        bfloat16_speedup=_bfloat16_speedup(),
        eager_speedup={"float32": _eager_speedup(torch.float32), "bfloat16": _eager_speedup(torch.bfloat16)},
        accelerator_bfloat16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False),
        accelerators=torch.cuda.device_count(),
    )


def _devices() -> tuple[str, ...]:
    found = []
    if torch.cuda.is_available():
        found.append("cuda")
    if torch.backends.mps.is_available():
        found.append("mps")
    return (*found, "cpu")


def _ratio(plain: Callable[[], object], other: Callable[[], object], repeats: int = 30) -> float:
    """Time of `plain` over time of `other`.

    The fastest of many calls in turn, on one thread: what else the machine does must not decide.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best = {plain: float("inf"), other: float("inf")}
    try:
        for _ in range(repeats):
            for work in best:
                start = time.perf_counter()
                work()
                best[work] = min(best[work], time.perf_counter() - start)
    finally:
        torch.set_num_threads(threads)
    return round(best[plain] / best[other], 2)


def _bfloat16_speedup() -> float:
    rows, weight = torch.randn(256, 384), torch.randn(1536, 384)
    low_rows, low_weight = rows.bfloat16(), weight.bfloat16()
    return _ratio(
        lambda: torch.nn.functional.linear(rows, weight), lambda: torch.nn.functional.linear(low_rows, low_weight)
    )


def _eager_speedup(dtype: torch.dtype) -> float:
    shape = (8, 12, 64, 32)  # rows, heads, tokens, width of a head
    query, key, value = (torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(3))
    mask = torch.zeros(shape[0], 1, shape[2], shape[2], dtype=dtype)

    def eager() -> None:
        weights = torch.softmax(query @ key.transpose(-1, -2) * shape[-1] ** -0.5 + mask, dim=-1)
        torch.autograd.backward((weights @ value).sum())

    def fused() -> None:
        answer = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        torch.autograd.backward(answer.sum())

    return _ratio(fused, eager)
