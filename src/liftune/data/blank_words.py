"""Words that stand where a cell has no label: of tools, and by hand.

In: the texts of a label column, or a cell.  Out: a note; the words.
Not here: blank cells (targets.py), whole parts without labels (withheld.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from liftune.data.targets import DASHES
from liftune.errors import amount

#: What tools write for an empty cell.
BLANKS = frozenset({"nan", "null", "none", "n/a", "na", "#n/a", "<na>", "nat", "undefined"})
#: What people write, and what stands where a formula has no value.
_BY_HAND = DASHES | {"?", "??", ".", "#ref!", "#div/0!", "#value!", "#name?", "#null!", "#num!"}


def blank_note(texts: Sequence[str]) -> tuple[str, ...]:
    """Where such words are classes.

    >>> blank_note(["good", "bad", "#REF!"])[0][:48]
    "labels '#REF!' (1 row) are read as classes; wher"
    >>> blank_note(["+", "-", "+"])
    ()
    """
    signs = frozenset({"+", "-"}) <= {text.strip() for text in texts}  # a positive and a negative class
    words = BLANKS | (_BY_HAND - DASHES if signs else _BY_HAND)
    found = Counter(text.strip() for text in texts if text.strip().casefold() in words)
    if not found:
        return ()
    said = ", ".join(f"{word!r} ({amount(rows, 'row')})" for word, rows in found.most_common())
    return (f"labels {said} are read as classes; where they mean that a row has no label, take the rows out",)
