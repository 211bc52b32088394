"""The comparisons in full, each with its interval and test, and the scores of each seed.

In: a TuneRecord.  Out: Sections.
Not here: the one sentence that opens the report (headline.py), what a verdict speaks of (claims.py).
"""

from __future__ import annotations

from liftune.formatting import gain, interval, p_value
from liftune.records.base import Comparison
from liftune.records.run import TuneRecord, VerdictRecord
from liftune.report.base import SECTIONS, ReportTable, Section
from liftune.report.sections.claims import claims
from liftune.report.sections.results import metric_columns


@SECTIONS.entry(
    "verdict", summary="Whether tuning lifted the model, and over what.", chapter="verdict", of=VerdictRecord
)
def verdict(record: VerdictRecord) -> Section | None:
    """One sentence a comparison."""
    if not record.comparisons:
        return None
    heads = {contender.name: contender.head for contender in record.contenders}
    if not isinstance(record, TuneRecord):
        return Section("Verdict", tuple(sentence(each, heads.get(each.a)) for each in record.comparisons))
    compared = (*record.comparisons, *record.method_comparisons)
    sentences = [sentence(each, heads.get(each.a), strongest=record.strongest) for each in compared]
    return Section("Verdict", (*sentences, *claims(record)))


@SECTIONS.entry("seeds", summary="Each seed's own scores.", chapter="verdict")
def seeds(record: TuneRecord) -> Section | None:
    """With one seed, a word that the spread is unknown."""
    several = [contender for contender in record.contenders if contender.seeds]
    if not several:
        return Section("Seeds", ("One seed: how much another seed would change these numbers is unknown.",))
    metrics = metric_columns(record, record.contenders[0].metrics)
    rows = tuple(
        (contender.name, str(found.seed), *(interval(found.metrics[metric]) for metric in metrics))
        for contender in several
        for found in contender.seeds or ()
    )
    said = (
        "Values in the ladder are means over seeds; where a verdict names no seeds it is on the one that validation "
        "likes best, whose adapter is kept."
    )
    return Section("Seeds", (said,), (ReportTable(("contender", "seed", *metrics), rows, frozenset({1})),))


def sentence(comparison: Comparison, head: str | None, *, strongest: str | None = None) -> str:
    """A comparison in words.

    Args:
        head: of the contender `a`.
        strongest: the baseline with the best validation score.
    """
    lifted = gain(comparison.metric, comparison.gain, comparison.low, comparison.high)
    other = f"{comparison.a} (the strongest other rung)" if comparison.a == strongest else comparison.a
    ours = f"{comparison.b} over {comparison.seeds} seeds" if comparison.seeds else comparison.b
    decided = {
        "better": f"{ours} is better than {other}",
        "worse": f"{ours} is worse than {other}",
        "undecided": f"{ours} against {other} is undecided",
    }[comparison.verdict]
    text = f"{decided}: {lifted}, {p_value(comparison.p_value)} ({comparison.test})."
    if comparison.rows_needed:
        text += f" Were this the true gain, about {comparison.rows_needed:,} test rows would show it."
    if comparison.note:
        text += f" {comparison.note[:1].upper()}{comparison.note[1:].rstrip('.')}."
    if comparison.a == "base" and head == "fresh":
        text += " The base's head is fresh: its score is chance by construction, not the model's skill."
    return text
