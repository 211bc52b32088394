"""Whether an export predicts as the run does: gaps, changed predictions, and how much of them a format may have.

In: logits of the run and of the export on the same rows.  Out: a Parity, and what in it exceeds the tolerance.
Not here: predicting (formats.py), the interval (evaluation/statistics/intervals.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from liftune.errors import amount
from liftune.evaluation.statistics.intervals import tango_interval
from liftune.records.base import Interval, Record
from liftune.records.training import AdapterCard
from liftune.tasks import task_of
from liftune.types import Row


class BatchParity(Record):
    """One way of batching."""

    rows_at_once: int
    largest_gap: float
    """Of a probability; of a regression, of the value."""
    flipped: int
    """Rows whose prediction (label, set of labels) changes."""
    accuracy: Interval | None = None
    """Quantised: accuracy of the export minus that of the run, with the paired 95% interval of Tango (1998); a
    multi-label row is right where all its labels are."""
    noise: float | None = None
    """Quantised regression: root mean square of the gap over the standard deviation of the run's predictions."""


class Parity(Record):
    """parity.json: how far an export's predictions are from the run's."""

    format: str
    rows: int
    source: str
    """Which rows: the run's validation rows, or a file."""
    batches: tuple[BatchParity, ...]
    scheme: str | None = None
    """Quantised: which weights are 8 bits wide."""
    excesses: tuple[str, ...] = ()
    """What exceeds the tolerance; an export that has any was accepted with --accept-gap."""

    def lines(self) -> list[str]:
        """For a person."""
        lines = [f"{self.format} against the run on {amount(self.rows, 'row')} ({self.source}):"]
        for each in self.batches:
            line = f"  {each.rows_at_once} at a time: largest gap {each.largest_gap:.2g}, {each.flipped:,} flipped"
            if each.accuracy is not None and each.accuracy.value is not None:
                low, high = each.accuracy.low or 0.0, each.accuracy.high or 0.0
                line += f", accuracy {100 * each.accuracy.value:+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}]"
            if each.noise is not None:
                line += f", noise {each.noise:.3f} of the predictions' standard deviation"
            lines.append(line)
        return lines + ([f"  scheme: {self.scheme}"] if self.scheme else [])


class Tolerance(Protocol):
    """How far an export's predictions may be from the run's."""

    @property
    def measures_loss(self) -> bool:
        """Whether the loss of accuracy, and the noise of a regression, are measured."""
        ...

    def excesses(self, batch: BatchParity, *, rows: int, scale: float) -> list[str]:
        """What is too far, in words; nothing where the batch passes.

        Args:
            rows: how many were compared.
            scale: of the gap: 1 for probabilities, the largest value of a regression where that is above 1.
        """
        ...

    def rows_needed(self) -> int:
        """Fewest rows on which an export can pass at all."""
        ...


@dataclass(frozen=True)
class SameProbabilities:
    """The same predictions but for rounding."""

    gap: float
    """Largest of a probability (of a regression: of the value, relative to the largest where that is above 1)."""
    measures_loss: ClassVar[bool] = False

    def excesses(self, batch: BatchParity, *, rows: int, scale: float) -> list[str]:
        """See Tolerance."""
        limit = self.gap * scale
        within = batch.largest_gap <= limit  # so that a NaN fails too
        return [] if within else [f"the largest gap is {batch.largest_gap:.2g}, and at most {limit:.2g} is allowed"]

    def rows_needed(self) -> int:
        """See Tolerance."""
        return 1


@dataclass(frozen=True)
class SmallLoss:
    """A few predictions may change, as long as little accuracy can be lost."""

    flips: float
    """Largest share of rows whose prediction changes."""
    lost: float
    """Accuracy that the 95% interval may at most not exclude to be lost, as a fraction."""
    noise: float
    """Of a regression: largest root mean square of the gap, over the standard deviation of the run's predictions."""
    measures_loss: ClassVar[bool] = True

    def excesses(self, batch: BatchParity, *, rows: int, scale: float) -> list[str]:
        """See Tolerance."""
        if batch.noise is not None:
            within = batch.noise <= self.noise
            return [] if within else [f"the noise is {batch.noise:.3f}, and at most {self.noise} is allowed"]
        reasons = []
        if not batch.flipped <= self.flips * rows:
            reasons.append(f"{batch.flipped:,} of {rows:,} predictions flipped, and at most {self.flips:.0%} may")
        low = batch.accuracy.low if batch.accuracy is not None else None
        if low is None or not low > -self.lost:
            reasons.append(
                f"accuracy may be {100 * -(low if low is not None else -1.0):.2f} points lower (95% interval), and "
                f"less than {100 * self.lost:.0f} is allowed"
            )
        return reasons

    def rows_needed(self) -> int:
        """Those on which the interval is narrow enough where no prediction changes.

        >>> 300 < SmallLoss(flips=0.02, lost=0.01, noise=0.05).rows_needed() < 500
        True
        """
        return _rows_needed(self.lost)


@cache
def _rows_needed(lost: float) -> int:
    low, high = 1, 10_000
    while low < high:
        middle = (low + high) // 2
        right = np.ones(middle, dtype=np.bool_)
        passes = (tango_interval(right, right).low or 0.0) > -lost
        low, high = (low, middle) if passes else (middle + 1, high)
    return low


@dataclass(frozen=True, eq=False)
class Reference:
    """What an export is compared with: the run's logits on some rows."""

    rows: tuple[Row, ...]
    targets: NDArray[Any]
    """As `Task.encode` gives them."""
    logits: NDArray[np.float32]
    """(N, C)."""
    source: str
    """Which rows."""
    card: AdapterCard


def compare(
    reference: Reference,
    exported: Mapping[int, NDArray[np.float32]],
    *,
    format: str,
    tolerance: Tolerance,
    scheme: str | None = None,
) -> Parity:
    """Compare an export's logits with the run's.

    Args:
        exported: rows at once -> (N, C) logits.
        format: the name of the export's format.
    """
    original, task = reference.logits, task_of(reference.card.task)
    scale = 1.0 if task.has_probabilities else max(1.0, float(np.abs(original).max(initial=0.0)))
    batches, excesses = [], []
    for count, logits in exported.items():
        batch = _compare_batch(reference, logits, count, measures_loss=tolerance.measures_loss)
        batches.append(batch)
        reasons = tolerance.excesses(batch, rows=len(original), scale=scale)
        excesses += [f"{count} at a time: {reason}" for reason in reasons]
    return Parity(
        format=format,
        rows=len(original),
        source=reference.source,
        batches=tuple(batches),
        scheme=scheme,
        excesses=tuple(excesses),
    )


def _compare_batch(
    reference: Reference, logits: NDArray[np.float32], count: int, *, measures_loss: bool
) -> BatchParity:
    task, original, thresholds = task_of(reference.card.task), reference.logits, reference.card.thresholds
    gaps = task.probabilities(logits) - task.probabilities(original)
    largest = float(np.abs(gaps).max(initial=0.0))
    if not task.has_probabilities:
        spread = float(original.std())
        noise = float(np.sqrt(np.mean(gaps**2))) / spread if spread else float(largest > 0)
        return BatchParity(rows_at_once=count, largest_gap=largest, flipped=0, noise=noise if measures_loss else None)
    before, after = (task.decide(each, thresholds) for each in (original, logits))
    flipped = _rows(before != after)
    accuracy = None
    if measures_loss:
        right = [task.is_right(reference.targets, each, thresholds) for each in (original, logits)]
        accuracy = tango_interval(right[0], right[1])
    return BatchParity(rows_at_once=count, largest_gap=largest, flipped=int(flipped.sum()), accuracy=accuracy)


def _rows(differs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) from (N,) or (N, C): whether a row differs anywhere."""
    return differs if differs.ndim == 1 else np.asarray(differs.any(axis=1))
