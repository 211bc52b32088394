"""What `fit` is given as y: labels of one kind, one a row, and the names by which a run knows them.

In: y.  Out: an array of labels, rows without one; names.
Not here: texts (texts.py).
"""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.data.targets import is_missing
from liftune.errors import DataError, shown

_SEVERAL = "give one label a text; for several labels a text: liftune.tune((texts, lists_of_labels))"
_LEAVE = "leave the row out, or LiftuneClassifier(skip_bad_rows=True) does"


def labels_of(y: Any) -> tuple[list[Any], list[int]]:
    """A label each, and the 0-based rows without one, whose label is None.

    Raises:
        DataError: none at all, several a row, of several kinds, or numbers with a fraction.
    """
    if y is None:
        raise DataError("requires y to be passed, but the target y is None", where="y", hint="give a label a text")
    if isinstance(y, str | bytes | Mapping) or not hasattr(y, "__len__") or getattr(y, "ndim", 1) == 0:
        raise DataError("y is no list of labels", where="y", hint="give a label a text")
    if hasattr(y, "tocsr") or getattr(y, "ndim", 1) > 2:
        raise _dimensions(y)
    cells = list(np.asarray(y).tolist() if hasattr(y, "columns") or hasattr(y, "dtype") else y)
    if cells and all(isinstance(each, list | tuple) and len(each) == 1 for each in cells):
        cells = [each[0] for each in cells]
    if any(isinstance(each, list | tuple | set | frozenset | Mapping) or getattr(each, "ndim", 0) for each in cells):
        raise _dimensions(y)
    cells = [each.item() if isinstance(each, np.generic) else each for each in cells]
    missing = [i for i, each in enumerate(cells) if _is_nothing(each)]
    labels = [None if _is_nothing(each) else each for each in cells]
    _refuse_kinds([each for each in labels if each is not None])
    return labels, missing


def _dimensions(y: Any) -> DataError:
    count = getattr(y, "ndim", 2)
    return DataError(f"y has {max(2, count)} dimensions, not one: a row has several labels", where="y", hint=_SEVERAL)


def _is_nothing(label: Any) -> bool:
    """Whether it is None, NaN or pandas' NA; a blank text is a label."""
    return type(label).__name__ in ("NAType", "NaTType") or (is_missing(label) and not isinstance(label, str))


def _refuse_kinds(labels: list[Any]) -> None:
    kinds: dict[str, Any] = {}
    for each in labels:
        kind = "texts" if isinstance(each, str) else "numbers" if isinstance(each, numbers.Number) else ""
        kinds.setdefault(kind or f"values of type {type(each).__name__}", each)
    if len(kinds) > 1:
        raise DataError(
            f"y mixes {' and '.join(kinds)}: {', '.join(map(shown, kinds.values()))}",
            where="y",
            hint="give labels of one kind: [str(each) for each in y]",
        )
    for i, each in enumerate(labels):
        if isinstance(each, float) and (not np.isfinite(each) or each != round(each)):
            if not np.isfinite(each):
                raise DataError("y has a label that is infinite", where=f"y, row {i + 1}", hint="leave the row out")
            raise DataError(
                "y holds decimal numbers, which are no labels (continuous)",
                where="y",
                hint="for a regression: liftune.tune((texts, numbers))",
            )


def refuse_missing(rows: list[int]) -> None:
    """Raise DataError where rows have no label."""
    if rows:
        more = f", and in {len(rows) - 1:,} more" if len(rows) > 1 else ""
        raise DataError(f"y has no label in row {rows[0] + 1}{more} (None or NaN)", where="y", hint=_LEAVE)


def classes_of(labels: list[Any], kind: Any) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """(C,) the classes, sorted, and (N,) which of them each label is.

    Args:
        kind: the dtype that y had, or None.

    Raises:
        DataError: they cannot be sorted.
    """
    try:
        given = np.array(labels, dtype=kind if isinstance(kind, np.dtype) else None)
        return np.unique(given, return_inverse=True)
    except TypeError:
        raise DataError(
            f"y holds labels that cannot be sorted, of type {type(labels[0]).__name__}",
            where="y",
            hint="give texts or numbers: [str(each) for each in y]",
        ) from None


def names_of(classes: NDArray[Any]) -> list[str]:
    """Each class as a label of liftune's: as it is written, where that tells the classes apart; else its number."""
    names = [str(each) for each in classes.tolist()]
    apart = len({name.strip() for name in names}) == len(names) and not any(map(is_missing, names))
    return names if apart else list(map(str, range(len(names))))
