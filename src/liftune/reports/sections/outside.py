"""Contenders that the run did not fit: where their answers are from, how many rows they answer, what they cost.

In: a record.  Out: one Section.
Not here: their scores (results.py), the comparisons with them (verdict.py).
"""

from __future__ import annotations

from liftune.formatting import interval
from liftune.records.learning_curve import BreakEven
from liftune.records.run import EvaluationRecord, RunRecord, TuneRecord
from liftune.reports.base import SECTIONS, ReportTable, Section
from liftune.reports.sections.learning_curve import break_even_rows
from liftune.reports.sections.summary import outside_warnings
from liftune.tasks import task_of

_CORRECTED = (
    "all comparisons of this run are under one correction (Holm's), so that many of them find no more by chance than "
    "one would."
)
_TUNED = (
    "These were not trained in this run. They are scored on the same test examples as all others, and each is compared "
    f"with the tuned model; {_CORRECTED}"
)
_EVALUATED = (
    "These answers were made elsewhere. They are scored on the same test examples as the model, which is compared with "
    f"each; {_CORRECTED}"
)


@SECTIONS.entry(
    "outside", summary="Contenders that were not fitted here, and what they cost.", chapter="verdict", of=RunRecord
)
def outside(record: RunRecord) -> Section | None:
    """One row each."""
    found = [(each, each.outside) for each in record.contenders if each.outside]
    if not found:
        return None
    even = _break_even(record, [each.name for each, _ in found])
    priced = any(about.cost_per_row is not None for _, about in found)
    every = record.rows.test
    rows = tuple(
        (
            each.name,
            about.source if about.kind == "answers" else f"{about.source}, {about.way}",
            f"{about.answered:,} of {every:,}",
            interval(each.metrics[record.metric]),
            *(_costs(about.cost_per_row, every) if priced else ()),
            *((even[each.name],) if even else ()),
        )
        for each, about in found
    )
    costs = ("cost per 1,000 rows", "cost here") if priced else ()
    headings = ("contender", "from", "answered", record.metric, *costs, *(("labels to break even",) if even else ()))
    scored_alone = isinstance(record, EvaluationRecord)
    said = [_EVALUATED if scored_alone else _TUNED]
    if any(about.answered < every for _, about in found):
        said.append(f"An example without an answer counts as {task_of(record.task).counts_unanswered}.")
    alone = [each.name for each, about in found if not (about.chosen_on_validation or scored_alone)]
    if alone:
        said.append(
            f"{' and '.join(alone)}: too few validation examples have an answer, so only the test set compares "
            f"{'it' if len(alone) == 1 else 'them'} with the others."
        )
    if priced:
        said.append("Costs are those given with --cost, in its currency; cost here: of the test examples.")
    if even:
        said.append("Labels to break even: how many labelled examples tuning needs to be as good (see Learning curve).")
        apart = [each.contender for each in _found_even(record) if not each.paired]
        if apart:
            said.append(
                f"Of {' and '.join(apart)} they hold the score on test against a curve that is scored on validation: "
                "where the scores in the table say otherwise, believe these."
            )
    table = ReportTable(headings, rows, frozenset({2, 3, 4, 5, 6}) & frozenset(range(len(headings))))
    # Those of a run that tuned are in its summary, with all others.
    warned = () if isinstance(record, TuneRecord) else tuple(outside_warnings(record))
    return Section("Not trained here", tuple(said), (table,), caveats=warned)


def _found_even(record: RunRecord) -> tuple[BreakEven, ...]:
    return record.curve.break_even if isinstance(record, TuneRecord) and record.curve else ()


def _break_even(record: RunRecord, names: list[str]) -> dict[str, str]:
    """Contender -> the rows that tuning needs to draw level, where a curve was drawn."""
    found = {each.contender: break_even_rows(each) for each in _found_even(record)}
    return {name: found.get(name, "-") for name in names} if any(name in found for name in names) else {}


def _costs(per_row: float | None, rows: int) -> tuple[str, str]:
    if per_row is None:
        return "-", "-"
    thousand, here = (f"{each:,.0f}" if each >= 1000 else f"{each:.4g}" for each in (1000 * per_row, rows * per_row))
    return thousand, here
