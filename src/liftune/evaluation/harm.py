"""Whether a new model is worse than an old one by more than was allowed, and on which labels it lost rows.

In: two evaluations of the same rows, the harm that is allowed.  Out: a Harm; evaluations brought to the same labels.
Not here: which rows these are (workflows/old_and_new.py), the interval (compare.py), the one-sided test (margin.py).

The 95% interval of the gain decides, as its lower end is what is shown: two-sided at 95%, it rules out too much in 2.5%
of cases at most (ICH E9, 1998, section 3.3.2). Where rows come in few groups such an interval is too narrow, so the
one-sided test of `--margin` must agree at 0.05.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.clean_rows import LEAST_CLEAN, NEAR, Leaks, on_clean_rows
from liftune.evaluation.compare import LEAST_GROUPS, compare, too_few
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.margin import with_margin
from liftune.evaluation.statistics.intervals import ALPHA
from liftune.evaluation.statistics.non_inferiority import rows_to_show
from liftune.evaluation.statistics.ratio import share_interval
from liftune.metrics.metric import Metric
from liftune.records.base import Comparison
from liftune.records.harm import Harm, LabelHarm
from liftune.tasks import task_of
from liftune.types import FloatArray

#: How far below a row's least logit, and below zero, a label lies that a model does not have: e^-80 as a probability.
_BELOW = 80.0
#: The name of rows that carry no label at all.
_NO_LABEL = "(no label)"
_Z = 1.959964


def harm(a: Evaluation, b: Evaluation, metric: Metric, most: float, leaks: Leaks) -> Harm:
    """Whether b is worse than a by more than `most`, and which rows it lost.

    Args:
        a, b: the old model and the new one on the same rows, with the same labels.
        most: in the metric's own unit, above 0.
        leaks: rows that are left out, as in every comparison.
    """
    found = on_clean_rows(
        [a, b], leaks, lambda each: with_margin(compare(each[0], each[1], metric.name), each[0], each[1:], metric, most)
    )
    rows = leaks.clean(a)
    old, new = a.take(rows), b.take(rows)
    few = len(rows) > 0 and old.clusters is not None and old.independent_rows < LEAST_GROUPS
    because = too_few(old) if few else _why_not(found, most)
    told = _lost_rows(old, new) if len(rows) else {}
    return Harm(
        most=most,
        ruled_out=not because,
        because=because or "the interval does not reach below it, and the one-sided test agrees",
        rows_needed=_rows_needed(found, metric, most, old, new) if because else None,
        **told,
    )


def _why_not(found: Comparison, most: float) -> str:
    """Why harm cannot be ruled out; empty where it can."""
    if found.rows is not None and found.rows < LEAST_CLEAN:
        return found.undecided_because or f"{found.rows} rows are too few"
    if found.low is None:
        return found.note or f"there is no interval of {found.metric} on these rows"
    if found.low < -most:
        return "the interval reaches below it"
    without = found.without_near
    if without is not None and (without.low is None or without.low < -most):
        return NEAR
    if found.margin is None or found.margin.verdict == "not shown":
        note = found.margin.note if found.margin else None
        return note or "the interval does not reach below it, but the one-sided test does not agree: too few rows"
    return ""


def _rows_needed(found: Comparison, metric: Metric, most: float, a: Evaluation, b: Evaluation) -> int | None:
    """At which two that are equally good would be shown to be harmless; None where nothing tells."""
    if found.low is None or found.high is None or found.gain is None or found.gain <= -most:
        return None
    units = a.independent_rows
    deviation = (found.high - found.low) / (2.0 * _Z) * units**0.5
    if metric.proportion and a.clusters is None:
        deviation = float((a.hits(metric) != b.hits(metric)).mean()) ** 0.5
    needed = rows_to_show(most, deviation, alpha=ALPHA / 2)
    least = math.ceil(_Z**2 * (1.0 - most) / most) if metric.proportion else 0  # Tango's interval where no row differs
    needed = max(needed, least)
    return needed if needed > units else None


def _lost_rows(a: Evaluation, b: Evaluation) -> dict[str, object]:
    """The fields of a Harm that tell which rows were lost; none for values, which are not right or wrong."""
    task = task_of(a.task)
    if not task.outputs_labels:
        return {}
    was, now, everything = a.is_right, b.is_right, np.ones(len(a), dtype=bool)
    lost = was & ~now
    return {
        "lost": int(lost.sum()),
        "won": int((now & ~was).sum()),
        "lost_share": share_interval(lost, everything, a.clusters),
        "labels": label_harms(a, b),
    }


def label_harms(a: Evaluation, b: Evaluation) -> tuple[LabelHarm, ...]:
    """Each label's rows under both, the greatest share of lost rows first; none for values.

    Args:
        a, b: of the same rows and labels, at least one row.
    """
    task = task_of(a.task)
    if not task.outputs_labels:
        return ()
    was, now, clusters = a.is_right, b.is_right, a.clusters
    lost, won = was & ~now, now & ~was
    truth = np.asarray(task.truth_and_predicted(a.targets, a.logits, a.thresholds)[0])
    carried = {label: truth[:, place] for place, label in enumerate(a.all_labels[: truth.shape[1]])}
    carried[_NO_LABEL] = np.asarray(~truth.any(axis=1))
    labels = [
        LabelHarm(
            label=label,
            rows=int(rows.sum()),
            before=share_interval(was, rows, clusters),
            after=share_interval(now, rows, clusters),
            lost=int((lost & rows).sum()),
            won=int((won & rows).sum()),
            lost_share=share_interval(lost, rows, clusters),
        )
        for label, rows in carried.items()
        if rows.any()
    ]
    return tuple(sorted(labels, key=lambda each: (-(each.lost_share.value or 0.0), -each.lost)))


def same_labels(a: Evaluation, b: Evaluation) -> tuple[Evaluation, Evaluation]:
    """Both over the labels of the first, then those that only the second has; labels by name, whatever their order.

    A model gives a label that it does not have to no row. Where each label is decided by itself, a label that the first
    model does not know and no row carries is left out: whether it is right there, nobody has said.
    """
    task = task_of(a.task)
    if not task.outputs_labels or (a.labels, a.unseen) == (b.labels, b.unseen):
        return a, b
    carried = {label for label, each in zip(a.all_labels, _carried(a), strict=True) if each}
    more = [each for each in b.labels if each not in a.labels and (each in carried or not task.has_thresholds)]
    labels = (*a.labels, *more)
    return over_labels(a, labels), over_labels(b, labels)


def _carried(evaluation: Evaluation) -> list[bool]:
    """(L,) whether a row carries each label."""
    task = task_of(evaluation.task)
    places = range(len(evaluation.all_labels))
    carried = {place for each in task.decode(evaluation.targets, [str(i) for i in places]) for place in _each(each)}
    return [str(place) in carried for place in places]


def _each(target: object) -> tuple[str, ...]:
    return target if isinstance(target, tuple) else (str(target),)


def over_labels(evaluation: Evaluation, labels: Sequence[str]) -> Evaluation:
    """The same predictions over other labels: in another order, with labels that the model does not have, without some
    that it has."""
    task = task_of(evaluation.task)
    targets = task.decode(evaluation.targets, evaluation.all_labels)
    present = {label for each in targets for label in _each(each)}
    unseen = tuple(each for each in evaluation.all_labels if each in present and each not in labels)
    places = [evaluation.labels.index(each) if each in evaluation.labels else None for each in labels]
    thresholds = evaluation.thresholds
    if thresholds is not None:
        shares = np.asarray(thresholds, dtype=np.float64)
        half = np.full((*shares.shape[:-1], 1), 0.5)
        thresholds = np.asarray(_columns(shares, half, places), dtype=np.float64)
    return replace(
        evaluation,
        labels=tuple(labels),
        unseen=unseen,
        logits=logits_over(evaluation.logits, evaluation.labels, labels),
        targets=task.encode(targets, (*labels, *unseen)),
        thresholds=thresholds,
        metrics={},
    )


def logits_over(logits: FloatArray, own: Sequence[str], labels: Sequence[str]) -> NDArray[np.float32]:
    """(N, C) of other labels, by name: one that the model does not have it gives to no row."""
    places = [own.index(each) if each in own else None for each in labels]
    floor = np.minimum(logits.min(axis=1, keepdims=True), 0.0) - _BELOW
    return np.ascontiguousarray(_columns(logits, floor, places), dtype=np.float32)


def _columns(values: FloatArray, otherwise: FloatArray, places: Sequence[int | None]) -> FloatArray:
    """(..., C) the columns at those places, and for none the other one."""
    taken = [otherwise if place is None else values[..., place : place + 1] for place in places]
    return np.concatenate(taken, axis=-1)
