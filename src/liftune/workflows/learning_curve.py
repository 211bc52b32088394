"""The learning curve: tuned, probe and tf-idf on ever more of train, and what more rows would bring.

In: a RunContext whose contenders are scored.  Out: a Curve.
Not here: the law and its range (evaluation/statistics/power_law.py), wording (reports/sections/learning_curve.py).

Samples of train are nested, stratified and seeded. At each size a sample of validation in the same proportion chooses
epochs and settings, as a user with so few rows would have; the score is that on all of validation. Test has no part in
it: it is used once, for the verdict. The point of all rows is the contender of the ladder.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from liftune.baselines.linear_probe import fit_linear_probe
from liftune.baselines.soft_labels import BaselineFit
from liftune.baselines.tfidf import majority
from liftune.data.clusters import clusters_of
from liftune.data.sampling import sample
from liftune.data.splits import Split, Splits
from liftune.evaluation.evaluate import Evaluation, score_interval
from liftune.evaluation.ladder import Ladder
from liftune.evaluation.statistics.clustered import by_group
from liftune.evaluation.statistics.power_law import outlook
from liftune.metrics.metric import Metric
from liftune.metrics.registry import METRICS
from liftune.records.base import Interval
from liftune.records.learning_curve import Curve, CurveOutlook, CurvePoint, NextStep
from liftune.types import FloatArray
from liftune.workflows.baselines import fit_tfidf, read_part, with_soft_labels
from liftune.workflows.break_even import break_evens, rivals_of
from liftune.workflows.context import RunContext, note_passes, recipe_for
from liftune.workflows.finetune import tune_once
from liftune.workflows.memo import Outcome

#: Shares of train below all of it.
SHARES = (1 / 16, 1 / 8, 1 / 4, 1 / 2)
#: Fewer train rows, and fewer of a label on average, are not worth a point.
LEAST_ROWS, LEAST_ROWS_PER_LABEL = 16, 2
#: Validation rows that choose, at least, where there are so many.
LEAST_CHOOSING = 32
CONTENDERS = ("tfidf", "probe", "tuned")
RESAMPLES = 1_000
#: Share of today's errors that twice the rows must take away to be worth their labels; more data is the next step
#: where even the low end of the range is half of it.
WORTH = 0.1


@dataclass(frozen=True)
class CurveSample:
    """One size: the data cut to it, and where its rows are in the whole."""

    splits: Splits
    train: tuple[int, ...]
    validation: tuple[int, ...]


def run_learning_curve(context: RunContext, ladder: Ladder) -> Curve:
    """Score the contenders at each size, fit the laws, and say what the next step is, and what needs no training here
    is worth in rows.

    In cross-validation the rows are those of the saved adapter. Its validation rows are none that a point was fitted
    on, whereas those of the folds are train rows of other folds; so the last point is computed here too.
    """
    folds = context.folds
    if folds:
        context = replace(context, splits=folds.final)
    logits: dict[str, dict[int, FloatArray]] = {name: {} for name in CONTENDERS}
    seconds: dict[tuple[str, int], float] = {}
    parts = list(nested(context.splits, context.spec.data.seed))
    if context.folds:
        every = context.splits
        parts.append(CurveSample(every, tuple(range(len(every.train))), tuple(range(len(every.validation)))))
    base = _Frozen(context)
    for part in parts:
        rows = len(part.train)
        context.events.note(f"learning curve: {rows:,} train rows")
        point = context.memo.once(f"curve {rows}", partial(_point, context, part, base), _pack, _unpack)
        for name in CONTENDERS:
            logits[name][rows] = point.logits[name]
        seconds["tuned", rows] = point.seconds
        context.memo.within(f"curve {rows} parts").forget("tuned")
    if context.folds:
        guess = majority(context.splits).logits(context.splits.validation.rows)
    else:
        guess = context.folder.logits("majority", "validation")
        for name in CONTENDERS:
            logits[name][len(context.splits.train)] = context.folder.logits(name, "validation")
    curve = curve_of(logits, context.splits, context.metric, guess=guess, seconds=seconds)
    rivals = rivals_of(ladder, context.splits, folds)
    found = break_evens(rivals, logits["tuned"], context.splits, context.metric)
    return curve.model_copy(update={"break_even": found})


@dataclass(frozen=True)
class _Point:
    """One size, scored: (M, C) logits on all of validation by contender, and the seconds of tuning."""

    logits: Mapping[str, FloatArray]
    seconds: float


def _point(context: RunContext, part: CurveSample, base: _Frozen) -> _Point:
    memo = context.memo.within(f"curve {len(part.train)} parts")
    smaller = replace(context, splits=part.splits, memo=memo)
    validation = context.splits.validation.rows
    words, _ = fit_tfidf(smaller)
    probed, probe = _probed(base.features, part, context.metric)
    smaller = with_soft_labels(smaller, [words.baseline_fit(part.splits.train.rows), probe])
    classifier, _, log = tune_once(smaller, context.method, context.options, context.spec.train.seeds[0], name="tuned")
    logits = {"tfidf": words.logits(validation), "probe": probed, "tuned": classifier.logits(validation)}
    return _Point(logits, log.seconds)


def _pack(point: _Point) -> Outcome:
    return Outcome({"seconds": point.seconds}, point.logits)


def _unpack(kept: Outcome) -> _Point:
    return _Point(kept.arrays, kept.values["seconds"])


def nested(splits: Splits, seed: int) -> Iterator[CurveSample]:
    """Ever larger parts of train, each holding the one before, with validation in proportion."""
    least = max(LEAST_ROWS, LEAST_ROWS_PER_LABEL * len(splits.labels))
    train = tuple(range(len(splits.train)))
    validation = tuple(range(len(splits.validation)))
    samples: list[CurveSample] = []
    for share in sorted(SHARES, reverse=True):
        rows = math.ceil(share * len(splits.train))
        if rows < least:
            break
        choosing = max(math.ceil(share * len(splits.validation)), min(LEAST_CHOOSING, len(validation)))
        train = _within(splits.train, train, rows, splits, seed, name="curve train")
        validation = _within(splits.validation, validation, choosing, splits, seed, name="curve validation")
        cut = replace(splits, train=splits.train.take(train), validation=splits.validation.take(validation))
        samples.append(CurveSample(cut, train, validation))
    yield from reversed(samples)


def _within(
    whole: Split, positions: Sequence[int], size: int, splits: Splits, seed: int, *, name: str
) -> tuple[int, ...]:
    """A stratified sample of the positions."""
    chosen = sample(whole.take(positions), size, splits.task, seed, name=name, every_class=True)
    return tuple(positions[i] for i in chosen)


class _Frozen:
    """The frozen base's features of train and validation, read once some size asks for them."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    @cached_property
    def features(self) -> dict[str, Mapping[str, FloatArray]]:
        """Part -> pooling -> (N, D)."""
        context, splits = self._context, self._context.splits
        base = context.crew.make(recipe_for(context, context.spec.train.seeds[0]))
        of_curve = replace(context, memo=context.memo.within("curve base"))
        note_passes(of_curve.memo, base, context.events)
        return {
            name: read_part(of_curve, base, name, split)[1]
            for name, split in (("train", splits.train), ("validation", splits.validation))
        }


def _probed(
    features: Mapping[str, Mapping[str, FloatArray]], part: CurveSample, metric: str
) -> tuple[FloatArray, BaselineFit]:
    """(M, C) the probe's logits on all of validation, and its fit, which may give soft labels."""
    train = {key: values[list(part.train)] for key, values in features["train"].items()}
    choosing = {key: values[list(part.validation)] for key, values in features["validation"].items()}
    probe = fit_linear_probe(train, choosing, part.splits, metric)
    return probe.logits_of(features["validation"]), probe.baseline_fit(train)


def curve_of(
    logits: Mapping[str, Mapping[int, FloatArray]],
    splits: Splits,
    metric: str,
    *,
    guess: FloatArray,
    seconds: Mapping[tuple[str, int], float] | None = None,
) -> Curve:
    """Logits on all of validation as a Curve.

    Args:
        logits: contender -> train rows -> (M, C) logits on validation.
        guess: (M, C) the majority's.
    """
    measure = METRICS[metric]
    targets = splits.encoded(splits.validation)
    guessed = measure(targets, guess, splits.task)
    points, outlooks = [], []
    for name, by_size in logits.items():
        sizes = sorted(by_size)
        scores = {
            rows: score_interval(measure, [Evaluation.of(name, by_size[rows], splits, splits.validation)])
            for rows in sizes
        }
        for rows, value in scores.items():
            points.append(
                CurvePoint(contender=name, rows=rows, score=value, train_seconds=(seconds or {}).get((name, rows)))
            )
        sizes = learnt([*scores.items()], guessed, measure)
        seen = look_ahead(measure, [by_size[rows] for rows in sizes], sizes, splits)
        if seen is not None:
            outlooks.append(seen.model_copy(update={"contender": name}))
    tuned = next((each for each in outlooks if each.contender == "tuned"), None)
    return Curve(metric=metric, points=tuple(points), outlooks=tuple(outlooks), next_step=next_step(tuned))


def learnt(scores: Sequence[tuple[int, Interval]], guessed: float | None, metric: Metric) -> list[int]:
    """The sizes from which on every score stands above the guess: below them no law holds, as nothing falls yet.

    Source: Hestness et al. 2017, the region of small data in their figure 6.
    """
    sizes: list[int] = []
    for rows, score_ in reversed(scores):
        end = score_.low if metric.higher_is_better else score_.high
        if guessed is not None and end is not None and metric.sign * (end - guessed) <= 0:
            break
        sizes.append(rows)
    return sizes[::-1]


def look_ahead(
    metric: Metric, logits: Sequence[FloatArray], sizes: Sequence[int], splits: Splits
) -> CurveOutlook | None:
    """One contender's law, and what twice the rows would bring; None where it cannot be estimated."""
    if not sizes:
        return None
    targets = splits.encoded(splits.validation)
    statistics = [metric.statistics(targets, each, splits.task) for each in logits]
    clusters, count = clusters_of(splits.validation.rows, splits.validation.groups), len(targets)
    if clusters is not None:
        statistics, count = [by_group(each, clusters) for each in statistics], int(clusters.max()) + 1
    weights = np.random.default_rng(0).multinomial(count, np.full(count, 1 / count), size=RESAMPLES).astype(np.float64)
    whole = np.array([each.values(np.ones((1, count)))[0] for each in statistics])
    if not np.isfinite(whole).all():
        return None
    drawn = np.stack([each.values(weights) for each in statistics], axis=1)
    rows = 2 * sizes[-1]
    ahead = outlook(sizes, _errors(whole, metric), _errors(drawn, metric), rows=rows)
    if ahead is None:
        return None
    law = ahead.law
    return CurveOutlook(
        contender="",
        rows=rows,
        scale=float(law.scale[0]),
        exponent=float(law.exponent[0]),
        floor=float(law.floor[0]),
        error=ahead.error,
        saved=ahead.saved,
    )


def _errors(values: FloatArray, metric: Metric) -> FloatArray:
    """What is left to gain: one less the score, or the score itself where lower is better."""
    return np.asarray(np.maximum(1.0 - values if metric.higher_is_better else values, 0.0))


def next_step(tuned: CurveOutlook | None) -> NextStep:
    """More data, a bigger base, or undecided from this curve."""
    if tuned is None or tuned.saved.value is None or tuned.saved.low is None or tuned.saved.high is None:
        return "undecided"
    if tuned.saved.value >= WORTH and tuned.saved.low >= WORTH / 2:
        return "data"
    return "base" if tuned.saved.high < WORTH else "undecided"
