"""Compare contenders on the very same rows.

In: two evaluations that share rows, labels and truncation.  Out: a Comparison, whose one rule decides.
Not here: scoring (evaluate.py), wording (report/).
"""

from __future__ import annotations

import math

from liftune.errors import DataError
from liftune.evidence.evaluate import Evaluation
from liftune.evidence.intervals import (
    ALPHA,
    POWER,
    discordant,
    mcnemar_exact,
    mcnemar_rows_needed,
    tango_interval,
)
from liftune.evidence.resampling import bca_bootstrap, randomisation_test
from liftune.metrics import Metric, check_metric, right
from liftune.record import Comparison, Interval, Verdict
from liftune.rowstats import Sums

_MCNEMAR = "exact McNemar test at 0.05"
_RANDOMISATION = "paired randomisation test at 0.05"


def compare(a: Evaluation, b: Evaluation, metric: str | None = None, *, seed: int = 0) -> Comparison:
    """b against a, on the same rows: better, worse or undecided.

    For accuracy the exact McNemar test decides, for every other metric a paired randomisation test, both two-sided at
    0.05. The interval of the
    gain (Tango's score method; BCa bootstrap) is shown and does not decide. The gain is signed so that positive is
    better.

    Args:
        metric: a metric's name; None takes the task's default.

    Raises:
        DataError: they differ in rows, targets, label order or truncation length.
        SpecError: the metric is unknown or does not fit the task.
    """
    check_same_rows(a, b)
    measure = check_metric(metric, a.task)
    if measure.name == "accuracy":
        return _compare_accuracy(a, b)
    return _compare_resampled(a, b, measure, seed)


def check_same_rows(a: Evaluation, b: Evaluation) -> None:
    """Refuse a pair that does not answer the same question; a length of None reads all of a row and fits any."""
    lengths = {a.max_length, b.max_length} - {None}
    for differs, what, mend in (
        (a.task is not b.task, f"task ({a.task.value} and {b.task.value})", "compare runs of one task"),
        (a.ids != b.ids, f"test rows ({len(a.ids)} and {len(b.ids)}, or others)", "run both on the same test rows"),
        (a.fingerprint != b.fingerprint, "texts or targets of the test rows", "run both on the same data"),
        (a.labels != b.labels, f"labels or their order ({_listed(a)} and {_listed(b)})", "run both on the same labels"),
        (
            len(lengths) > 1,
            f"truncation length ({a.max_length} and {b.max_length} tokens)",
            "give both one --max-length",
        ),
    ):
        if differs:
            raise DataError(f"{a.name} and {b.name} cannot be compared: they differ in {what}", mend=mend)


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
    return _comparison(a, b, "accuracy", gain, p_value, verdict, _MCNEMAR, needed)


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
    return _comparison(a, b, metric.name, boot.interval, p_value, verdict, _RANDOMISATION, needed)


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


def rows_needed(gain: float, standard_error: float, rows: int, *, power: float = POWER, alpha: float = ALPHA) -> int:
    """Rows at which a true gain of this size is found with this power, its standard error shrinking as one over their
    root.

    Source: the normal approximation, ((z_alpha/2 + z_power) * se / gain)^2 times the rows at hand; at least one more
    than these.
    """
    from scipy.stats import norm

    factor = (float(norm.ppf(1 - alpha / 2) + norm.ppf(power)) * standard_error / gain) ** 2
    return max(rows + 1, math.ceil(rows * factor))


def _comparison(
    a: Evaluation,
    b: Evaluation,
    metric: str,
    gain: Interval,
    p_value: float,
    verdict: Verdict,
    test: str,
    needed: int | None,
) -> Comparison:
    note = gain.note
    if verdict == "undecided" and needed is None:
        if gain.value is None:
            note = f"{metric} is undefined for constant answers: there is no gain to decide"
        elif gain.value == 0:
            note = "the observed gain is nought: were it the true one, no number of rows would decide"
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
        note=note,
    )
