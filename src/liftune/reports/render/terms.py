"""Texts of a page in which a "?" stands behind a term, and the explanations that these open.

In: texts, the glossary.  Out: HTML, escaped.
Not here: what a term means (glossary.py), how the "?" looks (page.css).

The "?" is a button that opens a popover by an attribute alone: by keyboard, mouse or touch, without a script.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from markupsafe import Markup, escape

from liftune.reports.glossary import COMMAND, Term, mentions, named

#: Columns whose cells are names of contenders, each a term of its own.
_OF_CONTENDERS = "contender"
#: A word and its "?" stay on one line.
_KEPT = Markup('<span class="kept">{}{}</span>')
#: A browser ends lines at hyphens: in an option, or in an arrow, that can be read as something else.
_UNDIVIDED = re.compile(r"(?<!\S)(\(?--[a-z][\w-]*|->)")
#: Between the words of a name: labels are often written so.
_WORDS = re.compile(r"(?<=[_/])")


class Terms:
    """The terms that a page has explained so far."""

    def __init__(self) -> None:
        self._used: dict[str, Term] = {}

    def explainer(self) -> Callable[..., Markup]:
        """Turns texts of one section into HTML; a term is explained where the section mentions it first."""
        seen: set[str] = set()

        def explain(text: str, column: str | None = None) -> Markup:
            """Args: column: the heading, where the text is a cell."""
            found: Iterable[tuple[int, Term]] = mentions(text)
            if column is not None:
                term = _of_a_cell(text, column)
                found = [(len(text), term)] if term else ()
            parts, at = [], 0
            for end, each in found:
                if column is None and each.id in seen:
                    continue
                seen.add(each.id)
                self._used.setdefault(each.id, each)
                before, space, word = text[at:end].rpartition(" ")
                parts += [_shown(before + space), _KEPT.format(word, _question(each))]
                at = end
            return Markup("").join([*parts, _shown(text[at:])])

        return explain

    def used(self) -> list[tuple[str, str, Markup]]:
        """Id, name and meaning of each term that was explained, by the alphabet."""
        terms = sorted(self._used.values(), key=lambda term: term.name.casefold())
        return [(each.id, each.name, _with_code(each.meaning)) for each in terms]


def _shown(text: str) -> Markup:
    """A text with its commands as code, and with options and arrows that no line's end divides.

    >>> _shown("a < b -> `liftune tune --x`")
    Markup('a &lt; b <span class="kept">-&gt;</span> <code>liftune tune --x</code>')
    """
    parts, at = [], 0
    for found in COMMAND.finditer(text):
        parts += [_undivided(text[at : found.start()]), Markup("<code>{}</code>").format(found[1])]
        at = found.end()
    return Markup("").join([*parts, _undivided(text[at:])])


def breakable(text: str) -> Markup:
    """A cell, in which a name of several words may end a line between them; page.js does the same.

    >>> breakable("card_not_working"), breakable("<b>")
    (Markup('card_<wbr>not_<wbr>working'), Markup('&lt;b&gt;'))
    """
    return Markup("<wbr>").join(_WORDS.split(text))


def _undivided(text: str) -> Markup:
    pieces = _UNDIVIDED.split(text)
    return Markup("").join(_KEPT.format(each, "") if i % 2 else escape(each) for i, each in enumerate(pieces))


def _of_a_cell(text: str, column: str) -> Term | None:
    """Of cells only names of contenders are explained: others hold what users wrote."""
    return named(text.partition(" (")[0]) if column == _OF_CONTENDERS else None


def _question(term: Term) -> Markup:
    return Markup('<button type="button" class="q" popovertarget="{}" aria-label="What is {}?">?</button>').format(
        term.id, term.name
    )


def _with_code(meaning: str) -> Markup:
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(meaning))))
