"""Cells of CSV that no spreadsheet computes, and the same cells as they were.

In: a cell.  Out: the cell with an apostrophe before it, where it needs one; or without that apostrophe.
Not here: files of cells (writers.py), which files were written so (labelling/filled_in.py).

A cell that looks as if it had its apostrophe already gets one more, so that every cell comes back as it was.
"""

from __future__ import annotations

import re
from typing import Any

#: A cell that spreadsheets compute instead of showing it, or one with apostrophes before that.
_COMPUTED = re.compile(r"'*[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?([eE][+-]?\d+)?")


def escaped(cell: Any) -> Any:
    """With an apostrophe before what a spreadsheet would take for a formula; plain numbers and all else as they are.

    >>> escaped("=1+2"), escaped("'=1+2"), escaped("-2.5"), escaped("'tis")
    ("'=1+2", "''=1+2", '-2.5', "'tis")
    """
    needs = isinstance(cell, str) and _COMPUTED.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if needs else cell


def unescaped(cell: Any) -> Any:
    """The cell that `escaped` gave this for.

    >>> unescaped("'=1+2"), unescaped("''=1+2"), unescaped("=1+2"), unescaped("'tis")
    ('=1+2', "'=1+2", '=1+2', "'tis")
    """
    return cell[1:] if isinstance(cell, str) and cell[:1] == "'" and escaped(cell[1:]) == cell else cell
