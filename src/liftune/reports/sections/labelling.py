"""What is said of rows to label, and of labels that were read back.

In: a LabelRecord, an ImportRecord.  Out: Sections; a few words.
Not here: choosing and reading them (labelling/).
"""

from __future__ import annotations

from liftune.errors import amount, first_of, pasted
from liftune.formatting import clipped, gain, target
from liftune.records.labelling import Expected, ImportRecord, LabelRecord, Pick
from liftune.reports.base import ReportTable, Section

#: Rows that are shown, and characters of each text.
_SHOWN, _CHARACTERS = 5, 60


def picked_briefly(record: LabelRecord) -> str:
    """100 rows to label of 5,000."""
    return f"{amount(len(record.picks), 'row')} to label of {record.rows:,}"


def picked_sections(record: LabelRecord) -> tuple[Section, ...]:
    """How many rows, why not others, the first few, what they should bring, and what to do next."""
    said = [f"{len(record.picks):,} of {record.rows:,} rows of {record.source}, chosen by {record.strategy}."]
    if record.left_out:
        each = "; ".join(f"{count:,} {why}" for why, count in record.left_out.items())
        said.append(f"Not to choose from: {each}.")
    said += [f"{note[:1].upper()}{note[1:]}." for note in record.notes]
    said += _expected(record)
    if record.files:
        said.append(f"Written: {', '.join(record.files)}.")
    if _is_studio(record):
        config, tasks = record.files
        said.append(
            f"In Label Studio, paste {config} under Settings, Labeling Interface, Code, and import {tasks}; then "
            "export JSON, here as export.json."
        )
    elif record.files:
        said.append("Fill in the column label.")
    headings = ("row", "suggestion", "probability", "text")
    rows = tuple(map(_cells, record.picks[:_SHOWN]))
    left = len(record.picks) - len(rows)
    caption = f"The first {len(rows)}; {left:,} more" if left else ""
    table = ReportTable(headings, rows, frozenset({2}), caption=caption)
    return (Section("Rows to label", tuple(said), (table,), commands=_next(record)),)


def _cells(pick: Pick) -> tuple[str, ...]:
    text = pick.text if isinstance(pick.text, str) else " | ".join(pick.text)
    said = "" if pick.suggestion is None else target(pick.suggestion)
    probability = "" if pick.probability is None else f"{pick.probability:.2f}"
    return str(pick.row if pick.id is None else pick.id), said, probability, clipped(text, _CHARACTERS)


def _expected(record: LabelRecord) -> list[str]:
    if record.expected is not None:
        return [_of_curve(record.expected)]
    if record.has_curve:
        return ["What they should bring is not known: the run's learning curve shows no law."]
    return ["What they should bring is not known: tune with --curve, and the learning curve will tell."]


def _of_curve(expected: Expected) -> str:
    found = expected.gain
    value = gain(expected.metric, found.value, found.low, found.high)
    return (
        f"By the run's learning curve, {expected.rows:,} train rows should bring {value} on validation, if drawn "
        "evenly; chosen rows may bring more or less."
    )


def _is_studio(record: LabelRecord) -> bool:
    """Whether tasks were written, with their configuration."""
    return len(record.files) > 1


def _next(record: LabelRecord) -> tuple[str, ...]:
    """The commands that follow."""
    if not record.files:
        return ()
    file = "export.json" if _is_studio(record) else pasted(record.files[-1])
    return (f"liftune label --import {file} --run {pasted(record.run)} --out more-rows",)


def imported_briefly(record: ImportRecord) -> str:
    """80 labels of 100 rows."""
    return f"{record.rows:,} labels of {record.rows + sum(record.left_out.values()):,} rows"


def imported_sections(record: ImportRecord) -> tuple[Section, ...]:
    """How many labels, why others are none, and what to do with them."""
    said = [f"{record.rows:,} label{'s' * (record.rows != 1)} of {record.source}: {record.path}."]
    if record.labels:
        said.append(f"Labels: {first_of([f'{name} {count:,}' for name, count in record.labels.items()], 10)}.")
    if record.left_out:
        each = "; ".join(f"{count:,} {why}" for why, count in record.left_out.items())
        said.append(f"Left out: {each}.")
    said += [f"{note[:1].upper()}{note[1:]}." for note in record.notes]
    if record.old_rows and record.cross_validated:
        old = amount(record.old_rows, "row")
        said.append(f"With all {old} of {record.run}, which was cross-validated: none is kept for test.")
    elif record.old_rows:
        said.append(f"With the {record.old_rows:,} train rows of {record.run}, whose test rows stay the same.")
    else:
        said.append("The file holds the new rows alone; --out FOLDER joins them to those of the run, to tune anew.")
    return (Section("Labels", tuple(said), commands=_then(record)),)


def _then(record: ImportRecord) -> tuple[str, ...]:
    """Tune on all rows, and see what the new ones brought."""
    # Test rows and labels are the same; else --max-harm brings them together.
    same = record.old_rows and not record.cross_validated and not record.new_labels
    harm = "" if same else " --max-harm 1"
    return record.next_command, f"liftune compare {pasted(record.run)} {pasted(f'{record.run}-more')}{harm}"
