"""The text and the label column where no name that is known says it: by their names' words and by their content.

In: Profiles of the columns that are left.  Out: a Guess with its reason, or the candidates between which it is unclear.
Not here: names that are known (columns.py), what a column looks like (column_profiles.py).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from liftune.data.column_profiles import LEAST_ROWS, Profile

#: Words in the names of text columns, and in those of label columns.
_TEXT_WORDS = """
abstract answer article body caption comment complaint con content conversation description detail dialog
dialogue document essay feedback fulltext headline hypothesis input instruction lyric message narrative note
opinion paragraph passage post premise pro prompt query question quote reason remark reply request response
review selftext sentence sms snippet statement story subject summary text title transcript tweet utterance
"""
_LABEL_WORDS = """
annotation category class emotion intent label outcome polarity rating score sentiment similarity stance star
tag target topic verdict
kategorie klasse thema stimmung bewertung zufriedenheit absicht etikett satisfaction
catégorie categorie classe thème étiquette émotion
"""
#: Words in the names of what several people agreed on, beside columns of what each of them said.
_AGREED = """
majority gold consensus final adjudicated adjudication agreed agreement aggregated aggregate resolved truth
mehrheit konsens endgültig majorité
"""
#: Words in the names of columns that say of a row who, where, when or how: rarely its label.
_BESIDE = """
annotator coder rater labeler labeller reviewer user author agent owner assignee name person by who
account customer client company firm organisation organization vendor supplier
kunde firma konto client compte fournisseur
country region city state location language lang locale device browser platform source channel version
date time day month year week created updated id uid index batch file split fold worker
land sprache quelle kanal bearbeiter datum jahr monat pays langue auteur agence
"""
TEXT_WORDS, LABEL_WORDS = frozenset(_TEXT_WORDS.split()), frozenset(_LABEL_WORDS.split())
_AGREED_WORDS, _ASIDE = frozenset(_AGREED.split()), frozenset(_BESIDE.split())
#: Label words that also name what rows are found by.
_WEAK = frozenset({"tag"})
#: Words at the end of a name that say nothing of what it names.
_SILENT = frozenset({"name", "id", "value", "code", "column", "col", "field"})
#: Keys of an object that name it, the likeliest first, and those that only lead to objects, as in GraphQL.
_NAMING = ("name", "label", "title", "slug")
_LEADING = frozenset({"node", "edge", "item", "element"})
#: A column filled in fewer rows is not the text where another one, filled in nearly all, may be.
_HARDLY, _NEARLY = 0.5, 0.9
#: Longer by so much, a text is the text, and another one beside it a title.
_LONGER = 3.0


@dataclass(frozen=True)
class Guess:
    """One column, or the candidates between which it is unclear."""

    column: str | None = None
    why: str = ""
    candidates: tuple[str, ...] = ()


def words_of(name: str) -> tuple[str, ...]:
    """The words of a column's name, in the singular.

    >>> words_of("OriginalTweet"), words_of("verified_reviews"), words_of("Review Text")
    (('original', 'tweet'), ('verified', 'review'), ('review', 'text'))
    """
    spaced = re.sub(r"(?<=[a-z\d])(?=[A-Z])", " ", name)
    words = re.findall(r"[^\W_]+", spaced.casefold())
    return tuple(_singular(word) for word in words)


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return f"{word[:-3]}y"
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word


def names_a_text(name: str) -> str | None:
    """The word by which a name says that it is of a text."""
    return next((word for word in reversed(words_of(name)) if word in TEXT_WORDS), None)


def names_a_label(name: str) -> str | None:
    """The word by which a name says that it is of a label: its last one that says anything."""
    bare = re.sub(r"\s*\([^()]*\)\s*$", "", name) or name  # Satisfaction (1 to 5)
    silent = _SILENT | _LEADING if "." in bare else _SILENT
    words = [word for word in words_of(bare) if word not in silent and not word.isdigit()]
    return words[-1] if words and words[-1] in LABEL_WORDS else None


def guess_text(profiles: Sequence[Profile]) -> Guess:
    """The text column: it reads like texts, and its name says so, or it alone does or is by far the longest."""
    texts = _filled_ones(sorted((each for each in profiles if each.is_text), key=lambda each: -each.words))
    texts = [each for each in texts if not _names_who(each.name)] or texts
    named = [each for each in texts if names_a_text(each.name)]
    for candidates in (named, texts):
        if candidates and (len(candidates) == 1 or candidates[0].words >= _LONGER * candidates[1].words):
            return Guess(candidates[0].name, _why(candidates[0], names_a_text(candidates[0].name)))
        if candidates:
            break
    if texts:
        return Guess(candidates=tuple(each.name for each in profiles if each in (named or texts)))
    named = [each for each in profiles if names_a_text(each.name) and each.may_be_text]
    if len(named) == 1:
        return Guess(named[0].name, _why(named[0], names_a_text(named[0].name)))
    if len(profiles) == 1 and profiles[0].may_be_text:
        return Guess(profiles[0].name)
    return Guess(candidates=tuple(each.name for each in profiles if each.may_be_text and each.rows))


def _filled_ones(profiles: Sequence[Profile]) -> list[Profile]:
    """Those that hold something in nearly every row, and others only where none does."""
    full = any(each.filled >= _NEARLY for each in profiles)
    return [each for each in profiles if not full or each.filled >= _HARDLY]


def _names_who(name: str) -> bool:
    """Whether a name says of a row who, where or when, and nothing of a text."""
    return bool(set(words_of(name)) & _ASIDE) and not names_a_text(name)


def fuller_texts(profiles: Sequence[Profile], filled: float) -> list[Profile]:
    """Columns that may be the text rather than one of which so small a share is filled."""
    full = [each for each in profiles if each.filled >= _NEARLY and not _names_who(each.name)]
    return [each for each in full if each.is_text] if filled < _HARDLY else []


def beside_names(names: Sequence[str]) -> dict[str, str]:
    """What stands beside the name in objects that are labels: its color, its id, its address.

    Returns:
        Column -> the one that names the object.

    >>> beside_names(["labels.color", "labels.name", "user.id", "user.name"])
    {'labels.color': 'labels.name'}
    """
    below: dict[str, dict[str, str]] = {}
    for name in names:
        parent, dot, key = name.rpartition(".")
        if dot and set(words_of(parent)) & LABEL_WORDS:
            below.setdefault(parent, {})[key.strip().casefold()] = name
    found: dict[str, str] = {}
    for keys in below.values():
        named = next((keys[each] for each in _NAMING if each in keys), None)
        found |= {name: named for name in keys.values() if named and name != named}
    return found


def guess_label(profiles: Sequence[Profile], *, lone: bool) -> Guess:
    """The label column: it reads like classes, and its name says so, or it alone does.

    Args:
        lone: whether a single column is the label where nothing speaks against it.
    """
    beside = beside_names([each.name for each in profiles])
    profiles = [each for each in profiles if each.name not in beside and not each.is_row_id]
    named = [each for each in profiles if names_a_label(each.name) and each.may_be_label and each.filled >= 0.9]
    named = [each for each in named if each.is_label] or named
    classes = [each for each in profiles if each.is_label]
    agreed = [each for each in classes if set(words_of(each.name)) & _AGREED_WORDS]
    if len(agreed) == 1 and len(classes) > 1 and len({each.name for each in named} - {agreed[0].name}) != 1:
        word = next(word for word in words_of(agreed[0].name) if word in _AGREED_WORDS)
        return Guess(agreed[0].name, _why(agreed[0], word))
    if len(named) == 1 and names_a_label(named[0].name) in _WEAK:
        named = [] if len(classes) > 1 else named
    if len(named) == 1 and named[0].rows:
        return Guess(named[0].name, _why(named[0], names_a_label(named[0].name)))
    if not named and len(classes) == 1:
        return Guess(classes[0].name, _why(classes[0], None))
    if lone and len(profiles) == 1 and profiles[0].may_be_label:
        return Guess(profiles[0].name)
    return Guess(candidates=tuple(each.name for each in sorted(named or classes, key=_aside)))


def _aside(column: Profile) -> tuple[bool, ...]:
    """For sorting: columns that are likely the label first."""
    words = set(words_of(column.name))
    return (
        not words & _AGREED_WORDS,
        bool(words & _ASIDE),
        bool(names_a_text(column.name)),
        names_a_label(column.name) in (None, *_WEAK),
        column.different > 0.1,
    )


def likely_labels(profiles: Sequence[Profile]) -> list[str]:
    """Columns that may be the label where none reads like classes, the likeliest first."""
    no_label = ("dates", "links", "addresses", "nothing")
    found = [each for each in profiles if each.content not in no_label and not each.is_row_id]
    beside = beside_names([each.name for each in profiles])

    def order(column: Profile) -> tuple[bool, ...]:
        return (column.name in beside, column.is_text, not column.may_be_label, *_aside(column))

    return [each.name for each in sorted(found, key=order)]


def _why(found: Profile, word: str | None) -> str:
    return " and ".join(filter(None, (f"its name holds {word!r}" if word else "", found.said)))


def label_columns(profiles: Sequence[Profile]) -> tuple[tuple[str, ...], bool]:
    """Columns that may each say of one label whether a row has it, and whether some hold shares."""
    found = [
        each
        for each in profiles
        if each.content in ("yes or no", "shares") and (each.filled >= 0.5 or each.is_ticked) and not each.is_dashed
    ]
    if len(found) < 2 or not (any(each.rows >= LEAST_ROWS for each in found) or all(each.is_marked for each in found)):
        return (), False
    return tuple(each.name for each in found), any(each.content == "shares" for each in found)


def longer_text(heading: str, profiles: Sequence[Profile], words: Collection[str]) -> Profile | None:
    """The text to which a column is only a heading: far longer, and its name says that it is a text.

    Args:
        words: of names that say so.
    """
    head = next((each for each in profiles if each.name == heading), None)
    found = [
        each
        for each in profiles
        if each.is_text and head and each.words >= _LONGER * head.words and set(words_of(each.name)) & set(words)
    ]
    return max(found, key=lambda each: each.words, default=None)
