"""Text as fastText reads it: a row a line, and in it the labels as words that begin with `__label__`.

In: a RawFile.  Out: a Stream with the columns label and text.
Not here: bytes to text (text_encoding.py), other text files without columns (foreign.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from liftune.data.readers.streams import Record, Stream, repeatable
from liftune.data.readers.text_encoding import RawFile
from liftune.errors import DataError

EXTENSIONS = (".ft", ".fasttext")
#: Not where a comma, semicolon or quote ends the label: such a line has fields.
_FIRST = re.compile(rb"(?:\xef\xbb\xbf)?\s*__label__[^\s,;|\"]+(?=[ \t\r\n]|$)")
_LABEL = re.compile(r"(?<!\S)__label__(\S*)")
_LOOKED_AT = 4_096
_COLUMNS = ("label", "text")


def is_fasttext(first: bytes) -> bool:
    """Whether a file begins with a label as fastText writes it.

    >>> is_fasttext(b"__label__pos A fine meal"), is_fasttext(b"__label__pos,A fine meal"), is_fasttext(b"A fine meal")
    (True, False, False)
    """
    lines = [line for line in first[:_LOOKED_AT].splitlines() if line.strip()]
    return bool(lines) and 2 * sum(_FIRST.match(line) is not None for line in lines) > len(lines)


def open_fasttext(file: RawFile) -> Stream:
    """A row a line. Labels are lists where a line has several.

    Raises:
        DataError: no line holds a label.
    """
    rows = labelled = 0
    several = False
    for line in file.lines():
        if line and not line.isspace():
            found = _LABEL.findall(line)
            rows, labelled, several = rows + 1, labelled + bool(found), several or len(found) > 1
    if not labelled:
        raise DataError(
            "no line holds a label, which in fastText's format begins with __label__",
            where=file.where,
            hint="write lines such as: __label__good The meal was fine",
        )

    def parse() -> Iterator[Record[list[Any]]]:
        for number, line in enumerate(file.lines(), 1):
            if line and not line.isspace():
                labels = [label for label in _LABEL.findall(line) if label]
                label = labels if several and labels else next(iter(labels), None)
                yield [label, _LABEL.sub("", line).strip()], number, None

    records = repeatable(parse, file)
    note = f"{file.where}: read as fastText's format: a word that begins with __label__ is a label" + (
        ", and lines have several" if several else ""
    )
    return Stream(
        file.where,
        _COLUMNS,
        rows,
        records,
        lambda column: [cells[_COLUMNS.index(column)] for cells, _, _ in records()],
        notes=(*file.decoding.notes, note),
        flawed=file.decoding.flawed,
    )
