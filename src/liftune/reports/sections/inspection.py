"""What `liftune inspect` found, as sections.

In: an Inspection.  Out: Sections.  Not here: finding it (data/inspect.py), how sections look (render/text.py).
"""

from __future__ import annotations

from liftune.data.inspect import Inspection
from liftune.errors import amount
from liftune.records.data import Audit
from liftune.reports.base import ReportTable, Section
from liftune.reports.sections.coverage import coverage_sentences
from liftune.reports.sections.data_quality import audit_sentences, cleaned_section, shift_section, suspects_section
from liftune.tasks import task_of

#: Labels and bad rows that are printed; --json has all of them.
MOST_LINES = 30


def inspection_sections(inspection: Inspection) -> list[Section]:
    """Schema, labels, lengths, bad rows, audit, suspect labels, shift, what was written."""
    sections = [
        _schema(inspection),
        labels_section(inspection),
        _lengths(inspection),
        *_bad_rows(inspection),
        _audit(inspection.audit, inspection),
    ]
    if inspection.suspects:
        sections.append(suspects_section(inspection.suspects))
    if inspection.shift:
        sections.append(shift_section(inspection.shift))
    if inspection.cleaned:
        sections.append(cleaned_section(inspection.cleaned))
    return sections


def _schema(inspection: Inspection) -> Section:
    columns = inspection.columns
    sentences = [
        f"task: {inspection.task.value} ({inspection.task_reason})",
        f"text column: {columns.text}"
        + (f"; second text: {columns.text_pair}" if columns.text_pair else "")
        + f"; label column: {columns.label}"
        + (f"; group column: {columns.group}" if columns.group else "")
        + (f"; slices by: {', '.join(columns.slices)}" if columns.slices else "")
        + (f"; not read: {', '.join(columns.others)}" if columns.others else ""),
    ]
    counts = inspection.rows.model_dump()
    rows = tuple(
        (part, f"{count:,}", inspection.files.get(part, "split off from train")) for part, count in counts.items()
    )
    return Section(inspection.source, tuple(sentences), (ReportTable(("split", "rows", "from"), rows, frozenset({1})),))


def labels_section(inspection: Inspection) -> Section:
    """How many rows each label has in each part; of numbers, how they are spread."""
    if inspection.targets:
        rows = tuple(
            (part, f"{each.min:g}", f"{each.mean:.3g}", f"{each.max:g}", f"{each.std:.3g}")
            for part, each in inspection.targets.items()
        )
        table = ReportTable(("split", "min", "mean", "max", "standard deviation"), rows, frozenset({1, 2, 3, 4}))
        return Section("Targets", (), (table,))
    parts = list(inspection.balance)
    labels = list(next(iter(inspection.balance.values()), {}))
    shares = tuple((label, *(_share(inspection, part, label) for part in parts)) for label in labels[:MOST_LINES])
    left = len(labels) - MOST_LINES
    sentences = (f"and {amount(left, 'more label')}; --json has them all",) if left > 0 else ()
    blank = tuple(
        f"{part}: {amount(count, 'example has', 'examples have')} no label"
        for part, count in inspection.unlabelled.items()
        if count
    )
    return Section(
        "Labels", sentences + blank, (ReportTable(("label", *parts), shares, frozenset(range(1, len(parts) + 1))),)
    )


def _share(inspection: Inspection, part: str, label: str) -> str:
    count = inspection.balance[part].get(label, 0)
    rows = getattr(inspection.rows, part)
    return f"{count:,} ({count / rows:.1%})" if rows else "0"


def _lengths(inspection: Inspection) -> Section:
    unit = inspection.length_unit
    headings = ("split", "min", "median", "90%", "95%", "99%", "max")
    rows = tuple(
        (part, *(f"{value:,.0f}" for value in (each.min, each.p50, each.p90, each.p95, each.p99, each.max)))
        for part, each in inspection.lengths.items()
    )
    cuts = tuple(
        f"{part}: with a limit of {cut.max_length} {unit}, {amount(cut.rows, 'text')} "
        f"({cut.share:.1%}) would be truncated"
        for part, each in inspection.lengths.items()
        for cut in each.truncation
        if cut.rows
    )
    train = inspection.lengths.get("train")
    cuts += tuple(
        f"train at a limit of {cut.max_length}: cut or head-tail reads {cut.read:,} {unit}, windows "
        f"{cut.read_in_windows:,}, {cut.read_in_windows / max(1, cut.read):.1f} times as many (--long says which)"
        for cut in (train.truncation if train else ())
        if cut.rows
    )
    title = f"Lengths in {unit}" + (f" of {inspection.length_of}" if unit == "tokens" else "")
    return Section(
        title, cuts or ("no text would be truncated",), (ReportTable(headings, rows, frozenset(range(1, 7))),)
    )


def _bad_rows(inspection: Inspection) -> list[Section]:
    if not inspection.bad_rows:
        return []
    rows = tuple((bad.split, str(bad.row), bad.reason) for bad in inspection.bad_rows[:MOST_LINES])
    left = len(inspection.bad_rows) - MOST_LINES
    count = len(inspection.bad_rows)
    dropped = "left out, as --skip-bad-rows says"
    stops = "`liftune tune` stops there, or leaves such rows out with --skip-bad-rows"
    said = f"{amount(count, 'row')} cannot be used: {dropped if inspection.skip_bad_rows else stops}"
    more = (f"and {left} more; --json has them all",) if left > 0 else ()
    return [Section("Bad rows", (said, *more), (ReportTable(("split", "row", "reason"), rows, frozenset({1})),))]


def _audit(audit: Audit, inspection: Inspection) -> Section:
    covered = coverage_sentences(audit.coverage, task_of(inspection.task).default_metric)
    return Section("Data audit", (*audit_sentences(audit), *covered, *inspection.notes))


def briefly(inspection: Inspection) -> str:
    """The task and how many rows there are, in a few words."""
    rows = inspection.rows
    labels = f", {amount(len(inspection.labels), 'label')}" if inspection.labels else ""
    wrong = f", {amount(len(inspection.bad_rows), 'bad row')}" if inspection.bad_rows else ""
    counts = f"{rows.train:,} train, {rows.validation:,} validation, {rows.test:,} test rows"
    return f"{inspection.task.value}{labels}: {counts}{wrong}"
