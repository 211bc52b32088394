"""Names that columns have in public data sets, and looking columns up by name, ignoring case.

In: a Table's column names, the names given.  Out: names as the table spells them.
Not here: which column is what (columns.py, column_search.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from liftune.data.readers.table import Table
from liftune.errors import DataError, choose, first_of
from liftune.option_values import fields, joined_fields

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

#: Characters of a name, and names, that messages show.
_MOST_SHOWN, _MOST_LISTED = 60, 40
NAME_ONE = "name one of its columns with "


def listed(columns: Iterable[str]) -> str:
    """The names of a table's columns in a message: not what a file without a header, or on its side, has for names.

    >>> listed(["text", "x" * 99])[:80]
    'text, xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx...'
    """
    names = [name if len(name) <= _MOST_SHOWN else f"{name[: _MOST_SHOWN - 3]}..." for name in columns]
    return first_of(names, _MOST_LISTED)


def as_one(names: Sequence[str]) -> str | None:
    """The name of one column, or of several as one."""
    return names[0] if len(names) == 1 else joined_fields(names) or None


def named_columns(table: Table, given: str, option: str) -> tuple[str, ...]:
    """The column of that name, else those whose names stand between its commas."""
    names = (given,) if known_name((given,), table.columns) else fields(given)
    return tuple(dict.fromkeys(named_column(table, name, NAME_ONE + option) for name in names or (given,)))


def named_column(table: Table, name: str, hint: str) -> str:
    """A column as the table spells it.

    Raises:
        DataError: there is none of that name.
    """
    if name in table.columns:
        return name
    column = known_name((name,), table.columns)
    if column is None:
        hint = f"{hint}; the columns are: {listed(table.columns)}"
        return choose(name, table.columns, "column", table.where, error=DataError, hint=hint)
    return column


def known_name(conventions: Sequence[str], names: Iterable[str]) -> str | None:
    """The first of the conventions that is among the names, as it is spelt there; None if none is."""
    folded = {name.strip().casefold(): name for name in reversed(list(names))}
    return next((folded[each] for each in (known.casefold() for known in conventions) if each in folded), None)


def known_below(conventions: Sequence[str], names: Iterable[str]) -> str | None:
    """The only name that ends in one of the conventions after a dot: what is in a column of objects.

    >>> known_below(("text",), ("content.text", "content.id")), known_below(("text",), ("a.text", "b.text"))
    ('content.text', None)
    """
    names = [name for name in names if "." in name]
    for known in conventions:
        found = [name for name in names if name.rpartition(".")[2].strip().casefold() == known]
        if found:
            return found[0] if len(found) == 1 else None
    return None
