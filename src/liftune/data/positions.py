"""Labels by position: 0 and 1 for each label, in a list, a mapping, or several columns.

In: lists or mappings of one column, or tuples of several columns.  Out: a Reading, or None.
Not here: what a cell says (targets.py), other kinds of labels (recognise.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from liftune.data.column_guess import words_of
from liftune.data.numbers import number
from liftune.data.targets import CHECKS, CROSSES, DASHES, Reading, is_missing, mark_of, truth
from liftune.errors import DataError, pasted
from liftune.option_values import joined_fields
from liftune.tasks import TaskKind, task_of

if TYPE_CHECKING:
    from liftune.data.recognise import Wanted

#: Share of the lists that must be of one length, with 0 and 1 alone; the others are bad rows.
_MOST = 0.9
_THRESHOLD = "--label-threshold"
#: Words of columns that hold what one of several people said.
_PEOPLE = frozenset({"annotator", "coder", "rater", "labeler", "labeller", "reviewer", "judge", "annotation", "worker"})


def recognise_positions(
    values: Sequence[list[Any] | dict[Any, Any]], names: Sequence[str], wanted: Wanted, where: str | None
) -> Reading | None:
    """A Reading where lists (or mappings) say of each label whether a row has it; None where they hold labels.

    Raises:
        DataError: shares without a threshold, or another number of names than positions.
    """
    mappings = [value for value in values if isinstance(value, dict)]
    if 2 * len(mappings) > len(values):
        return _mappings(mappings, wanted, where)
    lists = [value for value in values if isinstance(value, list)]
    width, count = Counter(len(value) for value in lists).most_common(1)[0] if lists else (0, 0)
    of_width = [value for value in lists if len(value) == width]
    if width < 2 or count < _MOST * len(lists):
        return None
    binary = [value for value in of_width if all(_is_bit(each) for each in value)]
    texts = any(isinstance(each, str) for value in binary for each in value)
    if len(binary) < _MOST * len(lists) or (texts and all(len(set(value)) == width for value in binary)):
        if not _are_shares(of_width, wanted.threshold):
            return None
        if wanted.threshold is None:
            shown = next(each for value in of_width for each in value if not _is_bit(each))
            raise _shares(f"a list of shares, such as {shown}", of_width, where)
    labels = _names(width, names, wanted, where)
    said = f"lists of {width} numbers, each for one label: {', '.join(labels[:4])}{', ...' if width > 4 else ''}"
    hint = "" if wanted.names or len(names) == width else "; --label-names names them"
    return _of_positions(of_width, labels, wanted.task, wanted.threshold, said, said + hint)


def _mappings(mappings: Sequence[dict[Any, Any]], wanted: Wanted, where: str | None) -> Reading | None:
    """{"joy": 1, "fear": 0} in every cell."""
    labels = tuple(dict.fromkeys(str(name) for each in mappings for name in each))
    values = [list(each.values()) for each in mappings]
    flat = [value for each in values for value in each]
    if not labels or any(truth(value) is None and number(value) is None for value in flat):
        return None
    if wanted.threshold is None and any(not _is_bit(value) and truth(value) is None for value in flat):
        raise _shares("a mapping of labels to shares", values, where)
    said = f"mappings of labels to 0 and 1: {', '.join(labels[:4])}{', ...' if len(labels) > 4 else ''}"
    filled = [[each.get(name, 0) for name in labels] for each in mappings]
    return _of_positions(filled, labels, wanted.task, wanted.threshold, said, said)


def recognise_columns(
    cells: Sequence[Sequence[Any]],
    columns: Sequence[str],
    task: TaskKind | None,
    threshold: float | None,
    where: str | None,
    separator: str | None = None,
) -> Reading:
    """A Reading of several columns, each of which says of one label whether a row has it, or holds a label.

    Args:
        cells: (N, columns).

    Raises:
        DataError: a column holds shares and there is no threshold, or something else than yes and no.
    """
    if task is not None and task_of(task).shape == "value":
        raise DataError(
            f"{len(columns)} label columns are no {task.value}", where=where, hint="name one column with --label"
        )
    by_column = [
        [cell[position] for cell in cells if not is_missing(cell[position])] for position in range(len(columns))
    ]
    if threshold is None and (together := _words_together(by_column, columns, task, separator, where)):
        return together
    for values, column in zip(by_column, columns, strict=True):
        if threshold is None:
            _check_column(values, column, where)
    marked = {mark_of(value) for values in by_column for value in values}
    says_no = CROSSES if marked & CHECKS and marked & CROSSES and threshold is None else frozenset()
    blank = [len(values) < len(cells) for values in by_column]
    ticked = (False,) * len(columns) if threshold is not None else _ticked(by_column, blank, columns, says_no)
    said = f"each of the columns {', '.join(columns)} says whether a row has that label"
    if threshold is not None:
        said += f", from {threshold:g} on"
    reading = _of_positions(cells, tuple(columns), task, threshold, said, said, ticked=ticked, says_no=says_no)
    said_no = ", ".join(name for name, *each in zip(columns, ticked, blank, strict=True) if all(each))
    notes: tuple[str, ...] = (f"a blank cell says no in: {said_no}",) if said_no else ()
    if threshold is None:
        notes += _marks_said(by_column, says_no)
    return replace(reading, notes=(*reading.notes, *notes))


def _check_column(present: Sequence[Any], column: str, where: str | None) -> None:
    """Refuse a column that says neither yes nor no."""
    numbers = [number(value) for value in present]
    unclear = [value for value in present if truth(value, column) is None]
    shares = [each for each in numbers if each is not None and each not in (0, 1, -1)]
    if shares and 2 * sum(each is not None for each in numbers) > len(present):
        raise _shares(f"column {column!r} holds shares or scores, such as {shares[0]:g}", [shares], where)
    if 2 * len(unclear) > len(present):
        raise DataError(
            f"column {column!r} holds {unclear[0]!r}, which is neither 0 nor 1",
            where=where,
            hint="name columns of 0 and 1 with --label, or columns that hold labels, or one column that does",
        )


def _ticked(
    by_column: Sequence[Sequence[Any]], blank: Sequence[bool], columns: Sequence[str], says_no: frozenset[str]
) -> tuple[bool, ...]:
    """Of each column: whether a blank cell says no, as nothing but ticks is in it, or marks and what says no."""
    found = []
    any_marks = any(mark_of(value) for values in by_column for value in values)
    for values, some_blank, column in zip(by_column, blank, columns, strict=True):
        said = [(truth(value, column, says_no), value) for value in values]
        clear = [(each, value) for each, value in said if each is not None]
        marks = [mark_of(value) is not None for each, value in clear if each]
        dashes = [isinstance(value, str) and value.strip() in DASHES for each, value in clear if not each]
        of_marks = all(marks) if marks else any_marks and all(dashes)
        # A word such as "maybe" is a bad row of its own, and says nothing of the blank ones.
        found.append(of_marks or (some_blank and len(clear) == len(said) and all(each for each, _ in clear)))
    return tuple(found)


def _marks_said(by_column: Sequence[Sequence[Any]], says_no: frozenset[str]) -> tuple[str, ...]:
    """What is taken as a yes or a no though it may have been meant otherwise."""
    cells = [value.strip() for values in by_column for value in values if isinstance(value, str)]
    odd = Counter(
        cell for cell in cells if mark_of(cell) not in (None, cell.casefold()) and mark_of(cell) not in says_no
    )
    dashes = Counter(cell for cell in cells if cell in DASHES or mark_of(cell) in says_no)
    notes = []
    if odd:
        notes.append(f"marks read as yes: {_counted(odd)}; blank those that mean no")
    if dashes:
        notes.append(f"read as no: {_counted(dashes)}")
    return tuple(notes)


def _counted(cells: Counter[str]) -> str:
    said = ", ".join(f"{cell!r} ({count:,} cells)" for cell, count in cells.most_common(4))
    return said if len(cells) <= 4 else f"{said} and {len(cells) - 4} more"


def of_people(columns: Sequence[str]) -> list[str]:
    """The columns that are named as those of one of several people."""
    return [name for name in columns if set(words_of(name)) & _PEOPLE]


def _words_together(
    by_column: Sequence[Sequence[Any]],
    columns: Sequence[str],
    task: TaskKind | None,
    separator: str | None,
    where: str | None,
) -> Reading | None:
    """A Reading of columns that hold labels themselves, one a cell or none; None where they say yes and no."""
    present = [(name, value) for name, values in zip(columns, by_column, strict=True) for value in values]
    says = [
        sum(truth(value, name) is not None for value in values) for name, values in zip(columns, by_column, strict=True)
    ]
    if any(values and 2 * count >= len(values) for values, count in zip(by_column, says, strict=True)):
        return None
    if 2 * sum(_is_word(value, name) for name, value in present) <= len(present):
        return None
    people = of_people(columns)
    if len(people) > 1:
        raise DataError(
            f"columns {' and '.join(people)} hold what several people said of one row",
            where=where,
            hint="name the column that counts with --label, or write one with what most of them say",
        )
    said = f"the labels of a row are those in the columns {', '.join(columns)} together"
    return Reading(
        task or TaskKind.MULTI_LABEL,
        said,
        together=True,
        as_written=True,
        separator=separator,
        notes=(
            f"{said}; a blank cell adds none; --label {pasted(joined_fields(columns[:1]))} reads that column alone",
        ),
    )


def _is_word(value: Any, name: str) -> bool:
    return isinstance(value, str) and truth(value, name) is None and number(value) is None


def _of_positions(
    values: Sequence[Sequence[Any]],
    labels: tuple[str, ...],
    task: TaskKind | None,
    threshold: float | None,
    reason: str,
    note: str,
    ticked: tuple[bool, ...] = (),
    says_no: frozenset[str] = frozenset(),
) -> Reading:
    """Multi-label, or single-label where every row has one label."""
    found = task or TaskKind.MULTI_LABEL
    if task is None and all(_held(value, labels, threshold, says_no) == 1 for value in values):
        found = TaskKind.SINGLE_LABEL
        note += "; every row has one of them, so that they are classes; --task multi_label reads sets of labels"
    return Reading(found, reason, positions=labels, threshold=threshold, ticked=ticked, says_no=says_no, notes=(note,))


def _held(
    values: Sequence[Any], labels: Sequence[str], threshold: float | None, says_no: frozenset[str] = frozenset()
) -> int:
    if threshold is not None:
        numbers = [float(value) if isinstance(value, bool) else number(value) for value in values]
        return sum(each is not None and each >= threshold for each in numbers)
    return sum(bool(truth(value, name, says_no)) for value, name in zip(values, labels, strict=True))


def _is_bit(value: Any) -> bool:
    """0 or 1 as a number, a boolean or a text."""
    if isinstance(value, bool):
        return True
    return number(value) in (0, 1)


def _are_shares(lists: Sequence[list[Any]], threshold: float | None) -> bool:
    """Whether lists of one length hold a number for each label, and not the labels' own numbers."""
    numbers = [number(each) for value in lists for each in value if not isinstance(each, bool)]
    if any(each is None for each in numbers):
        return False
    return threshold is not None or any(each is not None and not each.is_integer() for each in numbers)


def _shares(what: str, values: Sequence[Sequence[Any]], where: str | None) -> DataError:
    largest = max((each for value in values for one in value if (each := number(one)) is not None), default=1.0)
    middle = 0.5 if largest <= 1 else largest / 2
    return DataError(
        f"{what}: from which one on a row has the label is not said",
        where=where,
        hint=f"say it, for example: {_THRESHOLD} {middle:g}",
    )


def _names(width: int, names: Sequence[str], wanted: Wanted, where: str | None) -> tuple[str, ...]:
    if wanted.names:
        if len(wanted.names) != width:
            raise DataError(
                f"--label-names gives {len(wanted.names)} names, and each list has {width} positions",
                where=where,
                hint=f"give {width} names, or leave the option out",
            )
        return wanted.names
    return tuple(names) if len(names) == width else tuple(f"label_{i}" for i in range(width))
