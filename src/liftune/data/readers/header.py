"""Whether the first line of a delimited text names its columns or is a row already.

In: the first line's fields, some rows below, what the user says.  Out: a Header, or a DataError.
Not here: how a line is divided (dialect.py), which column is the text (columns.py).

A name of a column does not stand in its column. So a first line is a row if a label of it occurs below, or if a number
stands where all others are numbers; it is a header if a word stands there, or if it has a name that headers have.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TypeAlias

from liftune.data.column_names import LABELS, PAIRS, TEXTS
from liftune.data.numbers import number
from liftune.data.readers.options import FileOptions
from liftune.data.readers.part_names import role_of
from liftune.errors import DataError
from liftune.option_values import joined_fields, typed

_OTHER_NAMES: tuple[str, ...] = (
    "id",
    "ids",
    "index",
    "idx",
    "guid",
    "uuid",
    "key",
    "no",
    "nr",
    "split",
    "part",
    "fold",
    "date",
    "time",
)
_OTHER_NAMES += (
    "timestamp",
    "created_at",
    "user",
    "author",
    "name",
    "url",
    "link",
    "source",
    "lang",
    "language",
    "length",
)
KNOWN = frozenset((*TEXTS, *LABELS, *(name for pair in PAIRS for name in pair), *_OTHER_NAMES))
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}.*)?|\d{1,2}:\d{2}(:\d{2})?")
#: Characters at the ends of a name that nobody sees and no tool strips.
_UNSEEN = "\ufeff\u200b\u200c\u200d\u2060"
_LONGEST_NAME = 500
_NAME = re.compile(r"[^\W\d][\w.\-]*")
#: Words from which on a field is a sentence.
_SENTENCE = 4
_MOST = 0.9
#: A label as Amazon Comprehend's documentation writes it, and rows from which on they show.
_CAPITALS = re.compile(r"[A-Z][A-Z0-9_\- ]*")
_LEAST_ROWS = 4

Kind: TypeAlias = Callable[[str], bool]


@dataclass(frozen=True)
class Header:
    """The names of the columns."""

    columns: tuple[str, ...]
    lines: int = 1
    """How many rows of the text hold them: 1 or 0, or more where those below explain the first."""
    given: bool = False
    """Whether --columns names them."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Signs:
    """What the first line shows."""

    row: str | None = None
    """Why it must be a row."""
    sentence: str | None = None
    """A field of it that reads as a text, in a column of texts."""
    header: bool = False
    """Whether it must be a header."""


def find_header(
    first: tuple[int, Sequence[str]], sample: Sequence[Sequence[str]], where: str, options: FileOptions
) -> Header:
    """The names of the columns.

    Args:
        first: number and fields of the first line.
        sample: rows below it.

    Raises:
        DataError: the line is a row, and nobody said so; or two columns have one name.
    """
    line, fields = first
    if options.headerless:
        return _headerless(line, fields, where, options)
    if _labels_first(fields, sample, options):
        note = (
            f"{where}: read as Amazon Comprehend's CSV, which has no header: the first field is the label, the second "
            "the text. If line 1 is a header, name a column of it with --text or --label"
        )
        return Header(("label", "text"), lines=0, notes=(note,))
    signs = signs_of(fields, [each for each in sample if list(each) != list(fields)], options)
    if not signs.header and (signs.row or (signs.sentence and len(fields) == 1)):
        raise DataError(
            f"line {line} looks like a row, not like a header: {signs.row or signs.sentence}",
            where=f"{where}, line {line}",
            hint=_said_otherwise(fields, sample, options)
            + "; if it is the header, name a column of it with --text or --label",
        )
    columns = _named(line, fields, where)
    doubt = signs.row or (not signs.header and (signs.sentence or len(fields) == 1))
    notes: tuple[str, ...] = ()
    if doubt and not _all_named(fields, options):
        shown = ", ".join(map(_short, fields))
        notes = (f"{where}: line {line} is taken as the header ({shown}); {_said_otherwise(fields, sample, options)}",)
    return Header(columns, notes=notes)


def _labels_first(fields: Sequence[str], sample: Sequence[Sequence[str]], options: FileOptions) -> bool:
    """Whether all rows, the first too, are labels in capitals and a text, as Amazon Comprehend is trained with.

    Source: "Preparing classifier training data" of Amazon Comprehend; several labels have a bar between them.
    """
    rows = [fields, *sample]
    if options.named or len(rows) < _LEAST_ROWS or any(len(each) != 2 for each in rows):
        return False
    labels = [[piece.strip() for piece in each[0].split("|")] for each in rows]
    kinds = Counter(piece for each in labels for piece in each)
    capitals = all(_CAPITALS.fullmatch(piece) for piece in kinds)
    first = all(kinds[piece] > 1 for piece in labels[0])
    texts = len(fields[1].split()) >= _SENTENCE and _words([each[1] for each in sample]) >= _SENTENCE
    return capitals and first and texts and 2 * len(kinds) <= len(rows)


def _said_otherwise(fields: Sequence[str], sample: Sequence[Sequence[str]], options: FileOptions) -> str:
    """How to say that a file has no header."""
    names = ["text"]
    if len(fields) > 1:
        columns = [[each[i] for each in sample if i < len(each)] for i in range(len(fields))]
        words = [median([len(cell.split()) for cell in column] or [0]) for column in columns]
        text = words.index(max(words))
        # ml_use of AutoML and Vertex AI, and whatever else names the part of a row.
        parts = {i for i, each in enumerate(columns) if i != text and each and all(map(_is_part, each))}
        classes = [
            i
            for i, each in enumerate(columns)
            if i not in {text, *parts} and 1 < len(set(each)) <= max(2, len(each) / 2)
        ]
        others = [i for i in range(len(fields)) if i not in {text, *parts}]
        # Where several may be the label, none is named so: the next answer shows what each of them holds.
        label = next(iter(classes if len(classes) == 1 else others if len(others) == 1 else []), None)
        known = {text: "text", label: "label"} | (dict.fromkeys(parts, "split") if len(parts) == 1 else {})
        names = [known.get(i, f"column{i + 1}") for i in range(len(fields))]
    skipped = f"--skip-lines {options.skip_lines} " if options.skip_lines else ""
    return f"if it is a row, give the names: {skipped}{typed('--columns', joined_fields(names))}"


def _is_part(cell: str) -> bool:
    return len(cell.split()) == 1 and role_of(cell) is not None


def _headerless(line: int, fields: Sequence[str], where: str, options: FileOptions) -> Header:
    option = "--columns" if options.columns else "--no-header"
    held = {folded(field) for field in fields}
    if held & {folded(each) for each in options.columns} or held & {folded(each) for each in options.named}:
        same = True
    else:
        same = bool(held) and held <= KNOWN
    if same:
        raise DataError(
            f"{option} says that no line names the columns, but line {line} does: {', '.join(map(_short, fields))}",
            where=f"{where}, line {line}",
            hint=f"leave {option} out, or delete that line",
        )
    if options.columns:
        return Header(options.columns, lines=0, given=True)
    names = tuple(f"column {i + 1}" for i in range(len(fields))) if len(fields) > 1 else ("text",)
    return Header(names, lines=0)


def _named(line: int, fields: Sequence[str], where: str) -> tuple[str, ...]:
    # pandas writes its index under an empty name.
    names = tuple(field.strip().strip(_UNSEEN) or f"column {i + 1}" for i, field in enumerate(fields))
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise DataError(
            f"two columns are named {twice[0]!r}",
            where=f"{where}, line {line}",
            hint=f"give every column its own name in that line; or leave it out, and name them: --skip-lines {line} "
            f"{typed('--columns', joined_fields(_apart(names)))}; where it is a row, --columns alone",
        )
    return names


def _apart(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that come again."""
    counts: Counter[str] = Counter()
    apart = []
    for name in names:
        counts[name] += 1
        apart.append(f"{name}_{counts[name]}" if counts[name] > 1 else name)
    return apart


def signs_of(fields: Sequence[str], sample: Sequence[Sequence[str]], options: FileOptions) -> Signs:
    """What a line shows: whether it is a header or a row.

    Args:
        fields: of the line.
        sample: rows below it.
    """
    named = {folded(each) for each in options.named}
    if any(folded(field) in named for field in fields) or _counted(fields):
        return Signs(header=True)
    row, sentence, header = None, None, False
    for i, field in enumerate(map(str.strip, fields)):
        cells = [each[i].strip() for each in sample if i < len(each) and each[i].strip()]
        repeats = sum(cell == field for cell in cells) if field else 0
        if folded(field) in KNOWN and not repeats:
            return Signs(header=True)
        kind = _kind(cells)
        if kind and field:
            if kind(field):
                row = row or f"{_short(field)} stands where all rows have such a value"
            else:
                header = True
        elif repeats and len(cells) >= 2 * len(set(cells)):
            row = row or f"{_short(field)} stands in it, and in {repeats} of the rows below"
        elif len(field.split()) >= _SENTENCE and _words(cells) >= _SENTENCE:
            sentence = sentence or f"{_short(field)} reads like the texts below"
        elif _NAME.fullmatch(field) and _words(cells) >= _SENTENCE:
            header = True
    return Signs(row, sentence, header)


def _kind(cells: Sequence[str]) -> Kind | None:
    """What nearly all cells of a column are, where they are numbers or dates."""
    for is_one in (_is_number, _is_date):
        if len(cells) >= 2 and sum(map(is_one, cells)) >= _MOST * len(cells):
            return is_one
    return None


def _is_number(cell: str) -> bool:
    return number(cell) is not None


def _is_date(cell: str) -> bool:
    return _DATE.fullmatch(cell) is not None


def _counted(fields: Sequence[str]) -> bool:
    """Whether the columns are named 0, 1, 2: by pandas, from a list of rows."""
    numbers = [field.strip() for field in fields if field.strip()]
    return len(numbers) > 1 and numbers == [str(i) for i in range(len(numbers))]


def _all_named(fields: Sequence[str], options: FileOptions) -> bool:
    named = {folded(each) for each in options.named}
    return all(folded(field) in named for field in fields)


def _words(cells: Sequence[str]) -> float:
    return median([len(cell.split()) for cell in cells] or [0])


def folded(name: str) -> str:
    """A name as names are compared.

    >>> folded(" Review Text"), folded("review-text")
    ('review_text', 'review_text')
    """
    # A longer name is a cell that stands first, and none that anybody looks for.
    return re.sub(r"[\s\-]+", "_", name.strip().casefold()) if len(name) <= _LONGEST_NAME else name


def _short(field: str) -> str:
    return repr(field if len(field) <= 40 else f"{field[:37]}...")
