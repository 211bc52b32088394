"""Scores of the test rows by the values of columns that are kept with them, and which slices stand out.

In: the tuned contender's Evaluation and another one's, on rows with kept columns.  Out: Slices.
Not here: which values are slices (data/slices.py), the tests (statistics/membership.py, compare.py), words (reports/).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from liftune.data.continued import OLD
from liftune.data.slices import Sliced, sliced
from liftune.data.splits import KeptColumn, kept_at
from liftune.evaluation.breakdowns import group_metric
from liftune.evaluation.clean_rows import Leaks
from liftune.evaluation.compare import UNITS, compare, decided
from liftune.evaluation.evaluate import Evaluation, score_interval
from liftune.evaluation.statistics.membership import membership_test, proportion_test
from liftune.evaluation.statistics.multiple_tests import holm
from liftune.metrics.metric import Metric
from liftune.metrics.row_statistics import Sums
from liftune.records.base import Comparison
from liftune.records.slices import SliceColumn, SliceGain, Slices, SliceScore
from liftune.types import BoolArray

#: With fewer independent rows a slice is shown, and not tested: no test of so few could show more than a gross fault.
LEAST_UNITS = 20


@dataclass(frozen=True)
class _Found:
    """A slice before its p-values are adjusted."""

    column: Sliced
    score: SliceScore
    difference: float | None
    """From the other rows, signed so that positive is better."""
    comparison: Comparison | None


def slices(evaluation: Evaluation, other: Evaluation | None, leaks: Leaks) -> Slices | None:
    """The scores of each slice, worst first; None where no column was kept with the rows.

    Each slice with at least LEAST_UNITS independent rows is tested twice: against the other rows, and for the gain over
    the other contender. Holm's method adjusts the p-values of all these tests together, so that any false claim is made
    in one run of twenty.

    Args:
        other: the contender that the gains are over; None where there is none.
        leaks: rows that are left out of it all, unless all leak.
    """
    if not evaluation.kept or not len(evaluation):
        return None
    clean = leaks.clean(evaluation)
    if 0 < len(clean) < len(evaluation):
        evaluation, other = evaluation.take(clean), other and other.take(clean)
    metric = group_metric(evaluation.task)
    found = [each for column in evaluation.kept for each in _of_column(column, evaluation, other, metric)]
    if not found:
        return None
    adjusted, tests = _adjusted(found, metric)
    return Slices(
        metric=metric.name,
        contender=evaluation.name,
        against=other.name if other else None,
        rows=len(evaluation),
        unit=evaluation.unit,
        tests=tests,
        least=LEAST_UNITS,
        columns=tuple(
            SliceColumn(
                column=column.name,
                in_ranges=any(each.column.in_ranges for each in found if each.column.column == column.name),
                slices=tuple(
                    _worst_first(
                        (one for each, one in zip(found, adjusted, strict=True) if each.column.column == column.name),
                        metric,
                    )
                ),
            )
            for column in evaluation.kept
            if any(each.column.column == column.name for each in found)
        ),
    )


def _worst_first(found: Iterable[SliceScore], metric: Metric) -> list[SliceScore]:
    """Slices with enough rows, the worst first; then the others, the largest first."""

    def rank(each: SliceScore) -> tuple[bool, float]:
        few = each.units < LEAST_UNITS
        value = np.inf if each.score.value is None else metric.sign * each.score.value
        return few, -each.rows if few else value

    return sorted(found, key=rank)


def _of_column(column: KeptColumn, evaluation: Evaluation, other: Evaluation | None, metric: Metric) -> list[_Found]:
    """A column's slices; none where no row has a value.

    Rows of an earlier run are left out where that run kept no such column: they are no slice.
    """
    old = [each.startswith(OLD) for each in evaluation.ids]
    has = [value is not None for value in column.values]
    if not any(has):
        return []
    if not any(known for known, is_old in zip(has, old, strict=True) if is_old):
        rows = np.flatnonzero(~np.array(old))
        evaluation, other = evaluation.take(rows), other and other.take(rows)
        (column,) = kept_at([column], rows)
    return _slices_of(sliced(column), evaluation, other, metric)


def _slices_of(column: Sliced, evaluation: Evaluation, other: Evaluation | None, metric: Metric) -> list[_Found]:
    found = []
    for number, name in enumerate(column.names):
        inside = column.of_row == number
        found.append(_slice(column, name, inside, evaluation, other, metric))
    return found


def _slice(
    column: Sliced,
    name: str | None,
    inside: BoolArray,
    evaluation: Evaluation,
    other: Evaluation | None,
    metric: Metric,
) -> _Found:
    rows, others = np.flatnonzero(inside), np.flatnonzero(~inside)
    here = evaluation.take(rows)
    rest = evaluation.take(others).score(metric) if len(others) else None
    units = here.independent_rows
    score = SliceScore(value=name, rows=len(rows), units=units, score=score_interval(metric, [here]), rest=rest)
    if units < LEAST_UNITS:
        note = f"too few to test: {LEAST_UNITS} {UNITS[evaluation.unit]} are the least"
        return _Found(column, score.model_copy(update={"note": note}), None, None)
    comparison = compare(other.take(rows), here, metric.name) if other else None
    left = evaluation.take(others).independent_rows if len(others) else 0
    if left < LEAST_UNITS:
        note = "the other rows are too few to compare it with" if left else "there are no other rows"
        return _Found(column, score.model_copy(update={"note": note}), None, comparison)
    if rest is None or score.score.value is None:
        note = f"{metric.name} is undefined on these rows or on the others"
        return _Found(column, score.model_copy(update={"note": note}), None, comparison)
    p_value = _p_value(evaluation, inside, metric)
    difference = metric.sign * (score.score.value - rest)
    return _Found(column, score.model_copy(update={"p_value": p_value}), difference, comparison)


def _p_value(evaluation: Evaluation, inside: BoolArray, metric: Metric) -> float:
    """That the slice scores as the other rows do."""
    if evaluation.clusters is None and metric.proportion:
        return proportion_test(evaluation.hits(metric), inside)
    sums = evaluation.statistics(metric)
    if not isinstance(sums, Sums):
        raise TypeError(f"metric {metric.name!r} of few rows has no statistics that add up")
    return membership_test(sums, inside, evaluation.clusters)


def _adjusted(found: list[_Found], metric: Metric) -> tuple[list[SliceScore], int]:
    """With the p-values of all tests adjusted together, and the verdicts that these give; and how many tests there are.

    A slice and all others, where there are two, are one test.
    """
    raw: list[float] = []
    place: list[tuple[int | None, int | None]] = []
    twins: dict[tuple[str, int], int] = {}
    for each in found:
        own, gain = None, None
        if each.score.p_value is not None:
            key = (each.column.column, len(each.column.names))
            if len(each.column.names) == 2 and key in twins:
                own = twins[key]
            else:
                own = twins[key] = len(raw)
                raw.append(each.score.p_value)
        if each.comparison is not None:
            gain = len(raw)
            raw.append(each.comparison.p_value)
        place.append((own, gain))
    adjusted = holm(np.array(raw, dtype=np.float64)) if raw else np.zeros(0)
    scores = []
    for each, (own, gain) in zip(found, place, strict=True):
        update: dict[str, object] = {}
        if own is not None:
            p_value = float(adjusted[own])
            update |= {"adjusted_p_value": p_value, "verdict": decided(p_value, each.difference)}
        if gain is not None and each.comparison is not None:
            update["gain"] = _gain(each.comparison, float(adjusted[gain]))
        scores.append(each.score.model_copy(update=update))
    return scores, len(raw)


def _gain(comparison: Comparison, adjusted: float) -> SliceGain:
    from liftune.records.base import Interval

    return SliceGain(
        gain=Interval(value=comparison.gain, low=comparison.low, high=comparison.high),
        p_value=comparison.p_value,
        adjusted_p_value=adjusted,
        verdict=decided(adjusted, comparison.gain),
    )
