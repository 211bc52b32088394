"""Not worse, or equally good, up to a margin: what a verdict of "undecided" does not say.

In: evaluations on the same rows, and a margin that was fixed before they were read.  Out: a MarginVerdict.
Not here: better or worse (compare.py, compare_seeds.py), the tests (statistics/non_inferiority.py).

Two one-sided tests at 0.05: that b loses the margin or more against a, and that it gains as much. The first alone
refuted is "not worse"; both refuted is "equivalent" (Schuirmann 1987). The second claim is made only where the
first is, so that they need no correction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from liftune.evaluation.compare import LEAST_GROUPS, too_few
from liftune.evaluation.compare_seeds import Spread, gain_spread, spread_of_rows
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.statistics.clustered import bootstrap
from liftune.evaluation.statistics.intervals import ALPHA, discordant
from liftune.evaluation.statistics.non_inferiority import above_p, not_worse_p, rows_to_show, rows_without_a_loss
from liftune.metrics.metric import Metric
from liftune.metrics.row_statistics import Floats
from liftune.records.base import Comparison, MarginVerdict, Unit

_SCORE = "exact test by Tango's score"
_SPREAD = "t test over rows and seeds"
_RESAMPLED: dict[Unit, str] = {
    "row": "bootstrap of rows",
    "text": "bootstrap of texts",
    "group": "bootstrap of groups",
}
_BY_UNIT: dict[Unit, str] = {"row": "t test over rows", "text": "t test over texts", "group": "t test over groups"}


@dataclass(frozen=True)
class _Tested:
    """One-sided p-values that the loss, or the gain, is the margin or more; None where nothing can be tested."""

    loss: float | None
    gain: float | None
    test: str
    rows_needed: int | None


def with_margin(
    comparison: Comparison, a: Evaluation, b: Sequence[Evaluation], metric: Metric, margin: float | None
) -> Comparison:
    """The comparison with what it says about the margin; as it is where there is none.

    Args:
        b: the evaluations whose mean is compared, one a seed, where the comparison is about the method; else one.
        margin: in the metric's own unit, above 0; of accuracy a fraction.
    """
    if margin is None:
        return comparison
    if a.independent_rows < (2 if a.clusters is None else LEAST_GROUPS):
        few = None if a.unit == "row" else too_few(a)
        return _judged(comparison, margin, _Tested(None, None, "", None), few or "one row can never decide")
    if comparison.gain is None:
        return _judged(comparison, margin, _Tested(None, None, "", None), f"{metric.name} is undefined on these rows")
    if len(b) > 1:
        tested = _of_seeds(a, b, metric, margin)
    elif not metric.proportion:
        tested = _resampled(a, b[0], metric, margin)
    else:
        tested = _of_rows(a, b[0], metric, margin) if a.clusters is None else _of_clusters(a, b[0], metric, margin)
    note = "the gain does not vary between resamples" if tested.loss is None else None
    return _judged(comparison, margin, tested, note)


def _judged(comparison: Comparison, margin: float, tested: _Tested, note: str | None) -> Comparison:
    loss, gain = (1.0 if p is None else p for p in (tested.loss, tested.gain))
    shown = loss <= ALPHA
    return comparison.model_copy(
        update={
            "margin": MarginVerdict(
                margin=margin,
                verdict="equivalent" if shown and gain <= ALPHA else "not worse" if shown else "not shown",
                not_worse_p=loss,
                equivalent_p=max(loss, gain),
                test=tested.test,
                rows_needed=tested.rows_needed,
                note=note,
            )
        }
    )


def _of_rows(a: Evaluation, b: Evaluation, metric: Metric, margin: float) -> _Tested:
    """Of a proportion, where rows are independent."""
    lost, won = discordant(a.hits(metric), b.hits(metric))
    rows = len(a)
    needed = max(rows_to_show(margin, ((lost + won) / rows) ** 0.5), rows_without_a_loss(margin))
    return _Tested(not_worse_p(lost, won, rows, margin), not_worse_p(won, lost, rows, margin), _SCORE, needed)


def _of_clusters(a: Evaluation, b: Evaluation, metric: Metric, margin: float) -> _Tested:
    """Of a proportion, by clusters: as over seeds, of one seed."""
    gains = b.hits(metric).astype(np.float64) - a.hits(metric)
    return _by_spread(spread_of_rows(np.stack([gains, gains]), a.clusters), margin, _BY_UNIT[a.unit])


def _of_seeds(a: Evaluation, attempts: Sequence[Evaluation], metric: Metric, margin: float) -> _Tested:
    spread = gain_spread(a, attempts, metric)
    return _Tested(None, None, _SPREAD, None) if spread is None else _by_spread(spread, margin, _SPREAD)


def _by_spread(spread: Spread, margin: float, test: str) -> _Tested:
    if spread.of_rows + spread.of_seeds <= 0.0:
        return _Tested(None, None, test, None)
    left = margin**2 - 6.18 * spread.of_seeds  # what other seeds leave for rows; as in `rows_to_show`
    needed = rows_to_show(left**0.5, (spread.of_rows * spread.rows) ** 0.5) if left > 0.0 else None
    return _Tested(spread.above_p(-margin), spread.below_p(margin), test, needed)


def _resampled(a: Evaluation, b: Evaluation, metric: Metric, margin: float) -> _Tested:
    """Of any other metric."""
    sides = [each.statistics(metric) for each in (a, b)]
    test = _RESAMPLED[a.unit]

    def gain_of(values: list[Floats]) -> Floats:
        return metric.sign * (values[1] - values[0])

    def loss_of(values: list[Floats]) -> Floats:
        return -gain_of(values)

    boot, units = bootstrap(sides, gain_of, a.clusters), a.independent_rows
    if boot.standard_error is None:
        return _Tested(None, None, test, None)
    loss = above_p(boot, -margin, units)
    gain = above_p(bootstrap(sides, loss_of, a.clusters), -margin, units)
    return _Tested(loss, gain, test, rows_to_show(margin, boot.standard_error * units**0.5))
