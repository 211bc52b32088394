"""The gate: an export answers the run's validation rows as the run does, or it is refused.

In: logits of the original and of the export on the same rows.  Out: a Parity, and why it is too far.
Not here: answering (export.py), the interval (evidence/intervals.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.statistics.intervals import tango_interval
from liftune.records.base import Interval, Record
from liftune.tasks import TaskKind, ThresholdValues, task_of

Format: TypeAlias = Literal["merged", "onnx", "onnx-int8"]
FORMATS: tuple[Format, ...] = ("merged", "onnx", "onnx-int8")
#: Largest gap of a probability (of a regression: of the value, relative to the largest where that is above 1).
TOLERANCE: dict[Format, float] = {"merged": 1e-4, "onnx": 1e-3}
#: int8: most rows whose answer changes, and how much accuracy the interval may hold to be lost.
MOST_FLIPS, MOST_LOST = 0.02, 0.01
#: int8 regression: root mean square of the gap, over the standard deviation of the original's answers.
MOST_NOISE = 0.05


class BatchParity(Record):
    """One way of batching."""

    rows_at_once: int
    largest_gap: float
    """Of a probability; of a regression, of the value."""
    flipped: int
    """Rows whose answer (label, set of labels) is another."""
    accuracy: Interval | None = None
    """int8: accuracy of the export less that of the original, with the paired 95 % interval of Tango (1998); a
    multi-label row is right where all its labels are."""
    noise: float | None = None
    """int8 regression: root mean square of the gap over the standard deviation of the original's answers."""


class Parity(Record):
    """parity.json: how far an export's answers are from the run's."""

    format: Format
    rows: int
    source: str
    """Which rows: the run's validation rows, or a file."""
    batches: tuple[BatchParity, ...]
    scheme: str | None = None
    """int8: which weights are 8 bits wide."""
    excesses: tuple[str, ...] = ()
    """What lies beyond the tolerance; an export that has any was accepted by --accept-gap."""

    def lines(self) -> list[str]:
        """For a person."""
        found = [f"{self.format} against the run on {self.rows:,} rows ({self.source}):"]
        for each in self.batches:
            line = f"  {each.rows_at_once} at a time: largest gap {each.largest_gap:.2g}, {each.flipped:,} flipped"
            if each.accuracy is not None and each.accuracy.value is not None:
                low, high = each.accuracy.low or 0.0, each.accuracy.high or 0.0
                line += f", accuracy {100 * each.accuracy.value:+.2f} points [{100 * low:+.2f}, {100 * high:+.2f}]"
            if each.noise is not None:
                line += f", noise {each.noise:.3f} of the answers' deviation"
            found.append(line)
        return found + ([f"  scheme: {self.scheme}"] if self.scheme else [])


def compare(
    original: NDArray[np.float32],
    exported: Mapping[int, NDArray[np.float32]],
    *,
    format: Format,
    task: TaskKind,
    targets: NDArray[Any],
    source: str,
    thresholds: ThresholdValues | None = None,
    scheme: str | None = None,
) -> Parity:
    """Hold an export's logits against the original's.

    Args:
        original: (N, C); exported: rows at once -> (N, C).
        targets: as `task.encode` gives them.
    """
    batches, excesses = [], []
    for count, logits in exported.items():
        found = _batch(original, logits, count, format, task, targets, thresholds)
        batches.append(found)
        excesses += [f"{count} at a time: {reason}" for reason in _excesses(found, format, task, original)]
    return Parity(
        format=format,
        rows=len(original),
        source=source,
        batches=tuple(batches),
        scheme=scheme,
        excesses=tuple(excesses),
    )


def _batch(
    original: NDArray[np.float32],
    logits: NDArray[np.float32],
    count: int,
    format: Format,
    task: TaskKind,
    targets: NDArray[Any],
    thresholds: ThresholdValues | None,
) -> BatchParity:
    kind = task_of(task)
    gaps = kind.probabilities(logits) - kind.probabilities(original)
    largest = float(np.abs(gaps).max(initial=0.0))
    if not kind.has_probabilities:
        spread = float(original.std())
        noise = float(np.sqrt(np.mean(gaps**2))) / spread if spread else float(largest > 0)
        return BatchParity(
            rows_at_once=count, largest_gap=largest, flipped=0, noise=noise if format == "onnx-int8" else None
        )
    before, after = (kind.decide(each, thresholds) for each in (original, logits))
    flipped = _rows(before != after)
    accuracy = None
    if format == "onnx-int8":
        right = [kind.is_right(targets, each, thresholds) for each in (original, logits)]
        accuracy = tango_interval(right[0], right[1])
    return BatchParity(rows_at_once=count, largest_gap=largest, flipped=int(flipped.sum()), accuracy=accuracy)


def _rows(differs: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(N,) from (N,) or (N, C): whether a row differs anywhere."""
    return differs if differs.ndim == 1 else np.asarray(differs.any(axis=1))


def _excesses(found: BatchParity, format: Format, task: TaskKind, original: NDArray[np.float32]) -> list[str]:
    if format != "onnx-int8":
        scale = max(1.0, float(np.abs(original).max(initial=0.0))) if not task_of(task).has_probabilities else 1.0
        limit = TOLERANCE[format] * scale
        within = found.largest_gap <= limit  # so that a NaN fails too
        return [] if within else [f"the largest gap is {found.largest_gap:.2g}, and {limit:.2g} is allowed"]
    if found.noise is not None:
        return [] if found.noise <= MOST_NOISE else [f"the noise is {found.noise:.3f}, and {MOST_NOISE} is allowed"]
    reasons = []
    rows = len(original)
    if not found.flipped <= MOST_FLIPS * rows:
        reasons.append(f"{found.flipped:,} of {rows:,} answers flipped, and {MOST_FLIPS:.0%} is allowed")
    low = found.accuracy.low if found.accuracy is not None else None
    if low is None or not low > -MOST_LOST:
        reasons.append(
            f"accuracy may be {100 * -(low if low is not None else -1.0):.2f} points lower (95 % interval), and less "
            f"than {100 * MOST_LOST:.0f} is allowed"
        )
    return reasons


def rows_needed() -> int:
    """Fewest rows on which int8 can pass at all: those whose interval is narrow enough where no answer changes.

    >>> 300 < rows_needed() < 500
    True
    """
    low, high = 1, 10_000
    while low < high:
        middle = (low + high) // 2
        right = np.ones(middle, dtype=np.bool_)
        passes = (tango_interval(right, right).low or 0.0) > -MOST_LOST
        low, high = (low, middle) if passes else (middle + 1, high)
    return low
