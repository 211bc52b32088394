"""Attention by attention.c: a kernel that is compiled for this processor, instead of a dozen of torch's in turn.

In: as of attention.py.  Out: the same contexts and gradients, but for rounding.
Not here: the kernel (attention.c), building it (hardware/compiler.py), attention without a compiler (attention.py).

It reads queries, keys and values where the packed product left them and writes contexts and gradients where the next
product reads them: nothing is padded, split or joined. Of a pass it keeps a logarithm for each query and head, where
tiles keep every attention weight.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from liftune.hardware.compiler import NotBuiltError, load_library
from liftune.hardware.measure import kept_ratio
from liftune.models.packed.attention import TILED, Attention, draw_masks
from liftune.models.packed.dropout import DrawMask
from liftune.models.packed.packing import Packing
from liftune.types import IntArray

SOURCE = Path(__file__).with_name("attention.c")
#: What the kernel computes in float32, and reads and writes in.
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
#: The size of a head is a multiple of the numbers of a SIMD register.
LANES = 8
#: Sizes of heads for which wheels bring the kernel: MiniLM's and its like, and nearly all others'.
SHIPPED = (32, 64)
#: Fewer multiplications than these are not worth a second thread.
WORTH_A_THREAD = 2**20
#: Lengths of the rows by which it is compared with tiles, and largest difference relative to the largest number.
TRIAL, TOLERANCE = (5, 24, 64, 64, 90), {"float32": 1e-5, "bfloat16": 3e-2}
TRIAL_HEADS = 2


@dataclass(frozen=True)
class _Rows:
    """Where the kernel finds what it reads, row by row."""

    starts: IntArray
    """(rows,) each row's first token."""
    lengths: IntArray
    """(rows,)"""
    masks: list[Tensor]
    """Kept, as `addresses` point into them; empty without dropout."""
    addresses: IntArray
    """(rows,) of each row's dropout masks, heads after each other."""
    widths: IntArray
    """(rows,) rows and columns of each mask."""


@dataclass(frozen=True)
class SavedAttention:
    """What backward needs."""

    qkv: Tensor
    """(tokens, 3 hidden)"""
    context: Tensor
    """(tokens, hidden)"""
    logs: Tensor
    """(tokens, heads) float32: log of the sum of each query's exponentials."""
    rows: _Rows


class CompiledAttention:
    """Attention of one precision and size of a head; what the kernel does not know is computed in tiles."""

    def __init__(self, library: ctypes.CDLL, size: int, dtype: torch.dtype) -> None:
        self._library, self._size, self._dtype = library, size, dtype
        library.scratch_size.restype = ctypes.c_int64
        library.scratch_size.argtypes = [ctypes.c_int64]
        pointer, number, scale = ctypes.c_void_p, ctypes.c_int64, ctypes.c_float
        inputs = (*(pointer,) * 5, number, scale)
        library.forward.argtypes = (*inputs, *(pointer,) * 2, number, number, pointer)
        library.backward.argtypes = (*inputs, *(pointer,) * 4, number, number, pointer)
        library.forward.restype = library.backward.restype = None

    def forward(
        self,
        qkv: Tensor,
        first_queries: Tensor | None,
        packing: Packing,
        heads: int,
        *,
        draw: DrawMask | None = None,
        keep: bool = True,
    ) -> tuple[Tensor, Any]:
        """As of Attention."""
        if first_queries is not None or qkv.dtype != self._dtype or qkv.device.type != "cpu":
            return TILED.forward(qkv, first_queries, packing, heads, draw=draw, keep=keep)
        qkv = qkv.contiguous()
        rows = _rows(packing, draw, heads, qkv.dtype)
        context = qkv.new_empty(len(qkv), heads * self._size)
        logs = qkv.new_empty(len(qkv), heads, dtype=torch.float32) if keep else None
        _clear_spare(context, packing)
        given = (*self._inputs(qkv, rows, heads), context.data_ptr(), None if logs is None else logs.data_ptr())
        self._in_parts(self._library.forward, given, packing, heads)
        return context, None if logs is None else SavedAttention(qkv, context, logs, rows)

    def backward(
        self, grad_output: Tensor, saved: Any, packing: Packing, heads: int, *, first_only: bool
    ) -> tuple[Tensor, Tensor | None]:
        """As of Attention."""
        if not isinstance(saved, SavedAttention):
            return TILED.backward(grad_output, saved, packing, heads, first_only=first_only)
        grad = grad_output.to(saved.qkv.dtype).contiguous()
        grad_qkv = saved.qkv  # a row's head is written after all of it was read, and nothing else reads it
        _clear_spare(grad_qkv, packing)
        tensors = (saved.context, saved.logs, grad, grad_qkv)
        given = (*self._inputs(saved.qkv, saved.rows, heads), *(each.data_ptr() for each in tensors))
        self._in_parts(self._library.backward, given, packing, heads)
        return grad_qkv, None

    def _inputs(self, qkv: Tensor, rows: _Rows, heads: int) -> tuple[object, ...]:
        """The arguments that both directions begin with."""
        masks = rows.addresses.ctypes.data if rows.masks else None
        arrays = rows.starts.ctypes.data, rows.lengths.ctypes.data, masks, rows.widths.ctypes.data
        return (qkv.data_ptr(), *arrays, heads, self._size**-0.5)

    def _in_parts(self, call: Callable[..., None], given: tuple[object, ...], packing: Packing, heads: int) -> None:
        """Every row and head, on as many threads as torch would take; the kernel runs without Python's lock."""
        scratch = self._library.scratch_size(max(packing.lengths))

        def part(first: int, last: int) -> None:
            memory = torch.empty(scratch, dtype=torch.float32)
            call(*given, first, last, memory.data_ptr())

        bounds = _bounds(packing.lengths, heads, self._size, torch.get_num_threads())
        if len(bounds) == 2:
            part(*bounds)
        else:
            list(_pool().map(part, bounds[:-1], bounds[1:]))


def _bounds(lengths: tuple[int, ...], heads: int, size: int, threads: int) -> list[int]:
    """Where each thread's share of rows x heads begins, and where the last ends.

    >>> _bounds((200, 100, 100), 2, 32, 2), _bounds((5, 5), 2, 32, 8)
    ([0, 2, 6], [0, 4])
    """
    work = np.cumsum(np.repeat(np.square(np.array(lengths, dtype=np.int64)), heads)) * size
    parts = int(min(threads, len(work), max(1, work[-1] // WORTH_A_THREAD)))
    inner = np.searchsorted(work, work[-1] * np.arange(1, parts) / parts) + 1
    return sorted({0, *(int(each) for each in inner), len(work)})


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads for parts of a pass, of all workers together; no part waits for another."""
    return ThreadPoolExecutor(os.cpu_count() or 1, "liftune-attention")


if hasattr(os, "register_at_fork"):  # a fork has none of its parent's threads
    os.register_at_fork(after_in_child=_pool.cache_clear)


def _rows(packing: Packing, draw: DrawMask | None, heads: int, dtype: torch.dtype) -> _Rows:
    lengths = np.array(packing.lengths, dtype=np.int64)
    starts = np.cumsum(lengths) - lengths
    masks, addresses, widths = [], [], []
    for group in packing.groups if draw is not None else ():
        assert draw is not None
        widths += [group.width] * group.rows
        for mask in draw_masks(draw, group.rows, (group.width, group.width), heads, dtype):
            masks.append(mask.contiguous())
            step = heads * group.width**2 * mask.element_size()
            addresses += [masks[-1].data_ptr() + row * step for row in range(len(mask) // heads)]
    return _Rows(starts, lengths, masks, np.array(addresses, dtype=np.int64), np.array(widths, dtype=np.int64))


def _clear_spare(packed: Tensor, packing: Packing) -> None:
    """Zeros in what follows the last row, which the kernel does not write."""
    if packing.spare:
        packed[-packing.spare :].zero_()


@cache
def compiled_attention(size: int, dtype: str) -> CompiledAttention | str:
    """The kernel for heads of a size, or why there is none on this machine; asked once a process.

    It is compared with tiles before it is trusted, and timed against them once on a machine.

    Args:
        dtype: of DTYPES.
    """
    if size % LANES:
        return f"a head of {size} numbers is no multiple of {LANES}"
    try:
        library = load_library(SOURCE, definitions(size, dtype))
    except NotBuiltError as reason:
        return str(reason)
    kernel = CompiledAttention(library, size, DTYPES[dtype])
    tiles, other = (_trial(each, size, DTYPES[dtype]) for each in (TILED, kernel))
    for wanted, found in zip(tiles(), other(), strict=True):
        if not float((found - wanted).abs().max()) <= TOLERANCE[dtype] * float(wanted.abs().max()):
            return "the compiled kernel gave other numbers than torch"
    ratio = kept_ratio(Path(library._name).name, tiles, other)
    return kernel if ratio > 1 else f"measured {ratio:.2f}x as fast as torch's kernels in {dtype}"


def definitions(size: int, dtype: str) -> dict[str, int]:
    """What the kernel is compiled with for heads of a size and a precision of DTYPES."""
    return {"HEAD": size, **({"BFLOAT16": 1} if dtype == "bfloat16" else {})}


def _trial(attention: Attention, size: int, dtype: torch.dtype) -> Callable[[], tuple[Tensor, Tensor]]:
    """What computes contexts and gradients of a few rows; none of torch's random numbers are drawn."""
    generator = torch.Generator().manual_seed(0)
    packing, hidden = Packing.of(TRIAL, max(TRIAL)), TRIAL_HEADS * size
    qkv, grad = (torch.randn(sum(TRIAL), times * hidden, generator=generator).to(dtype) for times in (3, 1))
    kept = (torch.rand(2 * TRIAL_HEADS * len(TRIAL) * max(TRIAL) ** 2, generator=generator) > 0.1).to(dtype)

    def draw(rows: int, columns: int, _: torch.dtype) -> Tensor:
        return kept[: rows * columns].view(rows, columns)

    def compute() -> tuple[Tensor, Tensor]:
        context, saved = attention.forward(qkv, None, packing, TRIAL_HEADS, draw=draw)
        return context, attention.backward(grad, saved, packing, TRIAL_HEADS, first_only=False)[0]

    return compute
