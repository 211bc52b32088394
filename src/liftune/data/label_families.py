"""Several columns that hold the labels of a row together: Labels, Labels_2, Labels_3; tag 1, tag 2.

In: a Table, the label column that was found.  Out: the columns that go with it, or what to say of them.
Not here: how their cells are read (positions.py), which column is the label (column_search.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from liftune.data.column_profiles import profile
from liftune.data.numbers import number
from liftune.data.readers.table import Table
from liftune.data.targets import is_missing, truth

#: The number that tools put at the end of a name that a file has twice, and people at the end of each.
_NUMBERED = re.compile(r"(?P<base>.*?[^\d\s._#()\[\]-])[\s._#-]*[(\[]?\d{1,3}[)\]]?", re.DOTALL)
#: A longer name is no label's, and looking would take long.
_LONGEST = 200
#: Share of the cells of the later columns whose label the other ones have, too: of columns that each mean something
#: else, such as a class and its part, nearly none have.
_SHARED = 0.2


@dataclass(frozen=True)
class Family:
    """Columns of one name but for a number, all of which hold labels."""

    columns: tuple[str, ...]
    are_sets: bool
    """Whether what they hold can only be the labels of a row together."""


def base_of(name: str) -> str:
    """A name without the number at its end.

    >>> [base_of(each) for each in ("Labels", "Labels_2", "labels.1", "Tag (3)", "label1", "2024")]
    ['labels', 'labels', 'labels', 'tag', 'label', '2024']
    """
    name = name.strip()
    match = _NUMBERED.fullmatch(name) if len(name) < _LONGEST else None
    return (match["base"] if match else name).casefold()


def family_of(table: Table, found: str, taken: Sequence[str | None]) -> Family | None:
    """The label column with those of its name that hold labels as well; None where there are none.

    Args:
        taken: columns that are something else.
    """
    base = base_of(found)
    names = [name for name in table.columns if name == found or (base_of(name) == base and name not in taken)]
    cells = {name: table.read(name) for name in names} if len(names) > 1 else {}
    held = {name: each for name, each in cells.items() if name == found or _holds_labels(name, each)}
    if len(held) < 2 or not _holds_labels(found, held[found]):
        return None
    return Family(tuple(held), _are_sets(list(held.values())))


def _holds_labels(name: str, cells: Sequence[Any]) -> bool:
    """Whether they are names: neither texts, nor numbers, nor yes and no."""
    filled = [cell for cell in cells if not is_missing(cell)]
    names = [cell for cell in filled if isinstance(cell, str) and truth(cell) is None and number(cell) is None]
    seen = profile(name, cells)
    return 2 * len(names) > len(filled) and seen.content == "words" and seen.words <= 6 and not seen.is_text


def _are_sets(columns: Sequence[Sequence[Any]]) -> bool:
    """Whether no row has one label twice, some have fewer labels, and the columns have labels in common."""
    rows = [[str(cell).strip() for cell in row if not is_missing(cell)] for row in zip(*columns, strict=True)]
    if any(len(set(row)) < len(row) for row in rows) or all(len(row) == len(columns) for row in rows):
        return False
    held = [[str(cell).strip() for cell in column if not is_missing(cell)] for column in columns]
    later = [(i, label) for i, labels in enumerate(held) if i for label in labels]
    shared = sum(any(label in labels for j, labels in enumerate(map(set, held)) if j != i) for i, label in later)
    return shared >= _SHARED * len(later)
