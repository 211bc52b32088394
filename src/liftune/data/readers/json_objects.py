"""JSON: an object per line, or rows in another shape, whatever the extension says.

In: a RawFile.  Out: a Stream; a line that is no object is a fault. All but lines is read whole.
Not here: shapes (json_shapes.py), bytes to text (text_encoding.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from liftune.data.label_lists import MOST_CHARACTERS
from liftune.data.python_literals import NoLiteral, literal
from liftune.data.readers.azure import azure_rows, is_azure_project
from liftune.data.readers.json_pages import page_key
from liftune.data.readers.json_rows import names_a_text
from liftune.data.readers.json_shapes import kind_of, rows_of
from liftune.data.readers.nested import Nesting
from liftune.data.readers.streams import Problem, Record, Stream, repeatable
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError, pasted
from liftune.json_text import JsonError, parse_json, parse_json_values

_ONE_PER_LINE = "write one JSON object per line"


def open_json(file: RawFile) -> Stream:
    """One object per line, or rows in any shape that tools write: see json_shapes.py.

    Raises:
        DataError: no rows, or not JSON.
    """
    first, more = _first_line(file)
    if first[:1] == "{" and (more or _is_row(first, file.filename)):
        pages = False
        try:
            value = parse_json(first)
            whole, pages = not isinstance(value, dict), page_key([value]) is not None
        except JsonError:
            whole = True  # an object of several lines, or a line that is broken
        if (whole or pages) and (values := _values(file)) is not None and (whole or page_key(values) is not None):
            return _of_values(file, values)
        return _open_lines(file)
    if first[:1] in ("[", "{", '"'):
        return _of_values(file, _values(file, strict=True) or [])
    return _open_lines(file)


#: Files are told apart by what is in them, not by these names.
open_json_lines = open_json


def _first_line(file: RawFile) -> tuple[str, bool]:
    """The first line with something in it, and whether there is another one."""
    lines = (line.strip() for line in file.lines() if line and not line.isspace())
    return next(lines, ""), next(lines, None) is not None


def _is_row(line: str, filename: str) -> bool:
    """Whether the only line is a row: an object of plain values, or in a file of lines one with a text."""
    try:
        value = parse_json(line)
    except JsonError:
        return False
    if not isinstance(value, dict) or not value:
        return False
    plain = [key for key, each in value.items() if not isinstance(each, list | dict)]
    of_lines = any(each in filename.lower() for each in (".jsonl", ".ndjson"))
    return len(plain) == len(value) or (of_lines and any(names_a_text({key: ""}) for key in plain))


def _values(file: RawFile, *, strict: bool = False) -> list[Any] | None:
    """All JSON values of a file, one after the other; None where it is not JSON.

    Args:
        strict: raise a DataError instead.
    """
    try:
        return parse_json_values(file.text)
    except JsonError as error:
        if not strict:
            return None
        raise DataError(
            f"not JSON that can be read: {error.message}",
            where=f"{file.where}, line {error.line}, character {error.column}" if error.line else file.where,
            hint=_comma_hint(file.text, error) or "give a list of objects, or one JSON object per line",
        ) from None


def _comma_hint(text: str, error: JsonError) -> str | None:
    """What to do about a comma before the bracket at which reading failed."""
    if not (error.line and error.column):
        return None
    *above, last = text.split("\n", error.line)[: error.line]  # its lines end as json's do
    before, here = "".join(above) + last[: error.column - 1], last[error.column - 1 :].lstrip()[:1]
    return (
        f"take out the comma before the last {here}" if here in ("]", "}") and before.rstrip().endswith(",") else None
    )


def _of_values(file: RawFile, values: list[Any]) -> Stream:
    value = values[0] if len(values) == 1 else values
    if isinstance(value, dict) and is_azure_project(value):
        objects, notes = azure_rows(value, file.folder, file.where, file.options)
    else:
        objects, notes = rows_of(value, file.where, file.options.columns)
    return stream_of_objects(file.where, objects, (*file.decoding.notes, *notes), flawed=file.decoding.flawed)


def stream_of_objects(
    where: str,
    objects: Sequence[dict[str, Any]],
    notes: Sequence[str],
    *,
    columns: Sequence[str] | None = None,
    flawed: bool = True,
) -> Stream:
    """Rows that are mappings.

    Args:
        columns: their keys, in order; None takes them as they come.
        flawed: as a Stream's.
    """
    columns = tuple(dict.fromkeys(key for each in objects for key in each)) if columns is None else tuple(columns)
    nesting = Nesting()
    for each in objects:
        nesting.add(each)
    return Stream(
        where,
        columns,
        len(objects),
        lambda: (([each.get(column) for column in columns], None, None) for each in objects),
        lambda column: [each.get(column) for each in objects],
        lines=False,
        notes=tuple(notes),
        opened=nesting.opened(columns),
        flawed=flawed,
    )


def _open_lines(file: RawFile) -> Stream:
    if file.options.columns:
        raise DataError("the rows name their columns themselves", where=file.where, hint="leave --columns out")

    def parse() -> Iterator[Record[dict[str, Any]]]:
        # Only \n ends a line: JSON allows U+2028 and its kin inside a string.
        for number, line in enumerate(file.lines(), 1):
            if not line or line.isspace():
                continue
            try:
                value = parse_json(line)
            except JsonError:
                value = None
            yield (value, number, None) if isinstance(value, dict) else ({}, number, _problem(line, number, file.where))

    records = repeatable(parse, file)
    columns: dict[str, Any] = {}  # a dict for the order of its keys
    nesting = Nesting()
    rows = faults = 0
    for cells, _, problem in records():
        rows += 1
        columns.update(cells)
        nesting.add(cells)
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
        opened=nesting.opened(tuple(columns)),
        flawed=file.decoding.flawed,
    )


def _problem(line: str, number: int, where: str) -> Problem:
    """Why a line holds no object."""
    try:
        value = parse_json(line.rstrip("\n"))
    except JsonError as error:
        if error.column and (known := _otherwise(line.strip(" \t\r\n"), where)):
            return f"line {number} {known[0]}", known[1]
        if error.column:
            return f"line {number} is not JSON: {error.message} at character {error.column}", _ONE_PER_LINE
        return f"line {number} is not JSON that can be read: {error.message}", _ONE_PER_LINE
    hint = f'{_ONE_PER_LINE}, such as {{"text": "...", "label": "..."}}'
    return f"line {number} is {kind_of(value)}, not a JSON object", hint


def _otherwise(line: str, where: str) -> Problem | None:
    """What a line is that all but is an object, and the command that writes the file anew."""
    into = f"{pasted(where)} > rows.jsonl"
    if line.endswith(",") and _is_object(line[:-1]):
        return "ends in a comma", f"take the commas at the ends of the lines out: sed 's/,[[:space:]]*$//' {into}"
    if line.startswith("\x1e") and _is_object(line[1:]):
        return "begins with a record separator (U+001E)", f"take them out: tr -d '\\036' < {into}"
    if line.startswith("{"):
        try:
            value = literal(line) if len(line) <= MOST_CHARACTERS else None
        except NoLiteral:
            return None
        if isinstance(value, dict):
            code = "import ast, json, sys; [print(json.dumps(ast.literal_eval(line))) for line in sys.stdin]"
            return "is an object as Python prints it, not JSON", f"write it as JSON: python -c '{code}' < {into}"
    return None


def _is_object(text: str) -> bool:
    try:
        return isinstance(parse_json(text), dict)
    except JsonError:
        return False
