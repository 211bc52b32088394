"""What a predictor is given -> rows, or why it is none: one rule for every predictor, in Python and over HTTP.

In: whatever a caller passes.  Out: rows of plain str.
Not here: cells of files, which may hold numbers (data/texts.py), limits of a request (serve/validation.py).
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping
from typing import Any

from liftune.data.readers.table import lone_surrogate
from liftune.errors import DataError
from liftune.types import Row

_PAIRS_HINT = "give each text its second one: --pair on the command line, (text, text) tuples in Python"
_SINGLE_HINT = "leave out --pair and --text-pair; in Python give texts, not tuples"


def rows_of(given: object, *, pairs: bool) -> list[Row]:
    """The rows to predict: one string is one row, any iterable of strings is as many.

    Args:
        given: a text, an iterable of texts, or of (text, text) tuples for a model of pairs.
        pairs: whether the model was tuned on pairs.

    Raises:
        DataError: it is something else; the message names the row, counted from 1.

    >>> rows_of("one text", pairs=False), rows_of((each for each in "ab"), pairs=False)
    (['one text'], ['a', 'b'])
    >>> rows_of([("a", "b")], pairs=True)
    [('a', 'b')]
    """
    return [_row(each, f"row {i}", pairs=pairs) for i, each in enumerate(_each(given), start=1)]


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


def _row(value: object, where: str, *, pairs: bool) -> Row:
    if pairs:
        if isinstance(value, str):
            raise DataError("this model was tuned on text pairs, and one text was given", where=where, hint=_PAIRS_HINT)
        if not isinstance(value, tuple) or len(value) != 2:
            raise DataError(f"{_no_text(value)[0]}, not a pair of texts", where=where, hint=_PAIRS_HINT)
        return plain_text(value[0], f"{where}, first text"), plain_text(value[1], f"{where}, second text")
    if isinstance(value, tuple) and len(value) == 2 and all(isinstance(each, str) for each in value):
        raise DataError("this model was tuned on single texts, and a pair was given", where=where, hint=_SINGLE_HINT)
    return plain_text(value, where)


def _each(given: Any) -> Iterable[object]:
    """The rows of what was given, each of any type.

    Raises:
        DataError: it has none, or its rows are not what iterating over it gives.
    """
    hint = 'give a text or an iterable of texts: predict(["some text", "another"])'
    if isinstance(given, str):
        return [given]
    if hasattr(given, "columns") or hasattr(given, "column_names"):  # iterating over it would give their names
        raise DataError("a table was given, not texts", hint='give the column of texts: predict(table["text"])')
    if hasattr(given, "to_pylist"):  # of Arrow, whose values are no str
        return list(given.to_pylist())
    if isinstance(given, bytes | bytearray | memoryview | Mapping) or not isinstance(given, Iterable):
        what, own = _no_text(given)
        raise DataError(f"{what}, not texts", hint=own if isinstance(given, bytes | bytearray) else hint)
    try:
        return iter(given)
    except TypeError:  # a numpy array without dimensions
        raise DataError("a value that cannot be iterated over was given, not texts", hint=hint) from None


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
