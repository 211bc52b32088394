"""Whether a share p of the answers given with confidence p is right: calibration error, and the curve behind it.

In: logits (N, C) and encoded targets.  Out: CalibrationScores.
Not here: mending it (calibration.py).

Single-label: the confidence is the probability of the answer, and it is right or not. Multi-label: every label of
every row is an answer, its confidence the label's probability, right where the row has the label.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.statistics.bootstrap import RESAMPLES, bca_bootstrap
from liftune.evaluation.statistics.intervals import CONFIDENCE, clopper_pearson
from liftune.metrics.registry import METRICS, right
from liftune.metrics.row_statistics import Floats
from liftune.records.base import Interval
from liftune.records.calibration import CalibrationScores, ReliabilityBin
from liftune.tasks.base import TaskKind, probabilities
from liftune.types import FloatArray

BINS = 15
#: Entries of the largest matrix of weights held at once: 32 MB of float64.
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Binned:
    """Answers in bins of equal mass, summed over each row.

    Args:
        counts: (N, B) answers that row n has in bin b: one in all for a single-label row, C for a multi-label one.
        gaps: (N, B) their sum of right (1 or 0) minus confidence.
        confidence: (B,) mean confidence.
        hits: (B,) share that is right.
    """

    counts: Floats
    gaps: Floats
    confidence: Floats
    hits: Floats

    @classmethod
    def of(cls, logits: FloatArray, targets: NDArray[Any], task: TaskKind, bins: int = BINS) -> Binned:
        """Sort answers into bins by their confidence; ties stay together, so that there may be fewer bins."""
        confidence, hit = _answers(logits, targets, task)
        flat = confidence.ravel()
        edges = np.unique(np.quantile(flat, np.linspace(0.0, 1.0, bins + 1)[1:-1]))
        place = np.searchsorted(edges, flat, side="right")
        _, place = np.unique(place, return_inverse=True)
        size, rows = int(place.max()) + 1, len(confidence)
        cell = np.repeat(np.arange(rows), confidence.shape[1]) * size + place
        sizes = np.bincount(place)

        def summed(values: Floats) -> Floats:
            totals = np.bincount(cell, weights=values.ravel(), minlength=rows * size)
            return np.asarray(totals.reshape(rows, size), dtype=np.float64)

        return cls(
            counts=summed(np.ones_like(confidence)),
            gaps=summed(hit - confidence),
            confidence=np.bincount(place, weights=flat) / sizes,
            hits=np.bincount(place, weights=hit.ravel()) / sizes,
        )

    def plain(self) -> float:
        """Mean absolute gap. Chance alone makes it larger than nought, the more so the fewer rows a bin has."""
        share = self.counts.sum(axis=0) / self.counts.sum()
        return float(share @ np.abs(self.hits - self.confidence))

    def squared(self, weights: Floats, layers: int) -> Floats:
        """(R,) mean squared gap of each resample, less what chance adds to it; may be below nought.

        Args:
            weights: (R, N) how often each resample holds each row.
            layers: how often chance had its way: once for the rows as they are, twice for a resample of them.
        """
        rows = weights @ (self.counts > 0)
        counts, gaps = weights @ self.counts, weights @ self.gaps
        with np.errstate(invalid="ignore", divide="ignore"):
            gap = np.where(counts > 0, gaps / counts, 0.0)
            spread = (
                weights @ self.gaps**2 - 2.0 * gap * (weights @ (self.gaps * self.counts))
                + gap**2 * (weights @ self.counts**2)
            )  # fmt: skip
            noise = np.where(rows > 1, spread / counts**2 * rows / (rows - 1.0), 0.0)
        share = counts / counts.sum(axis=1, keepdims=True)
        return np.asarray((share * (gap**2 - layers * noise)).sum(axis=1))


def _answers(logits: FloatArray, targets: NDArray[Any], task: TaskKind) -> tuple[Floats, Floats]:
    """(N, 1) or, multi-label, (N, C) confidences, and whether each is right."""
    shares = probabilities(logits, task)
    if task is TaskKind.MULTI_LABEL:
        return shares, np.asarray(targets[:, : shares.shape[1]], dtype=np.float64)
    return shares.max(axis=1, keepdims=True), right(targets, logits)[:, None].astype(np.float64)


def calibration_error(
    binned: Binned, *, resamples: int = RESAMPLES, confidence: float = CONFIDENCE, seed: int = 0
) -> Interval:
    """Root of the mean squared gap between confidence and accuracy over bins of equal mass, debiased.

    From each bin's squared gap the sampling variance of that gap is taken, over rows where they hold several answers;
    what remains below nought is nought. A resample carries the noise of the rows and its own: there it is taken twice,
    which centres the bootstrap where the estimate stands.

    Source: Kumar, Liang and Ma (2019), the debiased estimator; equal mass after Roelofs et al. (2022).
    """
    rows = len(binned.counts)
    whole = float(binned.squared(np.ones((1, rows)), layers=1)[0])
    if rows < 2:
        return Interval(value=_root(whole), note="no interval: one row")
    rng = np.random.default_rng(seed)
    step = max(1, _CHUNK // rows)
    drawn = []
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        held = rng.integers(0, rows, size=(count, rows)) + np.arange(count)[:, None] * rows
        weights = np.bincount(held.ravel(), minlength=count * rows).reshape(count, rows).astype(np.float64)
        drawn.append(binned.squared(weights, layers=2))
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(np.concatenate(drawn), [tail, 1.0 - tail])
    return Interval(value=_root(whole), low=_root(min(low, whole)), high=_root(max(high, whole)))


def _root(square: float) -> float:
    return float(np.sqrt(max(0.0, square)))


def curve(binned: Binned) -> tuple[ReliabilityBin, ...]:
    """Confidence and share of right answers, bin by bin, from the least confident up."""
    counts = binned.counts.sum(axis=0)
    return tuple(
        ReliabilityBin(rows=int(rows), confidence=float(mean), right=clopper_pearson(float(hits * rows), int(rows)))
        for rows, mean, hits in zip(counts, binned.confidence, binned.hits, strict=True)
    )


def calibration_scores(
    logits: FloatArray, targets: NDArray[Any], task: TaskKind, *, seed: int = 0
) -> CalibrationScores:
    """Log-loss, Brier score and calibration error with intervals, and the curve."""

    def scored(name: str) -> Interval:
        statistics = METRICS[name].statistics(targets, logits, task)
        return bca_bootstrap([statistics], lambda values: values[0], seed=seed).interval

    binned = Binned.of(logits, targets, task)
    return CalibrationScores(
        log_loss=scored("log_loss"),
        brier=scored("brier"),
        ece=calibration_error(binned, seed=seed),
        plain_ece=Interval(value=binned.plain(), note="no interval: it is biased upward, resamples of it more so"),
        curve=curve(binned),
    )
