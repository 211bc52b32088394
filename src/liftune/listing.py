"""`liftune list`: what there is to choose from, as tables.

In: the registries.  Out: a ReportTable.
Not here: any list of its own; nor, until a table is made, any import that `--help` does not need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from liftune.reports.base import ReportTable


def methods() -> ReportTable:
    """Tuning methods."""
    from liftune.models.methods.registry import METHODS
    from liftune.reports.base import ReportTable

    rows = tuple(
        (each.name, each.summary, str(each.families), "yes" if each.mergeable else "no") for each in METHODS.entries()
    )
    return ReportTable(("name", "summary", "families", "mergeable"), rows)


def metrics() -> ReportTable:
    """Metrics."""
    from liftune.metrics.registry import METRICS
    from liftune.reports.base import ReportTable

    rows = tuple(
        (each.name, each.summary, ", ".join(each.tasks), "higher" if each.higher_is_better else "lower")
        for each in METRICS.entries()
    )
    return ReportTable(("name", "summary", "tasks", "better when"), rows)


def sources() -> ReportTable:
    """Kinds of data."""
    from liftune.data.readers.sources import SOURCES
    from liftune.reports.base import ReportTable

    return ReportTable(("name", "summary"), tuple((each.name, each.summary) for each in SOURCES.entries()))


def accelerations() -> ReportTable:
    """What makes tuning fast."""
    from liftune.hardware.accelerations import ACCELERATIONS
    from liftune.reports.base import ReportTable

    return ReportTable(("name", "summary"), tuple((each.name, each.summary) for each in ACCELERATIONS.entries()))


def formats() -> ReportTable:
    """Export formats."""
    from liftune.exports.formats import EXPORT_FORMATS
    from liftune.reports.base import ReportTable

    rows = tuple((each.name, each.summary, ", ".join(each.extras)) for each in EXPORT_FORMATS.entries())
    return ReportTable(("name", "summary", "extras"), rows)


def trackers() -> ReportTable:
    """Experiment trackers."""
    from liftune.reports.base import ReportTable
    from liftune.tracking import TRACKERS

    return ReportTable(("name", "summary"), tuple((each.name, each.summary) for each in TRACKERS.entries()))


def strategies() -> ReportTable:
    """Ways to choose rows to label."""
    from liftune.labelling.strategies import STRATEGIES
    from liftune.reports.base import ReportTable

    return ReportTable(("name", "summary"), tuple((each.name, each.summary) for each in STRATEGIES.entries()))


#: The kinds of things that `liftune list` prints.
KINDS: dict[str, Callable[[], ReportTable]] = {
    "methods": methods,
    "metrics": metrics,
    "sources": sources,
    "accelerations": accelerations,
    "formats": formats,
    "trackers": trackers,
    "strategies": strategies,
}
