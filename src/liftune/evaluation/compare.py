"""Compare contenders on the very same rows.

In: two evaluations that share rows, labels and truncation.  Out: a Comparison, whose one rule decides.
Not here: scoring (evaluate.py), wording (report/).
"""

from __future__ import annotations

from liftune.errors import DataError
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.statistics.bootstrap import bca_bootstrap, randomisation_test
from liftune.evaluation.statistics.clustered import clusters_of, group_bootstrap, sums_by_group
from liftune.evaluation.statistics.intervals import ALPHA, discordant, mcnemar_exact, tango_interval
from liftune.evaluation.statistics.power import (
    detectable_gain,
    mcnemar_detectable_gain,
    mcnemar_rows_needed,
    rows_needed,
)
from liftune.metrics.registry import Metric, check_metric, right
from liftune.metrics.row_statistics import Ints, Sums
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

    For accuracy the exact McNemar test decides, for every other metric a paired randomisation test, both two-sided at
    0.05. The interval of the
    gain (Tango's score method; BCa bootstrap) is shown and does not decide. The gain is signed so that positive is
    better.

    Where rows come in groups, those of a group are no independent draws: the randomisation test then swaps, and the
    bootstrap draws, whole groups, for every metric.

    Args:
        metric: a metric's name; None takes the task's default.

    Raises:
        DataError: they differ in rows, targets, label order or truncation length.
        SpecError: the metric is unknown or does not fit the task.
    """
    check_same_rows(a, b)
    measure = check_metric(metric, a.task)
    if a.groups is not None:
        return _compare_grouped(a, b, measure, clusters_of(a.groups), seed)
    if measure.name == "accuracy":
        return _compare_accuracy(a, b)
    return _compare_resampled(a, b, measure, seed)


def check_same_rows(a: Evaluation, b: Evaluation) -> None:
    """Refuse a pair that does not answer the same question; a length of None reads all of a row and fits any."""
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


def _compare_accuracy(a: Evaluation, b: Evaluation) -> Comparison:
    base, tuned = right(a.targets, a.logits), right(b.targets, b.logits)
    lost, won = discordant(base, tuned)
    p_value = mcnemar_exact(lost, won)
    gain = tango_interval(base, tuned)
    verdict = decided(p_value, gain.value)
    needed = mcnemar_rows_needed(lost, won, len(base)) if verdict == "undecided" else None
    if lost + won < FEW_DISCORDANT:
        gain = gain.model_copy(update={"note": few_discordant(lost + won)})
    detectable = mcnemar_detectable_gain(len(base), (lost + won) / len(base))
    return _comparison(a, b, "accuracy", gain, p_value, verdict, _MCNEMAR, needed, detectable)


def few_discordant(rows: int) -> str:
    """What to say of an interval that stands on few rows."""
    what = "on no row is just one of them right" if rows == 0 else f"just one of them is right on only {rows} rows"
    return f"{what}: with so few the interval is approximate, and mostly wider than 95 % asks for"


def _compare_resampled(a: Evaluation, b: Evaluation, metric: Metric, seed: int) -> Comparison:
    sides = [metric.statistics(each.targets, each.view(metric), each.task) for each in (a, b)]
    boot = bca_bootstrap(sides, lambda values: metric.sign * (values[1] - values[0]), seed=seed)
    p_value = 1.0
    if boot.interval.value is not None:
        exchanged = [_exchange(metric, each) for each in (a, b)]
        p_value = randomisation_test(*exchanged, seed=seed)
    verdict = decided(p_value, boot.interval.value)
    needed = None
    if verdict == "undecided" and boot.interval.value and boot.standard_error:
        needed = rows_needed(boot.interval.value, boot.standard_error, len(a.ids))
    detectable = detectable_gain(boot.standard_error) if boot.standard_error else None
    return _comparison(a, b, metric.name, boot.interval, p_value, verdict, _RANDOMISATION, needed, detectable)


def _compare_grouped(a: Evaluation, b: Evaluation, metric: Metric, clusters: Ints, seed: int) -> Comparison:
    sides = [metric.statistics(each.targets, each.view(metric), each.task) for each in (a, b)]
    boot = group_bootstrap(sides, lambda values: metric.sign * (values[1] - values[0]), clusters, seed=seed)
    gain = boot.interval
    p_value = 1.0
    if gain.value is not None:
        exchanged = [sums_by_group(_exchange(metric, each), clusters) for each in (a, b)]
        p_value = randomisation_test(*exchanged, seed=seed)
    verdict = decided(p_value, gain.value)
    needed = None
    if verdict == "undecided" and gain.value and boot.standard_error:
        needed = rows_needed(gain.value, boot.standard_error, len(a.ids))
    groups = int(clusters.max()) + 1
    if groups < LEAST_GROUPS:
        gain = gain.model_copy(update={"note": f"{groups} groups can never decide: {LEAST_GROUPS} are the least"})
    detectable = detectable_gain(boot.standard_error) if boot.standard_error else None
    return _comparison(a, b, metric.name, gain, p_value, verdict, _BY_GROUP, needed, detectable)


def _exchange(metric: Metric, side: Evaluation) -> Sums:
    statistics = (metric.exchange or metric.statistics)(side.targets, side.view(metric), side.task)
    if not isinstance(statistics, Sums):
        raise TypeError(f"metric {metric.name!r} has no statistics that add up: register it with `exchange`")
    return statistics


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
            note = f"{metric} is undefined for constant answers: there is no gain to decide"
        elif gain.value == 0:
            nought = "the observed gain is nought: were it the true one, no number of rows would decide"
            note = f"{nought}; {note}" if note else nought
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
