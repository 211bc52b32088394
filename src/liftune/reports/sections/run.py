"""The command, notes, and what a repeat needs.

In: a TuneRecord and its Details.  Out: Sections.
Not here: the plan and the speed (training.py).
"""

from __future__ import annotations

from liftune.records.details import Details
from liftune.records.run import TuneRecord
from liftune.reports.base import SECTIONS, Section
from liftune.reports.sections.long_texts import reading


@SECTIONS.entry("command", summary="The command that asks for this run.", of_details=True)
def command(record: TuneRecord, details: Details) -> Section:
    """From spec.json, without what is the default."""
    return Section("The command", commands=(details.command,))


@SECTIONS.entry("notes", summary="What else should be known.")
def notes(record: TuneRecord) -> Section | None:
    """What the run noted."""
    return Section("Notes", record.notes) if record.notes else None


@SECTIONS.entry("reproduce", summary="Versions and fingerprints.")
def reproduce(record: TuneRecord) -> Section:
    """What a repeat needs besides spec.json."""
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return Section(
        "To reproduce",
        (
            f"model {record.model}, method {record.method}, {reading(record.max_length, record.long)}",
            f"test set sha256 {record.data_fingerprint}",
            versions,
            "spec.json, beside record.json, has every option",
        ),
    )
