"""Options in a text, found by one grammar: `fix it, or drop such rows with --skip-bad-rows`.

In: a message, a hint or a note, as the command line says it.  Out: the options that it names; the same text with the
names that another entry point has for them; a hint without what another entry point lacks.
Not here: those names: Python's (python_names.py), those of the classifier (sklearn/wording.py) and of the page
(ui/wording.py).

Messages are written once, for the command line. A whole command, `liftune tune DATA --folds 5`, stays as it is: it can
be pasted into a shell.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

#: What stays: a command, up to where its sentence or clause ends; what is quoted, as it is a user's.
_KEPT = r"(?<!\w)'[^'\n]*'(?!\w)|`(?!--)[^`]*`"
_KEPT += r"|\b(?:liftune|pip) [a-z]+(?: (?!or |to |and )(?:'[^']*'|\"[^\"]*\"|[^\s;`'\"]+))*"
#: Words that follow an option, and are not its value.
_PROSE = "out|or|and|is|it|too|alone|says|names|gives|needs|reads|here|instead|again|in|for|with"
#: What can be a value: quoted, NAME=VALUE, a number, NAME, a mark; a word where the clause ends or a verb follows.
_ENDS = r"(?=$|[;,.:)\n]|\s--|\s(?:or|and|instead)\b|\s[a-z]+s\b|\swould\b)"
_VALUE = (
    r"'[^']*'|\"[^\"]*\"|[\w.]+=[^\s;)]*[^\s;),]|-?\d[\d.,e-]*(?<![.,])(?![\w])|[A-Z][A-Z_]*\b(?!=)"
    rf"|[.,](?=\sreads|\s\()|(?!(?:{_PROSE})\b)[\w./,:-]*[\w/]{_ENDS}"
)
_OPTION = r"(?<![\w-])(?P<leave>(?:leave|[Ww]ithout) )?--(?P<name>[a-z][a-z0-9-]*)(?![\w-]| on the)"
_OPTION += rf"(?P<colon>(?=:))?(?: (?P<value>{_VALUE}))?"
_TOKENS = re.compile(rf"(?P<kept>{_KEPT})|{_OPTION}")
_COMMAND = re.compile(r"`?(?:liftune|pip) ")
_NAMES = re.compile(r"(?<![\w-])--([a-z][a-z0-9-]*)(?![\w-])")
#: Where a hint goes on with another thing to do.
_CLAUSE, _PART = "; ", re.compile(r",? or (?=\S)|, (?=[a-z]+ )")
#: How a further thing to do begins.
_FURTHER = re.compile(r"^(?:or|else) ")


@dataclass(frozen=True)
class Mention:
    """An option where a text names it."""

    text: str
    """All of it as it is written: `leave --folds`, `--set rank=4`."""
    name: str
    """Without dashes before it: max-length."""
    value: str | None
    """As it is written, with its quotes."""
    before: str
    """`leave ` or `without `, where the option is to be left out; else nothing."""
    is_subject: bool
    """Whether a colon follows the option, or its value: the text says something of it."""


def renamed(text: str, name_of: Callable[[Mention], str], *, in_commands: bool = False) -> str:
    """The text with another name in the place of each option, but in commands and in what is quoted.

    Args:
        in_commands: in commands too, where nobody could paste one.

    >>> renamed("give --folds 5; or run liftune tune --folds 5", lambda each: f"<{each.name}={each.value}>")
    'give <folds=5>; or run liftune tune --folds 5'
    >>> renamed("run liftune tune --folds 5", lambda each: f"<{each.name}>", in_commands=True)
    'run liftune tune <folds>'
    """

    def replaced(match: re.Match[str]) -> str:
        if match["kept"] is not None:
            command = _COMMAND.match(match["kept"]) if in_commands else None
            return command[0] + _TOKENS.sub(replaced, match["kept"][command.end() :]) if command else match["kept"]
        subject = match["colon"] is not None or bool(match["value"] and text.startswith(":", match.end()))
        return name_of(Mention(match[0], match["name"], match["value"], match["leave"] or "", subject))

    return _TOKENS.sub(replaced, text)


def options_in(text: str) -> list[str]:
    """Names of the options in a text, each once, in their order; in commands too, but not in what is in quotes.

    >>> options_in("give --folds 5; or run `liftune tune --max-length 9`, where '--label' is a label")
    ['folds', 'max-length']
    """
    found: dict[str, None] = {}
    for match in _TOKENS.finditer(text):
        if not match[0].startswith("'"):
            found |= dict.fromkeys(_NAMES.findall(match[0]))
    return list(found)


def possible_ways(hint: str, is_possible: Callable[[str], bool]) -> str:
    """Of the things to do that a hint names, those that are possible; empty where none is.

    >>> can = lambda text: not options_in(text)
    >>> possible_ways("add rows of another class, raise --train-rows, or name another --label", can)
    'add rows of another class'
    >>> possible_ways("fix it; or name another folder with --out", can)
    'fix it'
    """
    kept = []
    for clause in hint.split(_CLAUSE):
        if is_possible(clause):
            kept.append(clause)
        else:
            parts = [part for part in _PART.split(clause) if is_possible(part)]
            kept += [", or ".join(parts)] if parts else []
    return _FURTHER.sub("", _CLAUSE.join(kept))
