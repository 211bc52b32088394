"""What separates labels in a text: a bar by itself, anything else where the user says so.

In: the texts of a label column.  Out: whether they are separated, by what, and what to tell the user.
Not here: lists in brackets (label_lists.py), what is made of it (recognise.py).
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from liftune.data.label_lists import pieces
from liftune.data.targets import BAR, Reading
from liftune.errors import DataError, amount
from liftune.tasks import TaskKind

#: Share of cells with a `|` from which on it separates labels.
_SEPARATED_SHARE = 0.05
NUMBER_LIST = re.compile(r"\d+(\s*,\s*\d+)+")
_DIGITS = re.compile(r"\d+")
_THOUSANDS = re.compile(r"\d{1,3}(,\d{3})+")
#: What may separate labels in a text, the likeliest first. Those after the first three also stand in many names of one
#: class, and are named only where the pieces are labels themselves.
_SEPARATORS = (";", ",", BAR, "/", "+", "&", "#", "\n", " ")
_TELLING = 3
#: Names of columns that hold several labels a row.
_OF_SEVERAL = frozenset({"tags", "keywords", "hashtags", "labels", "topics", "categories"})
#: Rows from which on two labels that occur only side by side are said.
_TOGETHER = 3


def are_separated(texts: Sequence[str]) -> bool:
    """Whether `|` separates labels: enough cells have it, or its pieces all occur on their own too."""
    joint = [text for text in texts if BAR in text.strip().strip(BAR)]
    if not joint:
        return False
    if len(joint) >= _SEPARATED_SHARE * len(texts):
        return True
    alone = {text.strip() for text in texts if BAR not in text}
    return all(piece.strip() in alone for text in joint for piece in text.split(BAR))


def number_lists(present: Sequence[Any], where: str | None) -> Reading | None:
    """Whole numbers, some with commas between them: ids, decimals, or either.

    Raises:
        DataError: either.
    """
    texts = [str(cell).strip() for cell in present]
    joint = [text for text in texts if NUMBER_LIST.fullmatch(text)]
    if not joint or not all(NUMBER_LIST.fullmatch(text) or _DIGITS.fullmatch(text) for text in texts):
        return None
    lists = [[piece.strip() for piece in text.split(",")] for text in joint]
    thousands = all(_THOUSANDS.fullmatch(text) for text in joint)
    if any(len(each) > 2 for each in lists) and not thousands:
        note = (
            f"labels such as {max(joint, key=len)!r} are read as lists of numbers; "
            "--task single_label makes each cell one class"
        )
        reason = "lists of numbers, separated by commas"
        return Reading(TaskKind.MULTI_LABEL, reason, separator=",", as_written=True, notes=(note,))
    if not thousands and _must_be_decimals(lists):
        return None
    shown = joint[0]
    one, other = shown.split(",")[0].strip(), shown.split(",")[-1].strip()
    as_number = f"the number {shown.replace(',', '' if thousands else '.')}"
    numbers = "" if any(" " in text for text in joint) else ", numbers with --task regression"
    if thousands:
        numbers = ", numbers with --decimal . (the comma divides thousands) or --decimal , (it is a decimal comma)"
    hint = f"take lists with --label-separator ','{numbers}, or classes with --task single_label"
    raise DataError(f"the label {shown!r} may be {as_number}, or two labels, {one} and {other}", where=where, hint=hint)


def _must_be_decimals(lists: Sequence[Sequence[str]]) -> bool:
    """Whether pairs of numbers are no lists: a list has neither leading zeros nor one number twice, and is sorted."""
    if any(len(after) > 1 and after[0] == "0" for _, after in lists):
        return True
    if any(int(before) >= int(after) for before, after in lists):
        return True
    return {after for _, after in lists} <= {"0", "5", "25", "50", "75"}


def find_separators(texts: Sequence[str]) -> list[tuple[str, float]]:
    """Each separator that occurs between pieces of a label, the likeliest first, and the share of its pieces that are
    labels by themselves or occur in several combinations."""
    kinds = {text.strip() for text in texts}
    found = []
    for separator in _SEPARATORS:
        joint = {kind: pieces(kind, separator) for kind in kinds if separator in kind}
        joint = {kind: each for kind, each in joint.items() if len(each) > 1}
        if separator == " ":
            joint = {kind: each for kind, each in joint.items() if all(_DIGITS.fullmatch(piece) for piece in each)}
        if separator == "/":  # 4/5 is a share, 2026/12/01 a day
            joint = {kind: each for kind, each in joint.items() if not all(_DIGITS.fullmatch(piece) for piece in each)}
        if joint:
            counts = Counter(piece for each in joint.values() for piece in set(each))
            known = sum(piece in kinds or count > 1 for piece, count in counts.items())
            found.append((separator, known / len(counts)))
    return sorted(found, key=lambda each: -each[1])


def separator_note(texts: Sequence[str]) -> tuple[str, ...]:
    """What classes hold that may separate labels, and how to say that it does."""
    for separator, share in find_separators(texts):
        if share >= 0.5 or separator in _SEPARATORS[:_TELLING]:
            holding = Counter(text.strip() for text in texts if len(pieces(text, separator)) > 1)
            shown, rows = holding.most_common(1)[0][0], sum(holding.values())
            hold = amount(len(holding), "label holds", "labels hold")
            return (
                f"{hold} {separator!r}, such as {shown!r} ({amount(rows, 'row')}): each is read as one "
                f"class; --label-separator {_typed(separator)} reads a list of labels",
            )
    return ()


def sets_of_known(labels: Sequence[str], known: Sequence[str]) -> tuple[list[str], str]:
    """The labels that are two or more known ones, joined by one separator, which is likeliest to make sets of them.

    >>> sets_of_known(["joy", "joy; fear", "joy, or so"], ["joy", "fear"])
    (['joy; fear'], ';')
    >>> sets_of_known(["rock and roll"], ["rock", "roll"])
    ([], '')
    """
    names, others = set(known), sorted(set(labels) - set(known))
    for separator in _SEPARATORS:
        each = [label for label in others if len(parts := pieces(label, separator)) > 1 and names.issuperset(parts)]
        if each:
            return each, separator
    return [], ""


#: What may stand between known labels in a cell.
_BETWEEN_KNOWN = (BAR, ";", ",", "\n")


def known_pieces(text: str, is_known: Callable[[str], bool], *, some: bool) -> tuple[list[str], str] | None:
    """The known labels that a cell names beside each other, and what stands between them; None where it is one label.

    Args:
        some: whether one that is known is enough, as where a row can have several labels.

    >>> known_pieces("joy; fear", {"joy", "fear"}.__contains__, some=False)
    (['joy', 'fear'], ';')
    >>> [known_pieces("joy, hope", {"joy"}.__contains__, some=some) for some in (True, False)]
    [(['joy', 'hope'], ','), None]
    """
    if is_known(text.strip()):
        return None
    for separator in _BETWEEN_KNOWN:
        found = pieces(text, separator)
        known = [is_known(each) for each in found]
        if len(found) > 1 and (all(known) or (some and any(known))):
            return list(found), separator
    return None


class Divided:
    """Counts cells that were read as several labels, though nobody said what stands between them."""

    def __init__(self) -> None:
        self._first: dict[str, str] = {}
        self._cells: Counter[str] = Counter()

    def count(self, text: str, separator: str) -> None:
        """One more cell."""
        self._first.setdefault(separator, text.strip())
        self._cells[separator] += 1

    def notes(self, what: str) -> tuple[str, ...]:
        """What was taken.

        Args:
            what: one of the cells, and several: "label", "labels".

        >>> divided = Divided()
        >>> divided.count("joy, fear", ",")
        >>> divided.notes("label")
        ("1 label with ',' between known labels is read as several, such as 'joy, fear'",)
        """
        return tuple(
            f"{amount(cells, f'{what} with', f'{what}s with')} {separator!r} between known labels "
            f"{'is' if cells == 1 else 'are'} read as several, such as {self._first[separator]!r}"
            for separator, cells in self._cells.items()
        )


def tags_note(texts: Sequence[str], column: str) -> tuple[str, ...]:
    """Where the column's name speaks of several, and blanks may separate them: words that occur in several classes.

    >>> tags_note(["vip web", "web", "new vip"], "Tags")[0][:42]
    "labels of 'Tags' hold blanks, such as 'new"
    >>> tags_note(["vip web", "web", "new vip"], "class"), tags_note(["very good", "very bad", "not sure"], "labels")
    ((), ())
    """
    kinds = sorted({text.strip() for text in texts}, key=lambda kind: (-len(kind.split()), kind))
    counts = Counter(word for kind in kinds for word in set(kind.split()))
    joint = [kind for kind in kinds if len(kind.split()) > 1]
    shared = [kind for kind in joint if any(counts[word] > 1 for word in kind.split())]
    recurring = sum(count > 1 for count in counts.values())
    if column.rpartition(".")[2].strip().casefold() not in _OF_SEVERAL or not shared:
        return ()
    if 2 * len(shared) < len(kinds) or 3 * recurring < len(counts):
        return ()
    return (
        f"labels of {column!r} hold blanks, such as {shared[0]!r}: each is read as one class; --label-separator "
        f"{_typed(' ')} reads a list of labels",
    )


def together_note(texts: Sequence[str], separator: str) -> tuple[str, ...]:
    """Where pieces of labels occur only side by side: the separator may stand within a name."""
    rows = [tuple(dict.fromkeys(pieces(text, separator))) for text in texts]
    counts = Counter(piece for row in rows for piece in row)
    pairs = Counter(pair for row in rows for pair in itertools.pairwise(row))
    found = [pair for pair, count in pairs.items() if count >= _TOGETHER and {counts[each] for each in pair} == {count}]
    if not found:
        return ()
    said = "; ".join(f"{one!r} and {other!r}" for one, other in found[:4])
    return (
        f"labels that never occur apart: {said}; where they are one label whose name holds {separator!r}, write it "
        "in quotes or brackets, or separate labels by another sign",
    )


def _typed(separator: str) -> str:
    """As it is typed in a shell."""
    return '"$(printf "\\n")"' if separator == "\n" else f'"{separator}"'
