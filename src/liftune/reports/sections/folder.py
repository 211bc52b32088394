"""What is said of a folder of predictions at the end.

In: a FolderRecord.  Out: lines; Sections.
Not here: predicting it (bulk/).
"""

from __future__ import annotations

from liftune.errors import amount, first_of
from liftune.formatting import duration
from liftune.records.predictions import FolderRecord
from liftune.reports.base import ReportTable, Section

#: Labels, and names of files, in a line.
_NAMED = 10


def summary(record: FolderRecord) -> list[str]:
    """The result, a line each: rows and files, labels, rows without a prediction, files that were left out."""
    before = f", {record.earlier:,} of them by an earlier call" if record.earlier else ""
    rate = f", {record.rows_per_second:,.0f} rows/s" if (record.rows_per_second or 0) >= 1 else ""
    lines = [
        f"predictions for {record.rows - record.errors:,} of {amount(record.rows, 'row')} "
        f"in {files_text(record.files)}{before}: {record.path} ({duration(record.seconds)}{rate})"
    ]
    if record.labels:
        lines.append("labels: " + first_of([f"{label} {count:,}" for label, count in record.labels.items()], _NAMED))
    if record.errors:
        lines.append(f"{amount(record.errors, 'row has', 'rows have')} no prediction: see the column 'error'")
    if record.left_out:
        named = first_of([f"{name} ({why})" for name, why in record.left_out.items()], _NAMED)
        lines.append(f"not predicted: {named}")
    return [*lines, *record.notes]


def briefly(record: FolderRecord) -> str:
    """The result in a few words: 12 files, 1,000 rows, 1 file failed."""
    failed = f", {files_text(len(record.failed))} failed" if record.failed else ""
    return f"{files_text(record.files)}, {amount(record.rows, 'row')}{failed}"


def folder_sections(record: FolderRecord) -> tuple[Section, ...]:
    """The summary, and the files that failed."""
    rows = tuple(record.failed.items())
    tables = (ReportTable(("file without predictions", "why"), rows, whole=frozenset({0})),) if rows else ()
    return (Section("Predictions", tuple(summary(record)), tables),)


def files_text(count: int) -> str:
    """So many files, in words."""
    return f"{count:,} file{'s' * (count != 1)}"
