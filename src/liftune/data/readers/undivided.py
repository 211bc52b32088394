"""Text that seems to have one column, and has several: whole lines in quotes, cells in single
quotes, or characters between that no tool shows.

In: the only field of each line, or its fields.  Out: a DataError with the command that writes the file anew.
Not here: what usually divides fields (dialect.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from liftune.data.readers.header import KNOWN, folded
from liftune.errors import DataError, pasted

_DELIMITERS = ("\t", ";", ",", "|")
#: What tools divide fields by where a comma, semicolon, tab or bar may be in a text.
_ODD = ("||", "::", "@@", "~|~", "~", "^", "\u00a6", "\u00a7", "\u00ac", "#", "$", "@", "!")
_MOST_WORDS, _LEAST_ROWS = 3, 5


def refuse_undivided(first: str, sample: Sequence[str], where: str) -> None:
    """Refuse lines that something else divides.

    Args:
        first: the first line's only field.
        sample: those of rows below it.

    Raises:
        DataError: fields are divided by a control character, or quotes stand around whole lines.
    """
    if not sample:
        return
    odd = next((each for each in first if each < " " and each not in "\t\r\n"), None)
    if odd and all(odd in each for each in sample[:20]):
        raise DataError(
            f"fields are divided by the character U+{ord(odd):04X}",
            where=where,
            hint=f"put tabs in their place: tr '\\{ord(odd):03o}' '\\t' < {pasted(where)} > rows.tsv",
        )
    _refuse_odd(first, sample, where)
    for mark in _DELIMITERS:
        names = [each.strip() for each in first.split(mark)]
        short = (
            any(folded(each) in KNOWN for each in names)
            and len(names) > 1
            and all(each and len(each.split()) <= _MOST_WORDS for each in names)
        )
        if short and len(set(names)) == len(names) and all(each.count(mark) >= len(names) - 1 for each in sample):
            script = 's/^"//; s/"[[:space:]]*$//; s/""/"/g'
            raise DataError(
                f"quotes stand around whole lines, so that the only column is {first!r}",
                where=where,
                hint=f"take them out: sed {pasted(script)} {pasted(where)} > rows.csv",
            )


def refuse_single_quotes(first: Sequence[str], sample: Sequence[Sequence[str]], delimiter: str, where: str) -> None:
    """Refuse cells in single quotes, which nothing takes for quotes: a delimiter in a text would end its cell.

    Args:
        first: the first line's fields.
        sample: those of rows below it.

    Raises:
        DataError: the first line or whole rows are written so, or rows have more fields for it.
    """
    rows = [fields for fields in sample if fields]
    if len(rows) < _LEAST_ROWS or not all(_opens(fields) == _closes(fields) > 0 for fields in rows):
        return
    whole = all(_opens(fields) == len(fields) > 1 for fields in rows)
    if whole or _opens(first) or any(len(fields) != len(first) for fields in rows):
        code = "import csv, sys; csv.writer(sys.stdout).writerows(csv.reader(sys.stdin, quotechar=chr(39)"
        code += f", delimiter=chr({ord(delimiter)})))" if delimiter != "," else "))"
        raise DataError(
            f"cells stand in single quotes, such as {rows[0][0]!r}",
            where=where,
            hint=f"write double quotes in their place: python -c {pasted(code)} < {pasted(where)} > rows.csv",
        )


def _opens(fields: Sequence[str]) -> int:
    return sum(each.lstrip().startswith("'") for each in fields)


def _closes(fields: Sequence[str]) -> int:
    return sum(len(each.strip()) > 1 and each.rstrip().endswith("'") for each in fields)


def _refuse_odd(first: str, sample: Sequence[str], where: str) -> None:
    """Refuse lines that are divided by a mark which nothing takes for one."""
    for mark in _ODD:
        names = [each.strip() for each in first.split(mark)]
        count = len(names) - 1
        short = all(each and len(each.split()) <= _MOST_WORDS for each in names) and len(set(names)) == len(names)
        if not (count and short) or len(sample) < _LEAST_ROWS or not all(each.count(mark) == count for each in sample):
            continue
        code = f"import sys; sys.stdout.write(sys.stdin.read().replace({mark!r}, chr(9)))"
        raise DataError(
            f"fields are divided by {mark!r}: {', '.join(names)}",
            where=where,
            hint=f"put tabs in their place: python -c {pasted(code)} < {pasted(where)} > rows.tsv",
        )
