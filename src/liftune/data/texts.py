"""A cell, or several -> the text that a model reads, or why it is none: one rule for tuning, evaluating and predicting.

In: a cell of any format.  Out: its text.  Not here: which column it is (columns.py), labels (targets.py).
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from liftune.data.readers.table import lone_surrogate
from liftune.data.targets import CellError, is_missing

#: A model reads some hundreds of words; its tokenizer would take forty times the memory of all of them.
MOST_CHARACTERS = 2_000_000
_KINDS = {
    bool: "true or false",
    list: "a list",
    tuple: "a list",
    dict: "a mapping",
    datetime.datetime: "a time",
    datetime.date: "a date",
}


def text_of(cell: Any, column: str, *, blank: bool = False) -> str:
    r"""A cell as text, unchanged; a number becomes its digits, bytes in UTF-8 their characters.

    Args:
        column: as the message names it.
        blank: whether a text without a character to read is one.

    Raises:
        CellError: nothing is in the cell, or no text.

    >>> text_of(" as it is ", "text"), text_of(7, "text"), text_of(b"caf\xc3\xa9", "text")
    (' as it is ', '7', 'café')
    """
    if isinstance(cell, bytes | bytearray | memoryview):
        cell = _decoded(bytes(cell), column)
    elif isinstance(cell, int | float | Decimal) and not isinstance(cell, bool) and cell == cell:
        if not math.isfinite(cell):
            raise CellError(f"column {column!r} holds {cell}, not a text", "write a text")
        return str(cell)
    if cell is None or isinstance(cell, float | Decimal):
        raise CellError(f"no text in column {column!r}")
    if not isinstance(cell, str):
        kind = _KINDS.get(type(cell), f"a value of type {type(cell).__name__}")
        raise CellError(f"column {column!r} holds {kind}, not a text", "write a text")
    if not (blank or cell.strip()):
        raise CellError(f"no text in column {column!r}")
    if len(cell) > MOST_CHARACTERS:
        raise CellError(f"column {column!r} holds {too_long(cell)}", "cut it, or make a row of each part")
    if "\0" in cell:
        raise CellError(f"column {column!r} holds a NUL character", "take it out")
    if not cell.isascii():
        try:
            cell.encode()
        except UnicodeEncodeError as error:  # "\ud83d" alone in JSON: no tokenizer takes it
            raise CellError(f"column {column!r} holds {lone_surrogate(error)}") from None
    return cell


def too_long(text: str) -> str:
    """What a message says of such a text."""
    return f"a text of {len(text):,} characters: more than {MOST_CHARACTERS:,}"


def joined_text(cells: Sequence[Any], names: Sequence[str]) -> str:
    """Several cells as one text: a line for each that holds something, with the name of its column.

    Raises:
        CellError: none holds anything, or one is no text.

    >>> joined_text(("Late", None, "It came on Friday."), ("subject", "author", "body")).splitlines()
    ['subject: Late', 'body: It came on Friday.']
    """
    lines = [f"{name}: {text_of(cell, name)}" for cell, name in zip(cells, names, strict=True) if not is_missing(cell)]
    if not lines:
        raise CellError(f"no text in columns {', '.join(names)}")
    return "\n".join(lines)


def _decoded(cell: bytes, column: str) -> str:
    try:
        return cell.decode()
    except UnicodeDecodeError as error:
        raise CellError(
            f"column {column!r} holds bytes that are not UTF-8: 0x{cell[error.start]:02x}", "write a text in UTF-8"
        ) from None
