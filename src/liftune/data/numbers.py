"""Numbers as people and spreadsheets write them: 1,250.5 and 1.250,5, 1 250,5 and 1'250.5, 57% and € 12.

In: cells, and what the user says of their decimal mark.  Out: numbers; for a column, its Marks.
Not here: whether a column holds numbers or classes (recognise.py).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_NUMBER = re.compile(r"[+-]?(\d+(?:\.\d*)?|\.\d+)([eE][+-]?\d+)?")
#: A decimal comma, as Excel writes it in most of Europe. Not with three digits after it: they may be thousands.
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,(\d{1,2}|\d{4,})")
#: A longer text is no amount, and looking for its marks would take long.
_LONGEST = 60
#: By decimal mark: a number with marks between thousands (in India between hundreds, too), and one without.
_BLANKS = " \u00a0\u202f\u2009'\u2019"
_GROUPED = {
    ".": re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:,\d{{3}})*(?:[,{_BLANKS}]\d{{2,3}})*[,{_BLANKS}]\d{{3}}(?:\.\d*)?"),
    ",": re.compile(rf"[+-]?[1-9]\d{{0,2}}(?:[.{_BLANKS}]\d{{3}})+(?:,\d*)?"),
}
_PLAIN = {".": re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)"), ",": re.compile(r"[+-]?(?:\d+(?:,\d*)?|,\d+)")}
_CODES = "EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|ZAR|Kr|kr"
_UNIT = rf"[%\u2030$\u20ac\u00a3\u00a5\u20b9\u20bd\u20a9\u20ba]|{_CODES}"
#: A negative amount as accountants write it, and one without cents as they are written in German.
_OWED = re.compile(rf"\(\s*((?:{_UNIT})?\s*\d[\d.,{_BLANKS}]*(?:{_UNIT})?)\s*\)")
_WHOLE_AMOUNT = re.compile(r"(\d)[.,]\s?[-\u2013\u2014]{1,2}(?!\d)")
_WITH_UNIT = re.compile(rf"([+-]?)(?:({_UNIT})\s*([+-]?[\d.,].*)|([\d.,].*?)\s*({_UNIT}))")
PERCENT = "%"


def number(cell: Any) -> float | None:
    """The finite number that a cell holds by itself, as a number or as text; None for anything else.

    >>> [number(cell) for cell in (3, "2.5", "2,5", "1,000", "1.250,50", "nan", True)]
    [3.0, 2.5, 2.5, None, 1250.5, None, None]
    """
    if isinstance(cell, bool):
        return None
    if isinstance(cell, int | float | Decimal):
        return float(cell) if math.isfinite(cell) else None
    if not isinstance(cell, str):
        return None
    text = cell.strip()
    if _DECIMAL_COMMA.fullmatch(text):
        text = text.replace(",", ".")
    if not _NUMBER.fullmatch(text):
        return _with_both(text)
    value = float(text)
    return value if math.isfinite(value) else None


def _with_both(text: str) -> float | None:
    """The number in a text that holds a comma and a dot, which say what each of them is."""
    if not ("," in text and "." in text) or not text[-1:].isdigit():
        return None
    return _read(text, "," if text.rfind(",") > text.rfind(".") else ".")


def _read(text: str, decimal: str) -> float | None:
    """The number in a text whose decimal mark is known."""
    text = text.strip().replace("\u2212", "-")
    if decimal == "." and _NUMBER.fullmatch(text):
        value = float(text)
        return value if math.isfinite(value) else None
    if not (_PLAIN[decimal].fullmatch(text) or _is_grouped(text, decimal)):
        return None
    digits = "".join(each for each in text if each.isdigit() or each in f"{decimal}+-")
    value = float(digits.replace(",", "."))
    return value if math.isfinite(value) else None


def _is_grouped(text: str, decimal: str) -> bool:
    return len(text) <= _LONGEST and _GROUPED[decimal].fullmatch(text) is not None


@dataclass(frozen=True)
class Marks:
    """How the numbers of a column are written."""

    decimal: str | None = None
    """`.` or `,`; None: as each shows."""
    unit: str | None = None
    """What stands before or after each: %, €, USD."""
    unclear: str | None = None
    """A number that is another one with the other mark, where nothing tells which is meant."""

    def number(self, cell: Any) -> float | None:
        """The number that a cell holds; None where it holds none, or one of another unit.

        >>> Marks(",").number("1.250,5"), Marks(unit="%").number("57 %"), Marks(unit="%").number("0.57")
        (1250.5, 57.0, None)
        """
        if not isinstance(cell, str):
            return number(cell)
        unit, text = unit_and_number(cell)
        if unit != self.unit:
            value = self._of(text)
            # Who writes $5 may write 5 as well, but 0.57 is not 0.57%.
            return value if unit is None and (value == 0 or self.unit != PERCENT) else None
        return self._of(text)

    def _of(self, text: str) -> float | None:
        if self.decimal is not None:
            return _read(text, self.decimal)
        value = number(text)
        one, other = both_ways(text) if value is None else (None, None)
        return one if value is None and one == other else value


#: Where nothing is known of a column.
AS_EACH_SHOWS = Marks()


def unit_and_number(text: str) -> tuple[str | None, str]:
    """The unit that stands before or after a number, and the rest of a text.

    >>> unit_and_number("57 %"), unit_and_number("-€1.250"), unit_and_number("(1,250)"), unit_and_number("12,-")
    (('%', '57'), ('€', '-1.250'), (None, '-1,250'), (None, '12'))
    """
    text = text.strip().replace("\u2212", "-")
    if len(text) > _LONGEST:
        return None, text
    if owed := _OWED.fullmatch(text):
        text = f"-{owed[1]}"
    text = _WHOLE_AMOUNT.sub(r"\1", text)
    match = _WITH_UNIT.fullmatch(text)
    if match is None:
        return None, text
    sign, before, first, second, after = match.groups()
    return before or after, f"{sign}{first or second}".strip()


def looks_written(cell: Any) -> bool:
    """Whether a text is a number that has thousands or a unit: an amount, and no id."""
    if not isinstance(cell, str) or len(cell) > _LONGEST:
        return False
    unit, text = unit_and_number(cell)
    values = [_read(text, decimal) for decimal in ".,"]
    marked = unit is not None or text != cell.strip() or any(_is_grouped(text, decimal) for decimal in ".,")
    return marked and any(value is not None for value in values) and bool(unit or number(text) is None or "," in text)


def marks_of(cells: Sequence[Any], decimal: str | None = None) -> Marks:
    """How the numbers of a column are written, as far as they show it.

    Args:
        decimal: as the user says.

    >>> marks_of(["1,250", "17.5"]), marks_of(["2,5", "1.250"]), marks_of(["57%", "8%"])
    (Marks(decimal='.', unit=None, unclear=None), Marks(decimal=',', unit=None, unclear=None), Marks(decimal=None, \
unit='%', unclear=None))
    >>> marks_of(["846", "1,250"]).unclear
    '1,250'
    """
    texts = [cell for cell in cells if isinstance(cell, str)]
    parts = [unit_and_number(text) for text in texts]
    units = Counter(unit for unit, _ in parts if unit)
    unit, count = units.most_common(1)[0] if units else (None, 0)
    unit = unit if 2 * count > len(texts) else None
    if decimal is not None:
        return Marks(decimal, unit)
    said: set[str] = set()
    unclear: list[str] = []
    for text in {text for _, text in parts}:
        values = {mark: value for mark in ".," if (value := _read(text, mark)) is not None}
        if len(values) == 1:
            said |= set(values)
        elif len(set(values.values())) == 2:
            unclear.append(text)
    found = said.pop() if len(said) == 1 else None
    with_comma = sorted(text for text in unclear if "," in text)
    return Marks(found, unit, with_comma[0] if with_comma and not found and not said else None)


def both_ways(text: str) -> tuple[float | None, float | None]:
    """A number with a dot as its decimal mark, and with a comma."""
    return _read(text, "."), _read(text, ",")
