"""TOML or JSON of a file of options, and what is wrong with the file where it has none.

In: a path.  Out: what the file holds; a SpecError that says which line.
Not here: what its names mean (spec.py), which are out of place (settings_file.py).
"""

from __future__ import annotations

import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from liftune.errors import SpecError, nearest_file
from liftune.json_text import JsonError, parse_json


@dataclass(frozen=True)
class Words:
    """What is said of a file that is missing or empty, by what it is for."""

    empty: str = "the file sets no option"
    missing: str = "give a TOML or JSON file; liftune init writes one"
    """The hint where there is none, or it cannot be read."""
    write: str = "write options into it, such as those that liftune init writes, or leave --config out"
    """The hint where it is empty."""


#: Of a file of options.
CONFIG = Words()


def is_toml(path: Path) -> bool:
    """Whether a file is TOML, by its name; all others are JSON."""
    return path.suffix.casefold() == ".toml"


def nothing_set(path: Path, words: Words = CONFIG) -> SpecError:
    """The error for a file without an option."""
    return SpecError(words.empty, where=str(path), hint=words.write)


def read_settings(path: Path, words: Words = CONFIG) -> Any:
    """What the file holds.

    Args:
        words: of errors.

    Raises:
        SpecError: it is missing, empty or not readable, no TOML or JSON (with line and column), or has a key twice.
    """
    return _parsed(path, _text_of(path, words.missing), words)


def _text_of(path: Path, hint: str) -> str:
    """The text, with or without a byte order mark, as Windows' editors and shells write it."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        beside = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        raise SpecError(
            f"there is no file {path}{nearest_file(path.name, beside)}", where=str(path), hint=hint
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecError(f"cannot read {path.name}: {reason}", where=str(path), hint=hint) from None
    try:
        return data.decode("utf-16" if data[:2] in (BOM_UTF16_LE, BOM_UTF16_BE) else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SpecError(
            f"cannot read {path.name}: it is not UTF-8", where=f"{path}, line {line}", hint="save it as UTF-8"
        ) from None


def _parsed(path: Path, text: str, words: Words) -> Any:
    """What the text holds: TOML where the name says so, else JSON."""
    import tomllib  # which compiles its patterns: `--help` need not wait for it

    kind = "TOML" if is_toml(path) else "JSON"
    where, reason = str(path), ""
    if not text.strip():
        raise nothing_set(path, words)
    try:
        return tomllib.loads(text) if kind == "TOML" else parse_json(text, unique=True)
    except JsonError as error:
        reason, where = error.message, where + (f", line {error.line}, column {error.column}" if error.line else "")
    except (ValueError, RecursionError) as error:  # TOML that is nested too deeply
        reason, _, place = str(error).removesuffix(")").partition(" (at ")
        where += f", {place}" if place else ""
    known = is_toml(path) or path.suffix.casefold() == ".json"
    hint = f"write it there as {kind}" if known else "give a TOML or JSON file, whose name ends in .toml or .json"
    if kind == "TOML" and (line := re.search(r"line (\d+)", where)):
        hint = _quoted(text.splitlines()[int(line[1]) - 1 :][:1]) or hint
    raise SpecError(f"cannot read {path.name} as {kind}: {reason}", where=where, hint=hint)


def _quoted(lines: list[str]) -> str:
    """For a line of TOML whose value is a text without quotes: what to write.

    >>> _quoted(["model = base"]), _quoted(["epochs = 2 3"]), _quoted(["label_names = [joy, fear]"])
    ('a text stands in quotes: model = "base"', '', '')
    """
    for line in lines:
        if match := re.fullmatch(r"\s*([\w.-]+)\s*=\s*([^\W\d][^\s\"'\[\]{}#]*)\s*(?:#.*)?", line):
            return f'a text stands in quotes: {match[1]} = "{match[2]}"'
    return ""
