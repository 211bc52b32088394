"""A comparison in words, and which comparisons tell something.

In: a Comparison and the record it is of.  Out: sentences.
Not here: the verdict for readers without statistics (headline.py), the tests themselves (evaluation/compare.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from liftune.formatting import gain, p_value
from liftune.metrics.registry import is_proportion
from liftune.option_values import CONTRASTIVE
from liftune.records.base import Comparison, Outcome, Unit
from liftune.records.run import RunRecord, TuneRecord, VerdictRecord
from liftune.reports.base import is_random


def several(unit: Unit) -> str:
    """What is drawn independently, and so what more of would be needed."""
    return {"row": "test examples", "text": "different texts", "group": "groups"}[unit]


def guesses(comparison: Comparison, record: RunRecord) -> bool:
    """Whether the model compared with only guesses."""
    return any(is_random(each) for each in record.contenders if each.name == comparison.a)


def telling(comparisons: Sequence[Comparison], record: VerdictRecord) -> list[Comparison]:
    """All comparisons but that with a base that only guesses, unless there is no other."""
    random = {each.name for each in record.contenders if is_random(each)}
    return [each for each in comparisons if each.a not in random] or list(comparisons)


def own(comparisons: Sequence[Comparison], record: VerdictRecord) -> list[Comparison]:
    """Those that say what tuning was worth: with contenders that the run made itself, and did not train as it did the
    tuned one."""
    others = {each.name for each in record.contenders if each.outside} | {CONTRASTIVE}
    return [each for each in comparisons if each.a not in others]


def other_model(comparison: Comparison, record: VerdictRecord) -> str:
    """The model that the tuned one is compared with, in words."""
    if comparison.a == _strongest(record):
        trained = " trained here, by its score" if any(each.outside for each in record.contenders) else ""
        return f"the strongest other model{trained} on validation ({comparison.a})"
    random = ", whose head is random" if guesses(comparison, record) else ""
    return f"the base model{random}" if comparison.a == "base" else comparison.a


def sentence(comparison: Comparison, record: RunRecord) -> str:
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
    text = f"{decided} {difference}, {p_value(comparison.p_value)} ({comparison.test}{_corrected(comparison)})."
    if comparison.gain is None and comparison.rows == 0:
        text = f"{decided[:-1]}."
    text += _other_rows(comparison)
    needed = comparison.rows_needed or comparison.units_needed
    if needed:
        rows = f"{needed:,} {several(comparison.unit)}"
        what = "loss" if comparison.gain is not None and comparison.gain < 0 else "gain"
        text += f" If this were the true {what}, about {rows} would detect it 80% of the time."
    if comparison.note:
        text += f" {comparison.note[:1].upper()}{comparison.note[1:].rstrip('.')}."
    if guesses(comparison, record):
        text += " The base model's head is random, so its score is just guessing."
    return f"{text} {margin_sentence(comparison, record)}".rstrip()


def margin_sentence(comparison: Comparison, record: RunRecord) -> str:
    """Whether it is not worse, or equally good, up to the margin; empty without one."""
    found = comparison.margin
    if found is None:
        return ""
    amount, a, b = margin_of(comparison.metric, found.margin), comparison.a, comparison.b
    test = f", {found.test}" if found.test else ""
    one = f"({p_value(found.not_worse_p)}{test}, one-sided at 0.05)"
    both = f"({p_value(found.equivalent_p)}{test}, each side at 0.05)"
    text = {
        "equivalent": f"{b} and {a} are equivalent within {amount} {both}.",
        "not worse": f"{b} is not worse than {a} by more than {amount} {one}.",
        "not shown": f"That {b} is not worse than {a} by more than {amount} is not shown {one}.",
    }[found.verdict]
    if found.note:
        text += f" {found.note[:1].upper()}{found.note[1:]}."
    if found.rows_needed and found.verdict == "not shown":
        text += (
            f" With about {found.rows_needed:,} {several(comparison.unit)} it would be shown 80% of the time, if the "
            "two are equally good and differ as often as here."
        )
    if not isinstance(record, TuneRecord):
        text += " A margin counts only if it was chosen before the scores were seen."
    return text


def _other_rows(comparison: Comparison) -> str:
    """The figures on all test examples, and without near duplicates of train examples, where these are others."""
    text = ""
    if (every := comparison.all_rows) is not None:
        text += f" On all {every.rows:,} test examples, of which {every.rows - (comparison.rows or 0):,} leak:"
        text += f" {_figures(every, comparison.metric)}."
    if (without := comparison.without_near) is not None:
        figures = f", on {without.rows:,}: {_figures(without, comparison.metric)}"
        text += f" Without near duplicates of train{figures if without.rows else ' no test example is left'}."
    return text


def _corrected(comparison: Comparison) -> str:
    """The p-value among those of all contrasts of the run, where these are under one correction."""
    if comparison.corrected_p_value is None or comparison.undecided_because:
        return ""
    return f"; {p_value(comparison.corrected_p_value)} after Holm's correction"


def _figures(outcome: Outcome, metric: str) -> str:
    if outcome.gain is None:
        return outcome.verdict
    shown = gain(metric, outcome.gain, outcome.low, outcome.high)
    return f"{shown}, {p_value(outcome.p_value)}, {outcome.verdict}"


def margin_of(metric: str, margin: float) -> str:
    """A margin in words.

    >>> margin_of("accuracy", 0.01), margin_of("accuracy", 0.0025), margin_of("macro_f1", 0.02)
    ('1.0 points of accuracy', '0.25 points of accuracy', '0.02 of macro_f1')
    """
    if not is_proportion(metric):
        return f"{margin:g} of {metric}"
    points = round(100.0 * margin, 6)
    return f"{points:.1f} points of {metric}" if points == round(points, 1) else f"{points:g} points of {metric}"


def _strongest(record: RunRecord) -> str | None:
    return record.strongest if isinstance(record, TuneRecord) else None
