"""The attention kernel against tiles, built for every kind of processor that this one is of.

A processor with AVX-512 runs what is built for AVX2 too: so a change that costs speed there is seen here.
In: rounds.  Out: by kind, tiles' processor time over the kernel's, forward and backward on one thread.
Not here: whether the two compute the same (tests/models/packed).
"""

from __future__ import annotations

import ctypes
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.summary import Spread
from liftune.hardware.compiler import build
from liftune.hardware.prebuilt import Kind, kinds_here
from liftune.hardware.processor import find_compiler
from liftune.models.packed.attention import TILED, Attention
from liftune.models.packed.compiled import DTYPES, SOURCE, CompiledAttention, definitions
from liftune.models.packed.packing import Packing

#: Rows of some 290 tokens, heads, and the numbers of one.
LENGTHS, HEADS, SIZE = (284, 285, 288, 288, 290, 293, 301), 12, 32


def against_tiles(repeats: int) -> dict[str, Spread]:
    """ "attention in DTYPE, KIND" -> the ratio; nothing where there is no compiler."""
    compiler = find_compiler()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return {
                f"attention in {dtype}, {kind.name}": Spread.of(
                    in_turn(TILED, built(kind, dtype, compiler, Path(folder)), DTYPES[dtype], repeats)
                )
                for kind in (kinds_here() if compiler else ())
                for dtype in DTYPES
            }
    finally:
        torch.set_num_threads(threads)


def built(kind: Kind, dtype: str, compiler: str, folder: Path) -> CompiledAttention:
    """The kernel as a wheel would bring it.

    Raises:
        SystemExit: the compiler fails.
    """
    library = folder / f"{kind.name}-{dtype}.so"
    complaint = build(SOURCE, definitions(SIZE, dtype), compiler, kind.options, library)
    if complaint:
        raise SystemExit(f"benchmarks: {compiler} for {kind.name}: {complaint}")
    return CompiledAttention(ctypes.CDLL(str(library)), SIZE, DTYPES[dtype])


def in_turn(plain: Attention, other: Attention, dtype: torch.dtype, repeats: int) -> list[float]:
    """Processor time of `plain` over that of `other`, the fastest of three calls each; a first round is not counted."""
    compute = passes(dtype)
    ratios = []
    for _ in range(repeats + 1):
        fastest = [min(seconds(compute, attention) for _ in range(3)) for attention in (plain, other)]
        ratios.append(fastest[0] / fastest[1])
    return ratios[1:]


def seconds(compute: Callable[[Attention], None], attention: Attention) -> float:
    """Processor time of one call."""
    start = time.process_time()
    compute(attention)
    return time.process_time() - start


def passes(dtype: torch.dtype) -> Callable[[Attention], None]:
    """What computes contexts and gradients, with dropout whose masks are there already."""
    packing, hidden = Packing.of(LENGTHS, max(LENGTHS)), HEADS * SIZE
    qkv, grad = (torch.randn(sum(LENGTHS), times * hidden).to(dtype) for times in (3, 1))
    kept = (torch.rand(len(LENGTHS) * HEADS * 320**2) > 0.1).to(dtype)

    def draw(rows: int, columns: int, _: torch.dtype) -> Tensor:
        return kept[: rows * columns].view(rows, columns)

    def compute(attention: Attention) -> None:
        _, saved = attention.forward(qkv.clone(), None, packing, HEADS, draw=draw)
        attention.backward(grad, saved, packing, HEADS, first_only=False)

    return compute
