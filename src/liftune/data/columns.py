"""Which column is the text, which the second text of a pair, which the label.

In: a Table's column names, the names given.  Out: Columns.  Not here: what the cells mean (targets.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from liftune.data.readers.table import Table
from liftune.errors import DataError, choose
from liftune.spec import fields, joined_fields

#: Names that public data sets give the columns of a pair, the most specific first.
PAIRS = (
    ("text", "text_pair"),
    ("sentence1", "sentence2"),
    ("sentence_1", "sentence_2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("text_1", "text_2"),
    ("sentence_a", "sentence_b"),
    ("claim", "evidence"),
    ("question", "sentence"),
    ("question", "answer"),
    ("question", "passage"),
    ("query", "passage"),
    ("query", "document"),
)
TEXTS = (
    "text",
    "sentence",
    "review",
    "content",
    "tweet",
    "comment",
    "comment_text",
    "message",
    "utterance",
    "document",
    "question",
    "query",
    "body",
    "article",
    "headline",
    "title",
    "description",
    "post",
    "input",
    "prompt",
    "texts",
    "sms",
)
LABELS = (
    "label",
    "labels",
    "class",
    "category",
    "categories",
    "target",
    "sentiment",
    "emotion",
    "emotions",
    "intent",
    "topic",
    "topics",
    "tag",
    "tags",
    "gold_label",
    "coarse_label",
    "label_text",
    "score",
    "similarity",
    "rating",
    "stars",
    "y",
)

_NAME_ONE = "name one of its columns with "


@dataclass(frozen=True)
class Columns:
    """The columns that a run reads, by name."""

    text: str
    """The text's, or the names of several, with commas between them."""
    text_pair: str | None
    label: str
    """The label's, or the names of several, with commas between them."""
    group: str | None = None
    texts: tuple[str, ...] = ()
    """Several that are joined to one text, by the names that stand in it."""
    labels: tuple[str, ...] = ()
    """Several that say of one label each whether a row has it."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was guessed, and how to say otherwise."""

    @property
    def used(self) -> tuple[str, ...]:
        """All that are read."""
        others = tuple(name for name in (self.text_pair, self.group) if name)
        return (self.texts or (self.text,)) + (self.labels or (self.label,)) + others

    def text_cells(self, table: Table) -> list[Any]:
        """The text's cells; of several columns a tuple for each row."""
        return _cells(table, self.texts) if self.texts else table.read(self.text)

    def label_cells(self, table: Table) -> list[Any]:
        """The label's cells; of several columns a tuple for each row."""
        return _cells(table, self.labels) if self.labels else table.read(self.label)


def _cells(table: Table, names: Sequence[str]) -> list[Any]:
    hint = "give every part the columns of train"
    return list(zip(*(table.read(_named_column(table, name, hint)) for name in names), strict=True))


def find_columns(
    table: Table,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    label: str | None = None,
    group: str | None = None,
) -> Columns:
    """The named columns; the others by convention, ignoring case; the last by being the only one left.

    A pair is recognised by the names in PAIRS; naming `text` alone selects that one column. The group's column is no
    label, and is a text only if it is one of a pair or is named as one too.

    Raises:
        DataError: a named column is missing, or it is unclear which is the text or the label.
    """
    names = table.columns
    labels = _named_columns(table, label, "--label") if label else ()
    label = _one(labels)
    group = _named_column(table, group, _NAME_ONE + "--group") if group else None
    texts = _named_columns(table, text, "--text") if text else ()
    text, text_pair = find_texts(table, text=_one(texts), text_pair=text_pair, taken=labels, group=group, lone=False)
    if label is None:
        left = [name for name in names if name not in (text, *texts, text_pair, group)]
        label = _known(LABELS, left) or (_known(LABELS, [group]) if group else None)
        label = label or (left[0] if text and len(left) == 1 else None)
    if label is None:
        raise DataError(
            f"no label column among: {', '.join(names)}", where=table.where, hint="name the label column with --label"
        )
    if text is None:
        left = [name for name in names if name not in (label, *labels, text_pair, group)]
        text = left[0] if len(left) == 1 else None
    if text is None:
        raise DataError(
            f"no text column among: {', '.join(names)}", where=table.where, hint="name the text column with --text"
        )
    of_labels, of_texts = labels or (label,), texts or (text,)
    twice = {*of_labels} & {*of_texts, text_pair, group} or {*of_texts} & {text_pair}
    if twice:
        raise DataError(
            f"column {min(map(str, twice))!r} cannot have two roles",
            where=table.where,
            hint="name different columns with --text, --text-pair, --label and --group",
        )
    return Columns(text, text_pair, label, group, texts if len(texts) > 1 else (), labels if len(labels) > 1 else ())


def _one(names: Sequence[str]) -> str | None:
    """The name of one column, or of several as one."""
    return names[0] if len(names) == 1 else joined_fields(names) or None


def find_texts(
    table: Table,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    taken: Sequence[str] = (),
    group: str | None = None,
    lone: bool = True,
) -> tuple[str | None, str | None]:
    """The text column and the second one of a pair; None if no convention applies.

    Args:
        taken: the labels' columns, which are not texts.
        group: the group's column, which may be one of a pair, but is not taken as a text by itself.
        lone: whether a single column is the text, whatever its name: for files that hold only texts.
    """
    left = [name for name in table.columns if name not in taken]
    if text or text_pair:
        text = _one(_named_columns(table, text, "--text")) if text else None
        text_pair = _named_column(table, text_pair, _NAME_ONE + "--text-pair") if text_pair else None
        return text or _known(TEXTS, [name for name in left if name not in (text_pair, group)]), text_pair
    for first, second in PAIRS:
        one, other = _known((first,), left), _known((second,), left)
        if one and other:
            return one, other
    left = [name for name in left if name != group]
    return _known(TEXTS, left) or (left[0] if lone and len(left) == 1 else None), None


def same_columns(table: Table, columns: Columns, role: str) -> Columns:
    """The columns of train, as another part spells them (ignoring case); of several, those that train names.

    Raises:
        DataError: one is missing.
    """
    hint = f"give {role} the columns of train, or leave it out with --split {role}="
    for name in (*columns.texts, *columns.labels):
        _named_column(table, name, hint)
    return replace(
        columns,
        text=columns.text if columns.texts else _named_column(table, columns.text, hint),
        text_pair=_named_column(table, columns.text_pair, hint) if columns.text_pair else None,
        label=columns.label if columns.labels else _named_column(table, columns.label, hint),
        group=_named_column(table, columns.group, hint) if columns.group else None,
    )


def _named_columns(table: Table, given: str, option: str) -> tuple[str, ...]:
    """The column of that name, else those whose names stand between its commas."""
    names = (given,) if _known((given,), table.columns) else fields(given)
    return tuple(dict.fromkeys(_named_column(table, name, _NAME_ONE + option) for name in names or (given,)))


def _named_column(table: Table, name: str, hint: str) -> str:
    if name in table.columns:
        return name
    column = _known((name,), table.columns)
    if column is None:
        hint = f"{hint}; the columns are: {', '.join(table.columns)}"
        return choose(name, table.columns, "column", table.where, error=DataError, hint=hint)
    return column


def _known(conventions: Sequence[str], names: Iterable[str]) -> str | None:
    folded = {name.strip().casefold(): name for name in reversed(list(names))}
    return next((folded[each] for each in (known.casefold() for known in conventions) if each in folded), None)
