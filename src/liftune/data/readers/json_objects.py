"""JSON objects: one per line, or all in one list.

In: a RawFile.  Out: a Stream; a line that is no object is a fault. A list can only be read whole.
Not here: bytes to text (text_encoding.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from liftune.data.readers.streams import Problem, Record, Stream, repeatable
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError

_ONE_PER_LINE = "write one JSON object per line"


def open_json_lines(file: RawFile) -> Stream:
    """One object per line; blank lines are left out.

    Raises:
        DataError: no line holds an object.
    """

    def parse() -> Iterator[Record[dict[str, Any]]]:
        # Only \n ends a line: JSON allows U+2028 and its kin inside a string.
        for number, line in enumerate(file.lines(), 1):
            if not line or line.isspace():
                continue
            try:
                value = json.loads(line)
            except (ValueError, RecursionError):
                value = None
            yield (value, number, None) if isinstance(value, dict) else ({}, number, _problem(line, number))

    records = repeatable(parse, file)
    columns: dict[str, Any] = {}  # a dict for the order of its keys
    rows = faults = 0
    for cells, _, problem in records():
        rows += 1
        columns.update(cells)
        if problem:
            faults += 1
    if faults == rows:
        _, line, problem = next(iter(records()), ({}, None, None))
        reason, hint = problem or ("no rows", _ONE_PER_LINE)
        raise DataError(reason, where=f"{file.where}, line {line}" if line else file.where, hint=hint)
    return Stream(
        file.where,
        tuple(columns),
        rows,
        records,
        lambda column: [cells.get(column) for cells, _, _ in records()],
        notes=file.decoding.notes,
        flawed=file.decoding.flawed,
    )


def open_json(file: RawFile) -> Stream:
    """A list of objects, or one object per line under the shorter extension.

    Raises:
        DataError: not JSON, a list that holds something else than objects, or no rows.
    """
    first = next((line.lstrip()[0] for line in file.lines() if line.strip()), "")
    return _list(file) if first == "[" else open_json_lines(file)


def _problem(line: str, number: int) -> Problem:
    """Why a line holds no object."""
    try:
        value = json.loads(line.rstrip("\n"))
    except json.JSONDecodeError as error:
        return f"line {number} is not JSON: {error.msg} at character {error.colno}", _ONE_PER_LINE
    except (ValueError, RecursionError) as error:  # a number of thousands of digits; thousands of brackets
        return f"line {number} is not JSON that can be read: {error}", _ONE_PER_LINE
    hint = f'{_ONE_PER_LINE}, such as {{"text": "...", "label": "..."}}'
    return f"line {number} is {_kind_of(value)}, not a JSON object", hint


def _list(file: RawFile) -> Stream:
    try:
        objects = json.loads(file.text)
    except json.JSONDecodeError as error:
        raise DataError(
            f"not JSON: {error.msg}",
            where=f"{file.where}, line {error.lineno}, character {error.colno}",
            hint="give a list of objects, or one JSON object per line",
        ) from None
    except (ValueError, RecursionError) as error:  # as in _problem
        raise DataError(
            f"not JSON that can be read: {error}", where=file.where, hint="give a list of objects"
        ) from None
    for position, value in enumerate(objects, 1):
        if not isinstance(value, dict):
            raise DataError(
                f"row {position} is {_kind_of(value)}, not a JSON object",
                where=file.where,
                hint="give a list of objects",
            )
    if not objects:
        raise DataError("no rows", where=file.where, hint="give at least a few rows of each label")
    columns = tuple(dict.fromkeys(key for each in objects for key in each))
    return Stream(
        file.where,
        columns,
        len(objects),
        lambda: (([each.get(column) for column in columns], None, None) for each in objects),
        lambda column: [each.get(column) for each in objects],
        lines=False,
    )


def _kind_of(value: Any) -> str:
    """What a JSON value that is no object is, as a message says it."""
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
