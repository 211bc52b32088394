"""What there is to choose from, as tables.

In: the registries.  Out: a Table.  Not here: any list of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from liftune.report.base import ReportTable


def methods() -> ReportTable:
    """Tuning methods."""
    from liftune.models.methods.registry import METHODS

    rows = tuple(
        (each.name, each.summary, str(each.families), "yes" if each.mergeable else "no") for each in METHODS.entries()
    )
    return ReportTable(("name", "summary", "families", "mergeable"), rows)


def metrics() -> ReportTable:
    """Metrics."""
    from liftune.metrics.registry import METRICS

    rows = tuple(
        (each.name, each.summary, ", ".join(each.tasks), "higher" if each.higher_is_better else "lower")
        for each in METRICS.entries()
    )
    return ReportTable(("name", "summary", "tasks", "better when"), rows)


def sources() -> ReportTable:
    """Kinds of data."""
    from liftune.data.readers.sources import SOURCES

    return ReportTable(("name", "summary"), tuple((each.name, each.summary) for each in SOURCES.entries()))


def accelerations() -> ReportTable:
    """What makes tuning fast."""
    from liftune.hardware.accelerations import ACCELERATIONS

    return ReportTable(("name", "summary"), tuple((each.name, each.summary) for each in ACCELERATIONS.entries()))


#: What `liftune list` knows.
KINDS: dict[str, Callable[[], ReportTable]] = {
    "methods": methods,
    "metrics": metrics,
    "sources": sources,
    "accelerations": accelerations,
}
