"""Telling Western text of before UTF-8 (Windows-1252, Latin-1) from text in other encodings of one byte or two.

In: lines with bytes beyond ASCII.  Out: whether they read as Western text; how other encodings would read them.
Not here: UTF-8, UTF-16 and UTF-32 (encoding_of.py).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

#: Share of letters beyond ASCII below which a text is taken as Western even where these stand in odd places: that much
#: damage old exports have.
_FEW = 0.015
#: Share of them that languages of Western Europe stay below.
_MOST = 0.3
#: Share of characters in odd places up to which a text is Western.
_ODD = 0.1
_LETTERS_IN_LINE = 4
#: Encodings that are tried where a text is not Western, and the scripts that they are for.
_OTHERS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("cp1251", ("CYRILLIC",)),
    ("koi8_r", ("CYRILLIC",)),
    ("cp866", ("CYRILLIC",)),
    ("cp1253", ("GREEK",)),
    ("cp1255", ("HEBREW",)),
    ("cp1256", ("ARABIC",)),
    ("cp874", ("THAI",)),
    ("shift_jis", ("HIRAGANA", "KATAKANA", "CJK")),
    ("euc_jp", ("HIRAGANA", "KATAKANA", "CJK")),
    ("euc_kr", ("HANGUL",)),
    ("gb18030", ("CJK",)),
    ("big5", ("CJK",)),
    ("cp1250", ("LATIN",)),
    ("cp1254", ("LATIN",)),
    ("mac_roman", ("LATIN",)),
    ("cp850", ("LATIN",)),
)
#: Signs that stand in a word too: soft hyphen, blank, middle dot, apostrophes, dashes, ordinals.
_IN_WORDS = "\xad\xa0\xb7\u2018\u2019\u2013\u2014\xaa\xba"
_NATIVE = ("HIRAGANA", "KATAKANA")


def looks_western(lines: Sequence[str], *, share: float) -> bool:
    """Whether lines, decoded as Windows-1252, read as text of Western Europe.

    Args:
        share: of the whole file's letters and bytes beyond ASCII, how many are the latter.
    """
    if any(_foreign(line) for line in lines):
        return False
    if share < _FEW:
        return True
    beyond = sum(character >= "\x80" for line in lines for character in line)
    return share < _MOST and sum(map(_odd_places, lines)) <= _ODD * beyond


def _foreign(line: str) -> bool:
    """Whether most letters of a line are beyond ASCII."""
    beyond = sum(character >= "\xc0" for character in line)
    ascii_letters = sum(character.isascii() and character.isalpha() for character in line)
    return beyond >= _LETTERS_IN_LINE and beyond > ascii_letters


def _odd_places(line: str) -> int:
    """Characters where Western text has none: a sign within a word, a capital after a small letter."""
    odd = 0
    for before, here, after in zip(f" {line}", line, f"{line[1:]} ", strict=False):
        if here < "\x80":
            continue
        if here >= "\xc0" or here in "ŠšŽžŒœŸƒ":
            odd += here.isupper() and before.islower()
        elif here in _IN_WORDS:
            continue
        else:
            odd += before.isalpha() and after.isalpha()
    return odd


def other_readings(lines: Sequence[bytes], most: int = 6) -> list[tuple[str, str]]:
    """Encodings in which lines read as one script, and how each reads the first line; the most likely first."""
    found: list[tuple[float, str, str]] = []
    for name, scripts in _OTHERS:
        try:
            texts = [line.decode(name) for line in lines]
        except UnicodeDecodeError:
            continue
        fitting = _fit("".join(texts), scripts)
        if fitting > 0.8:
            found.append((fitting, name, texts[0]))
    found.sort(key=lambda each: -round(each[0], 1))
    return [(name, text) for _, name, text in found[:most]]


def _fit(text: str, scripts: tuple[str, ...]) -> float:
    """Share of the characters beyond ASCII that are letters of these scripts, where capitals may stand."""
    beyond = [(before, here) for before, here in zip(f" {text}", text, strict=False) if here >= "\x80"]
    names = [unicodedata.name(here, "") for _, here in beyond]
    if "HIRAGANA" in scripts and not any(name.startswith(_NATIVE) for name in names):
        return 0.0
    fitting = [
        here.isalpha() and name.startswith(scripts) and not (here.isupper() and before.islower())
        for (before, here), name in zip(beyond, names, strict=True)
    ]
    return sum(fitting) / max(1, len(fitting))
