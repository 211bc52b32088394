"""What stands above the header and below the rows of an export: titles, filters, totals, and headers in several lines.

In: rows of cells, as they stand.  Out: how many stand above the header, which are no rows, and what to say of it.
Not here: whether a line is a header (header.py), how a file is divided into cells (dialect.py, sheets.py).

A header names the columns: it fills each that most rows fill. So lines above it that fill fewer are no rows. A line of
names that columns often have is the header, whatever stands above it.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from liftune.data.column_names import TEXTS
from liftune.data.numbers import unit_and_number
from liftune.data.readers.header import KNOWN, folded, signs_of
from liftune.data.readers.options import FileOptions
from liftune.errors import DataError

#: Rows among which a header is looked for, and rows that show which columns are filled.
_MOST_ABOVE, _LOOKED_AT = 40, 200
#: With more blank lines than this, they divide rows.
_MOST_GAPS = 2
#: Of one column, only so many: a text of one word may be a name as well.
_MOST_ABOVE_ONE = 5
#: Rows at the end of a file that may be a footer.
_MOST_BELOW = 5
_THINGS = (
    "rows|records|entries|responses|results|tickets|items"
    "|zeilen|datens\u00e4tze|eintr\u00e4ge|antworten|lignes|r\u00e9ponses"
)
_TOTALS = "totals?|summen?|gesamt(summe|zahl)?|insgesamt|anzahl|somme|total g\u00e9n\u00e9ral|nombre"
_MADE = "exported|generated|created|downloaded|printed|report(ed)?|extracted|last updated"
_MADE_ELSEWHERE = "erstellt|exportiert|erzeugt|gedruckt|stand|export\u00e9|g\u00e9n\u00e9r\u00e9|imprim\u00e9|extrait"
_FOOTER = re.compile(
    rf"(grand |sub-?)?({_TOTALS})( (number|count|of|{_THINGS}))*\s*[:=]?\s*[\d.,]*"
    r"|totals?( \w+){0,3}\s*[:=]\s*[\d.,]+"
    rf"|((number|count|sum) of )?({_THINGS}|count|sum)( \w+)?\s*[:=]\s*[\d.,]*"
    rf"|\(?[\d.,]+ ({_THINGS})( \w+)*\)?\.?"
    rf"|({_MADE})( \w+)? (on|at|by|from)\b.*"
    rf"|({_MADE_ELSEWHERE})( \w+)?( am| vom| von| le| du| par|:).*"
    r"|end of (the )?(report|file|export|data|list)\W*|(ende (der|des) \w+|fin (du|de la) \w+)\W*"
    r"|(page|seite) \d+( (of|/|von|sur) \d+)?|[-=*_#]{3,}|(\u00a9|\(c\)|copyright\b).*"
    r"|(strictly |internal,? |company )?confidential\W*|(streng )?vertraulich\W*|confidentiel\W*"
    r"|(for )?internal use only\W*|do not (distribute|share|copy)\W*|all rights reserved\W*",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"[\d.,%]*")
#: What is worked out of columns, and stands below them: how far coders agree, and means of numbers.
_AGREE = (
    r"((inter|intra)[- ]?(coder|rater|annotator)[- ]?)?(percent(age)? |% ?|overall |observed |average |mean )?"
    r"(agreement|reliability|(cohen|fleiss|krippendorff|scott)\W{0,2}s?( (kappa|alpha|pi|\u03ba|\u03b1))?"
    r"|kappa|alpha|icc|\u03ba|\u03b1|\u00fcbereinstimmung|reliabilit\u00e4t"
    r"|accord( inter-?(juges|codeurs|annotateurs))?|fiabilit\u00e9)"
)
_STATISTIC = re.compile(rf"{_AGREE}(\s*\([^()]*\))?\s*[:=]?\s*[-\d.,]*\s*%?|n\s*=\s*[\d.,]+", re.IGNORECASE)
_MEAN = re.compile(
    r"(mean|average|avg|median|std|sd|standard deviation|st\. ?dev\.?|mittelwert|durchschnitt|standardabweichung"
    r"|moyenne|m\u00e9diane|\u00e9cart[- ]type)(\s*\([^()]*\))?\s*[:=]?",
    re.IGNORECASE,
)
_DECIMAL = re.compile(r"-?\d*[.,]\d+\s*%?|-?\d+([.,]\d+)?\s*%")
#: A remark to the file; with a number beside it, it may be a text.
_REMARK = re.compile(
    r"(sources?|notes?|disclaimer|legend|quellen?|hinweise?|anmerkung(en)?|remarques?|filters? applied|filter)\s*:.*",
    re.IGNORECASE | re.DOTALL,
)
#: The line below the header of a table in Markdown.
_RULE = re.compile(r":?[-=]{2,}:?")
#: The second header line of SurveyMonkey.
_KINDS_OF_ANSWER = frozenset({"response", "open-ended response", "other (please specify)"})


@dataclass(frozen=True)
class Above:
    """What stands above the header."""

    rows: int = 0
    """How many: the header is the next one."""
    doubtful: bool = False
    """Whether they may as well be a header and rows."""
    nameless: bool = False
    """Whether nothing names every column: the first row names some, and the next one is a row."""


def find_above(rows: Sequence[Sequence[Any]], named: Collection[str] = (), lines: Sequence[int] | None = None) -> Above:
    """How many rows stand above the header.

    Args:
        rows: the first ones, of texts or other cells, without blank lines.
        named: columns that the user names.
        lines: on which each row starts; None where that is not known.
    """
    rows = [texts_of(row) for row in rows[:_LOOKED_AT]]
    if len(rows) < 2:
        return Above()
    known = sum(folded(cell) in KNOWN for cell in rows[0])
    by_name = _by_name(rows, {folded(each) for each in named})
    if by_name is not None:
        return Above(by_name)
    found = _by_width(rows)
    if not found.rows and not found.nameless and not known:
        return _below_a_gap(rows, lines)
    return Above() if known and (found.doubtful or found.nameless) else found


def _by_name(rows: Sequence[Sequence[str]], named: Collection[str]) -> int | None:
    """Where a row is of names; None where that does not tell."""
    usual = Counter(len(_filled(row)) for row in rows).most_common(1)[0][0]
    least = 0
    for i, row in enumerate(rows[:_MOST_ABOVE]):
        held = [folded(cell) for cell in row if cell]
        given = sum(cell in named for cell in held)
        known = sum(cell in KNOWN for cell in held)
        if i == 0 and (given or known):
            if given or len(held) >= usual or known > 1:
                return 0
            least = 2  # a title, or the names of groups of columns, where a row of more names follows
        several = len(held) >= 2 and (given or known >= 2 or known == len(held)) and known >= least
        alone = usual == len(held) == 1 and i <= _MOST_ABOVE_ONE and len(_first(rows).split()) > 1
        if (several or (alone and (given or held[0] in TEXTS))) and _is_fresh(row, rows[i + 1 :]):
            return i
    return None


def _below_a_gap(rows: Sequence[Sequence[str]], lines: Sequence[int] | None) -> Above:
    """Lines that fill every column, and then a blank one: settings above the header, or a header and rows."""

    def is_gap(i: int) -> bool:
        if not _filled(rows[i - 1]):
            return True
        breaks = sum(len(cell.splitlines()) - 1 for cell in rows[i - 1] if cell)
        return lines is not None and lines[i] > lines[i - 1] + 1 + max(0, breaks)

    gaps = [i for i in range(1, len(rows)) if _filled(rows[i]) and is_gap(i)]
    if not gaps or len(gaps) > _MOST_GAPS or gaps[0] > _MOST_ABOVE or gaps[0] > len(rows) - 2:
        return Above()
    signs = signs_of(rows[gaps[0]], rows[gaps[0] + 1 :], FileOptions())
    return Above(gaps[0], doubtful=True) if signs.header and not signs.row else Above()


def _is_fresh(row: Sequence[str], others: Sequence[Sequence[str]]) -> bool:
    """Whether nothing that a row holds stands in its column below, but for the whole row again."""
    return not any(
        cell and cell == other[i]
        for other in others
        if list(other) != list(row)
        for i, cell in enumerate(row[: len(other)])
    )


def _by_width(rows: Sequence[Sequence[str]]) -> Above:
    """By the first row that fills all columns which most rows below it fill, but for the first: pandas' index."""
    filled = [_filled(row) for row in rows]
    for i in range(min(_MOST_ABOVE, len(rows) - 1)):
        below = filled[i + 1 :]
        counts = Counter(place for row in below for place in row)
        live = {place for place, count in counts.items() if 2 * count >= len(below)}
        if filled[i] and (live - {0}) <= filled[i] and (0 in filled[i] or len(filled[i]) > 1 or live == filled[i]):
            break
    else:
        return Above()
    if i == 0:
        return Above()
    signs = signs_of(rows[i], rows[i + 1 :], FileOptions())
    if signs.header:
        return Above(i)
    if signs.row or signs.sentence:
        return Above(nameless=True)
    return Above(i, doubtful=any(len(row) > 1 for row in filled[:i]))


def said_above(rows: Sequence[Sequence[Any]], header: Sequence[Any], first: int, line: int, where: str) -> str:
    """A note on what is left out above a header."""
    shown = "; ".join(_short(", ".join(filter(None, map(_text, row)))) for row in rows if any(map(_text, row)))
    names = ", ".join(_text(cell) for cell in header[:8])
    return (
        f"{where}: line {line} is taken as the header ({_short(names)}); left out above it: {shown}; "
        f"where line {first} is the header: --skip-lines {first - 1}"
    )


def said_nameless(row: Sequence[Any], found: Above, line: int, where: str, options: FileOptions) -> tuple[str, ...]:
    """A note where the first line is read, and may be a title."""
    if options.headerless and found.rows:
        said = "is read as a row, as no line names the columns"
    elif found.nameless and not options.headerless:
        said = "is taken as the header, and does not name every column"
    else:
        return ()
    held = ", ".join(filter(None, map(_text, row)))
    option = "" if options.headerless else " and the names: --columns NAME,..."
    return (f"{where}: line {line} ({_short(held)}) {said}; if it is a title: --skip-lines {line}{option}",)


def doubtful_titles(first: int, line: int, where: str) -> DataError:
    """The error where the first lines may be titles, or a header and rows.

    Args:
        first: the first line with something in it.
        line: that which names every column.
    """
    return DataError(
        f"line {first} does not name every column, and line {line} may be the header or a row",
        where=f"{where}, line {first}",
        hint=f"if line {line} is the header: --skip-lines {line - 1}; if line {first} is: --skip-lines {first - 1}",
    )


def lines_of_header(header: Sequence[Any], rows: Sequence[Sequence[Any]]) -> int:
    """How many of the first rows below a header belong to it: Qualtrics' questions and ids, SurveyMonkey's kinds,
    the line of a table in Markdown, the further levels of pandas' columns and the name of its index."""
    texts = [[_text(cell) for cell in row] for row in rows[:3]]
    if len(header) > 2 and not _text(header[0]):
        for i, (first, *others) in enumerate(row for row in texts if row):
            if first and not any(others) and not first[0].isdigit():
                return i + 1
    texts = texts[:2]
    for i, row in enumerate(texts):
        if any(cell.replace(" ", "").startswith('{"ImportId":') for cell in row):
            return i + 1
    held = [cell.casefold() for cell in texts[0] if cell] if texts else []
    if len(held) > 1 and all(_RULE.fullmatch(cell) for cell in held):
        return 1
    return int(bool(held) and set(held) <= _KINDS_OF_ANSWER and len(held) < len(texts[0]))


def said_more(rows: Sequence[Sequence[Any]], where: str) -> str:
    """A note on the lines of a header below its first one."""
    shown = "; ".join(_short(", ".join(filter(None, map(_text, row)))) for row in rows)
    return f"{where}: left out below the header, as it belongs to it: {shown}"


def no_row(
    row: Sequence[Any],
    names: tuple[str, ...],
    line: int,
    position: int,
    count: int,
    where: str,
    *,
    below_footer: bool = False,
) -> tuple[str, str] | None:
    """Why a row of the right width is none, and what to do: the header once more, or a footer.

    Args:
        names: the header's cells, as `texts_of` gives them.
        position: of the row, from 0.
        count: rows of the file.
        below_footer: whether a footer stands above it.

    Raises:
        DataError: it names the same columns in another order, so that the rows below it are to be read otherwise.
    """
    if len(row) > 1 and _text(row[0]) in names:
        again = tuple(map(_text, row))
        if again == names:
            return f"line {line} is the header once more", "take it out"
        if sorted(again) == sorted(names):
            raise DataError(
                f"line {line} names the columns once more, in another order",
                where=f"{where}, line {line}",
                hint="write the lines from there on into a file of their own, and both into a folder: "
                "train-00000-of-00002.csv, train-00001-of-00002.csv",
            )
    if position >= max(1, count - _MOST_BELOW) and (below_footer or is_footer(row)):
        return f"line {line} is no row, but a footer: {_short(', '.join(filter(None, map(_text, row))))}", "take it out"
    return None


def texts_of(row: Sequence[Any]) -> tuple[str, ...]:
    """Cells as texts, without blanks around them."""
    return tuple(map(_text, row))


def is_footer(row: Sequence[Any]) -> bool:
    """Whether a row of several cells is a total, or says who exported what: one cell of words, others of numbers.

    >>> is_footer(["Total rows: 300", None, ""]), is_footer(["Total loss", "neg", ""]), is_footer(["Total", "300"])
    (True, False, True)
    """
    first, *others = [cell for cell in map(_text, row) if cell] or [""]
    if len(row) < 2:
        return False
    if _STATISTIC.fullmatch(first) and (others or re.search(r"\d", first)):
        return all(map(_is_beside, others))
    if _MEAN.fullmatch(first) and others:
        return all(map(_DECIMAL.fullmatch, others))
    if len(others) > 1 and len(others) + 1 == len(row) > 2:
        return False
    if _REMARK.fullmatch(first):
        return all(_FOOTER.fullmatch(other) or _REMARK.fullmatch(other) for other in others)
    return bool(_FOOTER.fullmatch(first)) and all(map(_is_beside, others))


def _is_beside(text: str) -> bool:
    """Whether a text may stand beside what makes a footer of a row: a number, also of money, or a footer."""
    _, number = unit_and_number(text)
    return bool(_NUMBER.fullmatch("".join(number.split()).lstrip("-")) or _FOOTER.fullmatch(text))


def _filled(row: Sequence[str]) -> frozenset[int]:
    return frozenset(i for i, cell in enumerate(row) if cell)


def _first(rows: Sequence[Sequence[str]]) -> str:
    return next((cell for cell in rows[0] if cell), "")


def _text(cell: Any) -> str:
    return "" if cell is None else str(cell).strip().lstrip("\ufeff").strip()


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:57]}...")
