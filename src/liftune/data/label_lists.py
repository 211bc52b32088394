"""Lists that a cell holds as text: JSON, Python's repr, numpy's print, a database's array.

In: a text.  Out: its list (or mapping), or None.  Not here: whether a column is one of lists (recognise.py).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from liftune.data.python_literals import NoLiteral, literal
from liftune.json_text import JsonError, parse_json

#: A longer cell is no list of labels, and Python's own reader must not be given it.
MOST_CHARACTERS = 20_000
_CLOSING = {"[": "]", "(": ")", "{": "}"}
_OPENING = _CLOSING | {'"': '"', "\u201c": "\u201d", "\u00ab": "\u00bb"}
#: What Python and numpy write around a list: array([...], dtype=object), frozenset({...}).
_CALL = re.compile(
    r"(?:\w+\.)?(?:array|set|frozenset|list|tuple|tensor|Series|Index)\((.*?)(?:,\s*dtype=[^()]*)?\)", re.S
)
_SCALAR_CALL = re.compile(r"\b(?:np|numpy)\.\w+\(([^()]*)\)")
#: numpy prints texts side by side. Python would read them as one text, so that they are looked for first.
_SIDE_BY_SIDE = re.compile(r"\[\s*((?:'[^']*'|\"[^\"]*\")(?:\s+(?:'[^']*'|\"[^\"]*\"))+)\s*\]", re.S)
_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_NUMBERS = re.compile(
    r"\[\s*((?:[-+]?[\d.]+(?:[eE][-+]?\d+)?|True|False|nan)(?:\s+(?:[-+]?[\d.]+(?:[eE][-+]?\d+)?|True|False|nan))*)\s*\]"
)
#: As Stack Exchange writes tags: <a><b>.
_TAGS = re.compile(r"(?:<[^<>]+>)+")
_BARE = re.compile(r"[\[{]([^\[\]{}()]*)[\]}]", re.S)


def listed(text: str) -> list[Any] | dict[Any, Any] | None:
    """The list of labels that a text writes down, or the mapping of labels; None for any other text.

    >>> listed("['joy', 'fear']"), listed("('a',)"), listed("[0 1 0]"), listed("['a' 'b']"), listed("[misc]")
    (['joy', 'fear'], ['a'], [0, 1, 0], ['a', 'b'], None)
    """
    text = text.strip()
    if len(text) > MOST_CHARACTERS or not text.endswith(("]", ")", "}")):
        return None
    called = _CALL.fullmatch(text)
    if called:
        text = called[1].strip()
        if not text:
            return []
    if not text or _CLOSING.get(text[0]) != text[-1]:
        return None
    for read in (_numpy, _json, _literal):
        value = read(text)
        if isinstance(value, dict) and list(value) == ["choices"] and isinstance(value["choices"], list):
            return value["choices"]  # as Label Studio writes several in CSV
        if value is not None:
            return value
    return None


def bare(text: str) -> list[str] | None:
    """The pieces of `[joy, fear]`, `{joy,fear}` or `<joy><fear>`, where nothing is quoted.

    >>> bare("{joy,fear}"), bare("[joy]"), bare("<joy><fear>"), bare("joy")
    (['joy', 'fear'], ['joy'], ['joy', 'fear'], None)
    """
    text = text.strip()
    if _TAGS.fullmatch(text):
        return [piece.strip() for piece in text[1:-1].split("><") if piece.strip()]
    match = _BARE.fullmatch(text) if len(text) <= MOST_CHARACTERS else None
    if match is None:
        return None
    pieces = [piece.strip().strip("'\"") for piece in match[1].split(",")]
    return [piece for piece in pieces if piece]


def looks_listed(text: str) -> bool:
    """Whether a text stands between the brackets of a list."""
    text = text.strip()
    return len(text) > 1 and _CLOSING.get(text[0]) == text[-1]


def _numpy(text: str) -> list[Any] | None:
    match = _SIDE_BY_SIDE.fullmatch(text)
    if match:
        return [one or other for one, other in _QUOTED.findall(match[1])]
    match = _NUMBERS.fullmatch(text)
    try:
        return [_scalar(word) for word in match[1].split()] if match else None
    except ValueError:  # 1.2.3
        return None


def _scalar(word: str) -> Any:
    if word in ("True", "False"):
        return word == "True"
    return int(word) if re.fullmatch(r"[-+]?\d+", word) else float(word)


def _json(text: str) -> list[Any] | dict[Any, Any] | None:
    try:
        value = parse_json(text)
    except JsonError:
        return None
    return value if isinstance(value, list | dict) else None


def _literal(text: str) -> list[Any] | dict[Any, Any] | None:
    """Python's own literals and nothing else: no name is looked up, and nothing is called."""
    try:
        value = literal(_SCALAR_CALL.sub(r"\1", text))
    except NoLiteral:
        return None
    if isinstance(value, set):
        return sorted(value, key=str)
    if isinstance(value, tuple):
        return list(value)
    return value if isinstance(value, list | dict) else None


def items(cell: Any) -> list[Any] | dict[Any, Any] | None:
    """The list or mapping that a cell is, or holds as text."""
    if isinstance(cell, str):
        return listed(cell)
    if isinstance(cell, dict):
        return cell
    if type(cell).__name__ == "ndarray":
        return list(cell.tolist())
    return list(cell) if is_list(cell) else None


def is_list(cell: Any) -> bool:
    """Whether a cell is a list, a tuple or an array."""
    return isinstance(cell, list | tuple) or type(cell).__name__ == "ndarray"


def pieces(text: str, separator: str) -> Sequence[str]:
    """What stands between separators, blanks stripped, nothing left empty. Not in brackets or quotes.

    >>> pieces(" joy; fear;", ";"), pieces("Bill, Parcel (home, shop)", ","), pieces("a :), b", ",")
    (['joy', 'fear'], ['Bill', 'Parcel (home, shop)'], ['a :)', 'b'])
    """
    inside = _enclosed(text) if separator in text else []
    found, start = [], 0
    for match in re.finditer(re.escape(separator), text):
        if not any(begin < match.start() < end for begin, end in inside):
            found.append(text[start : match.start()])
            start = match.end()
    return [piece.strip() for piece in (*found, text[start:]) if piece.strip()]


def _enclosed(text: str) -> list[tuple[int, int]]:
    """Where brackets and quotes open and close, those that do both."""
    found: list[tuple[int, int]] = []
    opened: list[tuple[int, str]] = []
    for i, each in enumerate(text):
        if opened and each == opened[-1][1]:
            found.append((opened.pop()[0], i))
        elif each in _OPENING:
            opened.append((i, _OPENING[each]))
    return found
