"""Which tokens are read of a row that is longer than the model reads: its first and last part, or windows of it.

In: which text each token of the whole row is of.  Out: positions of the tokens of each window; one answer of several.
Not here: the tokens (token_rules.py), the same of torch's tensors (models/tokens/collator.py). No torch.

The special tokens stand in every window. Of a pair the longer text gives way: it is divided into windows, or its middle
is left out, and the shorter text stands whole in each of them, as far as that leaves room.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import ceil
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from liftune.types import Pooling

Sides: TypeAlias = Sequence[int | None]
"""Of each token: 0 for the first text, 1 for the second, None for a special token."""

#: Part of what is kept of a text that is its beginning; the rest is its end. Sun et al. (2019), "How to Fine-Tune BERT
#: for Text Classification?": the first 128 and the last 382 tokens of 510.
HEAD = 1 / 4
#: Neighbouring windows share this part of what one reads, unless the user says how much.
OVERLAP = 1 / 4
#: Most of a window that the shorter text of a pair may take.
SHORTER = 3 / 4
#: Tokens that are read of one row at most, in windows; of each row at least so many windows.
MOST_TOKENS, FEWEST = 8_192, 4


def usual_overlap(max_length: int) -> int:
    """Tokens that neighbouring windows share where nobody says how many.

    >>> usual_overlap(512), usual_overlap(8)
    (128, 2)
    """
    return max(1, int(max_length * OVERLAP))


def most_windows(max_length: int) -> int:
    """Windows of a row at most, so that a book neither takes hours nor fills the memory.

    >>> most_windows(512), most_windows(8192)
    (16, 4)
    """
    return max(FEWEST, MOST_TOKENS // max_length)


def windows_of(
    sides: Sides, limit: int, *, overlap: int, most: int, whole: bool, keeps_end: bool = False
) -> list[list[int]]:
    """Positions of the tokens of each window, in their order.

    Args:
        sides: of a row of more than `limit` tokens.
        limit: tokens of a window, special ones included.
        overlap: tokens that neighbouring windows share; at most half of what a window has of the text.
        most: windows at most.
        whole: windows of all of the text; else one, of its first and last part.
        keeps_end: what is too much is left out at the beginning, not at the end.

    Returns:
        nothing where special tokens leave no room.

    >>> windows_of([None, 0, 0, 0, 0, 0, None], 5, overlap=1, most=9, whole=True)
    [[0, 1, 2, 3, 6], [0, 3, 4, 5, 6]]
    >>> windows_of([None, 0, 0, 0, 0, 0, None], 5, overlap=1, most=9, whole=False)
    [[0, 1, 4, 5, 6]]
    """
    special = [at for at, side in enumerate(sides) if side is None]
    shorter, longer = sorted(([at for at, side in enumerate(sides) if side == each] for each in (0, 1)), key=len)
    room = limit - len(special)
    if room < 1:
        return []
    if not whole:
        beside = min(len(shorter), room // 2)
        kept = [*_ends(shorter, beside), *_ends(longer, room - beside)]
        return [sorted([*special, *kept])]
    beside = min(len(shorter), int(room * SHORTER))
    always = [*special, *(shorter[len(shorter) - beside :] if keeps_end else shorter[:beside])]
    parts = _parts(len(longer), room - beside, overlap)
    chosen = parts[-most:] if keeps_end else parts[:most]
    return [sorted([*always, *longer[start:stop]]) for start, stop in chosen]


def tokens_in_windows(counts: NDArray[np.int64], max_length: int, special: int) -> NDArray[np.int64]:
    """(N,) tokens that are read of rows of so many, in windows; of a pair about as many.

    Args:
        counts: (N,) special tokens included.
        special: how many of them are special.

    >>> tokens_in_windows(np.array([5, 10, 12]), 10, 2).tolist()
    [5, 10, 16]
    """
    size = max(1, max_length - special)
    overlap = min(usual_overlap(max_length), size // 2)
    more = np.maximum(0, -(-(counts - max_length) // max(1, size - overlap)))
    whole = counts + more * (overlap + special)
    most = most_windows(max_length)
    return np.where(more + 1 > most, most * max_length, whole)


def _ends(positions: list[int], size: int) -> list[int]:
    """The first and the last of some positions."""
    if len(positions) <= size:
        return positions
    head = ceil(size * HEAD)
    return [*positions[:head], *positions[len(positions) - (size - head) :]]


def _parts(count: int, size: int, overlap: int) -> list[tuple[int, int]]:
    """Where each part of a text of so many tokens starts and stops.

    >>> _parts(10, 6, 2), _parts(11, 6, 2), _parts(3, 6, 2)
    ([(0, 6), (4, 10)], [(0, 6), (4, 10), (8, 11)], [(0, 3)])
    """
    step = max(1, size - min(overlap, size // 2))
    last = max(0, -(-(count - size) // step))
    return [(each * step, min(each * step + size, count)) for each in range(last + 1)]


def divided(lists: Sequence[list[int]], windows: Sequence[tuple[int, ...]]) -> list[list[int]]:
    """Each row's windows by themselves.

    >>> divided([[1, 2, 3], [4, 5]], [(2, 1), ()])
    [[1, 2], [3], [4, 5]]
    """
    found: list[list[int]] = []
    for each, sizes in zip(lists, windows, strict=True):
        ends = np.cumsum([0, *(sizes or (len(each),))]).tolist()
        found += [each[start:stop] for start, stop in pairwise(ends)]
    return found


def pooled(logits: NDArray[np.float32], firsts: NDArray[np.intp], pooling: Pooling) -> NDArray[np.float32]:
    """(N, C) logits of the rows from (W, C) of their windows.

    Args:
        firsts: (N + 1,) where each row's windows begin, and the last one's end.

    >>> pooled(np.array([[1, 2], [3, 0], [5, 6]], np.float32), np.array([0, 2, 3]), "mean").tolist()
    [[2.0, 1.0], [5.0, 6.0]]
    """
    if len(firsts) == len(logits) + 1:
        return logits
    if pooling == "max":
        return np.asarray(np.maximum.reduceat(logits, firsts[:-1], axis=0))
    return np.asarray(np.add.reduceat(logits, firsts[:-1], axis=0) / np.diff(firsts)[:, None], dtype=np.float32)
