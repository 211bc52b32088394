"""What the test rows say of the tuned model beyond its scores, from the rows and logits of a run.

In: a record, its test rows, the contenders' logits.  Out: Details.
Not here: reading the run folder (reporting.py), each group's statistics (groups.py, flips.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.data.splits import Split
from liftune.evaluation.breakdowns import (
    GROUP_METRIC,
    answered,
    label_scores,
    length_bins,
    reliability,
    selective_curve,
)
from liftune.evaluation.flips import flips
from liftune.records.base import Interval
from liftune.records.details import Details, Scatter
from liftune.records.run import TuneRecord
from liftune.tasks.base import TaskKind, encode
from liftune.types import FloatArray, Row

#: Points of a scatter: more only blacken it.
MOST_POINTS = 600
_RESIDUAL_BINS = 21


def set_against(record: TuneRecord) -> tuple[str, str]:
    """The contender that the tuned model is set against row by row, and why that one.

    It is the base; a base with a fresh head answers by chance, so there it is the strongest other rung.
    """
    base = next((each for each in record.contenders if each.name == "base"), None)
    if base is not None and base.head != "fresh":
        return "base", "the model as it was"
    name = record.strongest or next(each.name for each in record.contenders if each.name not in ("base", "tuned"))
    return name, "the strongest other rung, because the base's head is fresh and its answers are chance"


def details(record: TuneRecord, command: str, test: Split, logits: Mapping[str, FloatArray]) -> Details:
    """All that the rows say.

    Args:
        command: the command line that asks for this run.
        logits: contender -> (N, C) on the test rows: tuned, base, and those that `record.comparisons` name.
    """
    against, why = set_against(record)
    task, labels = record.task, (*record.labels, *sorted(record.audit.unseen_labels))
    targets = encode(test.targets, labels, task)
    tuned = logits["tuned"]
    both = {against: logits[against], "tuned": tuned}
    every = {"base": logits["base"], **both} if "base" in logits else both
    single, named = task is TaskKind.SINGLE_LABEL, task.outputs_labels
    promised = _promised(record, both)
    return Details(
        command=command,
        against=against,
        why=why,
        metric=GROUP_METRIC[task],
        classes={name: label_scores(targets, each, labels, task) for name, each in both.items()} if named else {},
        confusions={name: answered(targets, each, labels) for name, each in every.items()} if single else {},
        reliability={name: reliability(targets, each, task) for name, each in promised.items()} if named else {},
        coverage={name: selective_curve(targets, each, task) for name, each in both.items()} if named else {},
        lengths=length_bins(words(test.rows), targets, both, task),
        clouds={} if named else {name: scatter(targets, each[:, 0]) for name, each in both.items()},
        flips=flips(against, test, targets, both[against], tuned, labels, task),
    )


def _promised(record: TuneRecord, both: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """Whose probabilities are looked at. A calibrated head has its scaling folded in: undone, its logits are those from
    before."""
    found = next((each.calibration for each in record.contenders if each.name == "tuned"), None)
    if found is None or not found.kept:
        return dict(both)
    scale, shift = np.array(found.scale or 1.0), np.array(found.shift or 0.0)
    before = (both["tuned"] - shift) * found.temperature / scale
    return {"tuned, before calibration": np.asarray(before, dtype=np.float32), "tuned, calibrated": both["tuned"]}


def words(rows: tuple[Row, ...]) -> NDArray[np.int64]:
    """(N,) words of each row, both texts of a pair together."""
    return np.array(
        [len(row.split()) if isinstance(row, str) else sum(len(text.split()) for text in row) for row in rows],
        dtype=np.int64,
    )


def scatter(truth: NDArray[Any], answers: NDArray[Any]) -> Scatter:
    """Answers beside the truth, and the spread of what lies between; the mean residual with Student's interval."""
    from scipy.stats import t

    residuals = np.asarray(answers, dtype=np.float64) - truth
    rows = len(residuals)
    taken = np.unique(np.linspace(0, rows - 1, min(rows, MOST_POINTS)).astype(np.int64))
    counts, edges = np.histogram(residuals, bins=_RESIDUAL_BINS)
    bias = Interval(value=float(residuals.mean()), note="no interval: one row, or no spread")
    if rows > 1 and np.ptp(residuals) > 0:
        half = float(t.ppf(0.975, rows - 1) * residuals.std(ddof=1) / np.sqrt(rows))
        bias = Interval(value=bias.value, low=float(residuals.mean()) - half, high=float(residuals.mean()) + half)
    return Scatter(
        truth=tuple(float(each) for each in truth[taken]),
        answers=tuple(float(each) for each in answers[taken]),
        edges=tuple(float(each) for each in edges),
        counts=tuple(int(each) for each in counts),
        bias=bias,
    )
