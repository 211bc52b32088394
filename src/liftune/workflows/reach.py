"""How many tokens of a row are read where nobody says: more than the usual 512 of a model that can, if texts need them.

In: a Backbone, train rows, what memory is free.  Out: a number of tokens and why; None keeps the usual.
Not here: what is read of rows that are longer still (long_texts.py).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from liftune.data.long_rows import most_windows
from liftune.hardware.flops import Shapes
from liftune.hardware.memory import Room
from liftune.models import families
from liftune.models.backbone import Backbone
from liftune.models.memory_needs import Size, pass_bytes
from liftune.models.tokens.encoder import RowEncoder
from liftune.records.base import Choice
from liftune.spec import ModelSpec
from liftune.types import Row

#: Where at most this share of train is too long, the usual length stays.
FEW = 0.05
#: Of train's rows, longest left out, this share is to be read whole.
WHOLE = 99
#: Lengths are multiples of this.
STEP = 64
#: What a pass may take, in the bytes that are counted: attention and threads take some more.
MARGIN = 2


def may_be_longer(rows: Sequence[Row], tokens: int) -> list[Row]:
    """Rows that may have more tokens: a token has at least one byte, and few tokens are special."""
    return [row for row in rows if _bytes(row) + _SPECIAL > tokens]


_SPECIAL = 8


def _bytes(row: Row) -> int:
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in ((row,) if isinstance(row, str) else row))


def reach(
    spec: ModelSpec, backbone: Backbone, rows: Sequence[Row], shapes: Shapes, size: Size | None, room: Room | None
) -> Choice | None:
    """The length that most train rows need, or as much of it as model and memory allow; None keeps the usual one.

    Args:
        size: of the model with its method.
    """
    limit = families.longest_reading(backbone.model, backbone.tokenizer)
    usual = backbone.max_length
    if spec.max_length is not None or spec.long not in (None, "auto") or limit is None or limit <= usual:
        return None
    candidates = may_be_longer(rows, usual)
    if len(candidates) <= FEW * len(rows):
        return None
    encoder = RowEncoder(backbone.model, backbone.tokenizer, limit)
    tokens = np.diff(encoder.chunk(candidates).offsets)
    longer = int((tokens > usual).sum())
    if longer <= FEW * len(rows):
        return None
    every = np.concatenate([np.zeros(len(rows) - len(tokens), dtype=tokens.dtype), tokens])
    needed = int(np.percentile(every, WHOLE, method="higher"))
    wanted = min(limit, -(-needed // STEP) * STEP)
    length = _that_fits(wanted, usual, shapes, size, room)
    share = f"{longer / len(rows):.0%} of the train texts have more than {usual:,} tokens"
    able = f"the model reads {limit:,}"
    if length < wanted:
        there = f"there are {room}" if room else "nobody knows how much memory is free"
        return Choice(choice=LENGTH, value=f"{length:,} tokens", reason=f"{share}; {able}, but {there}")
    return Choice(choice=LENGTH, value=f"{length:,} tokens", reason=f"{share}; {able}. --max-length says otherwise")


def longest_row(backbone: Backbone, rows: Sequence[Row]) -> int:
    """Tokens that are read of the longest row, at most: in windows more than the model reads at once."""
    length = backbone.max_length
    if backbone.long.rule != "windows":
        return length
    return max(length, min(most_windows(length) * length, 2 * max(map(_bytes, rows), default=0)))


#: The choice that says how many tokens are read.
LENGTH = "length"


def tokens_of(choice: Choice) -> int:
    """The length that a choice names."""
    return int(choice.value.split()[0].replace(",", ""))


def _that_fits(wanted: int, usual: int, shapes: Shapes, size: Size | None, room: Room | None) -> int:
    """The most tokens of a row for which there is room beside the model: as wanted, or halves of it."""
    if room is None or size is None or not shapes.layers:
        return usual
    length = wanted
    while length > usual:
        if size.bytes + MARGIN * pass_bytes(shapes, length, recompute=size.recomputes) <= room.bytes:
            return length
        length //= 2
    return usual
