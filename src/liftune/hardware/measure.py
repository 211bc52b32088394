"""Look at the machine, and measure it where a flag would lie.

In: nothing, or the shapes of a model's products.  Out: MachineFacts and rates, cached for this machine and torch.
Not here: deciding (plan.py).
The only reader of devices and memory: nothing else in liftune names cuda or mps. The processor: processor.py.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import gc
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache as kept_once
from pathlib import Path
from typing import Any

import platformdirs
import torch

from liftune.hardware.memory import Room, room
from liftune.hardware.prebuilt import prebuilt_kind
from liftune.hardware.processor import find_compiler, processor_name
from liftune.json_text import parse_json

#: Rises when what is measured changes, so that an old cache is not believed.
PROBE_VERSION = 2
#: A product is repeated until it was timed this often, or, from the third time on, for this many seconds.
GEMM_REPEATS, GEMM_SECONDS = 50, 0.2


@dataclass(frozen=True)
class MachineFacts:
    """What was measured. Ratios are times of the plain way over times of the other: above 1, the other is faster."""

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
    compiler: str = ""
    """Of C; empty where there is none."""
    prebuilt: str = ""
    """The kind of processor for which the wheel brought kernels and which this one is of; empty where there is none."""


def measure_machine(*, cache: Path | None = None, remeasure: bool = False) -> MachineFacts:
    """Facts of this machine; measured once (about a second), then read from the cache.

    Args:
        cache: the file to keep them in; default `hardware.json` in the user's cache folder for liftune.
        remeasure: measure in any case.
    """
    kept = _kept(cache)
    with contextlib.suppress(TypeError, KeyError):
        if not remeasure and kept["facts"]["devices"] == list(_devices()):
            now = {"devices": _devices(), "accelerators": torch.cuda.device_count()}
            installed = {"compiler": find_compiler(), "prebuilt": prebuilt_kind()}
            return MachineFacts(**{**kept["facts"], **now, **installed})
    facts = measure()
    if remeasure:
        kept.pop("ratios", None)
    _keep(cache, {**kept, "facts": asdict(facts)})
    return facts


def gemm_rate(
    shapes: tuple[tuple[int, int], ...],
    dtype: str,
    *,
    tokens: int = 1024,
    device: str = "cpu",
    cache: Path | None = None,
    again: bool = False,
    remeasure: bool = False,
) -> float:
    """The rate of plain matrix products at some shapes, in operations a second; measured, and kept as facts are.

    A multiply-add counts as two. Each distinct shape counts by its share of all operations; each product's time is the
    best of several, on all threads that torch uses. Other work on the machine can only lower it.

    Args:
        shapes: (outputs, inputs) of each linear layer, repeated as the model repeats it.
        dtype: "float32" or "bfloat16", of weights and rows.
        tokens: rows of the left matrix.
        device: as torch names it.
        cache: as for `probe`.
        again: measure in any case, and take the better of this and what was kept: what a share is held against.
        remeasure: measure in any case, and forget what was kept.

    Raises:
        ValueError: there are no shapes.
    """
    if not shapes:
        raise ValueError("a rate needs the shape of a product")
    counts = sorted(Counter(shapes).items())
    name = "|".join((device, dtype, str(tokens), *(f"{times}x{shape[0]}x{shape[1]}" for shape, times in counts)))
    kept = _kept(cache)
    rates = kept["rates"] if isinstance(kept.get("rates"), dict) else {}
    before = float(rates[name]) if isinstance(rates.get(name), float) and not remeasure else 0.0
    if before > 0 and not again:
        return before
    operations = sum(2 * tokens * shape[0] * shape[1] * times for shape, times in counts)
    seconds = sum(_product_seconds(shape, getattr(torch, dtype), tokens, device) * times for shape, times in counts)
    rate = max(before, operations / seconds)
    _keep(cache, {**kept, "rates": {**rates, name: rate}})
    return rate


def kept_ratio(name: str, plain: Callable[[], object], other: Callable[[], object]) -> float:
    """Time of `plain` over time of `other` on one thread; measured once under this name, and kept as facts are."""
    kept = _kept(None)
    ratios = kept["ratios"] if isinstance(kept.get("ratios"), dict) else {}
    if isinstance(ratios.get(name), float):
        return float(ratios[name])
    ratio = _ratio(plain, other)
    _keep(None, {**_kept(None), "ratios": {**ratios, name: ratio}})
    return ratio


def _product_seconds(shape: tuple[int, int], dtype: torch.dtype, tokens: int, device: str) -> float:
    """The best time of one product."""
    rows, weight = (torch.randn(*size, device=device).to(dtype) for size in ((tokens, shape[1]), shape))
    best, total, done = float("inf"), 0.0, 0
    with torch.inference_mode():
        torch.nn.functional.linear(rows, weight)
        while done < GEMM_REPEATS and (done < 3 or total < GEMM_SECONDS):
            _settle(device)
            start = time.perf_counter()
            torch.nn.functional.linear(rows, weight)
            _settle(device)
            seconds = time.perf_counter() - start
            best, total, done = min(best, seconds), total + seconds, done + 1
    return best


def _settle(device: str) -> None:
    """Wait until a device has done what it was given."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
    elif device.startswith("mps"):
        torch.mps.synchronize()


def peak_mib() -> float | None:
    """The most memory that this process has held so far, in MiB; None where the system does not say."""
    # Not getrusage where there is another way: there a process starts with the peak of the one that started it.
    peak = _status("VmHWM")
    if peak is not None:
        return peak
    try:
        import resource
    except ImportError:  # Windows has none
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)  # bytes there, KiB elsewhere


def device_room(device: str) -> Room | None:
    """Memory that may still be taken where a model computes; None where nothing says how much."""
    if not device.startswith("cuda"):
        return room()  # mps shares the machine's
    return Room(torch.cuda.mem_get_info(device)[0], f"free on {device}")


def release_memory() -> None:
    """Give freed memory back to the system: objects that hold each other, and what the C library would keep."""
    gc.collect()
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's; musl has none
        if trim is not None:
            trim(0)


def restart_peak() -> float | None:
    """Let `peak_mib` count from what the process holds now, after what can be released was.

    Returns:
        what it holds now, in MiB; None where the system lets no process count anew.
    """
    release_memory()
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:  # no Linux, or one that is locked up
        return None
    return _status("VmRSS")


def _status(name: str) -> float | None:
    """A number of MiB from what Linux says of this process."""
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if line.startswith(f"{name}:")).split()[1]) / 1024
    return None


def set_threads(count: int) -> None:
    """How many threads one operation on the CPU may use, in this process."""
    torch.set_num_threads(count)


def _key() -> str:
    """What a measurement speaks of; another key makes a cache void."""
    return f"{PROBE_VERSION}|{processor_name()}|{platform.node()}|{torch.__version__}|{torch.get_num_threads()}"


def _kept(cache: Path | None) -> dict[str, Any]:
    """What was measured on this machine before; nothing where the cache is void, damaged or not there."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        kept = parse_json((cache or _cache_file()).read_bytes())
        if kept["key"] == _key():
            return dict(kept)
    return {}


def _keep(cache: Path | None, measured: dict[str, Any]) -> None:
    cache = cache or _cache_file()
    with contextlib.suppress(OSError):  # a read-only home costs a second a run, not the run
        cache.parent.mkdir(parents=True, exist_ok=True)
        cache.write_text(json.dumps({**measured, "key": _key()}), encoding="utf-8")


def _cache_file() -> Path:
    return cache_folder() / "hardware.json"


def cache_folder() -> Path:
    """Where liftune keeps what can be made again: LIFTUNE_CACHE, or else where the operating system wants it."""
    asked = os.environ.get("LIFTUNE_CACHE")
    if asked:
        return Path(asked)
    try:
        return platformdirs.user_cache_path("liftune", appauthor=False)
    except RuntimeError:  # no HOME, and a user without an entry in passwd: usual in containers
        return _without_home()


@kept_once
def _without_home() -> Path:
    """A folder for as long as this process. One under a fixed name could be another user's."""
    folder = Path(tempfile.mkdtemp(prefix="liftune-cache-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["LIFTUNE_CACHE"] = str(folder)  # of the processes that it starts, too
    print(
        f"liftune: there is no home folder: caches are in {folder} until this ends; LIFTUNE_CACHE names another folder",
        file=sys.stderr,
    )
    return folder


def measure() -> MachineFacts:
    """Facts of this machine, measured now."""
    return MachineFacts(
        devices=_devices(),
        processor=processor_name(),
        threads=torch.get_num_threads(),
        bfloat16_speedup=_bfloat16_speedup(),
        eager_speedup={"float32": _eager_speedup(torch.float32), "bfloat16": _eager_speedup(torch.bfloat16)},
        accelerator_bfloat16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False),
        accelerators=torch.cuda.device_count(),
        compiler=find_compiler(),
        prebuilt=prebuilt_kind(),
    )


def _devices() -> tuple[str, ...]:
    devices = []
    if torch.cuda.is_available():
        devices.append("cuda")
    if torch.backends.mps.is_available():
        devices.append("mps")
    return (*devices, "cpu")


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
