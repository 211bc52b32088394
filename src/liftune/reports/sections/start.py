"""A run with --start: what it went on from, and what old and new test rows gained or lost.

In: a TuneRecord.  Out: a Section.
Not here: what is compared (workflows/start_record.py).
"""

from __future__ import annotations

from liftune.formatting import gain, interval, unbracketed
from liftune.records.run import TuneRecord
from liftune.records.start import Start, StartPart
from liftune.reports.base import SECTIONS, ReportTable, Section
from liftune.reports.sections.harm import label_table

_ROWS = {"old": "test examples of the run that was started from", "new": "test examples of the new data"}


@SECTIONS.entry("start", summary="What tuning further gained and lost.", chapter="verdict")
def start(record: TuneRecord) -> Section | None:
    """Only with --start."""
    found = record.start
    if found is None:
        return None
    said = [
        f"Tuning went on from {found.folder} ({found.method} on {found.base}, sha256 {found.sha256[:12]}), with "
        f"{found.new_rows:,} new train examples and {found.replayed:,} old ones.",
        *(f"{each[:1].upper()}{each[1:]}." for each in found.notes),
        *(_sentence(each, record) for each in found.parts),
    ]
    tables = [_parts(found)] if found.parts else []
    if found.old_labels:
        said.append("Labels on the old test examples, the greatest share of lost ones first:")
        tables.append(label_table(found.old_labels))
    caveats = (
        () if found.parts else ("What was forgotten of the old examples is not measured: none could be tested on.",)
    )
    scores = [score for each in found.parts for score in (each.before, each.after)]
    return Section("Tuned further", (*said, *unbracketed(scores)), tuple(tables), caveats=caveats)


def _sentence(part: StartPart, record: TuneRecord) -> str:
    difference = gain(record.metric, part.gain.value, part.gain.low, part.gain.high)
    low, high = part.gain.low, part.gain.high
    verdict = "the interval tells neither a gain nor a loss"
    if low is not None and high is not None and (low > 0 or high < 0):
        verdict = "better" if low > 0 else "worse"
    return f"On the {part.rows:,} {_ROWS[part.name]}: {difference}, {verdict}."


def _parts(found: Start) -> ReportTable:
    rows = tuple((each.name, f"{each.rows:,}", interval(each.before), interval(each.after)) for each in found.parts)
    return ReportTable(("test examples", "number", "start", "tuned"), rows, frozenset({1, 2, 3}))
