"""The first words of a report: the verdict in plain words, all scores in one chart, and warnings.

In: a TuneRecord.  Out: one Section.  Not here: the verdict's words (headline.py), each comparison in full (verdict.py).
"""

from __future__ import annotations

from liftune.formatting import interval
from liftune.records.run import RunRecord, TuneRecord
from liftune.reports.base import SECTIONS, Section, damage_of, is_random
from liftune.reports.charts import Dots
from liftune.reports.sections.claims import recommendation
from liftune.reports.sections.comparisons import sentence, telling
from liftune.reports.sections.coverage import constant_answers, coverage_sentences
from liftune.reports.sections.headline import headline, method_headline


@SECTIONS.entry("short", summary="The verdict in plain words, and warnings.", chapter="short")
def short(record: TuneRecord) -> Section | None:
    """Only for a run with a verdict."""
    if not record.comparisons:
        return None
    base = next((each for each in record.contenders if each.name == "base"), None)
    compared = (sentence(each, record) for each in telling(record.comparisons, record))
    said = [*headline(record), *method_headline(record), *recommendation(record)]
    notes = list(compared)
    predicted = "predicts these labels" if record.labels else "predicts such a number"
    if base is not None and is_random(base):
        notes.append(
            f"The base model, {record.model}, has no head that {predicted}. It got a randomly initialised one, so its "
            "score is just guessing."
        )
    elif base is not None:
        notes.append(f"The base model, {record.model}, has a trained head that {predicted}, and was scored with it.")
    return Section("Summary", tuple(said), charts=(_all_scores(record),), caveats=caveats(record), notes=tuple(notes))


def caveats(record: TuneRecord) -> tuple[str, ...]:
    """What a sceptic would ask first."""
    said = [damage] if (damage := damage_of(record)) else []
    if record.partial:
        said.append(
            f"Partial: only a sample of the examples was used ({record.rows.train:,} train, {record.rows.test:,} "
            "test); with all of them the scores may differ."
        )
    if not any(each.seeds for each in record.contenders):
        said.append(
            "One seed: this result is about these models on new examples, not about the method. How much another "
            "seed would change it is unknown."
        )
    said += outside_warnings(record)
    said += leaks(record)
    for label, rows in record.audit.unseen_labels.items():
        said.append(f"Label {label!r} is not in train; its {rows:,} test examples count as wrong.")
    covered = (
        *coverage_sentences(record.audit.coverage, record.metric),
        *constant_answers(record.contenders, record.metric),
    )
    said += [f"{each[:1].upper()}{each[1:]}." for each in covered]
    return tuple(said)


def leaks(record: TuneRecord) -> list[str]:
    """Test rows that leak, and what the verdict makes of them."""
    audit, left = record.audit, [each.rows for each in record.comparisons if each.rows is not None]
    said = []
    if left:
        where = [
            f"the {what} of {len(ids):,} test examples is also in {part}"
            for what, ids, part in (
                ("text", audit.leaked_ids, "train"),
                ("text", audit.validation_leaked_ids, "validation"),
                ("group", audit.group_leaked_ids, "train"),
            )
            if ids
        ]
        said.append(
            f"Leaks: {', '.join(where)}. The verdict leaves them out and stands on {left[0]:,} test examples; the "
            "scores of all contenders on these are below."
        )
    elif leaked := audit.leaked_test_rows:  # of a run whose verdict stands on all rows, as it was before 0.2
        said.append(f"Leaks: the text of {leaked:,} test examples is also in train. Scores without them are below.")
    if any(each.without_near for each in record.comparisons):
        said.append(
            f"Near leaks: {len(audit.near_leaked_ids):,} test examples nearly repeat one of train. They count; a "
            "verdict that would be another without them is undecided."
        )
    return said


def _all_scores(record: TuneRecord) -> Dots:
    names = tuple(each.name for each in record.contenders)
    values = tuple(each.metrics[record.metric] for each in record.contenders)
    scores = ", ".join(f"{name} {interval(value)}" for name, value in zip(names, values, strict=True))
    return Dots(
        f"{record.metric} on {record.rows.test:,} test examples, with 95% confidence intervals",
        f"{record.metric} of each contender: {scores}",
        names,
        {record.metric: values},
        record.metric,
        strong="tuned",
        weak=frozenset(each.name for each in record.contenders if is_random(each)),
    )


def outside_warnings(record: RunRecord) -> list[str]:
    """Why the score of each may say nothing."""
    return [f"{each.name}: {said}." for each in record.contenders if each.outside for said in each.outside.warnings]
