"""The columns that a run reads, and the texts of a file without labels.

In: a Table, the names given.  Out: Columns.
Not here: finding those that nobody named (column_search.py), what the cells mean (targets.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from liftune.data.column_names import (
    NAME_ONE,
    PAIRS,
    TEXTS,
    as_one,
    known_below,
    known_name,
    named_column,
    named_columns,
)
from liftune.data.readers.table import Table
from liftune.errors import DataError
from liftune.records.base import TextColumns
from liftune.spec import DataSpec


@dataclass(frozen=True)
class Columns:
    """The columns that a run reads, by name."""

    text: str
    """The text's, or the names of several, with commas between them."""
    text_pair: str | None
    label: str
    """The label's, or the names of several, with commas between them."""
    group: str | None = None
    slices: tuple[str, ...] = ()
    """Those that are kept with the rows, to score them by."""
    texts: tuple[str, ...] = ()
    """Several that are joined to one text, by the names that stand in it."""
    labels: tuple[str, ...] = ()
    """Several that say of one label each whether a row has it."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was guessed, and how to say otherwise."""

    @property
    def used(self) -> tuple[str, ...]:
        """All that are read."""
        others = tuple(name for name in (self.text_pair, self.group, *self.slices) if name)
        return tuple(dict.fromkeys((self.texts or (self.text,)) + (self.labels or (self.label,)) + others))

    @property
    def of_texts(self) -> TextColumns:
        """Those of the texts, to be kept with a model."""
        return TextColumns(texts=self.texts or (self.text,), text_pair=self.text_pair)

    def named_as(self, known: TextColumns | None) -> Columns:
        """With joined texts under the names that a model knows, where they are the same columns."""
        if known and [name.casefold() for name in self.texts] == [name.casefold() for name in known.texts]:
            return replace(self, texts=known.texts)
        return self

    def text_cells(self, table: Table) -> list[Any]:
        """The text's cells; of several columns a tuple for each row."""
        return _cells(table, self.texts) if self.texts else table.read(self.text)

    def label_cells(self, table: Table) -> list[Any]:
        """The label's cells; of several columns a tuple for each row."""
        return _cells(table, self.labels) if self.labels else table.read(self.label)


def _cells(table: Table, names: Sequence[str]) -> list[Any]:
    hint = "give every part the columns of train"
    return list(zip(*(table.read(named_column(table, name, hint)) for name in names), strict=True))


def remembered(table: Table, known: TextColumns | None) -> tuple[str, str | None] | None:
    """The text and the second one of a pair in a file that has the columns which a model was tuned on; else None.

    Several text columns are returned with commas between them.

    Raises:
        DataError: the model was tuned on several columns, and the file lacks one of them.
    """
    if not (known and known.texts):
        return None
    wanted = (*known.texts, *filter(None, (known.text_pair,)))
    found = {name: known_name((name,), table.columns) for name in wanted}
    lacking = [name for name, column in found.items() if column is None]
    if lacking and len(known.texts) > 1:
        raise DataError(
            f"the model was tuned on {' and '.join(known.texts)}, joined; the file has no {' and no '.join(lacking)}",
            where=table.where,
            hint=f"name the columns of the texts with --text; there are: {', '.join(table.columns)}",
        )
    if lacking:
        return None
    text_pair = found[known.text_pair] if known.text_pair else None
    return as_one([str(found[name]) for name in known.texts]) or "", text_pair


def known_columns(table: Table, spec: DataSpec, known: TextColumns | None) -> DataSpec:
    """The spec, with the text columns that a model was tuned on where it names none."""
    if spec.text or spec.text_pair or not (found := remembered(table, known)):
        return spec
    return spec.model_copy(update={"text": found[0], "text_pair": found[1]})


def find_texts(table: Table, *, text: str | None = None, text_pair: str | None = None) -> tuple[str | None, str | None]:
    """The text column and the second one of a pair, in a file that holds only texts; None if no convention applies.

    Several text columns are given, and returned, with commas between them.
    """
    names = table.columns
    if text or text_pair:
        text = as_one(named_columns(table, text, "--text")) if text else None
        text_pair = named_column(table, text_pair, NAME_ONE + "--text-pair") if text_pair else None
        left = [name for name in names if name != text_pair]
        return text or known_name(TEXTS, left) or known_below(TEXTS, left), text_pair
    for first, second in PAIRS:
        one, other = known_name((first,), names), known_name((second,), names)
        if one and other:
            return one, other
    return known_name(TEXTS, names) or known_below(TEXTS, names) or (names[0] if len(names) == 1 else None), None


def same_columns(table: Table, columns: Columns, role: str) -> Columns:
    """The columns of train, as another part spells them (ignoring case); of several, those that train names.

    Raises:
        DataError: one is missing.
    """
    hint = f"give {role} the columns of train, or leave it out with --split {role}="
    for name in (*columns.texts, *columns.labels):
        named_column(table, name, hint)
    return replace(
        columns,
        text=columns.text if columns.texts else named_column(table, columns.text, hint),
        text_pair=named_column(table, columns.text_pair, hint) if columns.text_pair else None,
        label=columns.label if columns.labels else named_column(table, columns.label, hint),
        group=named_column(table, columns.group, hint) if columns.group else None,
        slices=tuple(named_column(table, name, hint) for name in columns.slices),
    )
