"""What a column looks like: its words, its different values, dates, addresses, numbers, yes and no.

In: a column's cells.  Out: a Profile.  Not here: which column is the text or the label (column_guess.py).
"""

from __future__ import annotations

import datetime
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from liftune.data.label_lists import is_list, listed
from liftune.data.numbers import looks_written, number
from liftune.data.targets import DASHES, is_missing, mark_of, truth

#: Cells that are looked at one by one; different values are counted over all.
_MOST_LOOKED_AT = 2_000
#: Values that are named, and characters of each.
_MOST_SHOWN, _LONGEST_SHOWN = 4, 24
#: Share of the cells that make a column one of dates, of addresses, ...
_MOST = 0.8
#: Fewer rows than this show nothing.
LEAST_ROWS = 10

_MONTH = (
    r"(?:jan(?:uary?|v(?:ier)?)?|feb(?:ruary?)?|f\u00e9v(?:r(?:ier)?)?|mar(?:ch|s)?|m\u00e4rz?|apr(?:il)?|avr(?:il)?|may|mai"
    r"|jun[ei]?|juin|jul[yi]?|juil(?:let)?|aug(?:ust)?|ao\u00fbt|sept?(?:emb(?:er|re))?|o[ck]t(?:ob(?:er|re))?"
    r"|nov(?:emb(?:er|re))?|d(?:e[cz]|\u00e9c)(?:emb(?:er|re))?)"
)
_DAY = r"(?:mon|tues?|wed(?:nes)?|thu(?:rs?)?|fri|sat(?:ur)?|sun)(?:day)?"
_CLOCK = r"\d{1,2}:\d{2}(?::\d{2})?(?:\.\d+)?"
#: A longer cell is none of these, and looking would take long.
_LONGEST = 500
_DATE = re.compile(
    rf"(?:\d{{1,4}}[-/.]\d{{1,2}}[-/.]\d{{1,4}}(?:[T ,]+{_CLOCK}.*)?"
    rf"|{_CLOCK}(?:\s*[ap]\.?m\.?)?"
    rf"|(?:{_DAY},?\s+)?(?:\d{{1,2}}\.?(?:st|nd|rd|th)?[\s-]+{_MONTH}|{_MONTH}\.?\s+\d{{1,2}}(?:st|nd|rd|th)?)\b.{{0,24}}"
    rf"|{_DAY}|{_MONTH})",
    re.IGNORECASE,
)
#: One day or time, as its year, its clock or its month's name shows: 1.2.10 may be the number of a section.
_DAY_OR_TIME = re.compile(
    rf"(?:(?:19|20)\d\d[-/.]\d{{1,2}}(?:[-/.]\d{{1,2}})?|\d{{1,2}}[-/.]\d{{1,2}}[-/.](?:19|20)\d\d|\d{{1,2}}/\d{{1,2}}/\d\d)"
    rf"(?:[T ,]+{_CLOCK}.{{0,12}})?|{_CLOCK}(?:\s*[ap]\.?m\.?)?"
    rf"|(?:{_DAY},?\s+)?(?:\d{{1,2}}\.?(?:st|nd|rd|th)?[\s-]+{_MONTH}|{_MONTH}\.?\s+\d{{1,2}}(?:st|nd|rd|th)?)\b.{{0,24}}",
    re.IGNORECASE,
)
_URL = re.compile(r"(?:https?://|www\.)\S+", re.IGNORECASE)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[a-z]{2,}", re.IGNORECASE)
_ID = re.compile(r"(?=\S*\d)[\w./:#@-]+", re.ASCII)


@dataclass(frozen=True)
class Profile:
    """A column by its content."""

    name: str
    rows: int
    filled: float
    """Share of the rows that hold something."""
    kinds: int
    """Different values."""
    different: float
    """Different values, as a share of the rows that hold something."""
    words: float
    """Words in a cell, on average."""
    content: str
    """dates, links, addresses, numbers, decimals, amounts, ids, yes or no, shares, lists, or words."""
    values: tuple[str, ...] = ()
    """Those of most rows."""

    @property
    def is_text(self) -> bool:
        """Whether it reads like texts: words, several a cell, and mostly different."""
        return self.rows >= LEAST_ROWS and self.content == "words" and self.words >= 3 and self.different >= 0.5

    @property
    def may_be_text(self) -> bool:
        """Whether nothing speaks against it."""
        return self.rows < LEAST_ROWS or (self.content == "words" and (self.different > 0.2 or self.words >= 3))

    @property
    def is_label(self) -> bool:
        """Whether it reads like classes: a few different values, short ones, in nearly every row."""
        few = 2 <= self.kinds <= max(2, min(200, 0.2 * self.rows * self.filled))
        kind = self.content in ("words", "yes or no", "lists") or (self.content == "numbers" and self.kinds <= 20)
        return self.rows >= LEAST_ROWS and few and kind and self.words <= 6 and self.filled >= 0.9

    @property
    def is_row_id(self) -> bool:
        """Whether its cells are names of rows: numbers or codes, no two alike."""
        return self.content == "ids" and self.different > 0.95

    @property
    def may_be_label(self) -> bool:
        """Whether nothing speaks against it."""
        if self.rows < LEAST_ROWS or self.content in ("decimals", "amounts", "shares", "lists", "yes or no"):
            return True
        return self.content in ("words", "numbers") and not (self.different > 0.9 and self.rows >= 2 * LEAST_ROWS)

    @property
    def shown(self) -> str:
        """Its values, the usual ones first."""
        if self.content not in ("words", "numbers", "yes or no"):
            return self.said
        more = ", ..." if self.kinds > len(self.values) else ""
        held = ", ".join(
            repr(each if len(each) <= _LONGEST_SHOWN else f"{each[: _LONGEST_SHOWN - 3]}...") for each in self.values
        )
        return f"{self.kinds:,} value{'s' * (self.kinds != 1)}: {held}{more}"

    @property
    def is_ticked(self) -> bool:
        """Whether its cells tick a box or are blank."""
        said = [truth(each, self.name) or each in DASHES for each in self.values]
        return self.content == "yes or no" and (self.filled < 1 or self.is_marked) and all(said) and not self.is_dashed

    @property
    def is_marked(self) -> bool:
        """Whether its cells are marks such as an x, or say that there is none: no names of classes."""
        said = [mark_of(each) is not None or truth(each) is False for each in self.values]
        return self.content == "yes or no" and all(said) and any(map(mark_of, self.values))

    @property
    def is_dashed(self) -> bool:
        """Whether every cell that is not blank is a dash."""
        return bool(self.values) and all(each.strip() in DASHES for each in self.values)

    @property
    def said(self) -> str:
        """What it holds, in a few words."""
        if self.content != "words":
            return f"{self.content}, {self.kinds:,} different"
        return f"{self.words:.1f} words a cell, {self.kinds:,} different ({self.different:.0%})"


def profile(name: str, cells: Sequence[Any]) -> Profile:
    """What the cells of a column look like."""
    filled = [cell for cell in cells if not is_missing(cell)]
    step = max(1, len(filled) // _MOST_LOOKED_AT)
    seen = filled[::step]
    counts = Counter(cell if isinstance(cell, str | int | float) else repr(cell)[:200] for cell in filled)
    kinds = len(counts)
    values = tuple(str(value) for value, _ in counts.most_common(_MOST_SHOWN))
    different = kinds / len(filled) if filled else 0.0
    words = sum(map(_words, seen)) / len(seen) if seen else 0.0
    share = len(filled) / len(cells) if cells else 0.0
    return Profile(name, len(cells), share, kinds, different, words, _content(seen, kinds, different), values)


def _words(cell: Any) -> float:
    """Words of a text; two characters of a script without blanks count as one."""
    if not isinstance(cell, str):
        return 1.0
    counted = len(cell.split())
    if not cell.isascii():
        counted += sum(unicodedata.east_asian_width(each) == "W" for each in cell) // 2
    return float(counted)


def _content(seen: Sequence[Any], kinds: int, different: float) -> str:
    if not seen:
        return "nothing"

    def mostly(holds: Any) -> bool:
        return sum(bool(holds(cell)) for cell in seen) >= _MOST * len(seen)

    if mostly(
        lambda cell: is_list(cell) or isinstance(cell, dict) or (isinstance(cell, str) and listed(cell) is not None)
    ):
        return "lists"
    if all(truth(cell) is not None for cell in seen):
        return "yes or no"
    numbers = [number(cell) for cell in seen]
    if mostly(lambda cell: number(cell) is not None):
        known = [each for each in numbers if each is not None]
        if all(each.is_integer() for each in known):
            return "ids" if different > 0.95 and len(seen) >= LEAST_ROWS else "numbers"
        return "shares" if all(0 <= each <= 1 for each in known) else "decimals"
    if mostly(lambda cell: number(cell) is not None or looks_written(cell)):
        return "amounts"
    if mostly(lambda cell: isinstance(cell, datetime.date | datetime.time) or _fits(_DATE, cell)):
        return "dates"
    if mostly(lambda cell: _fits(_URL, cell)):
        return "links"
    if mostly(lambda cell: _fits(_EMAIL, cell)):
        return "addresses"
    if different > 0.5 and mostly(lambda cell: _fits(_ID, cell)):
        return "ids"
    # A sheet's subtotals are numbers in a column of texts; in CSV the same cells are texts.
    return "words" if 2 * sum(isinstance(cell, str) for cell in seen) > len(seen) else "values of other kinds"


def is_day_or_time(cell: Any) -> bool:
    """Whether a cell holds a day or a time, as such or as text.

    >>> [is_day_or_time(each) for each in ("2024-03-01", "1. M\u00e4rz 2024", "03/04/24 10:15", "1.2.10", "March", 7)]
    [True, True, True, False, False, False]
    """
    return isinstance(cell, datetime.date | datetime.time | datetime.timedelta) or _fits(_DAY_OR_TIME, cell)


def _fits(pattern: re.Pattern[str], cell: Any) -> bool:
    return isinstance(cell, str) and len(cell) < _LONGEST and pattern.fullmatch(cell.strip()) is not None
