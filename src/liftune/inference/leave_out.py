"""The parts of a row, and the row without some of them.

In: a row; whether words or sentences are its parts.  Out: Parts by their places; rows.
Not here: what leaving a part out changes (explaining.py).

A word is what stands between white space, with the punctuation that touches it; of writing without spaces between words
(Chinese, Japanese) each character. Leaving a word out removes it and the white space before it (of the first word, the
space after it); all else stays as it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from liftune.types import Row

#: What is left out: words, sentences, or neighbouring words together.
Unit: TypeAlias = Literal["word", "sentence", "passage"]
#: Ideographs and kana, of which each is a word.
_ALONE = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_ALONE}]|[^\s{_ALONE}]+")
#: The end of a sentence: its mark and what closes it, before white space; a line end; the full stops of Chinese.
_SENTENCE_END = re.compile("[.!?\u2026]+[\"'\u201d\u2019)\\]]*(?=\\s)|[\u3002\uff01\uff1f]+[\u201d\u300d\u300f]*|\n+")


@dataclass(frozen=True)
class Part:
    """A word, or several.

    Attributes:
        text: as it stands in the row.
        start, end: its characters in its text.
        second: whether it is of the second text of a pair.
    """

    text: str
    start: int
    end: int
    second: bool = False


def words_of(row: Row) -> list[Part]:
    """The words of a row, of a pair those of both texts.

    >>> [part.text for part in words_of("Late again, sorry!")]
    ['Late', 'again,', 'sorry!']
    """
    return [
        Part(found[0], found.start(), found.end(), second)
        for second, text in _texts(row)
        for found in _WORD.finditer(text)
    ]


def sentences_of(row: Row) -> list[Part]:
    """The sentences of a row, of a pair those of both texts; a text without a word has none.

    >>> [part.text for part in sentences_of("It came. Late, though! Why?")]
    ['It came.', 'Late, though!', 'Why?']
    """
    found = []
    for second, text in _texts(row):
        ends = [each.end() for each in _SENTENCE_END.finditer(text)]
        for start, end in zip([0, *ends], [*ends, len(text)], strict=True):
            kept = text[start:end]
            if kept.strip():
                start += len(kept) - len(kept.lstrip())
                found.append(Part(kept.strip(), start, start + len(kept.strip()), second))
    return found


def passages_of(row: Row, most: int) -> list[Part]:
    """At most about so many parts of as many neighbouring words each; of a pair, none spans both texts."""
    words = words_of(row)
    size = -(-len(words) // most)
    found = []
    for second, text in _texts(row):
        own = [word for word in words if word.second == second]
        for place in range(0, len(own), size):
            start, end = own[place].start, own[min(place + size, len(own)) - 1].end
            found.append(Part(text[start:end], start, end, second))
    return found


def without(row: Row, left_out: Collection[Part]) -> Row:
    """The row without some of its parts.

    >>> late = words_of("Late again, sorry!")
    >>> without("Late again, sorry!", late[1:2]), without("Late again, sorry!", late[:1])
    ('Late sorry!', 'again, sorry!')
    """
    if isinstance(row, str):
        return _without(row, [part for part in left_out if not part.second])
    first, second = row
    return (
        _without(first, [part for part in left_out if not part.second]),
        _without(second, [part for part in left_out if part.second]),
    )


def _texts(row: Row) -> Sequence[tuple[bool, str]]:
    return [(False, row)] if isinstance(row, str) else [(False, row[0]), (True, row[1])]


def _without(text: str, parts: Sequence[Part]) -> str:
    """White space goes with the part after it; what then stands at the start of the text goes too."""
    if not parts:
        return text
    kept: list[str] = []
    at = 0
    for part in sorted(parts, key=lambda each: each.start):
        before = text[at : part.start]
        kept.append(before.rstrip() if before.rstrip() or kept else "")
        at = part.end
    left = "".join(kept)
    rest = text[at:]
    return left + rest if left.strip() else left + rest.lstrip()
