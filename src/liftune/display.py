"""What a record shows of itself: sections for the terminal and a notebook, figures, a data frame, one line.

In: a record.  Out: Sections, HTML, a matplotlib Figure, a pandas DataFrame, a str.
Not here: what each section says (reports/sections/), drawing (reports/render/).

Records lie below all of this. They name this module and import it when they are shown (records/base.py); each class
names the function that makes its sections (`sections_from`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from liftune.errors import ArtifactError, SpecError, nearest, need
from liftune.formatting import interval
from liftune.records.base import Interval, StoredRecord
from liftune.records.run import RunRecord, TuneRecord, VerdictRecord
from liftune.records.sweep import SweepRecord
from liftune.reports.base import FIRST_SCREEN, Section
from liftune.reports.charts import Chart
from liftune.reports.document import named_sections
from liftune.reports.render.notebook import notebook_html
from liftune.reports.sections.training import why_no_curve
from liftune.run_folder import RunFolder

#: Sections of the report that are shown at the end of a run; the others are in `liftune report`.
SHOWN = ("harm", "start", "scores", "clean", "verdict", "outside", "slices", "curve", "audit", "use")

#: Those of a cell in a notebook: the first says the verdict in plain words, with its warnings.
IN_A_CELL = FIRST_SCREEN


def run_sections(record: RunRecord) -> list[Section]:
    """The contenders and what follows from them, the rest being in `liftune report`."""
    return [each.section for each in named_sections(record) if each.name in SHOWN]


def sections_of(record: StoredRecord) -> Sequence[Section]:
    """What the command that makes such a record prints; nothing for a record that no command prints."""
    if not record.sections_from:
        return ()
    return tuple(_made(record.sections_from)(record))


def _made(by: str) -> Callable[[Any], Any]:
    """The function at `module:name`."""
    module, _, name = by.partition(":")
    return cast("Callable[[Any], Any]", getattr(import_module(module), name))


def line(record: StoredRecord) -> str:
    """A record in a few words, as `repr` shows it."""
    return f"<{type(record).__name__} {' '.join(_words(record))}>".replace(" >", ">")


def _words(record: StoredRecord) -> Iterable[str]:
    """Where it is, and what came of it."""
    for name in ("run", "sweep", "path", "source"):
        if isinstance(place := getattr(record, name, None), str):
            yield place
            break
    if record.words_from:
        yield f"({_made(record.words_from)(record)})"
    if isinstance(record, VerdictRecord) and record.comparisons:
        from liftune.reports.sections.headline import overall

        yield f"({overall(record)})"
    if isinstance(record, RunRecord):
        scores = [f"{each.name} {interval(each.metrics[record.metric])}" for each in record.contenders if record.metric]
        yield f"{record.metric}: {', '.join(scores)}" if scores else ""


def html(record: StoredRecord) -> str:
    """For a notebook's cell: the verdict in plain words, the tables, warnings."""
    sections = sections_of(record)
    if isinstance(record, TuneRecord) and record.comparisons:
        found = {each.name: each.section for each in named_sections(record)}
        sections = [found[name] for name in IN_A_CELL if name in found]
    words = next(iter(_words(record)), "") if isinstance(record, RunRecord) else " ".join(_words(record))
    return notebook_html(f"{type(record).__name__}: {words}".removesuffix(": "), sections)


def plot(record: RunRecord | SweepRecord, section: str | None = None) -> Any:
    """A matplotlib Figure of the charts of one section of the report; of a sweep, scores against costs.

    Args:
        section: its name; None takes the first that has charts: the contenders' scores.

    Raises:
        SpecError: it has no charts, or there is no such section; the hint names those with charts.
        MissingExtra: matplotlib is not installed.
    """
    if isinstance(record, SweepRecord):
        from liftune.sweeps.plot import figure_of as figure_of_sweep

        return figure_of_sweep(record)
    from liftune.reports.render.figures import figure_of

    charts = _charts(record)
    chosen = next(iter(charts), None) if section is None else section
    if chosen is None or chosen not in charts:
        have = ", ".join(charts)
        if not charts:
            raise SpecError(
                f"a {type(record).__name__} has no charts",
                where="section",
                hint="the record of a whole run has some: liftune.read(run).plot()",
            )
        if isinstance(record, TuneRecord) and not RunFolder(Path(record.run)).has_record:
            have += f"; those of single rows need the run's folder, which is not at {record.run}"
        if chosen == "training" and isinstance(record, TuneRecord) and (why := why_no_curve(record)):
            raise SpecError(
                f"no charts of training: {why}",
                where="section",
                hint=f"tune for more (epochs=3); record.logs has its scores. There are charts of: {have}",
            )
        raise SpecError(
            f"no charts of {chosen or 'this record'}{nearest(chosen, charts) if chosen else ''}",
            where="section",
            hint=f"choose one of: {have}",
        )
    return figure_of(charts[chosen])


def _charts(record: RunRecord) -> dict[str, tuple[Chart, ...]]:
    """Section -> its charts. Those of single rows need the run's folder, and are left out where it is gone."""
    details = None
    if isinstance(record, TuneRecord):
        from liftune.workflows.report import read_run

        try:
            details = read_run(RunFolder.open(record.run), look=False)[1]
        except ArtifactError:
            details = None
    return {each.name: each.section.charts for each in named_sections(record, details) if each.section.charts}


def frame(record: RunRecord | SweepRecord) -> Any:
    """A pandas DataFrame: a row a contender, with each metric's value, low and high.

    Raises:
        MissingExtra: pandas is not installed.
    """
    need("pandas")
    import pandas as pd

    if isinstance(record, SweepRecord):
        rows = [_flat(each.model_dump()) for each in record.leaderboard]
        return pd.DataFrame(rows)
    found = []
    for each in record.contenders:
        row: dict[str, Any] = {"contender": each.name}
        for name, score in each.metrics.items():
            row |= _cells(name, score)
        more = {name: getattr(each, name) for name in ("trainable_parameters", "total_parameters", "saved_bytes")}
        found.append(row | more | {f"seconds.{name}": value for name, value in each.seconds.model_dump().items()})
    return pd.DataFrame(found)


def _cells(name: str, score: Interval) -> dict[str, float | None]:
    return {name: score.value, f"{name}.low": score.low, f"{name}.high": score.high}


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as names with dots."""
    cells: dict[str, Any] = {}
    for name, value in values.items():
        cells |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return cells
