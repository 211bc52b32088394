"""What `fit` and `predict` are given as X: texts, pairs of texts, or a table, of which columns of text alone are read.

In: X, the columns that were named.  Out: Texts.
Not here: labels (labels.py), joining columns (data/texts.py), tables of any kind (data/readers/memory.py).
"""

from __future__ import annotations

import numbers
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NoReturn

from liftune import arguments
from liftune.data.column_guess import names_a_text
from liftune.data.column_names import NAME_ONE, PAIRS, TEXTS, as_one, known_name, named_column, named_columns
from liftune.data.column_profiles import Profile, profile
from liftune.data.readers.memory import tables_of
from liftune.data.readers.table import Table
from liftune.data.targets import CellError, is_missing
from liftune.data.texts import joined_text, text_of
from liftune.errors import DataError
from liftune.option_values import joined_fields
from liftune.records.base import TextColumns
from liftune.types import Row

#: Columns of rows that are no table.
_SINGLE, _PAIR = TextColumns(texts=("text",)), TextColumns(texts=("text",), text_pair="text_pair")
_READ_BY_NAME = "columns are read by name, in any order"
_SKIPS = "or LiftuneClassifier(skip_bad_rows=True) answers it as an empty text"


class FeatureNamesError(DataError, ValueError):
    """X lacks a column that `fit` read: scikit-learn raises ValueError then, in these words."""


@dataclass(frozen=True)
class Texts:
    """Rows of X by column: those of text alone, so that no other column can decide anything."""

    cells: Mapping[str, Sequence[Any]]
    columns: TextColumns
    features: tuple[str, ...] | None = None
    """Every column of the table; None of a list."""
    width: int | None = None
    """Columns of a table or of rows that are lists; None of single texts."""

    def __len__(self) -> int:
        return len(next(iter(self.cells.values())))

    @cached_property
    def missing(self) -> list[int]:
        """0-based rows without a text: every column that is joined is blank, or the second text of a pair is."""
        firsts = zip(*(self.cells[name] for name in self.columns.texts), strict=True)
        blank = [all(map(is_missing, cells)) for cells in firsts]
        if self.columns.text_pair:
            seconds = self.cells[self.columns.text_pair]
            blank = [one or is_missing(other) for one, other in zip(blank, seconds, strict=True)]
        return [i for i, each in enumerate(blank) if each]

    def without(self, rows: Iterable[int]) -> Texts:
        """The others."""
        left_out = set(rows)
        kept = {name: [cell for i, cell in enumerate(cells) if i not in left_out] for name, cells in self.cells.items()}
        return replace(self, cells=kept)

    def rows(self, *, skip: bool = False) -> tuple[list[Row], list[int]]:
        """A row each, as a model reads it, and the 0-based rows of which it reads nothing: an empty text.

        Args:
            skip: whether rows that are no texts are such rows too.

        Raises:
            DataError: a cell is no text, and is not to be skipped.
        """
        found: list[Row] = []
        empty = list(self.missing)
        for i, cells in enumerate(zip(*self.cells.values(), strict=True)):
            try:
                found.append(self._row(cells))
            except CellError as error:
                if not skip:
                    raise DataError(str(error), where=f"X, row {i + 1}", hint=f"{error.hint}; {_SKIPS}") from None
                empty.append(i)
                found.append(("", "") if self.columns.text_pair else "")
        return found, sorted(empty)

    def _row(self, cells: Sequence[Any]) -> Row:
        names = self.columns.texts
        firsts = cells[: len(names)]
        if len(names) == 1:
            first = _text(firsts[0], names[0])
        else:
            first = "" if all(map(is_missing, firsts)) else joined_text(firsts, names)
        return (first, _text(cells[-1], self.columns.text_pair)) if self.columns.text_pair else first


def _text(cell: Any, name: str) -> str:
    return "" if is_missing(cell) and not isinstance(cell, str) else text_of(cell, name, blank=True)


def texts_of(
    X: Any,  # noqa: N803 - scikit-learn's name
    *,
    text: Any = None,
    text_pair: Any = None,
    known: TextColumns | None = None,
    features: Sequence[str] | None = None,
) -> Texts:
    """The texts of X.

    Args:
        text, text_pair: the columns that were named.
        known: those that `fit` read.
        features: every column of the table that `fit` was given; None where it was given no table.

    Raises:
        DataError: it holds no texts, or several columns of a table may be the text.
        FeatureNamesError: `fit` read a column of a table that this one lacks.
    """
    if not _is_table(X):
        if (text or text_pair) and known is None:
            raise DataError(
                "X is no table, so that it has no columns", where="text" if text else "text_pair", hint="leave it out"
            )
        return _as_known(_of_list(X), known)
    if known and hasattr(X, "columns") and not len(X):
        columns = tuple(map(str, getattr(X, "column_names", X.columns)))
        _spelt(columns, known, features)
        return Texts({name: [] for name in _names(known)}, known, columns, len(columns))
    if hasattr(X, "iloc") and hasattr(X, "reset_index"):
        X = X.reset_index(drop=True)  # noqa: N806 - which is no feature
    table = tables_of(X).stream("rows").collected("rows")
    names = _spelt(table.columns, known, features) if known else None
    if known and names:  # under the names of fit, which stand in joined texts
        cells = {name: table.read(names[name]) for name in _names(known)}
        return Texts(cells, known, tuple(table.columns), len(table.columns))
    read = _named(table, text, text_pair) or _found(table)
    cells = {name: table.read(name) for name in _names(read)}
    return _as_known(Texts(cells, read, tuple(table.columns), len(table.columns)), known)


def feature_names(X: Any, texts: Texts) -> tuple[str, ...] | None:  # noqa: N803
    """The columns of X for `feature_names_in_`; None where it has no names, or such that are no texts."""
    names = X.columns if hasattr(X, "iloc") and hasattr(X, "columns") else ()
    return texts.features if all(isinstance(each, str) for each in names) else None


def _names(columns: TextColumns) -> tuple[str, ...]:
    return (*columns.texts, *filter(None, (columns.text_pair,)))


def _as_known(texts: Texts, known: TextColumns | None) -> Texts:
    """The texts, which are single ones or pairs as those of `fit` were.

    Raises:
        DataError: they are the other.
    """
    if known and (bool(known.text_pair) != bool(texts.columns.text_pair) or len(known.texts) > 1):
        several = f"a table with the columns {', '.join(_names(known))}"
        wanted = several if len(known.texts) > 1 else "pairs of texts" if known.text_pair else "single texts"
        held = "pairs of texts" if texts.columns.text_pair else "single texts"
        raise DataError(f"fit was given {wanted}, and X holds {held}", where="X", hint=f"give {wanted}, as in fit")
    return texts


def _is_table(X: Any) -> bool:  # noqa: N803
    if hasattr(X, "columns") or isinstance(X, Mapping) or (hasattr(X, "features") and hasattr(X, "with_format")):
        return True
    return isinstance(X, list | tuple) and bool(X) and all(isinstance(each, Mapping) for each in X)


# Lists and arrays ----------------------------------------------------------------------------------------------------


def _of_list(X: Any) -> Texts:  # noqa: N803
    if hasattr(X, "tocsr") or getattr(getattr(X, "dtype", None), "kind", "O") in "biufcmM":
        _refuse_numbers()
    if isinstance(X, str | bytes) or not hasattr(X, "__iter__") or getattr(X, "ndim", 1) == 0:
        raise DataError("X is no list of texts", where="X", hint='give a list of texts: ["some text"]')
    to_list = next((getattr(X, name) for name in ("tolist", "to_pylist", "to_list") if hasattr(X, name)), None)
    rows = to_list() if to_list else list(X)
    widths = {len(each) if isinstance(each, list | tuple) else None for each in rows}
    for i, each in enumerate(rows):
        for cell in each if isinstance(each, list | tuple) else (each,):
            _refuse_no_text(cell, i)
    if widths <= {None}:
        return Texts({"text": list(map(_plain, rows))}, _SINGLE)
    if widths == {1}:
        return Texts({"text": [_plain(each[0]) for each in rows]}, _SINGLE, width=1)
    if widths == {2}:
        cells = {name: [_plain(each[i]) for each in rows] for i, name in enumerate(("text", "text_pair"))}
        return Texts(cells, _PAIR, width=2)
    raise DataError(
        "X has rows of several texts", where="X", hint="give (N,) texts, (N, 2) for pairs, or a data frame and text="
    )


def _plain(cell: Any) -> Any:
    return str.__str__(cell) if isinstance(cell, str) else None


def _refuse_no_text(cell: Any, i: int) -> None:
    if isinstance(cell, str) or is_missing(cell) or type(cell).__name__ in ("NAType", "NaTType"):
        return
    if isinstance(cell, numbers.Number) or hasattr(cell, "dtype"):
        _refuse_numbers(f"X, row {i + 1}")
    kind = type(cell).__name__
    raise DataError(f"X holds values of type {kind}, not texts", where=f"X, row {i + 1}", hint="give a str a row")


def _refuse_numbers(where: str = "X") -> NoReturn:
    raise DataError(
        "X holds numbers, not texts",
        where=where,
        hint="give the texts themselves: LiftuneClassifier reads them, without a vectorizer before it in a pipeline",
    )


# Tables --------------------------------------------------------------------------------------------------------------


def _spelt(columns: Sequence[str], known: TextColumns, features: Sequence[str] | None) -> dict[str, str] | None:
    """The columns that `fit` read -> as this table spells them; None where it lacks them, and they never had names.

    Raises:
        FeatureNamesError: `fit` read a column of a table that this one lacks.
    """
    found = {name: known_name((name,), columns) for name in _names(known)}
    lacking = [name for name, column in found.items() if column is None]
    if lacking and features is None:
        if known in (_SINGLE, _PAIR):
            return None
        features = tuple(found)
    if lacking and features is not None:
        folded = {each.strip().casefold() for each in features}
        unseen = [name for name in columns if name.strip().casefold() not in folded]
        message = "The feature names should match those that were passed during fit."
        for title, names in (("unseen at fit time", unseen), ("seen at fit time, yet now missing", lacking)):
            message += f"\nFeature names {title}:\n{_listed(names)}" if names else ""
        hint = f"give the columns {', '.join(found)}, which fit read; there are: {', '.join(columns)}; {_READ_BY_NAME}"
        raise FeatureNamesError(message, where="X", hint=hint if len(found) > 1 else _one(lacking[0], columns))
    return {name: str(column) for name, column in found.items()}


def _one(name: str, columns: Sequence[str]) -> str:
    """What to do about the only column that was read."""
    if len(columns) == 1:
        return f"rename it: X.rename(columns={{{columns[0]!r}: {name!r}}}); or give the texts alone: X[{columns[0]!r}]"
    return f"give the column {name!r}, which fit read; there are: {', '.join(columns)}"


def _listed(names: Sequence[str]) -> str:
    """As scikit-learn lists names of features: the first five, sorted."""
    shown = sorted(names)[:5]
    return "".join(f"- {name}\n" for name in shown) + ("- ...\n" if len(names) > len(shown) else "")


def _named(table: Table, text: Any, text_pair: Any) -> TextColumns | None:
    """Those that the parameters name; None where they name none."""
    if not text and not text_pair:
        return None
    pair = arguments.text_or_none(text_pair, "text_pair")
    second = named_column(table, pair, NAME_ONE + "text_pair") if pair else None
    if not text:
        return _found(table, second)
    given = text if isinstance(text, str) else joined_fields(arguments.texts(text, "text"))
    names = named_columns(table, given, "text")
    if second in names:
        raise DataError(f"column {second!r} cannot have two roles", where="text_pair", hint="name another column")
    return TextColumns(texts=names, text_pair=second)


def _found(table: Table, second: str | None = None) -> TextColumns:
    """The one column of text, or the two of a pair by names that are known.

    Raises:
        DataError: there are several, or none.
    """
    profiles = [profile(name, table.read(name)) for name in table.columns if name != second]
    texts = [each for each in profiles if each.is_text or (names_a_text(each.name) and _may_be(each))]
    names = [each.name for each in texts]
    if second is None:
        for known in PAIRS:
            one, other = (known_name((each,), names) for each in known)
            if one and other and len(names) == 2:
                return TextColumns(texts=(one,), text_pair=other)
    if len(names) > 1:
        each, joined = max(texts, key=lambda one: one.words).name, joined_fields(names)
        raise DataError(
            f"X has several columns of text: {', '.join(names)}",
            where="X",
            hint=f"name those to join: {_typed(joined, second)}; or the one to read: {_typed(each, second)}",
        )
    left = [each.name for each in profiles if _may_be(each)]
    name = next(iter(names), None) or known_name(TEXTS, left) or (left[0] if len(left) == 1 else None)
    if name is not None:
        return TextColumns(texts=(name,), text_pair=second)
    if not left and profiles:
        _refuse_numbers()
    raise DataError(
        f"no text column among: {', '.join(table.columns)}",
        where="X",
        hint=f"name it: {_typed(left[0] if left else table.columns[0], second)}",
    )


def _may_be(column: Profile) -> bool:
    return column.content == "words" and column.may_be_text


def _typed(text: str, second: str | None) -> str:
    pair = f", text_pair={second!r}" if second else ""
    return f"LiftuneClassifier(text={text!r}{pair})"


def option_of(columns: TextColumns) -> dict[str, str | None]:
    """The options of `tune` that name these columns."""
    return {"text": as_one(columns.texts), "text_pair": columns.text_pair}
