"""What the run says of itself, and what a repeat needs.

In: a TuneRecord and its Details.  Out: Sections.
Not here: the plan and the speed (training.py).
"""

from __future__ import annotations

from liftune.records.details import Details
from liftune.records.run import TuneRecord
from liftune.report.base import SECTIONS, Section


@SECTIONS.entry("command", summary="The command that asks for this run.", of_details=True)
def command(record: TuneRecord, details: Details) -> Section:
    """From spec.json, whatever was by default left out."""
    return Section("The command", commands=(details.command,))


@SECTIONS.entry("notes", summary="What else should be known.")
def notes(record: TuneRecord) -> Section | None:
    """What the run said of itself."""
    return Section("Notes", record.notes) if record.notes else None


@SECTIONS.entry("reproduce", summary="Versions and fingerprints.")
def reproduce(record: TuneRecord) -> Section:
    """What a repeat needs besides spec.json."""
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return Section(
        "To reproduce",
        (
            f"model {record.model}, method {record.method}, at most {record.max_length} tokens a row",
            f"test rows sha256 {record.data_fingerprint}",
            versions,
            "what was asked stands in spec.json beside record.json",
        ),
    )
