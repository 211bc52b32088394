"""Arguments of Python calls that are no options of a RunSpec: of the right type, or refused by name.

In: a value, the argument's name.  Out: the value as the rest of liftune takes it, or a SpecError.
Not here: options of a RunSpec (spec.py checks them in the same words), what a path leads to (wrong_path.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from numbers import Integral, Real

from liftune.errors import SpecError, shown
from liftune.option_values import numbered
from liftune.records.base import StoredRecord
from liftune.records.run import ComparisonRecord


def path(value: object, name: str) -> str:
    """A str, or an os.PathLike of one.

    Raises:
        SpecError: it is neither.

    >>> path("runs/a", "run")
    'runs/a'
    >>> path(5, "run")
    Traceback (most recent call last):
    liftune.errors.SpecError: run must be a path, not 5
      where: run
      hint:  give a str or a pathlib.Path
    """
    found = os.fspath(value) if isinstance(value, str | os.PathLike) else _place_of(value, name)
    if not isinstance(found, str):
        loaded_from = getattr(getattr(value, "origin", None), "path", None)
        if isinstance(loaded_from, str):
            raise _wrong(value, name, "a path", f"the path that it was loaded from: {loaded_from!r}")
        raise _wrong(value, name, "a path", "a str or a pathlib.Path")
    return found


#: Arguments that name a run or model, whose record says where it is.
_OF_RUNS = frozenset({"run", "path", "a", "b", "model", "models"})


def _place_of(value: object, name: str) -> str | None:
    """The folder that a record is of; None where it is of none, or of two."""
    if name not in _OF_RUNS or not isinstance(value, StoredRecord) or isinstance(value, ComparisonRecord):
        return None
    places = (getattr(value, each, None) for each in ("run", "sweep", "path"))
    return next((each for each in places if isinstance(each, str)), None)


def path_or_none(value: object, name: str) -> str | None:
    """The same, where it may be left out."""
    return None if value is None else path(value, name)


def paths(value: object, name: str) -> tuple[str, ...]:
    """One path, or several.

    Raises:
        SpecError: one of them is none.
    """
    if isinstance(value, list | tuple):
        return tuple(path(each, name) for each in value)
    return (path(value, name),)


def text(value: object, name: str) -> str:
    """A str.

    Raises:
        SpecError: it is none.
    """
    if not isinstance(value, str):
        number = isinstance(value, Integral) and not isinstance(value, bool)
        raise _wrong(value, name, "a text", f'a str: "{value}"' if number else "a str")
    return value


def text_or_none(value: object, name: str) -> str | None:
    """The same, where it may be left out."""
    return None if value is None else text(value, name)


def texts(value: object, name: str) -> tuple[str, ...]:
    """Several names; one text holds them between commas.

    Raises:
        SpecError: it is no str, nor an iterable of them.
    """
    if isinstance(value, str):
        return tuple(each.strip() for each in value.split(",") if each.strip())
    if isinstance(value, Mapping):
        try:
            value = numbered(value)
        except ValueError as error:
            raise SpecError(f"{name}: {error}", where=name, hint='give {0: "neg", 1: "pos"}, or a list') from None
    if isinstance(value, bytes) or not isinstance(value, Iterable):
        raise _wrong(value, name, "names", "a list of str")
    return tuple(text(each, name) for each in value)


def switch(value: object, name: str) -> bool:
    """True or False.

    Raises:
        SpecError: it is neither.
    """
    if type(value).__name__ not in ("bool", "bool_"):  # numpy's too
        raise _wrong(value, name, "True or False", "True or False")
    return bool(value)


def number(value: object, name: str) -> float:
    """A number that is finite.

    Raises:
        SpecError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Real) or not abs(float(value)) < float("inf"):
        raise _wrong(value, name, "a number", "a float, such as 0.95")
    return float(value)


def number_or_none(value: object, name: str) -> float | None:
    """The same, where it may be left out."""
    return None if value is None else number(value, name)


def count(value: object, name: str) -> int:
    """A whole number from 1 on.

    Raises:
        SpecError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise _wrong(value, name, "a whole number from 1 on", "an int")
    return int(value)


def whole(value: object, name: str) -> int:
    """A whole number.

    Raises:
        SpecError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise _wrong(value, name, "a whole number", "an int")
    return int(value)


def port(value: object, name: str) -> int:
    """A port to listen on; 0 takes a free one.

    Raises:
        SpecError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, Integral) or not 0 <= int(value) < 1 << 16:
        raise _wrong(value, name, "a port from 0 to 65535", "an int, such as 8000")
    return int(value)


def _wrong(value: object, name: str, wanted: str, give: str) -> SpecError:
    return SpecError(f"{name} must be {wanted}, not {shown(value)}", where=name, hint=f"give {give}")
