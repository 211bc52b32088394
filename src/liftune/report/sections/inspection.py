"""What `liftune inspect` found, as sections.

In: an Inspection.  Out: Sections.  Not here: finding it (data/inspect.py), how sections look (text.py).
"""

from __future__ import annotations

from liftune.data.inspect import Inspection
from liftune.records.data import Audit
from liftune.report.base import ReportTable, Section
from liftune.report.sections.data_quality import audit_sentences, cleaned_section, shift_section, suspects_section

#: Labels and bad rows that are printed; all of them stand in --json.
MOST_LINES = 30


def inspection_sections(found: Inspection) -> list[Section]:
    """Schema, labels, lengths, bad rows, audit, suspect labels, shift, what was written."""
    sections = [_schema(found), _labels(found), _lengths(found), *_bad_rows(found), _audit(found.audit, found)]
    if found.suspects:
        sections.append(suspects_section(found.suspects))
    if found.shift:
        sections.append(shift_section(found.shift))
    if found.cleaned:
        sections.append(cleaned_section(found.cleaned))
    return sections


def _schema(found: Inspection) -> Section:
    columns = found.columns
    sentences = [
        f"task: {found.task.value} ({found.task_reason})",
        f"text column: {columns.text}"
        + (f"; second text: {columns.text_pair}" if columns.text_pair else "")
        + f"; label column: {columns.label}"
        + (f"; group column: {columns.group}" if columns.group else "")
        + (f"; not read: {', '.join(columns.others)}" if columns.others else ""),
    ]
    counts = found.rows.model_dump()
    rows = tuple((part, f"{count:,}", found.files.get(part, "carved from train")) for part, count in counts.items())
    return Section(found.source, tuple(sentences), (ReportTable(("part", "rows", "from"), rows, frozenset({1})),))


def _labels(found: Inspection) -> Section:
    if found.targets:
        rows = tuple(
            (part, f"{each.min:g}", f"{each.mean:.3g}", f"{each.max:g}", f"{each.std:.3g}")
            for part, each in found.targets.items()
        )
        table = ReportTable(("part", "least", "mean", "most", "standard deviation"), rows, frozenset({1, 2, 3, 4}))
        return Section("Targets", (), (table,))
    parts = list(found.balance)
    labels = list(next(iter(found.balance.values()), {}))
    shares = tuple((label, *(_share(found, part, label) for part in parts)) for label in labels[:MOST_LINES])
    left = len(labels) - MOST_LINES
    sentences = (f"and {left} labels more; --json has them all",) if left > 0 else ()
    blank = tuple(f"{count:,} rows of {part} have no label" for part, count in found.unlabelled.items() if count)
    return Section(
        "Labels", sentences + blank, (ReportTable(("label", *parts), shares, frozenset(range(1, len(parts) + 1))),)
    )


def _share(found: Inspection, part: str, label: str) -> str:
    count = found.balance[part].get(label, 0)
    rows = getattr(found.rows, part)
    return f"{count:,} ({count / rows:.1%})" if rows else "0"


def _lengths(found: Inspection) -> Section:
    unit = found.length_unit
    headings = ("part", "least", "median", "90 %", "95 %", "99 %", "most")
    rows = tuple(
        (part, *(f"{value:,.0f}" for value in (each.min, each.p50, each.p90, each.p95, each.p99, each.max)))
        for part, each in found.lengths.items()
    )
    cuts = tuple(
        f"{part}: cut at {cut.max_length} {unit}, {cut.rows:,} rows ({cut.share:.1%}) would lose their ends"
        for part, each in found.lengths.items()
        for cut in each.truncation
        if cut.rows
    )
    title = f"Lengths in {unit}" + (f" of {found.length_of}" if unit == "tokens" else "")
    return Section(title, cuts or ("nothing would be cut",), (ReportTable(headings, rows, frozenset(range(1, 7))),))


def _bad_rows(found: Inspection) -> list[Section]:
    if not found.bad_rows:
        return []
    rows = tuple((bad.split, str(bad.row), bad.reason) for bad in found.bad_rows[:MOST_LINES])
    left = len(found.bad_rows) - MOST_LINES
    count = len(found.bad_rows)
    said = f"{count:,} rows cannot be used: `liftune tune` refuses them, or drops them with --skip-bad-rows"
    more = (f"and {left} more; --json has them all",) if left > 0 else ()
    return [Section("Bad rows", (said, *more), (ReportTable(("part", "row", "reason"), rows, frozenset({1})),))]


def _audit(audit: Audit, found: Inspection) -> Section:
    return Section("Audit", (*audit_sentences(audit), *found.notes))
