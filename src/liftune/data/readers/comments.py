"""Lines at the start of a delimited text that are comments: they begin with `#`, `%` or `//`.

In: a text that can be opened again and again.  Out: those lines, and what is said of them.
Not here: titles above a header (preamble.py).

A line that is divided as the rows below it is no comment: `#id,text,label` is a header, `#happy day,pos` a row.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice

from liftune.data.readers.header import KNOWN, folded
from liftune.data.readers.options import FileOptions
from liftune.data.readers.text_encoding import Opened

_MARKS = ("#", "%", "//")
_MOST, _LOOKED_AT = 1_000, 50
_SHOWN = 3


def comments_above(opened: Opened, options: FileOptions, delimiter_below: Callable[[int], str]) -> list[str]:
    """The lines at the start that are comments, and blank ones between them; none where --skip-lines says how many.

    Args:
        delimiter_below: what divides the lines below the first N of them.
    """
    if options.skip_lines is not None:
        return []
    with opened() as file:
        lines = [line.rstrip("\r\n") for line in islice(file, _MOST + _LOOKED_AT)]
    lines[:1] = [line.lstrip("\ufeff") for line in lines[:1]]
    count = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith(_MARKS)), 0)
    while count and not lines[count - 1].strip():
        count -= 1
    if not count or count > _MOST:
        return []
    delimiter = delimiter_below(count)

    def fields(line: str) -> list[str]:
        return next(iter(csv.reader([line], delimiter=delimiter)), [])

    below = [fields(line) for line in lines[count : count + _LOOKED_AT] if line.strip()]
    width = Counter(map(len, below)).most_common(1)[0][0]
    if sum(folded(field) in KNOWN for field in below[0]) >= min(2, width):
        return lines[:count]

    def is_divided(line: str) -> bool:
        held = fields(line)
        if width > 2:  # a comment that a spreadsheet padded with empty fields
            held = held[: max((i for i, field in enumerate(held, 1) if field), default=0)]
        return len(held) == width

    while count and (width == 1 or is_divided(lines[count - 1]) or not lines[count - 1].strip()):
        count -= 1
    return lines[:count]


def said_comments(lines: Sequence[str], where: str) -> str:
    """A note on comments that are left out."""
    held = [line for line in lines if line.strip()]
    shown = "; ".join(repr(line if len(line) <= 60 else f"{line[:57]}...") for line in held[:_SHOWN])
    more = f" and {len(held) - _SHOWN} more" if len(held) > _SHOWN else ""
    return f"{where}: left out at the start, as comments: {shown}{more}; to read them as rows: --skip-lines 0"
