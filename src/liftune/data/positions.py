"""Labels by position: 0 and 1 for each label, in a list, a mapping, or several columns.

In: lists or mappings of one column, or tuples of several columns.  Out: a Reading, or None.
Not here: what a cell says (targets.py), other kinds of labels (recognise.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from liftune.data.numbers import number
from liftune.data.targets import Reading, is_missing, truth
from liftune.errors import DataError
from liftune.tasks import TaskKind, task_of

if TYPE_CHECKING:
    from liftune.data.recognise import Wanted

#: Share of the lists that must be of one length, with 0 and 1 alone; the others are bad rows.
_MOST = 0.9
_THRESHOLD = "--label-threshold"


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
) -> Reading:
    """A Reading of several columns, each of which says of one label whether a row has it.

    Args:
        cells: (N, columns).

    Raises:
        DataError: a column holds shares and there is no threshold, or something else than yes and no.
    """
    if task is not None and task_of(task).shape == "value":
        raise DataError(
            f"{len(columns)} label columns are no {task.value}", where=where, hint="name one column with --label"
        )
    ticked = []
    for position, column in enumerate(columns):
        values = [cell[position] for cell in cells]
        ticked.append(_check_column(values, column, threshold, where))
    said = f"each of the columns {', '.join(columns)} says whether a row has that label"
    if threshold is not None:
        said += f", from {threshold:g} on"
    reading = _of_positions(cells, tuple(columns), task, threshold, said, said, ticked=tuple(ticked))
    blank = ", ".join(name for name, each in zip(columns, ticked, strict=True) if each)
    return replace(reading, notes=(*reading.notes, f"a blank cell says no in: {blank}")) if blank else reading


def _check_column(values: Sequence[Any], column: str, threshold: float | None, where: str | None) -> bool:
    """Whether a blank cell says no: nothing but ticks is in the column."""
    present = [value for value in values if not is_missing(value)]
    numbers = [number(value) for value in present]
    if threshold is not None:
        return False
    said = [truth(value, column) for value in present]
    unclear = [value for value, each in zip(present, said, strict=True) if each is None]
    shares = [each for each in numbers if each is not None and each not in (0, 1, -1)]
    if shares and 2 * sum(each is not None for each in numbers) > len(present):
        raise _shares(f"column {column!r} holds shares or scores, such as {shares[0]:g}", [shares], where)
    if 2 * len(unclear) > len(present):
        raise DataError(
            f"column {column!r} holds {unclear[0]!r}, which is neither 0 nor 1",
            where=where,
            hint="name columns of 0 and 1 with --label, or one column that holds the labels",
        )
    return len(present) < len(values) and all(said)


def _of_positions(
    values: Sequence[Sequence[Any]],
    labels: tuple[str, ...],
    task: TaskKind | None,
    threshold: float | None,
    reason: str,
    note: str,
    ticked: tuple[bool, ...] = (),
) -> Reading:
    """Multi-label, or single-label where every row has one label."""
    found = task or TaskKind.MULTI_LABEL
    if task is None and all(_held(value, labels, threshold) == 1 for value in values):
        found = TaskKind.SINGLE_LABEL
        note += "; every row has one of them, so that they are classes; --task multi_label reads sets of labels"
    return Reading(found, reason, positions=labels, threshold=threshold, ticked=ticked, notes=(note,))


def _held(values: Sequence[Any], labels: Sequence[str], threshold: float | None) -> int:
    if threshold is not None:
        numbers = [float(value) if isinstance(value, bool) else number(value) for value in values]
        return sum(each is not None and each >= threshold for each in numbers)
    return sum(bool(truth(value, name)) for value, name in zip(values, labels, strict=True))


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
