"""The comparisons in full, each with its interval and test, and the scores of each seed.

In: a record.  Out: Sections.
Not here: the words that open it (headline.py), a comparison's (comparisons.py), what a verdict speaks of (claims.py).
"""

from __future__ import annotations

from liftune.formatting import interval
from liftune.records.run import EvaluationRecord, RunRecord, TuneRecord, VerdictRecord
from liftune.reports.base import SECTIONS, ReportTable, Section
from liftune.reports.sections.claims import claims
from liftune.reports.sections.comparisons import sentence
from liftune.reports.sections.headline import headline, method_headline
from liftune.reports.sections.results import metric_columns


@SECTIONS.entry("verdict", summary="Whether tuning helped, and how sure that is.", chapter="verdict", of=RunRecord)
def verdict(record: RunRecord) -> Section | None:
    """In plain words; then one sentence a comparison, and what these are about."""
    if not isinstance(record, VerdictRecord):
        compared = record.comparisons if isinstance(record, EvaluationRecord) else ()
        return Section("Score", (*headline(record), *(sentence(each, record) for each in compared)))
    if not record.comparisons:
        return None
    if not isinstance(record, TuneRecord):
        return Section("Verdict", (*headline(record), *(sentence(each, record) for each in record.comparisons)))
    compared = (*record.comparisons, *record.method_comparisons)
    said = (*headline(record), *method_headline(record), *(sentence(each, record) for each in compared))
    return Section("Verdict", (*kept_start(record), *said, *claims(record)))


def kept_start(record: TuneRecord) -> tuple[str, ...]:
    """Where no epoch was better on validation than the state before the first step: that this is what was kept."""
    kept = [log for log in record.logs if not log.best_epoch]
    if not kept:
        return ()
    which = "" if len(record.logs) == 1 else f" under {len(kept)} of {len(record.logs)} seeds"
    first = kept[0]
    paired = first.pairs is not None and first.pairs.taken
    if paired and not any(log.epochs for log in kept):
        why = f"{first.stopped[:1].upper()}{first.stopped[1:]}"
        return (f"The start from pairs of rows was kept{which}: no epoch followed it. {why}.",)
    state = "the untrained model"
    if paired:
        state = "the encoder as it was started from pairs of rows, with a head fitted to it"
    elif first.start:
        state = "the base model's body with a head fitted to its frozen features"
    helped = "the epochs after it" if paired else "training"
    return (f"The start was kept{which}: {helped} did not help. No epoch was better on validation than {state}.",)


@SECTIONS.entry("seeds", summary="Each seed's own scores.", chapter="verdict")
def seeds(record: TuneRecord) -> Section | None:
    """Where there were several: that one seed leaves the spread unknown is a warning (claims.py)."""
    several = [contender for contender in record.contenders if contender.seeds]
    if not several:
        return None
    metrics = metric_columns(record, record.contenders[0].metrics)
    rows = tuple(
        (contender.name, str(result.seed), *(interval(result.metrics[metric]) for metric in metrics))
        for contender in several
        for result in contender.seeds or ()
    )
    said = (
        "Scores in the table of all models are means over seeds. A comparison that names no seeds is about the seed "
        "with the best validation score, whose adapter is kept."
    )
    return Section("Seeds", (said,), (ReportTable(("contender", "seed", *metrics), rows, frozenset({1})),))
