"""What the label column holds: which task it defines, and how its cells are read.

In: the cells of train, and what the user said of them.  Out: a Reading.
Not here: a cell as a target (targets.py), lists within a text (label_lists.py), positions and columns of 0 and 1
(positions.py), spellings of one label (spellings.py), which column it is (columns.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from liftune.data.blank_words import blank_note
from liftune.data.label_lists import bare, is_list, items, listed, looks_listed
from liftune.data.numbers import marks_of, number
from liftune.data.positions import recognise_columns, recognise_positions
from liftune.data.separators import (
    NUMBER_LIST,
    are_separated,
    find_separators,
    number_lists,
    separator_note,
    together_note,
)
from liftune.data.targets import Reading, is_missing
from liftune.data.written_numbers import known_marks, number_notes
from liftune.errors import DataError, amount
from liftune.spec import DataSpec
from liftune.tasks import TaskKind, task_of

#: Whole numbers with more distinct values than this are measurements, not classes.
MOST_NUMBERED_CLASSES = 20
#: Rows of each value from which on values that are spelt in two ways are codes, not measurements.
_ROWS_OF_A_CODE = 10
_ZERO_LED = re.compile(r"[+-]?0\d+(\.\d*)?")
_SAID_OTHERWISE = "--task single_label makes them classes"


@dataclass(frozen=True)
class Wanted:
    """What the user said of the labels."""

    task: TaskKind | None = None
    separator: str | None = None
    threshold: float | None = None
    names: tuple[str, ...] = ()
    decimal: str | None = None

    @classmethod
    def of(cls, spec: DataSpec, task: TaskKind | None = None) -> Wanted:
        """That of a spec.

        Args:
            task: where the spec names none.
        """
        return cls(spec.task or task, spec.label_separator, spec.label_threshold, spec.label_names, spec.decimal)


def recognise(
    cells: Sequence[Any],
    names: Sequence[str] = (),
    *,
    requested: TaskKind | None = None,
    wanted: Wanted | None = None,
    typed: bool = False,
    columns: Sequence[str] = (),
    where: str | None = None,
) -> Reading:
    """The task that a label column defines, from its cells in train.

    Lists, also those written as text, and texts separated by `|`, are multi-label, with 0 and 1 at each place as
    labels by position; decimals, and whole numbers of more than 20 values, are regression; everything else is classes.
    `requested` overrides the task. It names the kinds, as what cells mean is its work.

    Args:
        names: of whole numbers, or of positions, as the file declares them.
        requested: the task, where `wanted` is not given.
        typed: whether the file tells a text from a number: a text is then a class.
        columns: the several label columns, whose values each cell is a tuple of.
        where: the file, for messages.

    Raises:
        DataError: cells that can be read in two ways of which neither is the likelier, or an option that does not fit.
    """
    wanted = wanted or Wanted(requested)
    present = [cell for cell in cells if not is_missing(cell)]
    if columns:
        return recognise_columns(present, columns, wanted.task, wanted.threshold, where, wanted.separator)
    return (
        _separated_as_told(present, wanted)
        or _lists(present, names, wanted, where)
        or _scalars(present, names, wanted, typed=typed, where=where)
    )


def _separated_as_told(present: Sequence[Any], wanted: Wanted) -> Reading | None:
    if wanted.separator is None:
        return None
    notes: tuple[str, ...] = ()
    if not any(isinstance(cell, str) and wanted.separator in cell for cell in present):
        notes = (f"no label in train holds {wanted.separator!r}, the separator: each cell is one label",)
    notes += together_note([cell for cell in present if isinstance(cell, str)], wanted.separator)
    return Reading(
        wanted.task or TaskKind.MULTI_LABEL,
        f"labels separated by {wanted.separator!r}, as told",
        separator=wanted.separator,
        names=wanted.names,
        as_written=True,
        notes=notes,
    )


# Lists ----------------------------------------------------------------------------------------------------------------


def _lists(present: Sequence[Any], names: Sequence[str], wanted: Wanted, where: str | None) -> Reading | None:
    """Cells that are lists or mappings, or hold them as text; None where they do not."""
    real = [cell for cell in present if is_list(cell) or isinstance(cell, dict)]
    if real:
        values = [items(cell) for cell in real]
        reading = recognise_positions([each for each in values if each is not None], names, wanted, where)
        if reading:
            return replace(reading, lists=True)
        if any(is_list(cell) for cell in real):
            return _set_of_lists(Reading(TaskKind.MULTI_LABEL, "lists of labels", lists=True), values, wanted)
        return None
    texts = [cell for cell in present if isinstance(cell, str)]
    parsed = [listed(text) for text in texts]
    found = [value for value in parsed if value is not None]
    if not found:
        return _unquoted(texts, wanted)
    if 2 * len(found) <= len(texts) and not (_pieces_are_labels(found, texts) or _is_multi(wanted.task)):
        return None
    reading = recognise_positions(found, names, wanted, where)
    if reading is None and not any(isinstance(value, list) for value in found):
        return None
    reading = reading or _set_of_lists(Reading(TaskKind.MULTI_LABEL, _written_as(texts), written=True), found, wanted)
    plain = (
        len(texts)
        - len(found)
        - sum(looks_listed(text) for text, value in zip(texts, parsed, strict=True) if value is None)
    )
    notes: tuple[str, ...] = (
        f"labels such as {next(text for text in texts if listed(text) is not None).strip()!r} are read as lists",
    )
    notes += (f"labels: {plain:,} cells hold no list, and each is read as one label",) if plain else ()
    return replace(reading, written=True, notes=(*reading.notes, *notes))


def _written_as(texts: Sequence[str]) -> str:
    quoted = next((text.strip() for text in texts if text.strip().startswith('["')), None)
    return "lists of labels, written as JSON" if quoted else "lists of labels, written as text"


def _unquoted(texts: Sequence[str], wanted: Wanted) -> Reading | None:
    """`[joy, fear]` or `{joy,fear}` in every cell, some with more than one label."""
    values = [bare(text) for text in texts]
    if not texts or any(value is None for value in values) or not any(len(value or ()) > 1 for value in values):
        return None
    reading = Reading(TaskKind.MULTI_LABEL, "lists of labels, written in brackets", written=True, unquoted=True)
    return _set_of_lists(reading, values, wanted)


def _set_of_lists(reading: Reading, values: Sequence[Any], wanted: Wanted) -> Reading:
    """With what the user said, and a note where every list holds one label."""
    notes: tuple[str, ...] = ()
    if values and all(isinstance(value, list) and len(value) == 1 for value in values) and not wanted.task:
        notes = ("every list holds one label: they are read as sets of labels; --task single_label makes them classes",)
    if wanted.task:
        reading = replace(reading, task=wanted.task, reason="requested")
    return replace(reading, names=wanted.names, as_written=True, notes=notes)


def _pieces_are_labels(found: Sequence[Any], texts: Sequence[str]) -> bool:
    """Whether the labels in lists all occur without a list, too."""
    alone = {text.strip() for text in texts}
    return all(isinstance(value, list) and all(str(piece) in alone for piece in value) for value in found)


def _is_multi(task: TaskKind | None) -> bool:
    return task is not None and task_of(task).shape == "labels"


# Texts and numbers ----------------------------------------------------------------------------------------------------


def _scalars(
    present: Sequence[Any], names: Sequence[str], wanted: Wanted, *, typed: bool, where: str | None
) -> Reading:
    """Cells that hold one label, or labels that something separates."""
    texts = [cell for cell in present if isinstance(cell, str)]
    as_written = _are_codes(present, typed=typed)
    if wanted.threshold is not None:
        return _by_threshold(present, wanted, where)
    if wanted.task:
        return _as_requested(present, texts, wanted, as_written=as_written, where=where)
    if wanted.decimal:
        marks = known_marks(present, wanted.decimal, where)
        reason = f"numbers, as --decimal says; {_SAID_OTHERWISE}"
        return Reading(TaskKind.REGRESSION, reason, marks=marks, notes=number_notes(texts, marks, asked=True))
    if wanted.names:
        return _named(present, wanted.names, where)
    if names:
        return Reading(TaskKind.SINGLE_LABEL, "class names declared by the data", as_written=as_written)
    if are_separated(texts):
        return Reading(
            TaskKind.MULTI_LABEL,
            "labels separated by |",
            as_written=True,
            notes=(
                "labels are separated by |: each row has a set of them; --task single_label makes each cell one class",
            ),
        )
    if not typed and (reading := number_lists(present, where)):
        return reading
    reading = _by_numbers(present, wanted, typed=typed, where=where)
    if task_of(reading.task).shape == "label":
        notes = (*reading.notes, *separator_note(texts), *_list_note(texts), *blank_note(texts))
        reading = replace(reading, as_written=as_written or reading.as_written, notes=notes)
    return reading


def _are_codes(present: Sequence[Any], *, typed: bool) -> bool:
    """Whether a text is a label as it is written: where the file has types, or not every text is a whole number."""
    return typed or any(
        isinstance(cell, str)
        and ((value := number(cell)) is None or not value.is_integer() or bool(_ZERO_LED.fullmatch(cell.strip())))
        for cell in present
    )


def _by_threshold(present: Sequence[Any], wanted: Wanted, where: str | None) -> Reading:
    reason = f"true from {wanted.threshold:g} on, as told"
    marks = known_marks(present, wanted.decimal, where)
    return Reading(wanted.task or TaskKind.SINGLE_LABEL, reason, threshold=wanted.threshold, marks=marks)


def _as_requested(
    present: Sequence[Any], texts: Sequence[str], wanted: Wanted, *, as_written: bool, where: str | None
) -> Reading:
    assert wanted.task is not None
    reading = Reading(wanted.task, "requested", names=wanted.names, as_written=as_written)
    if task_of(wanted.task).shape == "value":
        marks = known_marks(present, wanted.decimal, where)
        return replace(reading, marks=marks, notes=number_notes(texts, marks, asked=wanted.decimal is not None))
    if not _is_multi(wanted.task) or are_separated(texts):
        return reading
    ids = any(NUMBER_LIST.fullmatch(text.strip()) for text in texts)
    best = "," if ids else next((each for each, share in find_separators(texts) if share > 0), None)
    if best is None:
        return reading
    note = f"labels are separated by {best!r}; --label-separator names another separator"
    return replace(reading, separator=best, as_written=True, notes=(note,))


def _named(present: Sequence[Any], names: tuple[str, ...], where: str | None) -> Reading:
    """Whole numbers that the user named."""
    for cell in present:
        value = number(cell)
        if value is None or not value.is_integer() or not -1 <= value < len(names):
            raise DataError(
                f"--label-names gives {len(names)} names, and the label {cell!r} is no number below {len(names)}",
                where=where,
                hint="leave --label-names out, or give a name for each number, from 0 on",
            )
    return Reading(TaskKind.SINGLE_LABEL, "whole numbers, named as told", names=names)


def _by_numbers(present: Sequence[Any], wanted: Wanted, *, typed: bool, where: str | None) -> Reading:
    texts = [cell for cell in present if isinstance(cell, str)]
    marks = marks_of(present)
    readable = marks if marks.unclear is None else replace(marks, decimal=".")
    values = [value for value in (readable.number(cell) for cell in present) if value is not None]
    mostly = 2 * len(values) > len(present)  # the others are bad rows
    kinds = len(set(values))
    decimals = any(not value.is_integer() for value in values)
    if not (mostly and (decimals or kinds > MOST_NUMBERED_CLASSES)):
        if present and len(values) == len(present):
            as_written = Reading(TaskKind.SINGLE_LABEL, "", as_written=_are_codes(present, typed=typed))
            kinds = len({as_written.label(cell) for cell in present})  # 7 and 007 are two
            return Reading(TaskKind.SINGLE_LABEL, f"whole numbers of {kinds} values")
        return Reading(TaskKind.SINGLE_LABEL, "text labels")
    codes = _codes(present, texts, typed=typed, decimals=decimals)
    if codes:
        if 2 * len(set(texts)) > len(texts):
            raise DataError(
                f"labels {codes}, and most occur once: too many for classes",
                where=where,
                hint="read them as numbers with --task regression, or name another column with --label",
            )
        note = f"labels {codes}: each is a class as it is written; --task regression reads numbers"
        return Reading(TaskKind.SINGLE_LABEL, "codes", as_written=True, notes=(note,))
    marks = known_marks(present, wanted.decimal, where)
    twice = _spelt_twice(texts)
    whole = f"whole numbers of {kinds} values, more than {MOST_NUMBERED_CLASSES}"
    reason = "decimal numbers" if decimals else whole
    merged = (f"labels {twice} are read as one number; --task single_label keeps them apart",) if twice else ()
    note = f"labels are {reason}: the task is regression; {_SAID_OTHERWISE}"
    return Reading(
        TaskKind.REGRESSION,
        f"{reason}; {_SAID_OTHERWISE}",
        notes=(note, *merged, *number_notes(texts, marks)),
        marks=marks,
    )


def _codes(present: Sequence[Any], texts: Sequence[str], *, typed: bool, decimals: bool) -> str | None:
    """Why texts that hold numbers are codes and no numbers; None where they are numbers."""
    if typed:
        return f"are texts, such as {texts[0]!r}" if texts and len(texts) == len(present) else None
    zero_led = next((text for text in texts if _ZERO_LED.fullmatch(text.strip())), None)
    if zero_led:
        return f"such as {zero_led!r} begin with a zero"
    twice = _spelt_twice(texts) if decimals else None
    spellings = len({text.strip() for text in texts})
    if twice and (spellings <= MOST_NUMBERED_CLASSES or len(present) >= _ROWS_OF_A_CODE * spellings):
        return f"{twice} are spellings of one number"
    return None


def _spelt_twice(texts: Sequence[str]) -> str | None:
    """Two texts that are one decimal: 1.1 and 1.10."""
    first: dict[float, str] = {}
    for text in dict.fromkeys(text.strip() for text in texts):
        value = number(text)
        if value is not None and not value.is_integer():
            other = first.setdefault(value, text)
            if other != text and other.replace(",", ".").lstrip("+") != text.replace(",", ".").lstrip("+"):
                return f"{other!r} and {text!r}"
    return None


def _list_note(texts: Sequence[str]) -> tuple[str, ...]:
    """Where a few cells look like lists in a column of classes."""
    found = [text for text in texts if isinstance(listed(text), list)]
    if not found:
        return ()
    look = amount(len(found), "label looks like a list", "labels look like lists")
    return (f"{look} ({found[0].strip()!r}): each is read as one class; --task multi_label reads lists of labels",)
