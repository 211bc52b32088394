"""Where in a JSON object the rows are: a list of objects or lists, or a table of columns, however deep.

In: JSON values.  Out: the keys below which there are rows.
Not here: rows from them (json_shapes.py), columns that hold objects (nested.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from liftune.data.column_names import LABELS, PAIRS, TEXTS

_NAMES = frozenset((*TEXTS, *LABELS, *(name for pair in PAIRS for name in pair), "id", "split"))
_TEXTS = frozenset((*TEXTS, *(name for pair in PAIRS for name in pair)))
_DEEPEST = 6


def known(name: str) -> bool:
    """Whether columns often have a name."""
    return str(name).strip().casefold() in _NAMES


def found_in(value: Mapping[str, Any]) -> list[str]:
    """The keys of an object below which there are rows."""
    return [key for key, each in value.items() if _holds_rows(each)]


def is_table(value: Mapping[str, Any]) -> bool:
    """Whether an object's values are columns: lists of one length, with a name that columns often have."""
    lists = [each for each in value.values() if isinstance(each, list)]
    return (
        len(lists) == len(value) > 1
        and any(map(known, value))
        and len({len(each) for each in lists}) == 1
        and len(lists[0]) > 1
        and not all(isinstance(each, dict) for cells in lists for each in cells)
    )


def are_rows(value: Mapping[str, Any]) -> bool:
    """Whether an object's values are rows themselves, by their ids: objects with a name that columns often have."""
    inner = [each for each in value.values() if isinstance(each, dict)]
    if not len(inner) == len(value) > 1:
        return False
    shared = set.intersection(*(set(each) for each in inner))
    return any(map(known, shared))


def by_label(value: Mapping[str, Any]) -> bool:
    """Whether each key is the label of the rows in its list: they have a text, and no label of their own."""
    rows = [row for each in value.values() if isinstance(each, list) for row in each]
    labels = {*LABELS, "split"}
    return all(isinstance(each, list) for each in value.values()) and all(
        isinstance(row, dict) and names_a_text(row) and not any(str(key).casefold() in labels for key in row)
        for row in rows
    )


def holds_texts(value: Any, depth: int = 0) -> bool:
    """Whether rows in a value have a column that is named as a text, at any depth; one row alone is none."""
    if depth > _DEEPEST:
        return False
    if isinstance(value, list):
        return len(value) > 1 and all(isinstance(each, dict) and names_a_text(each) for each in value[:20])
    if not isinstance(value, dict):
        return False
    if is_table(value) or are_rows(value):
        return names_a_text(value) or any(names_a_text(each) for each in value.values() if isinstance(each, dict))
    return any(holds_texts(each, depth + 1) for each in value.values())


def _holds_rows(value: Any, depth: int = 0) -> bool:
    if depth > _DEEPEST or not value:
        return False
    if isinstance(value, list):
        widths = {len(each) for each in value if isinstance(each, list)}
        of_lists = len(value) > 1 and len(widths) == 1 < min(widths) and all(isinstance(each, list) for each in value)
        return of_lists or all(isinstance(each, dict) for each in value)
    if not isinstance(value, dict):
        return False
    split = isinstance(value.get("columns"), list) and isinstance(value.get("data"), list)
    return split or is_table(value) or are_rows(value) or any(_holds_rows(each, depth + 1) for each in value.values())


def names_a_text(row: Mapping[str, Any], depth: int = 0) -> bool:
    """Whether a row has a text by its name, or an object that has one."""
    for key, value in row.items():
        if str(key).strip().casefold() in _TEXTS:
            return True
        if isinstance(value, dict) and depth < _DEEPEST and names_a_text(value, depth + 1):
            return True
    return False
