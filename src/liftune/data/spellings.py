"""One label in several spellings: pos and POS, pos and pos*, an accent as one character or two, a character unseen.

In: the targets of every part.  Out: the same with the spellings that the user merges, and what to say of the others.
Not here: cells as labels (targets.py), the names of the merges (option_values.MERGES).

Nothing is merged unasked: to the eye two labels may be one, to their author they may be two.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from liftune.data.label_marks import has_remarks, note_of, space, without_marks, without_note
from liftune.data.numbers import number
from liftune.data.splits import Split
from liftune.errors import amount
from liftune.option_values import MERGES

#: Words for yes and no as labels. Single letters are left out: T, F and N may be true, false and neither.
_SAYING = dict.fromkeys(("true", "yes", "1", "1.0"), "true") | dict.fromkeys(("false", "no", "0", "0.0"), "false")
_DIGITS = re.compile(r"([+-]?)([0-9]*)(?:[.,]([0-9]*))?")
#: Groups of spellings that one note shows; more are counted.
_MOST_SHOWN = 8
#: Letters of other scripts that look like Latin ones, as they are read in a label that is otherwise Latin.
_LOOK_ALIKES = str.maketrans(
    "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0430\u0435\u043e"
    "\u0440\u0441\u0443\u0445\u0456\u0458\u0455\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c"
    "\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf",
    "ABEKMHOPCTYXaeopcyxijsABEZHIKMNOPTYXo",
)


def _unicode(label: str) -> str:
    """In the compatible composed form, without characters that are not seen, look-alikes of Latin letters as these."""
    seen = "".join(each for each in label if not _is_unseen(each))
    return unicodedata.normalize("NFKC", seen).translate(_LOOK_ALIKES)


def _is_unseen(each: str) -> bool:
    """Whether a character shows nothing of its own: also a selector that makes an emoji of a sign."""
    return "\ufe00" <= each <= "\ufe0f" or (unicodedata.category(each) in ("Cf", "Cc") and not each.isspace())


def _truth(label: str) -> str:
    return _SAYING.get(label.casefold(), label)


def _number(label: str) -> str:
    """A number without what makes no difference: 7 for 007, +7 and 7.0."""
    match = _DIGITS.fullmatch(label.strip())
    if match is None or number(label) is None:
        return label
    sign, whole, decimals = match[1], match[2].lstrip("0") or "0", (match[3] or "").rstrip("0")
    value = f"{whole}.{decimals}" if decimals else whole
    return f"-{value}" if sign == "-" and value != "0" else value


_FOLDED: dict[str, Callable[[str], str]] = {
    "unicode": _unicode,
    "space": space,
    "notes": without_note,
    "punctuation": without_marks,
    "case": str.casefold,
    "number": _number,
    "truth": _truth,
}


def folded(label: str, merges: Iterable[str]) -> str:
    """What the spellings of one label have in common.

    >>> folded(" Caf\u0065\u0301\u200b", ("case", "space", "unicode")) == folded("café", ("case", "space", "unicode"))
    True
    """
    wanted = set(merges)
    for name, fold in _FOLDED.items():
        if name in wanted:
            label = fold(label)
    return label


def spelt_alike(counts: Mapping[str, int], merges: Sequence[str] = MERGES) -> list[tuple[str, ...]]:
    """Groups of labels that are one but for their spelling, the most frequent one of each group first.

    Args:
        counts: label -> rows.
        merges: in which respects they may differ. Words of truth count only where every label is one.
    """
    if not all(_truth(folded(label, ("space", "unicode"))) in ("true", "false") for label in counts):
        merges = [each for each in merges if each != "truth"]
    without_notes = [each for each in merges if each != "notes"]
    # Apple (fruit) and Apple (firm) are two; a note is one where the label stands without it, too.
    alone = {folded(label, without_notes) for label in counts}
    names = {label.casefold() for label in counts}
    groups: dict[str, list[str]] = defaultdict(list)
    for label in sorted(counts):
        # Nor is it one where it is a label itself: Billing - Website.
        of_two = "notes" in merges and note_of(label).casefold() in names
        key = folded(label, without_notes if of_two else merges)
        groups[key if key in alone else folded(label, without_notes)].append(label)
    found = [sorted(each, key=lambda label: (-counts[label], label)) for each in groups.values() if len(each) > 1]
    return [tuple(each) for each in found]


def partner_of(label: str, known: Sequence[str]) -> str | None:
    """The only known label that differs from it in spelling alone.

    >>> partner_of("Ham ", ["ham", "spam"]), partner_of("Hamm", ["ham", "spam"])
    ('ham', None)
    """
    merges = [each for each in MERGES if each != "notes"]  # which may say that it is another label
    group = next((each for each in spelt_alike(dict.fromkeys((label, *known), 1), merges) if label in each), ())
    own = [each for each in group if each != label]
    return own[0] if len(own) == 1 else None


def merge_spellings(splits: Mapping[str, Split], merges: Sequence[str]) -> tuple[dict[str, Split], tuple[str, ...]]:
    """Every part with the merged labels, and notes on what was merged and what is still spelt alike.

    A label takes the spelling that most rows have: those of train where it is there.

    Args:
        splits: part -> its rows, train first.
        merges: names from option_values.MERGES; none changes nothing.
    """
    counts: Counter[str] = Counter()
    first: Counter[str] = Counter()
    for role, split in splits.items():
        labels = Counter(label for target in split.targets for label in _labels(target))
        counts += labels
        if role == "train":
            first = labels
    if not counts:
        return dict(splits), ()
    # A spelling of train is kept before one that only other parts have, however often.
    weights = {label: first[label] * (counts.total() + 1) + count for label, count in counts.items()}
    merged: dict[str, str] = {}
    notes: tuple[str, ...] = ()
    if merges:
        groups = spelt_alike(weights, merges)
        merged = {label: kept for kept, *others in groups for label in others}
        said = "; ".join(_shown(each, counts) for each in groups[:_MOST_SHOWN]) or "there are none"
        notes = (f"spellings merged ({', '.join(merges)}), the first of each kept: {said}{_more(groups)}",)
    parts = {role: relabelled(split, merged) for role, split in splits.items()} if merged else dict(splits)
    left = {label: weight for label, weight in weights.items() if label not in merged}
    looked_for = [each for each in MERGES if each != "notes" or has_remarks(left)]
    return parts, notes + _warning(spelt_alike(left, looked_for), counts, merges)


def _warning(groups: Sequence[tuple[str, ...]], counts: Mapping[str, int], merges: Sequence[str]) -> tuple[str, ...]:
    if not groups:
        return ()
    needed = _needed(groups)
    said = "; ".join(_shown(each, counts) for each in groups[:_MOST_SHOWN])
    option = ",".join(name for name in MERGES if name in needed or name in merges)
    what = "spelling or notes" if "notes" in needed else "spelling"
    return (
        f"warning: labels that differ in {what} alone are kept apart: {said}{_more(groups)}; "
        f"--merge-labels {option} makes one label of each",
    )


def _needed(groups: Sequence[tuple[str, ...]]) -> set[str]:
    """The fewest merges that leave no group."""
    needed = set(MERGES)
    for name in reversed(MERGES):
        without = needed - {name}
        if all(len({folded(label, without) for label in each}) == 1 for each in groups):
            needed = without
    return needed


def _more(groups: Sequence[tuple[str, ...]]) -> str:
    left = len(groups) - _MOST_SHOWN
    return f"; and {left} more" if left > 0 else ""


def _shown(group: Sequence[str], counts: Mapping[str, int]) -> str:
    """Spellings with their rows, and with the code points of what cannot be told apart by eye."""
    plain = len({_unicode(space(label)) for label in group}) == len(group)
    return ", ".join(
        f"{label!r}{'' if plain else code_points(label, group)} ({amount(counts[label], 'row')})" for label in group
    )


def code_points(label: str, group: Sequence[str]) -> str:
    """The characters of a label that not every spelling has, by code point.

    >>> code_points("pos\u200b", ("pos", "pos\u200b"))
    ' [U+200B ZERO WIDTH SPACE]'
    """
    common = set.intersection(*(set(each) for each in group))
    odd = [each for each in dict.fromkeys(label) if each not in common]
    if not odd and any(set(each) - common for each in group):
        return " [none of the others' characters]"
    if not odd:  # the same characters, more or fewer of them
        odd = list(label)
    named = (f"U+{ord(each):04X} {unicodedata.name(each, '')}".strip() for each in odd)
    return f" [{', '.join(named)}]"


def _labels(target: Any) -> tuple[str, ...]:
    if isinstance(target, str):
        return (target,)
    return target if isinstance(target, tuple) else ()


def relabelled(split: Split, merged: Mapping[str, str]) -> Split:
    """The rows with other names for some labels.

    Args:
        merged: label -> its new name; others stay.
    """

    def of(target: Any) -> Any:
        if isinstance(target, str):
            return merged.get(target, target)
        return tuple(sorted({merged.get(label, label) for label in target}))

    return replace(split, targets=tuple(of(target) for target in split.targets))


def read_as_one(cells: Iterable[Any], label_of: Callable[[Any], str]) -> tuple[str, ...]:
    """A note on cells of different kinds, or with blanks around them, that are read as one label.

    Args:
        cells: of one label each.
        label_of: a cell's label; raises ValueError where it has none.
    """
    forms: dict[str, dict[tuple[type, Any], None]] = defaultdict(dict)
    for kind, cell in dict.fromkeys((type(cell), cell) for cell in cells if isinstance(cell, str | int | float)):
        try:
            forms[label_of(cell)][kind, cell] = None
        except ValueError:
            continue
    twice = {label: each for label, each in forms.items() if len(each) > 1}
    if not twice:
        return ()
    said = "; ".join(f"{_forms(list(each))} are {label!r}" for label, each in list(twice.items())[:_MOST_SHOWN])
    return (f"cells that are read as one label: {said}",)


def _forms(forms: Sequence[tuple[type, Any]]) -> str:
    names = {str: " (text)", bool: " (boolean)", int: " (number)", float: " (number)"}
    of_one_kind = len({kind for kind, _ in forms}) == 1
    return " and ".join(f"{cell!r}{'' if of_one_kind else names.get(kind, '')}" for kind, cell in forms)
