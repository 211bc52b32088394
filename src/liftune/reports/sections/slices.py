"""Scores by slice: where the model fails, and where tuning helped.

In: a record with Slices.  Out: a Section.  Not here: how slices are found and tested (evaluation/slices.py).
"""

from __future__ import annotations

from liftune.errors import first_of, shown
from liftune.evaluation.interval_and_verdict import why_unlike
from liftune.formatting import clipped, gain, interval, p_value, unbracketed
from liftune.records.run import RunRecord, VerdictRecord
from liftune.records.slices import SliceColumn, Slices, SliceScore
from liftune.reports.base import SECTIONS, ReportTable, Section
from liftune.reports.charts import Dots
from liftune.reports.sections.comparisons import several

#: The most slices that are drawn; the tables have all of them.
_MOST_IN_CHART = 30
_MOST_CHARACTERS = 40
_NAMED = 3


@SECTIONS.entry("slices", summary="Scores by the values of columns, with --slices.", chapter="answers", of=RunRecord)
def slices(record: RunRecord) -> Section | None:
    """One table a column, the worst slice first."""
    found = record.slices
    if found is None:
        return None
    scores = [score for column in found.columns for score in column.slices]
    tables = tuple(_table(column, found) for column in found.columns)
    return Section(
        "Slices", (*_said(found, record), *unbracketed(each.score for each in scores)), tables, _chart(found)
    )


def _said(found: Slices, record: RunRecord) -> tuple[str, ...]:
    left = record.rows.test - found.rows
    rows = f"{found.rows:,} test examples" + (f", without the {left:,} that leak" if left else "")
    said = [f"{found.metric} of {found.contender} on {rows}, by slice."]
    compared = f", and for its gain over {found.against}" if found.against else ""
    units = "" if found.unit == "row" else f", counted in {several(found.unit)}"
    if found.tests:
        said[0] += (
            f" A slice of at least {found.least}{units} is tested against the other examples{compared}: {found.tests} "
            f"test{'s' if found.tests > 1 else ''}, whose p-values are adjusted together by Holm's method."
        )
    else:
        said[0] += f" None has the {found.least} examples{units} to be tested."
    said += [_of_column(column, found) for column in found.columns]
    said += _unlike(found)
    ranges = [column.column for column in found.columns if column.in_ranges]
    if ranges:
        what = f"{', '.join(map(shown, ranges))}: numbers, divided into ranges of about as many examples each."
        said.append(what)
    if isinstance(record, VerdictRecord) and record.folds:
        said.append("Each example was predicted by models that were tuned without its fold.")
    return tuple(said)


def _of_column(column: SliceColumn, found: Slices) -> str:
    """What stands out in a column."""
    tested = [each for each in column.slices if each.adjusted_p_value is not None]
    worse = [each for each in tested if each.verdict == "worse"]
    if not tested:
        return f"{shown(column.column)}: no slice was tested against the others."
    if worse:
        listed = "; ".join(_against(each, found) for each in worse[:3])
        more = f"; and {len(worse) - 3} more" if len(worse) > 3 else ""
        return f"{shown(column.column)}: worse than the other examples: {listed}{more}."
    return (
        f"{shown(column.column)}: no slice is shown to be worse than the other examples. The worst, "
        f"{_against(tested[0], found)}, need not be: one of several is always the worst."
    )


def _unlike(found: Slices) -> list[str]:
    """Of which slices verdict and interval of the gain seem to say different things, and why."""
    slices: dict[str, list[str]] = {}
    for column in found.columns:
        for each in column.slices:
            if (of := each.gain) is not None:
                why = why_unlike(of.verdict, of.gain.low, of.gain.high, of.p_value, tests=found.tests)
                slices.setdefault(why, []).append(f"{shown(column.column)} {_name(each)}")
    return [f"Gain on {first_of(names, _NAMED)}: {why}." for why, names in slices.items() if why]


def _against(score: SliceScore, found: Slices) -> str:
    other = "" if score.rest is None else f", the others {score.rest:.3f}"
    adjusted = "" if score.adjusted_p_value is None else f", {p_value(score.adjusted_p_value)}"
    return f"{_name(score)} ({interval(score.score)} on {score.rows:,}{other}{adjusted})"


def _name(score: SliceScore) -> str:
    return "(no value)" if score.value is None else clipped(score.value, _MOST_CHARACTERS)


def _table(column: SliceColumn, found: Slices) -> ReportTable:
    with_gain = found.against is not None
    headings: tuple[str, ...] = (
        clipped(column.column, _MOST_CHARACTERS),
        "examples",
        found.metric,
        "others",
        "verdict, adjusted p",
    )
    headings += (f"gain over {found.against}", "gain's verdict, adjusted p") if with_gain else ()
    rows = tuple((*_cells(each), *(_gain(each, found.metric) if with_gain else ())) for each in column.slices)
    return ReportTable(headings, rows, frozenset({1, 2, 3}), long=len(rows) > _MOST_IN_CHART)


def _cells(score: SliceScore) -> tuple[str, ...]:
    rest = "-" if score.rest is None else f"{score.rest:.3f}"
    verdict = score.note or score.verdict
    if score.adjusted_p_value is not None:
        verdict = f"{score.verdict}, {p_value(score.adjusted_p_value)}"
    return _name(score), f"{score.rows:,}", interval(score.score), rest, verdict


def _gain(score: SliceScore, metric: str) -> tuple[str, str]:
    if score.gain is None:
        return "-", "-"
    of = score.gain
    said = gain(metric, of.gain.value, of.gain.low, of.gain.high).replace(f" of {metric}", "")
    return said, f"{of.verdict}, {p_value(of.adjusted_p_value)}"


def _chart(found: Slices) -> tuple[Dots, ...]:
    scores = [
        (column.column, each) for column in found.columns for each in column.slices if each.score.value is not None
    ]
    if not 1 < len(scores) <= _MOST_IN_CHART:
        return ()
    several_columns = len(found.columns) > 1
    names = tuple(f"{column}: {_name(each)}" if several_columns else _name(each) for column, each in scores)
    words = ", ".join(f"{name} {interval(each.score)}" for name, (_, each) in zip(names, scores, strict=True))
    return (
        Dots(
            f"{found.metric} by slice, with 95% confidence intervals",
            f"{found.metric} of {found.contender}: {words}",
            names,
            {found.contender: tuple(each.score for _, each in scores)},
            found.metric,
            strong=found.contender,
        ),
    )
