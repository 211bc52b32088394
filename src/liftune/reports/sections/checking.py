"""What `liftune check` prints: the state of each file.

In: a CheckRecord.  Out: Sections.
Not here: looking at the files (workflows/check.py).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from liftune.errors import pasted
from liftune.records.check import CheckRecord, State
from liftune.reports.base import ReportTable, Section

#: State -> what it means.
_MEANING: dict[State, str] = {
    "damaged": "damaged",
    "newer": "written by a newer liftune",
    "not checked": "not checked, as what seals them cannot be read",
    "not sealed": "for readers alone, without a seal",
    "unsealed": "without a seal; nothing is wrong with them that can be seen",
    "whole": "as they were written",
}


def check_sections(record: CheckRecord, path: str | None = None) -> tuple[Section, ...]:
    """How many files are in which state, and each of them.

    Args:
        path: as it was typed; None takes the record's.
    """
    place = path or record.path
    counts = Counter(each.state for each in record.files)
    notes = [f"{count:,} file{'s' * (count != 1)}: {_MEANING[state]}" for state, count in sorted(counts.items())]
    notes += record.notes
    if not record.sealed and record.kind != "foreign" and Path(place).exists():
        notes.append(
            f"files without a seal are read as they are; `liftune check --seal {pasted(place)}` gives them one"
        )
    rows = tuple((each.name, each.state, each.reason) for each in record.files)
    table = ReportTable(("file", "state", "what is wrong"), rows, whole=frozenset({0}))
    return (Section(f"{record.kind.capitalize()} {place}", tuple(notes), (table,)),)


def briefly(record: CheckRecord) -> str:
    """The result in a few words: 12 files, all whole; 1 of 12 files damaged: record.json."""
    counts = Counter(each.state for each in record.files)
    every = f"{len(record.files):,} file{'s' * (len(record.files) != 1)}"
    if record.damaged:
        return f"{len(record.damaged):,} of {every} damaged: {', '.join(each.name for each in record.damaged[:3])}"
    states = {"whole": 0, **counts}
    return f"{every}, none damaged: {', '.join(f'{count:,} {state}' for state, count in states.items())}"
