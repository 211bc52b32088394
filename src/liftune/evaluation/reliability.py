"""Whether a share p of the predictions made with confidence p is right: calibration error, and the curve behind it.

In: an Evaluation.  Out: CalibrationScores; ReliabilityBins.
Not here: fixing it (calibration.py).

Single-label: the confidence is the probability of the prediction, and it is right or not. Multi-label: every label of
every row is a prediction, its confidence the label's probability, right where the row has the label.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftune.evaluation.evaluate import Evaluation, score_interval
from liftune.evaluation.statistics.bootstrap import RESAMPLES
from liftune.evaluation.statistics.clustered import expanded
from liftune.evaluation.statistics.intervals import CONFIDENCE, clopper_pearson
from liftune.evaluation.statistics.ratio import ratio_interval
from liftune.metrics.registry import METRICS
from liftune.metrics.row_statistics import Floats, Ints
from liftune.records.base import Interval
from liftune.records.calibration import CalibrationScores, ReliabilityBin
from liftune.tasks import task_of

BINS = 15
#: Entries of the largest matrix of weights held at once: 32 MB of float64.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Binned:
    """Predictions in bins by their confidence, summed over each unit: a row, or where rows come in groups a group.

    Args:
        counts: (U, B) predictions that unit u has in bin b: of a row one in all for a single-label task, C for a
            multi-label one.
        gaps: (U, B) their sum of right (1 or 0) minus confidence.
        hits: (U, B) how many of them are right.
        confidence: (B,) mean confidence.
        edges: (B, 2) of bins of equal width, else None.
        grouped: whether units are groups.
    """

    counts: Floats
    gaps: Floats
    hits: Floats
    confidence: Floats
    edges: Floats | None = None
    grouped: bool = False

    @classmethod
    def of(cls, evaluation: Evaluation, bins: int = BINS) -> Binned:
        """Bins of equal mass; equal confidences stay together, so that there may be fewer bins."""
        confidence, _ = _predictions(evaluation)
        flat = confidence.ravel()
        edges = np.unique(np.quantile(flat, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
        return cls._summed(evaluation, np.searchsorted(edges, flat, side="right"))

    @classmethod
    def of_equal_width(cls, evaluation: Evaluation, bins: int) -> Binned:
        """Bins of equal width from 0 to 1, without the empty ones."""
        confidence, _ = _predictions(evaluation)
        place = np.minimum((confidence.ravel() * bins).astype(np.int64), bins - 1)
        used = np.unique(place)
        binned = cls._summed(evaluation, place)
        edges = np.column_stack([used, used + 1]) / bins
        return cls(binned.counts, binned.gaps, binned.hits, binned.confidence, edges, binned.grouped)

    @classmethod
    def _summed(cls, evaluation: Evaluation, place: Ints) -> Binned:
        """Sum over units the predictions in each bin, `place` numbering them in row order."""
        confidence, right = _predictions(evaluation)
        clusters = evaluation.clusters
        unit = np.arange(len(confidence)) if clusters is None else clusters
        _, place = np.unique(place, return_inverse=True)
        size, units = int(place.max()) + 1, int(unit.max()) + 1
        cell = np.repeat(unit, confidence.shape[1]) * size + place
        flat = confidence.ravel()

        def summed(values: Floats) -> Floats:
            totals = np.bincount(cell, weights=values.ravel(), minlength=units * size)
            return np.asarray(totals.reshape(units, size), dtype=np.float64)

        return cls(
            counts=summed(np.ones_like(confidence)),
            gaps=summed(right - confidence),
            hits=summed(right),
            confidence=np.bincount(place, weights=flat) / np.bincount(place),
            grouped=clusters is not None,
        )

    @property
    def accuracy(self) -> Floats:
        """(B,) share that is right."""
        return np.asarray(self.hits.sum(axis=0) / self.counts.sum(axis=0))

    def plain(self) -> float:
        """Mean absolute gap, the ECE. Chance alone makes it larger than zero, the more so the fewer rows a bin has."""
        share = self.counts.sum(axis=0) / self.counts.sum()
        return float(share @ np.abs(self.accuracy - self.confidence))

    def squared(self, weights: Floats, layers: int) -> Floats:
        """(R,) mean squared gap of each resample, less what chance adds to it; may be below zero.

        Args:
            weights: (R, U) how often each resample holds each unit.
            layers: how often chance had its way: once for the units as they are, twice for a resample of them.
        """
        units = weights @ (self.counts > 0)
        counts, gaps = weights @ self.counts, weights @ self.gaps
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = np.where(counts > 0, gaps / counts, 0.0)
            spread = (
                weights @ self.gaps**2 - 2.0 * gap * (weights @ (self.gaps * self.counts))
                + gap**2 * (weights @ self.counts**2)
            )  # fmt: skip
            noise = np.where(units > 1, spread / counts**2 * units / (units - 1.0), 0.0)
        share = counts / counts.sum(axis=1, keepdims=True)
        return np.asarray((share * (gap**2 - layers * noise)).sum(axis=1))


def _predictions(evaluation: Evaluation) -> tuple[Floats, Floats]:
    """(N, 1) or, multi-label, (N, C) confidences, and whether each is right, as 1 or 0."""
    confidence, right = task_of(evaluation.task).reliability(evaluation.targets, evaluation.logits)
    return confidence, np.asarray(right, dtype=np.float64)


def rms_calibration_error(
    binned: Binned, *, resamples: int = RESAMPLES, confidence: float = CONFIDENCE, seed: int = 0
) -> Interval:
    """Root of the mean squared gap between confidence and accuracy over bins of equal mass, debiased.

    From each bin's squared gap the sampling variance of that gap is taken, over units where they hold several
    predictions; what remains below zero is zero. A resample carries the noise of the units and its own: there it is
    taken twice, which centres the bootstrap where the estimate stands.

    Source: Kumar, Liang and Ma (2019), the debiased estimator; equal mass after Roelofs et al. (2022); of groups, the
        confidence that is asked of the bootstrap after Hesterberg (2015), see `expanded`.
    """
    units = len(binned.counts)
    whole = float(binned.squared(np.ones((1, units)), layers=1)[0])
    if units < 2:
        what = "all rows are of one group" if binned.grouped else "one row"
        return Interval(value=_root(whole), note=f"no interval: {what}")
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // units)
    drawn = []
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        held = rng.integers(0, units, size=(count, units)) + np.arange(count)[:, None] * units
        weights = np.bincount(held.ravel(), minlength=count * units).reshape(count, units).astype(np.float64)
        drawn.append(binned.squared(weights, layers=2))
    tail = (1.0 - (expanded(units, confidence) if binned.grouped else confidence)) / 2.0
    low, high = np.quantile(np.concatenate(drawn), [tail, 1.0 - tail])
    return Interval(value=_root(whole), low=_root(min(low, whole)), high=_root(max(high, whole)))


def _root(square: float) -> float:
    return float(np.sqrt(max(0.0, square)))


def reliability_curve(binned: Binned) -> tuple[ReliabilityBin, ...]:
    """Confidence and share of right predictions, bin by bin, from the least confident up.

    The share's interval is Clopper-Pearson's, which takes a row's labels for independent; where rows come in groups, a
    bootstrap of whole groups.

    Source: DeGroot and Fienberg (1983), the reliability diagram.
    """
    rows = binned.counts.sum(axis=0)

    def right(position: int) -> Interval:
        if binned.grouped:
            return ratio_interval(binned.hits[:, position], binned.counts[:, position], np.arange(len(binned.counts)))
        return clopper_pearson(float(binned.accuracy[position] * rows[position]), int(rows[position]))

    return tuple(
        ReliabilityBin(
            rows=int(rows[position]),
            confidence=float(binned.confidence[position]),
            right=right(position),
            low=None if binned.edges is None else float(binned.edges[position, 0]),
            high=None if binned.edges is None else float(binned.edges[position, 1]),
        )
        for position in range(len(rows))
    )


def calibration_scores(evaluation: Evaluation, *, seed: int = 0) -> CalibrationScores:
    """Log-loss, Brier score and calibration errors, with intervals where there is one, and the curve."""
    binned = Binned.of(evaluation)
    return CalibrationScores(
        log_loss=score_interval(METRICS["log_loss"], [evaluation], seed=seed),
        brier=score_interval(METRICS["brier"], [evaluation], seed=seed),
        rms_calibration_error=rms_calibration_error(binned, seed=seed),
        expected_calibration_error=Interval(
            value=binned.plain(), note="no interval: it is biased upward, resamples of it more so"
        ),
        curve=reliability_curve(binned),
    )
