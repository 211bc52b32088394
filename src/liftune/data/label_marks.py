"""Marks and notes around a label: neg*, neg (?), "neg", not_ok and not-ok, neg - check with Ann.

In: a label.  Out: the label without them.  Not here: what is merged, and what is said of it (spellings.py).
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Iterator

#: What people put before and after a label and do not mean as a part of it. Not + - # < $: of C++, A- and <3 they are
#: one; nor ! before it, which may say not.
_QUOTES = "'\"`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb()[]{}* "
_BEFORE, _AFTER = f"{_QUOTES}\u00bf\u00a1", f"{_QUOTES}.,;:!?\u2026\u2020"
_BETWEEN = re.compile(r"(?<=[^\W\d_])\s*[-_/\u2010-\u2015]\s*(?=[^\W\d_])")
#: What is written after a label: after a dash or a colon, or in brackets. No pattern may try one place from several
#: others: a label can have any length.
_SET_OFF = re.compile(r"(?<!\s)(?:\s+[-\u2013\u2014/|]+|\s*[:;,])\s+\S")
_IN_BRACKETS = re.compile(r"[(\[{][^()\[\]{}]*[)\]}]")
_WORD = re.compile(r"\w")
_BRACKETS = "()[]{}"
#: What also stands between two labels.
_LISTING = re.compile(r"\s*[;,/|]")
_DOUBT = re.compile(
    r"\?|\b(unsure|not sure|uncertain|check(ed)?|todo|tbc|tbd|may ?be|perhaps|probably|review(ed)?|see|unclear|prob"
    r"|unsicher|unklar|pr\u00fcfen|gepr\u00fcft|evtl|\u00e0 v\u00e9rifier|pas s\u00fbr|incertain)\b",
    re.IGNORECASE,
)


def space(label: str) -> str:
    """Without blanks around it, and with one ordinary blank for each run of blanks of whatever kind."""
    return " ".join("".join(" " if unicodedata.category(each) == "Zs" else each for each in label).split())


def without_marks(label: str) -> str:
    """Without marks around it, and with a blank for a line between words. A label of marks alone is what it is.

    >>> [without_marks(each) for each in ("neg*", '"neg" (?)', "not_ok", "not - ok", "C++", "A-", ":)", "1-2")]
    ['neg', 'neg', 'not ok', 'not ok', 'C++', 'A-', ':)', '1-2']
    """
    bare = label.lstrip(_BEFORE).rstrip(_AFTER)
    return space(_BETWEEN.sub(" ", bare)) if any(map(str.isalnum, bare)) else label


def without_note(label: str) -> str:
    """Without what is written after it.

    >>> [without_note(each) for each in ("neg (unsure)", "neg - check with Ann", "neg: see 12", "well-known", "(a)")]
    ['neg', 'neg', 'neg', 'well-known', '(a)']
    """
    start = min(_starts(label), default=None)
    if start is None or (_LISTING.match(label, start) and not _DOUBT.search(label, start)):
        return label  # neg, pos may be two labels
    return label[:start]


def _starts(label: str) -> Iterator[int]:
    """Where a note can begin, each time after a word."""
    words = [match.start() for match in _WORD.finditer(label)]
    if not words:
        return
    set_off = _SET_OFF.search(label, words[0] + 1)
    if set_off:
        yield set_off.start()
    for first in (_bracket_around(label, words[-1]), words[-1] + 1):
        match = _IN_BRACKETS.search(label, first) if first > words[0] else None
        if match:  # nothing but marks follows
            yield len(label[: match.start()].rstrip())
            return


def _bracket_around(label: str, place: int) -> int:
    """The bracket that opens before a place and closes after it, without one between; -1 where there is none."""
    before = max(label.rfind(each, 0, place) for each in _BRACKETS)
    after = min((at for each in _BRACKETS if (at := label.find(each, place)) >= 0), default=-1)
    return before if before >= 0 and label[before] in "([{" and after >= 0 and label[after] in ")]}" else -1


def note_of(label: str) -> str:
    """What is written after a label, without what sets it off; empty where nothing is.

    >>> [note_of(each) for each in ("neg (unsure)", "neg - see 12", "neg")]
    ['unsure', 'see 12', '']
    """
    return label[len(without_note(label)) :].strip(" ()[]{}-\u2013\u2014/|:;,")


def has_remarks(labels: Iterable[str]) -> bool:
    """Whether what is written after some labels is a remark, and not the name of a label within another one.

    It is where it says a doubt, or stands after several labels that occur without it.
    """
    labels = set(labels)
    names = {label.casefold() for label in labels}
    after: dict[str, set[str]] = defaultdict(set)
    for label in labels:
        bare = without_note(label)
        if bare != label and bare in labels and note_of(label).casefold() not in names:
            after[label[len(bare) :]].add(bare)
    return any(len(bare) > 1 or _DOUBT.search(note) for note, bare in after.items())
