"""Compare contenders on the very same rows.

In: two evaluations that share rows, labels and truncation.  Out: a Comparison, whose one rule decides.
Not here: scoring (evaluate.py), wording (report/).
"""

from __future__ import annotations

from liftune.errors import DataError
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.statistics.bootstrap import randomisation_test
from liftune.evaluation.statistics.clustered import bootstrap, sums_by_group
from liftune.evaluation.statistics.intervals import ALPHA, discordant, mcnemar_exact, tango_interval
from liftune.evaluation.statistics.power import (
    detectable_gain,
    mcnemar_detectable_gain,
    mcnemar_rows_needed,
    rows_needed,
)
from liftune.metrics.registry import Metric, check_metric
from liftune.metrics.row_statistics import Floats
from liftune.records.base import Comparison, Interval, Verdict

_MCNEMAR = "exact McNemar test at 0.05"
_RANDOMISATION = "paired randomisation test at 0.05"
#: With fewer discordant rows than this, Tango's interval covers more or less often than it says (docs/log.md).
FEW_DISCORDANT = 10
#: Of 2^5 ways to swap five groups, even the most extreme two are above 0.05.
LEAST_GROUPS = 6
_BY_GROUP = "paired randomisation test by group at 0.05"


def compare(a: Evaluation, b: Evaluation, metric: str | None = None, *, seed: int = 0) -> Comparison:
    """b against a, on the same rows: better, worse or undecided.

    For a proportion such as accuracy the exact McNemar test decides, for every other metric a paired randomisation
    test, both two-sided at 0.05. The interval of the gain (Tango's score method; BCa bootstrap) is shown and does not
    decide. The gain is signed so that positive is better.

    Where rows come in groups, those of a group are not independent draws: the randomisation test then swaps, and the
    bootstrap draws, whole groups, for every metric.

    Args:
        metric: a metric's name; None takes the task's default.

    Raises:
        DataError: they differ in rows, targets, label order or truncation length.
        SpecError: the metric is unknown or does not fit the task.
    """
    check_same_rows(a, b)
    measure = check_metric(metric, a.task)
    if a.groups is None and measure.proportion:
        return _compare_proportion(a, b, measure)
    return _compare_resampled(a, b, measure, seed)


def paired_p_value(metric: Metric, a: Evaluation, b: Evaluation, *, seed: int = 0) -> float:
    """Two-sided p-value that two contenders are alike in a metric on the same rows; 1 where the metric is undefined.

    A randomisation test that swaps whole groups where rows come in groups; the exact McNemar test for a proportion; a
    randomisation test that swaps rows for every other metric.
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
    what = "on no row is just one of them right" if rows == 0 else f"just one of them is right on only {rows} rows"
    return f"{what}: with so few the interval is approximate, and mostly wider than 95% asks for"


def _compare_resampled(a: Evaluation, b: Evaluation, metric: Metric, seed: int) -> Comparison:
    clusters = a.clusters
    sides = [each.statistics(metric) for each in (a, b)]

    def gain_of(values: list[Floats]) -> Floats:
        return metric.sign * (values[1] - values[0])

    boot = bootstrap(sides, gain_of, clusters, seed=seed)
    gain = boot.interval
    p_value = paired_p_value(metric, a, b, seed=seed) if gain.value is not None else 1.0
    verdict = decided(p_value, gain.value)
    needed = None
    if verdict == "undecided" and gain.value and boot.standard_error:
        needed = rows_needed(gain.value, boot.standard_error, len(a))
    if clusters is not None and (groups := int(clusters.max()) + 1) < LEAST_GROUPS:
        gain = gain.model_copy(update={"note": f"{groups} groups can never decide: {LEAST_GROUPS} are the least"})
    detectable = detectable_gain(boot.standard_error) if boot.standard_error else None
    test = _RANDOMISATION if clusters is None else _BY_GROUP
    return _comparison(a, b, metric.name, gain, p_value, verdict, test, needed, detectable)


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
        rows_needed=needed,
        smallest_detectable_gain=detectable,
        note=note,
    )
