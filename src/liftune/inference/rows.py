"""What a predictor is given -> rows, or why it is none: one rule for every predictor, in Python and over HTTP.

In: whatever a caller passes.  Out: rows of plain str.  A mapping of the columns that the model was tuned on is one row,
read and joined as a file's row is.
Not here: cells of files, which may hold numbers (data/texts.py), limits of a request (server/validation.py).
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

from liftune.data.column_names import known_name
from liftune.data.readers.table import lone_surrogate
from liftune.data.targets import CellError
from liftune.data.texts import MOST_CHARACTERS, joined_text, text_of, too_long
from liftune.errors import DataError
from liftune.records.base import TextColumns
from liftune.types import Row

#: What predictors take: a text, or rows, each a text, a pair of texts, or a mapping of the model's columns.
Given: TypeAlias = str | Mapping[str, Any] | Iterable[Row | Mapping[str, Any]]

_PAIRS_HINT = "give each text its second one: --pair, or in Python (text, text) tuples"
_SINGLE_HINT = "leave out --pair and --text-pair, or in Python give texts, not tuples"


def rows_of(given: object, *, pairs: bool, columns: TextColumns | None = None) -> list[Row]:
    """The rows to predict: one string is one row, any iterable of strings is as many.

    Args:
        given: a text, an iterable of texts, or of (text, text) tuples for a model of pairs; a mapping of the model's
            columns in the place of any row.
        pairs: whether the model was tuned on pairs.
        columns: which the model was tuned on, where that is known.

    Raises:
        DataError: it is something else; the message names the row, counted from 1.

    >>> rows_of("one text", pairs=False), rows_of((each for each in "ab"), pairs=False)
    (['one text'], ['a', 'b'])
    >>> rows_of([("a", "b")], pairs=True)
    [('a', 'b')]
    >>> rows_of([{"subject": "Late", "body": "It came."}], pairs=False, columns=TextColumns(texts=("subject", "body")))
    ['subject: Late\\nbody: It came.']
    """
    each_row = enumerate(_each(given, columns), start=1)
    return [_row(each, f"row {i}", pairs=pairs, columns=columns) for i, each in each_row]


def row_of_columns(cells: Mapping[Any, Any], columns: TextColumns | None, where: str, *, pairs: bool) -> Row:
    """The row of a mapping: the model's columns, by names in any casing, joined as they were for tuning.

    Args:
        cells: column -> cell; other columns are not read.
        pairs: whether the second text is in it too.

    Raises:
        DataError: a column is missing, or a cell is no text.
    """
    of_first = columns.texts if columns else ()
    second = columns.text_pair if columns and pairs else None
    if not of_first or (pairs and not second):
        raise DataError(
            f"{_no_text(cells)[0]}, not {'a pair of texts' if pairs else 'a text'}, and which columns this model was "
            "tuned on is not known",
            where=where,
            hint=_PAIRS_HINT if pairs else _no_text(cells)[1],
        )
    wanted = (*of_first, second) if second else of_first
    spelt = {name: name if name in cells else known_name((name,), filter(_is_text, cells)) for name in wanted}
    lacking = [name for name, found in spelt.items() if found is None]
    if lacking:
        raise DataError(
            f"this model was tuned on {' and '.join(wanted)}{', joined' if len(of_first) > 1 else ''}; the mapping has "
            f"{', '.join(map(str, cells)) or 'nothing'}, and no {' and no '.join(lacking)}",
            where=where,
            hint=f"give a mapping of {' and '.join(wanted)}, or {'a pair of texts' if pairs else 'one text'}",
        )
    given = {name: cells[spelt[name]] for name in wanted}
    try:
        one = of_first[0] if len(of_first) == 1 else None
        first = text_of(given[one], one) if one else joined_text([given[name] for name in of_first], of_first)
        return (first, text_of(given[second], second)) if second else first
    except CellError as error:
        raise DataError(str(error), where=where, hint=f"give a text in {' or '.join(wanted)}") from None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def plain_text(value: object, where: str) -> str:
    """A text as a plain str.

    Args:
        where: what to call it in the message.

    Raises:
        DataError: it is no text, or no tokenizer takes it.
    """
    if not isinstance(value, str):
        what, hint = _no_text(value)
        raise DataError(f"{what}, not a text", where=where, hint=hint)
    text = str.__str__(value)  # of numpy's strings too; str() of an Enum's member would be its name
    if len(text) > MOST_CHARACTERS:
        raise DataError(too_long(text), where=where, hint="cut it, or give each part as a text")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise DataError(
                f"the text holds {lone_surrogate(error)}",
                where=where,
                hint='send whole characters; in Python, text.encode(errors="replace").decode() puts ? in its place',
            ) from None
    return text


def _row(value: object, where: str, *, pairs: bool, columns: TextColumns | None) -> Row:
    if isinstance(value, Mapping):
        return row_of_columns(value, columns, where, pairs=pairs)
    if pairs:
        if isinstance(value, str):
            raise DataError("this model was tuned on text pairs, and one text was given", where=where, hint=_PAIRS_HINT)
        if not isinstance(value, tuple) or len(value) != 2:
            raise DataError(f"{_no_text(value)[0]}, not a pair of texts", where=where, hint=_PAIRS_HINT)
        first, second = f"{where}, first text", f"{where}, second text"
        if isinstance(value[0], Mapping) and columns:
            return str(row_of_columns(value[0], columns, first, pairs=False)), plain_text(value[1], second)
        return plain_text(value[0], first), plain_text(value[1], second)
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, str) for each in value):
        raise DataError("this model was tuned on single texts, and a pair was given", where=where, hint=_SINGLE_HINT)
    return plain_text(value, where)


def _each(given: Any, columns: TextColumns | None) -> Iterable[object]:
    """The rows of what was given, each of any type.

    Raises:
        DataError: it has none, or its rows are not what iterating over it gives.
    """
    hint = 'give a text or an iterable of texts: predict(["some text", "another"])'
    if isinstance(given, str):
        return [given]
    if isinstance(given, Mapping) and columns and columns.texts:
        return [given]
    if hasattr(given, "columns") or hasattr(given, "column_names"):  # iterating over it would give their names
        raise DataError("a table was given, not texts", hint=_table_hint(given, columns))
    if hasattr(given, "to_pylist"):  # of Arrow, whose values are no str
        return list(given.to_pylist())
    if isinstance(given, bytes | bytearray | memoryview | Mapping) or not isinstance(given, Iterable):
        what, own = _no_text(given)
        raise DataError(f"{what}, not texts", hint=own if isinstance(given, bytes | bytearray) else hint)
    try:
        return iter(given)
    except TypeError:  # a numpy array without dimensions
        raise DataError("a value that cannot be iterated over was given, not texts", hint=hint) from None


def texts_of(data: Any) -> Any:
    """The list of texts that is in a Series, an array or a generator; anything else as it is.

    >>> texts_of(each for each in "ab"), texts_of({"text": ["a"]})
    (['a', 'b'], {'text': ['a']})
    """
    if isinstance(data, str | bytes | bytearray | memoryview | Mapping | list) or not hasattr(data, "__iter__"):
        return data
    if hasattr(data, "columns") or hasattr(data, "column_names") or hasattr(data, "schema"):
        return data  # a table
    if (
        (hasattr(data, "features") and hasattr(data, "with_format"))
        or hasattr(data, "__fspath__")
        or getattr(data, "ndim", 1) != 1
    ):
        return data
    cells = data.to_pylist() if hasattr(data, "to_pylist") else list(data)
    return data if isinstance(data, tuple) else cells


def _table_hint(table: Any, columns: TextColumns | None) -> str:
    """What to give instead of a table: its column of texts, or its rows where a text is of several columns."""
    if columns and (len(columns.texts) > 1 or columns.text_pair):
        rows = "to_pylist()" if hasattr(table, "to_pylist") else 'to_dict("records")'
        return f"give its rows: predict(table.{rows})"
    name = columns.texts[0] if columns and columns.texts else "text"
    return f'give the column of texts: predict(table["{name}"])'


def _no_text(value: object) -> tuple[str, str]:
    """What a value is, without repeating it, and what to do about it."""
    missing = "leave the row out, or give an empty text"
    if value is None:
        return "there is nothing (None, null)", missing
    if isinstance(value, bool) or type(value).__name__ in ("bool_", "bool"):
        return "it is true or false", "give a text"
    if type(value).__name__ in ("NAType", "NaTType") or (isinstance(value, numbers.Number) and value != value):
        return "it is a missing value (NaN, NA)", missing
    if isinstance(value, numbers.Number):
        return "it is a number", "give it as a text: str(number)"
    if isinstance(value, bytes | bytearray | memoryview):
        return "it is bytes", "decode it first: text.decode()"
    if isinstance(value, Mapping):
        return "it is a mapping", 'give the text in it: row["text"]'
    if isinstance(value, list):
        return "it is a list", "give each row as one text; a pair is a tuple: (text, text)"
    if isinstance(value, tuple):
        return f"it is a tuple of {len(value)}", "give each row as one text; a pair is a tuple of two: (text, text)"
    return f"it is a value of type {type(value).__name__}", "give a text"
