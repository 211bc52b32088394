"""JSON in the shapes that tools write -> rows: lists of objects or lists, columns, objects by id, wrapped rows.

In: a JSON value, the names that --columns gives.  Out: rows as mappings, with a note where they are not a plain list.
Not here: reading JSON (json_objects.py), which column is what (columns.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

from liftune.data.readers.json_pages import beside_rows, page_key
from liftune.data.readers.json_rows import are_rows, by_label, found_in, holds_texts, is_table, known
from liftune.data.readers.part_names import role_of
from liftune.errors import DataError, pasted
from liftune.json_text import JsonError, parse_json
from liftune.option_values import typed

Rows: TypeAlias = list[dict[str, Any]]
#: Keys under which services put each row: the hub's viewer, Elasticsearch.
_WITHIN = ("row", "_source")
_PLAIN = 'write one JSON object per row, such as {"text": "...", "label": "..."}, one per line in a .jsonl file'


def rows_of(value: Any, where: str, columns: Sequence[str] = ()) -> tuple[Rows, tuple[str, ...]]:
    """The rows that a JSON value holds, and what was taken where that is not plain.

    Args:
        columns: the names of the fields, where rows are lists.

    Raises:
        DataError: it holds none, or several sets of rows.
    """
    if isinstance(value, str):
        try:
            value = parse_json(value)
        except JsonError:
            raise DataError("a JSON text, not rows", where=where, hint=_PLAIN) from None
        rows, notes = rows_of(value, where, columns)
        return rows, (f"{where}: JSON written as a text within JSON; its rows were read", *notes)
    if isinstance(value, dict):
        return _of_object(value, where, columns)
    if not isinstance(value, list):
        raise DataError(f"{kind_of(value)}, not rows", where=where, hint=_PLAIN)
    return _of_list(value, where, columns)


def kind_of(value: Any) -> str:
    """What a JSON value that is no object is, as a message says it."""
    names = {list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _of_list(values: list[Any], where: str, columns: Sequence[str]) -> tuple[Rows, tuple[str, ...]]:
    if not values:
        raise DataError("no rows", where=where, hint="give at least a few rows of each label")
    if isinstance(values[0], list):
        return _of_lists(values, where, columns)
    if all(isinstance(each, str) for each in values):
        return [{"text": each} for each in values], ()
    for position, each in enumerate(values, 1):
        if not isinstance(each, dict):
            raise DataError(
                f"row {position} is {kind_of(each)}, not a JSON object", where=where, hint="give a list of objects"
            )
    if len(values) > 1 and (page := page_key(values)) is not None:
        return _of_pages(values, page, where, columns)
    if columns:
        raise DataError("the rows name their columns themselves", where=where, hint="leave --columns out")
    for key in _WITHIN:
        if all(isinstance(each.get(key), dict) for each in values):
            return [each[key] for each in values], (f"{where}: each row is what its key {key!r} holds",)
    return values, ()


def _of_pages(pages: list[Any], key: str, where: str, columns: Sequence[str]) -> tuple[Rows, tuple[str, ...]]:
    """The rows of all pages; what a page says of its rows is a column of each."""
    rows: Rows = []
    notes: dict[str, None] = {}
    for each in pages:
        found, said = rows_of(each[key], where, columns) if each[key] else ([], ())
        rows += [{**beside_rows(each, key), **row} for row in found]
        notes |= dict.fromkeys(said)
    left = dict.fromkeys(name for each in pages for name in each if name != key and name not in beside_rows(each, key))
    others = ", ".join(map(repr, left))
    said_first = (
        f"{where}: {len(pages):,} pages, whose rows are under {key!r}{f'; not read: {others}' if others else ''}"
    )
    return rows, (said_first, *notes)


def _of_lists(values: list[Any], where: str, columns: Sequence[str]) -> tuple[Rows, tuple[str, ...]]:
    """Rows without names: those of --columns, or of a first row that holds names."""
    first, notes = values[0], ()
    if not columns and all(isinstance(each, str) for each in first) and any(known(each) for each in first):
        columns, values = first, values[1:]
    if not columns:
        names = ",".join(("text", "label", *(f"column{i + 1}" for i in range(2, len(first))))[: len(first)])
        raise DataError(
            f"rows without names: each is a list of {len(first)} values",
            where=where,
            hint=f"name them: {typed('--columns', names)}",
        )
    for position, each in enumerate(values, 1):
        if not isinstance(each, list) or len(each) != len(columns):
            what = f"{len(each)} values" if isinstance(each, list) else kind_of(each)
            raise DataError(
                f"row {position} is {what}, not a list of {len(columns)} as there are columns",
                where=where,
                hint="give every row all columns, null where there is no value",
            )
    return [dict(zip(columns, each, strict=True)) for each in values], notes


def _of_object(value: dict[str, Any], where: str, columns: Sequence[str]) -> tuple[Rows, tuple[str, ...]]:
    held, data = value.get("columns"), value.get("data")
    if isinstance(held, list) and isinstance(data, list):  # DataFrame.to_json(orient="split")
        return _of_lists(data, where, [str(each) for each in held]) if data else _of_list(data, where, ())
    parts = {key: role_of(key) for key in value}
    if len(value) > 1 and all(parts.values()) and all(isinstance(each, list | dict) for each in value.values()):
        return _of_parts(value, where, columns)
    nested: dict[str, Any] = {key: each for key, each in value.items() if isinstance(each, list | dict) and each}
    scalars = [key for key, each in value.items() if not isinstance(each, list | dict)]
    if is_table(nested) and not any(map(known, scalars)):
        rows, notes = _of_columns(nested, where)
        left = ", ".join(map(repr, (each for each in value if each not in nested)))
        return rows, (*((f"{where}: not read, as they are no columns: {left}",) if left else ()), *notes)
    found = found_in(value) if nested and not are_rows(value) else []
    if any(known(key) for key in scalars):  # else it is one row
        found = [key for key in found if holds_texts(value[key])]
    if len(found) == len(value) > 1 and by_label(value):
        rows = [{**row, "label": key} for key, each in value.items() for row in each]
        return rows, (f"{where}: each key is taken as a label, and what its list holds as rows: {', '.join(value)}",)
    if len(found) > 1:
        found = [key for key in found if holds_texts(value[key])] or found
    if value and not found and (not nested or any(known(key) for key in scalars)):
        return _of_list([value], where, columns)
    if len(found) == 1 or (not found and len(nested) == 1 and (scalars or not _columns_like(nested))):
        key = found[0] if found else next(iter(nested))
        rows, notes = rows_of(nested[key], where, columns)
        others = ", ".join(map(repr, (each for each in value if each != key)))
        return rows, (f"{where}: the rows are those of {key!r}{f'; not read: {others}' if others else ''}", *notes)
    if not found and not scalars and len(nested) == len(value) > 0:
        if all(isinstance(each, list) for each in nested.values()):
            return _of_columns(nested, where)
        if all(isinstance(each, dict) for each in nested.values()):
            return _of_mappings(nested, where)
    raise DataError(
        f"a JSON object whose keys are {', '.join(map(repr, list(value)[:8]))}: which of them holds rows is unclear",
        where=where,
        hint=_taken_out(where, found) if found else _PLAIN,
    )


def _taken_out(where: str, keys: Sequence[str]) -> str:
    """How to write what one key holds into a file of its own."""
    code = f"import json; json.dump(json.load(open({where!r}))[{keys[0]!r}], open('rows.json', 'w'))"
    others = ", ".join(map(repr, keys[1:4]))
    return f"write the rows into a file of their own: python -c {pasted(code)}" + (f", or {others}" * bool(others))


def _of_parts(value: dict[str, Any], where: str, columns: Sequence[str]) -> tuple[Rows, tuple[str, ...]]:
    """Train, validation and test under their names: a column `split` tells them apart."""
    rows: Rows = []
    notes: list[str] = [f"{where}: its parts are {', '.join(value)}"]
    for part, each in value.items():
        found, said = rows_of(each, f"{where}, {part}", columns)
        if any("split" in row for row in found):
            raise DataError(
                f"rows have a column 'split' already, and are in the part {part!r}",
                where=where,
                hint="write each part into a file of its own, or the rows of all into one list",
            )
        rows += [{**row, "split": part} for row in found]
        notes += said
    return rows, tuple(notes)


def _columns_like(nested: dict[str, Any]) -> bool:
    return any(known(key) for key in nested)


def _of_columns(value: dict[str, list[Any]], where: str) -> tuple[Rows, tuple[str, ...]]:
    """A list per column; or, where keys are no such names, the texts of each label."""
    texts = all(isinstance(each, str) for cells in value.values() for each in cells)
    repeated = texts and any(2 * len(set(cells)) <= len(cells) for cells in value.values())
    if texts and not repeated and len(value) > 1 and not _columns_like(value):
        rows = [{"text": each, "label": key} for key, cells in value.items() for each in cells]
        return rows, (f"{where}: each key is taken as a label, and its list as texts: {', '.join(value)}",)
    lengths = {key: len(cells) for key, cells in value.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key!r} has {length:,}" for key, length in lengths.items())
        raise DataError(
            f"columns of different lengths: {said}", where=where, hint="give every column a value for each row"
        )
    return [dict(zip(value, cells, strict=True)) for cells in zip(*value.values(), strict=True)], ()


def _of_mappings(value: dict[str, dict[str, Any]], where: str) -> tuple[Rows, tuple[str, ...]]:
    """Columns of values by row (DataFrame.to_json), or rows by id."""
    keys = list(dict.fromkeys(key for each in value.values() for key in each))
    outer, inner = any(map(known, value)), any(map(known, keys))
    if outer == inner:
        outer, inner = all(key.isdecimal() for key in keys), all(key.isdecimal() for key in value)
    if outer == inner:
        outer = len(keys) > len(value)
    if outer:
        return [{column: cells.get(key) for column, cells in value.items()} for key in keys], ()
    own = any("id" in each for each in value.values())
    note = f"{where}: {len(value):,} rows by their id" + ("" if own else ", which is read as the column 'id'")
    return [each if own else {"id": key, **each} for key, each in value.items()], (note,)
