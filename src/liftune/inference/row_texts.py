"""Which cells of a file's row are the texts that a model reads.

In: a Stream, what the user says, what the model was tuned on.  Out: Texts: a Row for each line, or its fault.
Not here: reading the file (data/readers/streams.py), predicting it (files.py).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from liftune.data.column_guess import guess_text
from liftune.data.column_names import named_columns
from liftune.data.column_profiles import profile
from liftune.data.columns import find_texts, remembered
from liftune.data.readers.nested import Opened, cell_of
from liftune.data.readers.streams import Line, Stream
from liftune.data.targets import CellError
from liftune.data.texts import joined_text, text_of
from liftune.errors import DataError, pasted
from liftune.records.base import TextColumns
from liftune.types import Row

#: Rows by which a column is looked for that nobody named.
_LOOKED_AT = 200


class UnclearColumnError(DataError):
    """Nobody named a text column, and none has a name that is known."""

    def __init__(self, option: str, column: str, message: str, *, where: str) -> None:
        self.option, self.column = option, column
        super().__init__(message, where=where, hint=f"name it with {option}, for example: {self.typed}")

    @property
    def typed(self) -> str:
        """The option with the column that is the likeliest."""
        return f"{self.option} {pasted(self.column)}"


def _half_read(first: str, second: str, where: str) -> DataError:
    """The file has pairs by the names of its columns, and nobody said which part a model of single texts is to read."""
    one = f"--text {pasted(first)}"
    return DataError(
        f"the columns {first!r} and {second!r} are a pair, and the model is taken to read single texts",
        where=where,
        hint=f"{one} reads that column alone; a model of others that reads pairs: {one} --text-pair {pasted(second)}",
    )


def _unclear(
    source: Stream, first: str | None, second: str | None, *, pairs: bool, known: TextColumns | None
) -> DataError:
    """A text has no column that is known to be its own.

    Args:
        first, second: those that were found.
    """
    columns = source.head.columns
    if not columns:
        wanted = (*known.texts, *filter(None, (known.text_pair,))) if known else ()
        hint = f"give each row its text, in a column that is named {' and '.join(wanted) or 'text'}"
        return DataError("no column holds the text", where=source.where, hint=hint)
    if pairs and len(columns) == 1:
        return _one_for_both(source, columns[0], known)
    option = "--text" if first is None else "--text-pair"
    return UnclearColumnError(
        option,
        _likeliest(source, *filter(None, (first, second))),
        f"which column holds the {'text' if first is None else 'second text'} is unclear; "
        f"the file has: {', '.join(columns)}",
        where=source.where,
    )


def _one_for_both(source: Stream, column: str, known: TextColumns | None) -> DataError:
    """A model of pairs is to read one column twice."""
    others = len(source.head.columns) > 1
    has = f"{column!r} is named for both texts" if others else f"the only column is {column!r}"
    was = ""
    if known and known.texts and known.text_pair:
        was = f" (it was tuned on {' and '.join(map(repr, (*known.texts, known.text_pair)))})"
    first = f"--text {pasted(column)}"
    hint = f"name two columns: {first} --text-pair COLUMN"
    if not others:
        hint = f"give each row its second text too, in a column of its own, and name both: {first} --text-pair COLUMN"
    return DataError(f"{has}, and the model reads two texts in each row, a pair{was}", where=source.where, hint=hint)


def _likeliest(source: Stream, *taken: str) -> str:
    """The column that reads most like texts, by the first rows."""
    lines = next(source.blocks(_LOOKED_AT), [])
    names = [name for name in source.head.columns if name not in taken] or list(source.head.columns)
    profiles = [profile(name, [cell_of(line.cells, name, source.opened) for line in lines]) for name in names]
    found = guess_text(profiles).column
    return found or max(profiles, key=lambda each: (each.content == "words", each.words, each.different)).name


@dataclass(frozen=True)
class Texts:
    """Which cells of a row are its texts."""

    text: str
    text_pair: str | None
    blank: bool = False
    """Whether a blank cell is a text: a blank line of a pipe is, so that output and input have the same lines."""
    joined: tuple[tuple[str, str], ...] = ()
    """Of several columns that are joined: each as the file spells it, and its name in the text."""
    opened: Opened = field(default_factory=dict)
    """Names of what is in columns that hold objects."""

    @classmethod
    def of(
        cls,
        source: Stream,
        *,
        pairs: bool,
        text: str | None = None,
        text_pair: str | None = None,
        known: TextColumns | None = None,
    ) -> Texts:
        """Find them by name, else as the model was tuned, else by the usual names.

        Args:
            known: the columns that the model was tuned on.

        Raises:
            DataError: they are unclear, or a named one is missing.
        """
        if text_pair and not pairs:
            raise DataError(
                "this model was tuned on single texts, and has no use for a second one",
                where="--text-pair",
                hint="leave --text-pair out",
            )
        head = source.head
        before = None if text or text_pair else remembered(head, known)
        first, second = before or find_texts(head, text=text, text_pair=text_pair)
        if first is None or (pairs and second is None):
            raise _unclear(source, first, second, pairs=pairs, known=known)
        if first == second:
            raise _one_for_both(source, str(first), known)
        if second is not None and not pairs and before is None:
            raise _half_read(first, second, source.where)
        columns = named_columns(head, first, "--text")
        names = columns
        if known and [each.casefold() for each in columns] == [each.casefold() for each in known.texts]:
            names = known.texts
        joined = tuple(zip(columns, names, strict=True)) if len(columns) > 1 else ()
        return cls(first, second if pairs else None, joined=joined, opened=source.opened)

    def row(self, line: Line) -> tuple[Row, str | None]:
        """The row, or why the model cannot read it."""
        if line.fault:
            return "", line.fault
        try:
            if self.joined:
                names = [name for _, name in self.joined]
                first = joined_text([cell_of(line.cells, column, self.opened) for column, _ in self.joined], names)
            else:
                first = text_of(cell_of(line.cells, self.text, self.opened), self.text, blank=self.blank)
            if self.text_pair is None:
                return first, None
            second = cell_of(line.cells, self.text_pair, self.opened)
            return (first, text_of(second, self.text_pair, blank=self.blank)), None
        except CellError as error:
            return "", str(error)
