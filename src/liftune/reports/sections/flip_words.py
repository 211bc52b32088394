"""The words that mattered in a few flips, in a table.

In: Details.  Out: a sentence and a table of the section on flips (predictions.py).
Not here: which flips are explained, and how (workflows/explained_flips.py).
"""

from __future__ import annotations

from liftune.formatting import clipped
from liftune.records.details import Details, Flip, WordEffect
from liftune.reports.base import ReportTable

#: Characters of a text; flips.jsonl has all of it.
MOST_CHARACTERS = 400


def words_that_mattered(details: Details, *, numbers: bool) -> tuple[tuple[str, ...], tuple[ReportTable, ...]]:
    """A sentence and a table; the reason alone where none could be explained; nothing where there is no flip."""
    found, changed = details.explained, details.flips
    if found and found.lacking:
        return (f"These flips are not explained word by word: {found.lacking}.",), ()
    known = {flip.id: flip for flip in (*changed.fixed, *changed.broken)}
    each = [one for one in found.flips if one.id in known] if found else []
    if not found or not each:
        return (), ()
    of = "the value" if numbers else "the probability of the model's own answer"
    said = (
        f"The words that mattered in {len(each)} flips, the first of each kind: by how much {of} is higher with the "
        "word than without it, one word at a time; words that say the same stand in for each other."
    )
    if len(found.flips) < found.wanted:
        said += f" {found.wanted} were to be explained; after {found.seconds:g} seconds no further one was begun."
    kinds = flip_kinds(numbers=numbers)
    rows = tuple(
        (
            kinds[known[one.id] not in changed.fixed],
            clipped(flip_text(known[one.id]), MOST_CHARACTERS),
            *(
                f"{answer}: {_words(one.words.get(name, ()))}"
                for name, answer in _answers(known[one.id], changed.against)
            ),
            one.id,
        )
        for one in each
    )
    caption = f"{' or '.join(kinds)}: why"
    return (said,), (ReportTable(("change", "text", changed.against, "tuned", "row"), rows, caption=caption),)


def flip_kinds(*, numbers: bool) -> tuple[str, str]:
    """What a prediction that is better now is called, and one that is worse."""
    return ("closer", "further away") if numbers else ("fixed", "broken")


def _answers(flip: Flip, against: str) -> tuple[tuple[str, str], tuple[str, str]]:
    return (against, flip.before), ("tuned", flip.after)


def _words(words: tuple[WordEffect, ...]) -> str:
    return ", ".join(f"{clipped(each.word, 30)} {each.change:+.2f}" for each in words) or "no word changes it"


def flip_text(flip: Flip) -> str:
    """The text, of a pair both."""
    return flip.text if flip.text_pair is None else f"{flip.text} | {flip.text_pair}"
