"""The first words of a report: the verdict in one sentence, the ladder at a glance, what to mind.

In: a TuneRecord.  Out: one Section.  Not here: each comparison in full (sections.py).
"""

from __future__ import annotations

from liftune.formatting import gain, interval
from liftune.records.base import Comparison, Verdict
from liftune.records.run import TuneRecord
from liftune.report.base import SECTIONS, Section
from liftune.report.charts import Dots
from liftune.report.sections.claims import recommendation

_LEADS = {
    "better": "Tuning paid",
    "undecided": "It is not decided whether tuning paid",
    "worse": "Tuning did not pay",
}


@SECTIONS.entry("short", summary="The verdict in one sentence, and what to mind.", chapter="short")
def short(record: TuneRecord) -> Section | None:
    """Only for a run with a verdict."""
    if not record.comparisons:
        return None
    base = next((each for each in record.contenders if each.name == "base"), None)
    said = [headline(record), *recommendation(record)]
    knows = "knows these labels" if record.labels else "gives such a number"
    if base is not None and base.head == "fresh":
        said.append(
            f"The base, {record.model}, brought no head that {knows}. It was given a fresh one, so its "
            "score is chance by construction, not its skill."
        )
    elif base is not None:
        said.append(f"The base, {record.model}, brought a trained head that {knows}, and was scored with it.")
    return Section("In short", tuple(said), charts=(_at_a_glance(record),), caveats=caveats(record))


def headline(record: TuneRecord) -> str:
    """The verdict in one sentence. A base with a fresh head decides nothing where there is another rung to beat."""
    clauses = "; ".join(_clause(each, record) for each in _telling(record))
    return f"{_LEADS[overall(record)]}: {clauses}."


def overall(record: TuneRecord) -> Verdict:
    """The least good of the verdicts that tell something.

    Args:
        record: one with comparisons.
    """
    found = {each.verdict for each in _telling(record)}
    order: tuple[Verdict, ...] = ("worse", "undecided", "better")
    return next(verdict for verdict in order if verdict in found)


def _telling(record: TuneRecord) -> list[Comparison]:
    return [each for each in record.comparisons if not _by_chance(each, record)] or list(record.comparisons)


def _by_chance(comparison: Comparison, record: TuneRecord) -> bool:
    return any(each.name == comparison.a and each.head == "fresh" for each in record.contenders if each.name == "base")


def _clause(comparison: Comparison, record: TuneRecord) -> str:
    other = (
        f"{comparison.a} (the strongest other rung on validation)" if comparison.a == record.strongest else comparison.a
    )
    lifted = gain(comparison.metric, comparison.gain, comparison.low, comparison.high)
    if comparison.verdict == "undecided":
        return f"{comparison.b} against {other} gives {lifted}, which may be chance"
    return f"{comparison.b} is {comparison.verdict} than {other}, {lifted}"


def caveats(record: TuneRecord) -> tuple[str, ...]:
    """What a sceptic would ask first."""
    found = []
    if record.partial:
        found.append(
            f"Partial: a sample of the rows was used ({record.rows.train:,} train, {record.rows.test:,} test), and "
            "every number speaks of that sample."
        )
    if not any(each.seeds for each in record.contenders):
        found.append(
            "One seed: the verdict speaks of these two models on new rows, not of the method. How much another seed "
            "would change is unknown."
        )
    leaked = record.audit.leaked_test_rows
    if leaked:
        found.append(f"Leaks: the text of {leaked:,} test rows is also in train. Scores without them stand below.")
    for label, rows in record.audit.unseen_labels.items():
        found.append(f"Label {label!r} is in no train row; its {rows:,} rows count as wrong.")
    return tuple(found)


def _at_a_glance(record: TuneRecord) -> Dots:
    names = tuple(each.name for each in record.contenders)
    values = tuple(each.metrics[record.metric] for each in record.contenders)
    told = ", ".join(f"{name} {interval(value)}" for name, value in zip(names, values, strict=True))
    return Dots(
        f"{record.metric} on {record.rows.test:,} test rows, with 95 % intervals",
        f"{record.metric} of each contender: {told}",
        names,
        {record.metric: values},
        record.metric,
        strong="tuned",
        weak=frozenset(each.name for each in record.contenders if each.name == "base" and each.head == "fresh"),
    )
