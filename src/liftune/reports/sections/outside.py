"""Contenders that the run did not fit: where their answers are from, how many rows they answer, what they cost.

In: a TuneRecord.  Out: one Section.
Not here: their scores (results.py), the comparisons with them (verdict.py).
"""

from __future__ import annotations

from liftune.formatting import interval
from liftune.records.run import TuneRecord
from liftune.reports.base import SECTIONS, ReportTable, Section

_KINDS = {"answers": "answers from a file", "zero-shot": "no training here"}


@SECTIONS.entry("outside", summary="Contenders that were not fitted here, and what they cost.", chapter="verdict")
def outside(record: TuneRecord) -> Section | None:
    """One row each."""
    found = [(each, each.outside) for each in record.contenders if each.outside]
    if not found:
        return None
    priced = any(about.cost_per_row is not None for _, about in found)
    every = record.rows.test
    rows = tuple(
        (
            each.name,
            _KINDS[about.kind],
            about.source,
            about.way,
            f"{about.answered:,} of {every:,}",
            interval(each.metrics[record.metric]),
            *(_costs(about.cost_per_row, every) if priced else ()),
        )
        for each, about in found
    )
    costs = ("cost per 1,000 rows", "cost of these rows") if priced else ()
    headings = ("contender", "what", "from", "how", "test rows answered", record.metric, *costs)
    said = [
        "These were not trained in this run. They are scored on the same test examples as all others, and each is "
        "compared with the tuned model; all comparisons of this run are under one correction (Holm's), so that many of "
        "them find no more by chance than one would.",
    ]
    if any(about.answered < every for _, about in found):
        as_what = "wrong" if record.labels else "the mean of train"
        said.append(f"An example without an answer counts as {as_what}.")
    alone = [each.name for each, about in found if not about.chosen_on_validation]
    if alone:
        said.append(
            f"{' and '.join(alone)}: too few validation examples have an answer, so only the test set compares "
            f"{'it' if len(alone) == 1 else 'them'} with the others."
        )
    if priced:
        said.append("Costs are those given with --cost, in its currency.")
    table = ReportTable(headings, rows, frozenset({4, 5, 6, 7}) & frozenset(range(len(headings))))
    return Section("Not trained here", tuple(said), (table,))


def _costs(per_row: float | None, rows: int) -> tuple[str, str]:
    if per_row is None:
        return "-", "-"
    return f"{1000 * per_row:,.4g}", f"{rows * per_row:,.4g}"
