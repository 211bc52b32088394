"""A comparison in words, and which comparisons tell something.

In: a Comparison and the record it is of.  Out: sentences.
Not here: the verdict for readers without statistics (headline.py), the tests themselves (evaluation/compare.py).
"""

from __future__ import annotations

from liftune.formatting import gain, p_value
from liftune.records.base import Comparison, Outcome, Unit
from liftune.records.run import TuneRecord, VerdictRecord
from liftune.report.base import is_random


def several(unit: Unit) -> str:
    """What is drawn independently, and so what more of would be needed."""
    return {"row": "test examples", "text": "different texts", "group": "groups"}[unit]


def guesses(comparison: Comparison, record: VerdictRecord) -> bool:
    """Whether the model compared with only guesses."""
    return any(is_random(each) for each in record.contenders if each.name == comparison.a)


def telling(comparisons: tuple[Comparison, ...], record: VerdictRecord) -> list[Comparison]:
    """All comparisons but that with a base that only guesses, unless there is no other."""
    random = {each.name for each in record.contenders if is_random(each)}
    return [each for each in comparisons if each.a not in random] or list(comparisons)


def other_model(comparison: Comparison, record: VerdictRecord) -> str:
    """The model that the tuned one is compared with, in words."""
    if comparison.a == _strongest(record):
        return f"the strongest other model on validation ({comparison.a})"
    random = ", whose head is random" if guesses(comparison, record) else ""
    return f"the base model{random}" if comparison.a == "base" else comparison.a


def sentence(comparison: Comparison, record: VerdictRecord) -> str:
    """Which of the two is better, by how much, by which test, and how many examples would decide."""
    difference = gain(comparison.metric, comparison.gain, comparison.low, comparison.high)
    strongest = " (the strongest other model on validation)" if comparison.a == _strongest(record) else ""
    other = f"{comparison.a}{strongest}"
    ours = f"{comparison.b} over {comparison.seeds} seeds" if comparison.seeds else comparison.b
    decided = {
        "better": f"{ours} is better than {other}:",
        "worse": f"{ours} is worse than {other}:",
        "undecided": f"{ours} against {other}: undecided,",
    }[comparison.verdict]
    if comparison.undecided_because:
        decided = f"{decided[:-1]}: {comparison.undecided_because};"
    text = f"{decided} {difference}, {p_value(comparison.p_value)} ({comparison.test})."
    if comparison.gain is None and comparison.rows == 0:
        text = f"{decided[:-1]}."
    text += _other_rows(comparison)
    needed = comparison.rows_needed or comparison.units_needed
    if needed:
        rows = f"{needed:,} {several(comparison.unit)}"
        text += f" If this were the true gain, about {rows} would detect it 80% of the time."
    if comparison.note:
        text += f" {comparison.note[:1].upper()}{comparison.note[1:].rstrip('.')}."
    if guesses(comparison, record):
        text += " The base model's head is random, so its score is just guessing."
    return text


def _other_rows(comparison: Comparison) -> str:
    """The figures on all test examples, and without near duplicates of train examples, where these are others."""
    text = ""
    if (every := comparison.all_rows) is not None:
        text += f" On all {every.rows:,} test examples, of which {every.rows - (comparison.rows or 0):,} leak:"
        text += f" {_figures(every, comparison.metric)}."
    if (without := comparison.without_near) is not None:
        text += f" Without near duplicates of train, on {without.rows:,}: {_figures(without, comparison.metric)}."
    return text


def _figures(outcome: Outcome, metric: str) -> str:
    if outcome.gain is None:
        return outcome.verdict
    shown = gain(metric, outcome.gain, outcome.low, outcome.high)
    return f"{shown}, {p_value(outcome.p_value)}, {outcome.verdict}"


def _strongest(record: VerdictRecord) -> str | None:
    return record.strongest if isinstance(record, TuneRecord) else None
