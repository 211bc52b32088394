"""Arrow's types of others, and those that no JSON has: what their cells are as text.

In: a pyarrow type or field.  Out: what turns the cells of its storage into text; None for any other type.
Not here: types that Python has a value of (columnar.py).

Pandas writes its periods as numbers and its intervals as structures, with their type beside them in the schema: without
this a period would be the number of months since 1970, and an interval a mapping of labels to shares.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from liftune.errors import EXTRAS, need
from liftune.json_text import JsonError, parse_json

TextOf: TypeAlias = Callable[[Any], Any]


def text_of_field(field: Any) -> TextOf | None:
    """For a column of a file: of a type that pyarrow does not know either, whose name is in the field's metadata."""
    metadata = field.metadata or {}
    name = metadata.get(b"ARROW:extension:name", b"").decode(errors="replace")
    said = metadata.get(b"ARROW:extension:metadata", b"").decode(errors="replace")
    return _text_of(name, said) if name else text_of_type(field.type)


def text_of_type(kind: Any) -> TextOf | None:
    """For an array of this type, also as the values of a dictionary."""
    from pyarrow import types

    kind = kind.value_type if types.is_dictionary(kind) else kind
    name = getattr(kind, "extension_name", "")
    if not name:
        return None
    said = kind.__arrow_ext_serialize__() if hasattr(kind, "__arrow_ext_serialize__") else b""
    return _text_of(name, said.decode(errors="replace"))


def _text_of(name: str, said: str) -> TextOf | None:
    if name == "arrow.json":
        return _value_of_json
    if name not in ("pandas.period", "pandas.interval"):
        return None
    try:
        facts = parse_json(said)
        return partial(_period, facts["freq"]) if name == "pandas.period" else partial(_interval, facts["closed"])
    except (JsonError, KeyError, TypeError):
        return str


def _period(frequency: str, ordinal: Any) -> str | None:
    """As pandas writes it into a CSV file: 2020-01 for a month.

    Raises:
        MissingExtra: pandas is not installed, which alone knows its frequencies.
    """
    if ordinal is None:
        return None
    if not isinstance(ordinal, int):  # a Period already
        return str(ordinal)
    need(*EXTRAS["frames"])
    import pandas as pd

    return str(pd.Period(ordinal=ordinal, freq=frequency))


def _interval(closed: str, ends: Any) -> str | None:
    """As pandas writes it into a CSV file: (0, 5] where it is closed on the right.

    >>> _interval("right", {"left": 0, "right": 5}), _interval("both", {"left": 0.5, "right": 1.0})
    ('(0, 5]', '[0.5, 1.0]')
    """
    if not isinstance(ends, dict):
        return None if ends is None else str(ends)
    left, right = "[" if closed in ("left", "both") else "(", "]" if closed in ("right", "both") else ")"
    low, high = ends.get("left"), ends.get("right")
    return None if low is None or high is None or low != low else f"{left}{low}, {high}{right}"


def _value_of_json(text: Any) -> Any:
    try:
        return parse_json(text)
    except (JsonError, TypeError):
        return text
