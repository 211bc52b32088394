"""Attention in tiles: however small the cache, the same contexts and gradients, with and without dropout."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from liftune.models.packed import attention
from liftune.models.packed.attention import TILED
from liftune.models.packed.dropout import draw_mask
from liftune.models.packed.packing import Packing

HEADS, SIZE = 4, 16
LENGTHS = {"equal": (9, 9, 9), "mixed": (3, 12, 7, 5, 9), "long": (70, 70, 90, 96, 200), "one": (1,)}


def computed(lengths: tuple[int, ...], *, first_only: bool, rate: float, dtype: torch.dtype) -> list[Tensor]:
    """Contexts, gradients of qkv, of the first queries."""
    torch.manual_seed(0)
    packing = Packing.of(lengths, max(lengths), round_up=True)
    rows = sum(lengths) + packing.spare
    qkv = torch.randn(rows, (2 if first_only else 3) * SIZE).to(dtype)
    first = torch.randn(len(lengths), SIZE).to(dtype) if first_only else None
    grad = torch.randn(len(lengths) if first_only else rows, SIZE).to(dtype)
    draw = (lambda *size: draw_mask(rate, *size)) if rate else None
    torch.manual_seed(1)
    contexts, saved = TILED.forward(qkv, first, packing, HEADS, draw=draw)
    torch.manual_seed(1)
    answers, nothing = TILED.forward(qkv, first, packing, HEADS, draw=draw, keep=False)
    assert torch.equal(answers, contexts)
    assert nothing == []
    grads = TILED.backward(grad, saved, packing, HEADS, first_only=first_only)
    return [contexts, *(each for each in grads if each is not None)]


@pytest.mark.parametrize("lengths", LENGTHS.values(), ids=LENGTHS)
@pytest.mark.parametrize("rate", [0.0, 0.3])
@pytest.mark.parametrize("first_only", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.bfloat16, 2e-2)])
def test_no_size_of_a_cache_changes_what_comes_of_it(
    lengths: tuple[int, ...],
    rate: float,
    first_only: bool,
    dtype: torch.dtype,
    tolerance: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(attention, "POOL_SIZE", 2 * HEADS * max(lengths) ** 2)  # a mask serves one long row
    found = []
    for cache in (1, 3 * max(lengths) ** 2 * dtype.itemsize, 2**30):  # a head, part of a row's heads, a whole group
        monkeypatch.setattr(attention, "core_cache_bytes", lambda cache=cache: cache)
        found.append(computed(lengths, first_only=first_only, rate=rate, dtype=dtype))
    for each in found[1:]:
        for got, wanted in zip(each, found[0], strict=True):
            assert torch.allclose(got, wanted, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize(("room", "tiles"), [(1, 12), (3, 6), (4, 3), (8, 2), (100, 1)])
def test_a_tile_holds_as_many_heads_as_the_cache(room: int, tiles: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rows of four heads: parts of a row, or whole rows."""
    monkeypatch.setattr(attention, "core_cache_bytes", lambda: room * 50 * 8)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    query = torch.zeros(3 * HEADS, 5, 2, dtype=torch.float64)
    cut = [tile for tile, _ in attention._tiles(query, (5, 10), HEADS, None)]
    assert len(cut) == tiles
    assert [head for tile in cut for head in range(tile.heads.start, tile.heads.stop)] == list(range(3 * HEADS))
    assert all(tile.rows.start * HEADS <= tile.heads.start < tile.rows.stop * HEADS for tile in cut)
