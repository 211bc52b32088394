"""Which column is the text, which the second text of a pair, which the label.

In: a Table's column names, the names given.  Out: Columns.  Not here: what the cells mean (targets.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from liftune.data.readers.table import Table
from liftune.errors import DataError, choose

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
    """The columns that a run reads."""

    text: str
    text_pair: str | None
    label: str
    group: str | None = None


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
    label = _named_column(table, label, _NAME_ONE + "--label") if label else None
    group = _named_column(table, group, _NAME_ONE + "--group") if group else None
    text, text_pair = find_texts(table, text=text, text_pair=text_pair, taken=label, group=group, lone=False)
    if label is None:
        left = [name for name in names if name not in (text, text_pair, group)]
        label = _known(LABELS, left) or (_known(LABELS, [group]) if group else None)
        label = label or (left[0] if text and len(left) == 1 else None)
    if label is None:
        raise DataError(
            f"no label column among: {', '.join(names)}", where=table.where, hint="name the label column with --label"
        )
    if text is None:
        left = [name for name in names if name not in (label, text_pair, group)]
        text = left[0] if len(left) == 1 else None
    if text is None:
        raise DataError(
            f"no text column among: {', '.join(names)}", where=table.where, hint="name the text column with --text"
        )
    if label in (text, text_pair, group) or text == text_pair:
        raise DataError(
            f"column {label if label in (text, text_pair, group) else text!r} cannot have two roles",
            where=table.where,
            hint="name different columns with --text, --text-pair, --label and --group",
        )
    return Columns(text, text_pair, label, group)


def find_texts(
    table: Table,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    taken: str | None = None,
    group: str | None = None,
    lone: bool = True,
) -> tuple[str | None, str | None]:
    """The text column and the second one of a pair; None if no convention applies.

    Args:
        taken: the label's column, which is not a text.
        group: the group's column, which may be one of a pair, but is not taken as a text by itself.
        lone: whether a single column is the text, whatever its name: for files that hold only texts.
    """
    left = [name for name in table.columns if name != taken]
    if text or text_pair:
        text = _named_column(table, text, _NAME_ONE + "--text") if text else None
        text_pair = _named_column(table, text_pair, _NAME_ONE + "--text-pair") if text_pair else None
        return text or _known(TEXTS, [name for name in left if name not in (text_pair, group)]), text_pair
    for first, second in PAIRS:
        one, other = _known((first,), left), _known((second,), left)
        if one and other:
            return one, other
    left = [name for name in left if name != group]
    return _known(TEXTS, left) or (left[0] if lone and len(left) == 1 else None), None


def same_columns(table: Table, columns: Columns, role: str) -> Columns:
    """The columns of train, as another part spells them (ignoring case).

    Raises:
        DataError: one is missing.
    """
    hint = f"give {role} the columns of train, or leave it out with --split {role}="
    return Columns(
        _named_column(table, columns.text, hint),
        _named_column(table, columns.text_pair, hint) if columns.text_pair else None,
        _named_column(table, columns.label, hint),
        _named_column(table, columns.group, hint) if columns.group else None,
    )


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
