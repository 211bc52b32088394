"""JSON from text: the one reader, whatever the text comes from.

In: text or bytes that should be JSON.  Out: its value; JsonError, which says why there is none.
Not here: files of JSON (files.py), rows of data (data/readers/json_objects.py).
"""

from __future__ import annotations

import json
import re
from typing import Any

from liftune.errors import LiftuneError, shown

#: A value that is nested more deeply is nobody's data, and code that looks into it would run out of stack.
DEEPEST = 100
#: Digits of a whole number that still is a float (largest: 1.8e308).
_MOST_DIGITS = 308
#: Bits from which on a whole number has more digits than that.
_MOST_BITS = 1_024
_SPACE = re.compile(r"\s*")


class JsonError(LiftuneError, ValueError):
    """A text that is not JSON, or JSON that nothing here can use.

    Args:
        line, column: where, from 1; None where it is the whole text.
    """

    def __init__(self, message: str, *, line: int | None = None, column: int | None = None) -> None:
        super().__init__(message, hint="write it again, as JSON")
        self.line, self.column = line, column


def parse_json(text: str | bytes, *, unique: bool = False) -> Any:
    """The value of a JSON text.

    Args:
        unique: whether a key that an object has twice is a fault; else the last counts, as in Python.

    Raises:
        JsonError: it is not JSON or not UTF-8, is nested more than 100 deep, or holds a number of over 308 digits;
            or a key twice.

    >>> parse_json('{"a": [1]}')
    {'a': [1]}
    >>> parse_json("[" * 1000 + "]" * 1000)
    Traceback (most recent call last):
    liftune.json_text.JsonError: lists or objects are nested more than 100 deep
      hint:  write it again, as JSON
    """
    try:
        value = json.loads(text, object_pairs_hook=_each_once if unique else None)
    except JsonError:
        raise
    except (ValueError, RecursionError) as error:
        raise _fault(error) from None
    if len(text) > DEEPEST:  # a shorter one holds neither
        _check([value])
    return value


def parse_json_values(text: str) -> list[Any]:
    """All values of a text, one after the other, white space between them.

    Raises:
        JsonError: as `parse_json`.

    >>> parse_json_values('{"a": 1} {"a": 2}')
    [{'a': 1}, {'a': 2}]
    """
    decoder, at, values = json.JSONDecoder(), 0, []
    try:
        while (at := _end_of_space(text, at)) < len(text):
            value, at = decoder.raw_decode(text, at)
            values.append(value)
    except (ValueError, RecursionError) as error:
        raise _fault(error) from None
    _check(values)
    return values


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for i, name in enumerate(names) if name in names[:i])
        raise JsonError(f"the key {shown(twice)} is there twice in one object")
    return values


def _end_of_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _fault(error: Exception) -> JsonError:
    if isinstance(error, json.JSONDecodeError):
        return JsonError(error.msg, line=error.lineno, column=error.colno)
    if isinstance(error, UnicodeDecodeError):
        return JsonError(f"it is not UTF-8: byte 0x{error.object[error.start]:02x}")
    if isinstance(error, ValueError):  # Python reads no number of over 4,300 digits
        return _too_long()
    return _too_deep()


def _too_deep() -> JsonError:
    return JsonError(f"lists or objects are nested more than {DEEPEST} deep")


def _too_long() -> JsonError:
    return JsonError(f"a number has more than {_MOST_DIGITS} digits")


def _check(values: list[Any]) -> None:
    """Refuse what would end in an error anywhere later. Level by level: by recursion the check itself could fail."""
    depth = 0
    while values:
        below: list[Any] = []
        for each in values:
            if isinstance(each, dict | list):
                if depth == DEEPEST:
                    raise _too_deep()
                below += each.values() if isinstance(each, dict) else each
            elif isinstance(each, int) and each.bit_length() >= _MOST_BITS:
                raise _too_long()
        values, depth = below, depth + 1
