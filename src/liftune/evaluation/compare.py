"""Compare contenders on the very same rows.

In: two evaluations that share rows, labels and truncation.  Out: a Comparison, whose one rule decides.
Not here: scoring (evaluate.py), wording (report/).
"""

from __future__ import annotations

import numpy as np

from liftune.errors import DataError, amount
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.interval_and_verdict import why_unlike
from liftune.evaluation.statistics.bootstrap import randomisation_test
from liftune.evaluation.statistics.clustered import bootstrap, sums_by_group
from liftune.evaluation.statistics.intervals import ALPHA, discordant, mcnemar_exact, tango_interval
from liftune.evaluation.statistics.power import (
    detectable_gain,
    mcnemar_detectable_gain,
    mcnemar_rows_needed,
    rows_needed,
)
from liftune.metrics.metric import Metric
from liftune.metrics.registry import check_metric
from liftune.metrics.row_statistics import Floats
from liftune.records.base import Comparison, Interval, Unit, Verdict

_MCNEMAR = "exact McNemar test at 0.05"
_RANDOMISATION = "paired randomisation test at 0.05"
#: With fewer discordant rows than this, Tango's interval covers more or less often than it says (docs/log.md).
FEW_DISCORDANT = 10
#: By simulation the interval of a gain covers 80 to 93% with fewer groups, or different texts, than
#: this, counted by Kish's effective number, as a few large ones weigh the most (docs/log.md).
FEW_CLUSTERS = 30
#: Of 2^5 ways to swap five groups, even the most extreme two are above 0.05.
LEAST_GROUPS = 6
#: With fewer validation rows, or different texts, nothing is fitted.
LEAST_FITTED = 30
#: What is swapped, by what rows are not independent in.
_BY_UNIT: dict[Unit, str] = {
    "row": _RANDOMISATION,
    "text": "paired randomisation test by text at 0.05",
    "group": "paired randomisation test by group at 0.05",
}
#: Several of a unit, in words.
UNITS: dict[Unit, str] = {"row": "rows", "text": "different texts", "group": "groups"}


def compare(a: Evaluation, b: Evaluation, metric: str | None = None, *, seed: int = 0) -> Comparison:
    """b against a, on the same rows: better, worse or undecided.

    For a proportion such as accuracy the exact McNemar test decides, for every other metric a paired randomisation
    test, both two-sided at 0.05. The interval of the gain (Tango's score method; BCa bootstrap) is shown and does not
    decide. The gain is signed so that positive is better.

    Rows of one group or of equal text are not independent draws: where there are such, the randomisation test swaps,
    and the bootstrap draws, whole clusters of them, for every metric.

    Args:
        metric: a metric's name; None takes the task's default.

    Raises:
        DataError: they differ in rows, targets, label order or truncation length.
        SpecError: the metric is unknown or does not fit the task.
    """
    check_same_rows(a, b)
    measure = check_metric(metric, a.task)
    if a.clusters is None and measure.proportion:
        return _compare_proportion(a, b, measure)
    return _compare_resampled(a, b, measure, seed)


def paired_p_value(metric: Metric, a: Evaluation, b: Evaluation, *, seed: int = 0) -> float:
    """Two-sided p-value that two contenders are alike in a metric on the same rows; 1 where the metric is undefined.

    A randomisation test that swaps whole clusters where rows are not independent; the exact McNemar test for a
    proportion; a randomisation test that swaps rows for every other metric.
    """
    clusters = a.clusters
    if clusters is None and metric.proportion:
        return mcnemar_exact(*discordant(a.hits(metric), b.hits(metric)))
    sides = [each.exchangeable(metric) for each in (a, b)]
    if clusters is not None:
        sides = [sums_by_group(each, clusters) for each in sides]
    return randomisation_test(*sides, seed=seed)


def check_same_rows(a: Evaluation, b: Evaluation) -> None:
    """Refuse a pair that cannot be compared; a contender of length None reads all of a row and fits any."""
    lengths = {a.max_length, b.max_length} - {None}
    for differs, what, hint in (
        (a.task is not b.task, f"task ({a.task.value} and {b.task.value})", "compare runs of one task"),
        (a.ids != b.ids, f"test rows ({len(a.ids)} and {len(b.ids)}, or others)", "run both on the same test rows"),
        (a.groups != b.groups, "groups of the test rows", "run both with the same --group"),
        (a.fingerprint != b.fingerprint, "texts or targets of the test rows", "run both on the same data"),
        (a.labels != b.labels, f"labels or their order ({_listed(a)} and {_listed(b)})", "run both on the same labels"),
        (
            len(lengths) > 1,
            f"truncation length ({a.max_length} and {b.max_length} tokens)",
            "give both one --max-length",
        ),
    ):
        if differs:
            raise DataError(f"{a.name} and {b.name} cannot be compared: they differ in {what}", hint=hint)


def _listed(evaluation: Evaluation, most: int = 8) -> str:
    labels = evaluation.labels
    return ", ".join(labels[:most]) + (", ..." if len(labels) > most else "")


def _compare_proportion(a: Evaluation, b: Evaluation, metric: Metric) -> Comparison:
    base, tuned = a.hits(metric), b.hits(metric)
    lost, won = discordant(base, tuned)
    p_value = paired_p_value(metric, a, b)
    gain = tango_interval(base, tuned)
    verdict = decided(p_value, gain.value)
    needed = mcnemar_rows_needed(lost, won, len(base)) if verdict == "undecided" else None
    if lost + won < FEW_DISCORDANT:
        gain = gain.model_copy(update={"note": few_discordant(lost + won)})
    detectable = mcnemar_detectable_gain(len(base), (lost + won) / len(base))
    return _comparison(a, b, metric.name, gain, p_value, verdict, _MCNEMAR, needed, detectable)


def few_discordant(rows: int) -> str:
    """What to say of an interval that stands on few rows."""
    only = f"just one of them is right on only {amount(rows, 'row')}"
    what = only if rows else "on no row is just one of them right"
    return f"{what}: with so few the interval is approximate, and mostly wider than 95% asks for"


def _compare_resampled(a: Evaluation, b: Evaluation, metric: Metric, seed: int) -> Comparison:
    clusters = a.clusters
    sides = [each.statistics(metric) for each in (a, b)]

    def gain_of(values: list[Floats]) -> Floats:
        return metric.sign * (values[1] - values[0])

    boot = bootstrap(sides, gain_of, clusters, seed=seed)
    units = a.independent_rows
    gain = _few_clusters(a, b, metric, boot.interval)
    p_value = paired_p_value(metric, a, b, seed=seed) if gain.value is not None else 1.0
    verdict = decided(p_value, gain.value)
    needed = None
    if verdict == "undecided" and gain.value and boot.standard_error:
        needed = rows_needed(gain.value, boot.standard_error, units)
        needed = needed if clusters is None else max(needed, LEAST_GROUPS)
    detectable = detectable_gain(boot.standard_error) if boot.standard_error else None
    if clusters is not None and units < LEAST_GROUPS:
        gain, detectable = gain.model_copy(update={"note": too_few(a)}), None
    return _comparison(a, b, metric.name, gain, p_value, verdict, _BY_UNIT[a.unit], needed, detectable)


def too_few(a: Evaluation) -> str:
    """What to say of so few clusters that no test by cluster decides."""
    units = a.independent_rows
    what = f"one {a.unit}" if units == 1 else f"{units} {UNITS[a.unit]}"
    return f"{what} can never decide: {LEAST_GROUPS} are the least"


def too_few_to_fit(rows: int, units: int, unit: Unit) -> str:
    """Validation rows that are too few to fit anything on them and to judge it, in words; empty where they are enough.

    Args:
        units: independent ones among the rows: texts, or groups, of which a test by group needs LEAST_GROUPS.
    """
    if rows < LEAST_FITTED:
        return f"{rows} validation rows"
    least = LEAST_GROUPS if unit == "group" else LEAST_FITTED
    return f"{units} {UNITS[unit]} of validation" if units < least else ""


def _few_clusters(a: Evaluation, b: Evaluation, metric: Metric, gain: Interval) -> Interval:
    """The interval of a proportion's gain where few clusters differ or none: by Tango's method for the latter."""
    if a.clusters is None or not metric.proportion or gain.value is None or a.independent_rows < 2:
        return gain
    differ = np.unique(a.clusters[a.hits(metric) != b.hits(metric)])
    if len(differ) == 0:
        alike = np.zeros(a.independent_rows, dtype=bool)
        gain = tango_interval(alike, alike)
    sizes = np.bincount(a.clusters).astype(np.float64)
    if len(differ) < FEW_DISCORDANT or float(sizes.sum() ** 2 / (sizes**2).sum()) < FEW_CLUSTERS:
        gain = gain.model_copy(update={"note": _few_differing(a, len(differ))})
    return gain


def _few_differing(a: Evaluation, differ: int) -> str:
    """What to say of a bootstrap of few clusters, or of few that differ, unlike Tango's interval of rows too narrow."""
    if differ == 0:
        return few_discordant(0)
    few = f"just one of them is right on only {differ} of {a.independent_rows} {UNITS[a.unit]}"
    return f"{few}: with so few the interval is approximate, and often narrower than 95% asks for"


def decided(p_value: float, gain: float | None, *, alpha: float = ALPHA) -> Verdict:
    """The one rule.

    >>> decided(0.01, 0.02), decided(0.01, -0.02), decided(0.2, 0.02)
    ('better', 'worse', 'undecided')
    """
    if p_value > alpha or not gain:
        return "undecided"
    return "better" if gain > 0 else "worse"


def _comparison(
    a: Evaluation,
    b: Evaluation,
    metric: str,
    gain: Interval,
    p_value: float,
    verdict: Verdict,
    test: str,
    needed: int | None,
    detectable: float | None,
) -> Comparison:
    note = gain.note
    if verdict == "undecided" and needed is None:
        if gain.value is None:
            note = f"{metric} is undefined for constant predictions: there is no gain to decide"
        elif gain.value == 0:
            zero = "the observed gain is zero: were it the true one, no number of rows would decide"
            note = f"{zero}; {note}" if note else zero
    if (
        unlike := ""
        if a.unit != "row" and a.independent_rows < LEAST_GROUPS
        else why_unlike(verdict, gain.low, gain.high, p_value)
    ):
        note = f"{unlike}; {note}" if note else unlike
    return Comparison(
        a=a.name,
        b=b.name,
        metric=metric,
        gain=gain.value,
        low=gain.low,
        high=gain.high,
        p_value=p_value,
        verdict=verdict,
        test=test,
        rows_needed=needed if a.unit == "row" else None,
        smallest_detectable_gain=detectable,
        note=note,
        unit=a.unit,
        units=None if a.unit == "row" else a.independent_rows,
        units_needed=None if a.unit == "row" else needed,
    )
