"""What the label column holds: which task it defines, and each cell as a target.

In: cells as read.  Out: a Reading, which turns a cell into a str, a tuple of str, or a float, or says why it cannot.
Not here: which column it is (columns.py); how a model encodes a target (tasks/).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from liftune.tasks import TaskKind, task_of
from liftune.types import Target

#: Whole numbers with more distinct values than this are measurements, not classes.
MOST_NUMBERED_CLASSES = 20
#: Share of cells with a `|` from which on it separates labels.
_SEPARATED_SHARE = 0.05
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
#: A decimal comma, as Excel writes it in most of Europe. Not with three digits after it: they may be thousands.
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,(\d{1,2}|\d{4,})")
_WHOLE = re.compile(r"([+-]?\d+)\.0+")


class CellError(ValueError):
    """A cell that cannot be used: why, and what to do."""

    def __init__(self, reason: str, hint: str = "fix the row") -> None:
        super().__init__(reason)
        self.hint = hint


@dataclass(frozen=True)
class Reading:
    """How the label column is read."""

    task: TaskKind
    reason: str
    """Why this task, as `inspect` prints it."""
    lists: bool = False
    """Multi-label: cells are lists, not text with separators."""

    def target(self, cell: Any, names: Sequence[str] = ()) -> Target:
        """The cell's target.

        Args:
            names: of the column's whole numbers, if the file declares them (ClassLabel).

        Raises:
            CellError: no label, or not one that fits the task.
        """
        if is_missing(cell) or (names and cell == -1 and not isinstance(cell, bool)):
            raise CellError("no label")
        shape = task_of(self.task).shape
        if shape == "value":
            return _value(cell)
        if shape == "label":
            return _only_label(cell, names)
        return _label_set(cell, names, lists=self.lists)


def recognise(cells: Sequence[Any], names: Sequence[str] = (), *, requested: TaskKind | None = None) -> Reading:
    """The task that a label column defines, from its cells in train.

    Lists, and texts separated by `|`, are multi-label; decimals, and whole numbers of more than 20 values, are
    regression; everything else is classes. `requested` overrides. It names the kinds, as what cells mean is its work.
    """
    present = [cell for cell in cells if not is_missing(cell)]
    texts = [cell for cell in present if isinstance(cell, str)]
    lists = any(_is_list(cell) for cell in present)
    if requested:
        return Reading(requested, "requested", lists)
    if lists:
        return Reading(TaskKind.MULTI_LABEL, "lists of labels", lists=True)
    if names:
        return Reading(TaskKind.SINGLE_LABEL, "class names declared by the data")
    if 2 * sum(_listed(text) is not None for text in texts) > len(texts):
        return Reading(TaskKind.MULTI_LABEL, "lists of labels, written as JSON")
    if _separated(texts):
        return Reading(TaskKind.MULTI_LABEL, "labels separated by |")
    return _by_numbers(present)


def _by_numbers(present: Sequence[Any]) -> Reading:
    values = [value for value in (number(cell) for cell in present) if value is not None]
    mostly = 2 * len(values) > len(present)  # the others are bad rows
    kinds = len(set(values))
    if mostly and any(not value.is_integer() for value in values):
        return Reading(TaskKind.REGRESSION, "decimal numbers")
    if mostly and kinds > MOST_NUMBERED_CLASSES:
        return Reading(
            TaskKind.REGRESSION,
            f"whole numbers of {kinds} values, more than {MOST_NUMBERED_CLASSES}; "
            "--task single_label makes them classes",
        )
    if present and len(values) == len(present):
        return Reading(TaskKind.SINGLE_LABEL, f"whole numbers of {kinds} values")
    return Reading(TaskKind.SINGLE_LABEL, "text labels")


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing: null, NaN, or blank text.

    >>> [is_missing(cell) for cell in (None, float("nan"), " ", "", [], 0)]
    [True, True, True, True, False, False]
    """
    return (
        cell is None or (isinstance(cell, str) and not cell.strip()) or (isinstance(cell, float) and math.isnan(cell))
    )


def number(cell: Any) -> float | None:
    """The finite number that a cell holds, as a number or as text; None for anything else.

    >>> [number(cell) for cell in (3, "2.5", "2,5", "1,000", "nan", True)]
    [3.0, 2.5, 2.5, None, None, None]
    """
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float):
        return float(cell) if math.isfinite(cell) else None
    if not isinstance(cell, str):
        return None
    text = cell.strip()
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _value(cell: Any) -> float:
    value = number(cell)
    if value is None:
        raise CellError(
            f"the target {_shown(cell)} is not a finite number",
            "write it as a number, or read the targets as classes with --task single_label",
        )
    return value


def _label(cell: Any, names: Sequence[str]) -> str:
    """One label as text: true and false for booleans, whole numbers without decimals, everything else stripped."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, int):
        if not names:
            return str(cell)
        if not 0 <= cell < len(names):
            raise CellError(f"the label {cell} has no name: the data declare {len(names)}")
        return names[cell]
    if isinstance(cell, float) and math.isfinite(cell):
        return str(int(cell)) if cell.is_integer() else str(cell)
    if isinstance(cell, str) and cell.strip():
        # pandas writes whole numbers as 1.0 once one of their column is missing.
        whole = _WHOLE.fullmatch(cell.strip())
        return whole[1] if whole else cell.strip()
    raise CellError(f"the label {_shown(cell)} is not a text or a number")


def _only_label(cell: Any, names: Sequence[str]) -> str:
    if _is_list(cell):
        if len(cell) != 1:
            raise CellError(f"{len(cell)} labels instead of one: {_shown(list(cell))}")
        cell = cell[0]
    return _label(cell, names)


def _label_set(cell: Any, names: Sequence[str], *, lists: bool) -> tuple[str, ...]:
    """Labels sorted, each once. An empty list is a row with no labels."""
    if lists and not _is_list(cell):
        raise CellError(f"the label {_shown(cell)} is not a list, as in other rows")
    if isinstance(cell, str):
        listed = _listed(cell)
        cell = listed if listed is not None else [piece for piece in cell.split("|") if piece.strip()]
        if listed is None and not cell:
            raise CellError("no label")
    return tuple(sorted({_label(each, names) for each in (cell if _is_list(cell) else [cell])}))


def _is_list(cell: Any) -> bool:
    return isinstance(cell, list | tuple) or type(cell).__name__ == "ndarray"


def _listed(text: str) -> list[Any] | None:
    """The list that a cell holds in JSON, such as '["joy", "fear"]'."""
    if not text.lstrip().startswith("["):
        return None
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def _separated(texts: Sequence[str]) -> bool:
    """Whether `|` separates labels: enough cells have it, or its pieces all occur on their own too."""
    joint = [text for text in texts if "|" in text.strip().strip("|")]
    if not joint:
        return False
    if len(joint) >= _SEPARATED_SHARE * len(texts):
        return True
    alone = {text.strip() for text in texts if "|" not in text}
    return all(piece.strip() in alone for text in joint for piece in text.split("|"))


def _shown(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else text[:57] + "..."
