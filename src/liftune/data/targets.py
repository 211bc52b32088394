"""How the label column is read: each cell as a target.

In: a cell.  Out: a str, a tuple of str, or a float, or why it is none of them.
Not here: how a Reading is chosen (recognise.py); which column it is (columns.py); how a model encodes it (tasks/).
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from liftune.data.label_lists import bare, is_list, items, looks_listed, pieces
from liftune.data.numbers import AS_EACH_SHOWS, Marks, both_ways, number
from liftune.tasks import TaskKind, task_of
from liftune.types import Target

_WHOLE = re.compile(r"([+-]?\d+)\.0+")
_DIGITS = re.compile(r"\d+")
_MOST_DIGITS = 300
#: Words for having a label and for not having it, in columns and positions that say so for one label.
YES = frozenset({"1", "1.0", "true", "t", "yes", "y", "on"})
#: What is written into a box that is not ticked, besides leaving it blank.
DASHES = frozenset({"-", "--", "\u2010", "\u2011", "\u2013", "\u2014", "\u2212", "[ ]", "\u2610"})
NO = frozenset({"0", "0.0", "false", "f", "no", "n", "off"}) | DASHES
#: What ticks a box where no word is written; the other cells of such a column are blank.
CHECKS, CROSSES = frozenset("\u2713\u2714\u2611\u2705"), frozenset("\u2717\u2718\u2612\u274c\u2716")
MARKS = CHECKS | CROSSES | {"x", "xx", "xxx", "*", "+", "\u2022", "\u25cf", "\u25a0"}
TICKS = YES | MARKS
#: What stands around a mark: (x), [x], x?, x!
_AROUND = "()[]?!.:,~ \ufe0f"
#: What separates labels where nothing else is said.
BAR = "|"


#: Of a label of a type that no file of rows holds.
_AS_A_TEXT = "give labels as texts: str(label), or the value of an Enum's member: label.value"


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
    written: bool = False
    """Cells are lists written as text."""
    unquoted: bool = False
    """... in brackets, without quotes."""
    separator: str | None = None
    """What separates labels in a text; None: the bar, in a multi-label task."""
    positions: tuple[str, ...] = ()
    """A cell says of each of these labels whether the row has it: 0 and 1 in a list, a mapping or several columns."""
    ticked: tuple[bool, ...] = ()
    """Of each position: whether a blank cell says no."""
    says_no: frozenset[str] = frozenset()
    """Marks that say no in columns that hold other marks for yes: crosses beside check marks."""
    together: bool = False
    """Whether a cell is a tuple of several columns, each of which holds a label or nothing."""
    threshold: float | None = None
    """The share or score from which on a row has a label."""
    names: tuple[str, ...] = ()
    """Of the column's whole numbers, where the user gave them."""
    as_written: bool = False
    """Whether a text is a label with its zeros: 007, 1.0 and 1.10 stay what they are."""
    marks: Marks = AS_EACH_SHOWS
    """How numbers are written."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What the user should know, with the option that says otherwise."""

    def target(self, cell: Any, names: Sequence[str] = ()) -> Target:
        """The cell's target.

        Args:
            names: of the column's whole numbers, if the file declares them (ClassLabel).

        Raises:
            CellError: no label, or not one that fits the task.
        """
        names = self.names or names
        if self.together:
            return self._of_several(cell, names)
        if is_missing(cell) or (names and cell == -1 and not isinstance(cell, bool)):
            raise CellError("no label")
        shape = task_of(self.task).shape
        if shape == "value":
            return self._value(cell)
        if self.positions:
            labels = self._held(cell)
        elif self.threshold is not None and shape == "label":
            return "true" if self._reaches(cell, None) else "false"
        elif shape == "label":
            return self._only_label(cell, names)
        else:
            return self._label_set(cell, names)
        if shape == "label":
            if len(labels) != 1:
                raise CellError(
                    f"{len(labels)} labels instead of one: {', '.join(labels) or _shown(cell)}",
                    "fix the row, or read sets of labels with --task multi_label",
                )
            return labels[0]
        return labels

    def _of_several(self, cells: Sequence[Any], names: Sequence[str]) -> Target:
        """The labels that several columns hold together."""
        labels = sorted({label for cell in cells if not is_missing(cell) for label in self._label_set(cell, names)})
        if not labels:
            raise CellError("no label")
        if task_of(self.task).shape != "label":
            return tuple(labels)
        if len(labels) > 1:
            raise CellError(
                f"{len(labels)} labels instead of one: {', '.join(labels)}",
                "fix the row, or read sets of labels with --task multi_label",
            )
        return labels[0]

    def _held(self, cell: Any) -> tuple[str, ...]:
        """The labels that a cell of 0 and 1 holds, sorted."""
        values = items(cell)
        if isinstance(values, dict):
            pairs = [(str(name), value, False) for name, value in values.items()]
        elif values is None:
            raise CellError(f"the label {_shown(cell)} is not a list, as in other rows")
        elif len(values) != len(self.positions):
            raise CellError(f"{len(values)} numbers instead of {len(self.positions)}: {_shown(cell)}")
        else:
            ticked = self.ticked or (False,) * len(values)
            pairs = list(zip(self.positions, values, ticked, strict=True))
        if all(is_missing(value) for _, value, _ in pairs) and not all(blank for _, _, blank in pairs):
            raise CellError("no label")
        return tuple(
            sorted(name for name, value, blank in pairs if not (blank and is_missing(value)) and self._has(name, value))
        )

    def _has(self, name: str, value: Any) -> bool:
        if self.threshold is not None:
            return self._reaches(value, name)
        said = truth(value, name, self.says_no)
        if said is None:
            what = f"{_shown(value)} for label {name!r} is neither 0 nor 1"
            if is_missing(value):
                raise CellError(f"nothing for label {name!r}", "write 0 or 1")
            if number(value) is not None and number(value) != -1:
                raise CellError(what, "say from which share on a row has the label: --label-threshold 0.5")
            raise CellError(what, "write 0 or 1")
        return said

    def _reaches(self, cell: Any, name: str | None) -> bool:
        value = float(cell) if isinstance(cell, bool) else self.marks.number(cell)
        if value is None:
            of = f" for label {name!r}" if name else ""
            raise CellError(f"{_shown(cell)}{of} is not a finite number", "write a share or score")
        return value >= (self.threshold or 0.0)

    def _value(self, cell: Any) -> float:
        value = self.marks.number(cell)
        if value is not None:
            return value
        unit = self.marks.unit
        if unit and number(cell) is not None:
            raise CellError(f"the target {_shown(cell)} has no {unit}, as others have", "write all in one unit")
        if self.marks.decimal and any(each is not None for each in both_ways(str(cell))):
            what = f"the target {_shown(cell)} is no number with {self.marks.decimal!r} as its decimal mark"
            raise CellError(what, "write all numbers in one way")
        raise CellError(
            f"the target {_shown(cell)} is not a finite number",
            "write it as a number, or read the targets as classes with --task single_label",
        )

    def _only_label(self, cell: Any, names: Sequence[str]) -> str:
        if self.separator is not None and isinstance(cell, str):
            cell = pieces(cell, self.separator)
        elif self.written and isinstance(cell, str):
            cell = self._written(cell)
        if is_list(cell):
            if len(cell) != 1:
                raise CellError(f"{len(cell)} labels instead of one: {_shown(list(cell))}")
            cell = cell[0]
        return self.label(cell, names)

    def _label_set(self, cell: Any, names: Sequence[str]) -> tuple[str, ...]:
        """Labels sorted, each once. An empty list is a row with no labels."""
        if self.lists and not is_list(cell) and not isinstance(cell, dict):
            raise CellError(f"the label {_shown(cell)} is not a list, as in other rows")
        if isinstance(cell, str):
            cell = self._written(cell) if self.separator is None else pieces(cell, self.separator)
            if isinstance(cell, str):
                cell = pieces(cell, BAR)
                if not cell:
                    raise CellError("no label")
        return tuple(sorted({self.label(each, names) for each in (cell if is_list(cell) else [cell])}))

    def _written(self, text: str) -> Any:
        """The list that a text writes down, or the text."""
        value = items(text)
        if value is None and self.unquoted:
            value = bare(text)
        if value is None and self.written and looks_listed(text):
            raise CellError(f"the label {_shown(text)} is not a list that can be read")
        return text if value is None else value or []  # {} is an empty set

    def label(self, cell: Any, names: Sequence[str] = ()) -> str:
        """One label as text: true and false for booleans, whole numbers without decimals, everything else stripped.

        Raises:
            CellError: neither a text nor a number.
        """
        if isinstance(cell, bool):
            return "true" if cell else "false"
        if isinstance(cell, Decimal | float) and math.isfinite(cell) and cell == int(cell):
            cell = int(cell)
        if self.names and isinstance(cell, str) and _DIGITS.fullmatch(cell.strip()):
            # Python reads no number of thousands of digits, and so many names there are not.
            cell = int(cell) if len(cell) < _MOST_DIGITS else len(self.names)
        if isinstance(cell, int):
            if not names:
                return str(cell)
            if not 0 <= cell < len(names):
                raise CellError(f"the label {cell} has no name: the data declare {len(names)}")
            return names[cell]
        if isinstance(cell, float | Decimal) and math.isfinite(cell):
            return str(cell)
        if isinstance(cell, str) and cell.strip():
            # pandas writes whole numbers as 1.0 once one of their column is missing.
            whole = None if self.as_written else _WHOLE.fullmatch(cell.strip())
            return whole[1] if whole else cell.strip()
        plain = cell is None or isinstance(cell, str | float | list | dict)
        raise CellError(f"the label {_shown(cell)} is not a text or a number", "fix the row" if plain else _AS_A_TEXT)


def is_missing(cell: Any) -> bool:
    """Whether a cell holds nothing: null, NaN, or blank text.

    >>> [is_missing(cell) for cell in (None, float("nan"), " ", "", [], 0)]
    [True, True, True, True, False, False]
    """
    return (
        cell is None
        or (isinstance(cell, str) and not cell.strip())
        or (isinstance(cell, float | Decimal) and math.isnan(cell))
    )


def truth(cell: Any, name: str = "", says_no: frozenset[str] = frozenset()) -> bool | None:
    """Whether a cell says yes or no; None where it says neither.

    Args:
        name: of the label, which says yes as well: `toxic` in a column toxic.
        says_no: marks that say no here.

    >>> [truth(cell) for cell in (1, 0.0, True, "Yes", "n", "(x)", "-", 0.67, "maybe")]
    [True, False, True, True, False, True, False, None, None]
    """
    if isinstance(cell, bool):
        return cell
    if isinstance(cell, int | float | Decimal):
        return bool(cell) if cell in (0, 1) else None
    word = cell.strip().casefold() if isinstance(cell, str) else ""
    mark = mark_of(word)
    if mark in says_no:
        return False
    if word in TICKS or mark or (word and word == name.strip().casefold()):
        return True
    return False if word in NO else None


def mark_of(cell: Any) -> str | None:
    """The mark that a cell holds, whatever stands around it.

    >>> [mark_of(cell) for cell in ("X", "(x)", "x?", "[x]", "1", "yes", "xray", "")]
    ['x', 'x', 'x', 'x', None, None, None, None]
    """
    word = cell.casefold().strip(_AROUND) if isinstance(cell, str) else ""
    return word if word in MARKS else None


def _shown(cell: Any) -> str:
    text = repr(cell)
    return text if len(text) <= 60 else text[:57] + "..."
