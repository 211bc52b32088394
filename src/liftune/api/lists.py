"""`list_methods` and its kin: what there is to choose from.

In: nothing.  Out: a list of dicts, of which a data frame can be made.  Not here: any list of its own (listing.py).
"""

from __future__ import annotations

from liftune.listing import KINDS


def _entries(kind: str) -> list[dict[str, str]]:
    table = KINDS[kind]()
    return [dict(zip(table.headings, row, strict=True)) for row in table.rows]


def list_methods() -> list[dict[str, str]]:
    """Tuning methods: name, summary, families, whether they can be merged."""
    return _entries("methods")


def list_metrics() -> list[dict[str, str]]:
    """Metrics: name, summary, tasks, which way is better."""
    return _entries("metrics")


def list_sources() -> list[dict[str, str]]:
    """Kinds of data: name, summary."""
    return _entries("sources")


def list_accelerations() -> list[dict[str, str]]:
    """What makes tuning fast: name, summary."""
    return _entries("accelerations")


def list_formats() -> list[dict[str, str]]:
    """Export formats: name, summary, extras."""
    return _entries("formats")


def list_trackers() -> list[dict[str, str]]:
    """Experiment trackers: name, summary."""
    return _entries("trackers")


def list_strategies() -> list[dict[str, str]]:
    """Ways to choose rows to label, the usual one first: name, summary."""
    return _entries("strategies")
