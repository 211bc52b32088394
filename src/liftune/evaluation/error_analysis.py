"""What the test rows say of the tuned model beyond its scores, from the rows and logits of a run.

In: a record, its test rows, the contenders' Evaluations.  Out: Details.
Not here: reading the run folder (run_folder.py), the statistics of some of the rows (breakdowns.py, flips.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from liftune.data.splits import Split
from liftune.evaluation.breakdowns import confusion_matrix, group_metric, label_scores, length_bins, selective_curve
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.flips import flips
from liftune.evaluation.reliability import Binned, reliability_curve
from liftune.evaluation.statistics.clustered import group_bootstrap
from liftune.metrics.row_statistics import Floats, Ints, Sums, mean
from liftune.records.base import Interval
from liftune.records.details import Details, Scatter
from liftune.records.run import TuneRecord
from liftune.tasks import task_of
from liftune.types import Row

#: Points of a scatter: more only blacken it.
MOST_POINTS = 600
_RESIDUAL_BINS = 21
#: Bins of equal width of the reliability diagram.
BINS = 10


def set_against(record: TuneRecord) -> tuple[str, str]:
    """The contender that the tuned model is compared with row by row, and why that one.

    With --start it is the model that was started from. Else it is the base; a base with a randomly initialised head
    guesses, so there it is the strongest other contender.
    """
    if any(each.name == "start" for each in record.contenders):
        return "start", "the model that tuning went on from"
    base = next((each for each in record.contenders if each.name == "base"), None)
    if base is not None and base.head != "fresh":
        return "base", "the model as it was"
    name = record.strongest or next(each.name for each in record.contenders if each.name not in ("base", "tuned"))
    return name, "the strongest other model on validation, because the base model's head is random"


def details(record: TuneRecord, command: str, test: Split, evaluations: Mapping[str, Evaluation]) -> Details:
    """All that the rows say.

    Args:
        command: the command line that asks for this run.
        test: the rows of all evaluations, in their order.
        evaluations: of tuned, base, and the contenders that `record.comparisons` name, each with its thresholds.
    """
    against, why = set_against(record)
    task, tuned = task_of(record.task), evaluations["tuned"]
    both = {against: evaluations[against], "tuned": tuned}
    outside = [each.name for each in record.contenders if each.outside and each.name in evaluations]
    every = {"base": evaluations["base"], **both} if "base" in evaluations else both
    with_matrix = every if task.shape == "label" else {}
    labelled = both if task.outputs_labels else {}
    valued = {} if task.outputs_labels else both
    return Details(
        command=command,
        against=against,
        why=why,
        metric=group_metric(record.task).name,
        classes={name: label_scores(each) for name, each in labelled.items()},
        confusions={name: confusion_matrix(each) for name, each in with_matrix.items()},
        reliability={
            name: reliability_curve(Binned.of_equal_width(each, BINS))
            for name, each in (_of_probabilities(record, evaluations, both) if task.has_probabilities else {}).items()
        },
        coverage={name: selective_curve(each) for name, each in labelled.items()},
        lengths=length_bins(words(test.rows), both),
        clouds={name: scatter(each) for name, each in valued.items()},
        flips=flips(test, both[against], tuned),
        other_flips=tuple(flips(test, evaluations[name], tuned) for name in outside),
    )


def _of_probabilities(
    record: TuneRecord, evaluations: Mapping[str, Evaluation], both: Mapping[str, Evaluation]
) -> Mapping[str, Evaluation]:
    """Whose probabilities are looked at: those given with answers from elsewhere come first, on the rows answered."""
    given = {
        each.name: evaluations[each.name]
        for each in record.contenders
        if each.outside and each.outside.probabilities and each.name in evaluations
    }
    answered = {
        name: each if each.unanswered is None else each.take(np.flatnonzero(~each.unanswered))
        for name, each in given.items()
    }
    return {**answered, **with_calibration_undone(record, both)}


def with_calibration_undone(record: TuneRecord, both: Mapping[str, Evaluation]) -> Mapping[str, Evaluation]:
    """Whose probabilities are looked at. A calibrated head has its scaling folded in: undone, its logits are those from
    before."""
    calibration = next((each.calibration for each in record.contenders if each.name == "tuned"), None)
    if calibration is None or not calibration.kept:
        return both
    tuned = both["tuned"]
    scale, shift = np.array(calibration.scale or 1.0), np.array(calibration.shift or 0.0)
    before = np.asarray((tuned.logits - shift) * calibration.temperature / scale, dtype=np.float32)
    return {"tuned, before calibration": replace(tuned, logits=before), "tuned, calibrated": tuned}


def words(rows: tuple[Row, ...]) -> NDArray[np.int64]:
    """(N,) words of each row, both texts of a pair together."""
    return np.array(
        [len(row.split()) if isinstance(row, str) else sum(len(text.split()) for text in row) for row in rows],
        dtype=np.int64,
    )


def scatter(evaluation: Evaluation) -> Scatter:
    """Predicted values beside the true ones, and the spread of what lies between.

    The mean residual has Student's interval; where rows come in groups, a bootstrap of whole groups.
    """
    truth, predicted = evaluation.targets, evaluation.decisions
    residuals = np.asarray(predicted, dtype=np.float64) - truth
    rows = len(residuals)
    taken = np.unique(np.linspace(0, rows - 1, min(rows, MOST_POINTS)).astype(np.int64))
    counts, edges = np.histogram(residuals, bins=_RESIDUAL_BINS)
    return Scatter(
        truth=tuple(float(each) for each in truth[taken]),
        answers=tuple(float(each) for each in predicted[taken]),
        edges=tuple(float(each) for each in edges),
        counts=tuple(int(each) for each in counts),
        bias=_mean_interval(residuals, evaluation.clusters),
    )


def _mean_interval(residuals: Floats, clusters: Ints | None) -> Interval:
    from scipy.stats import t

    if clusters is not None:
        sums = Sums(residuals[:, None], np.arange(len(residuals)), mean)
        return group_bootstrap([sums], lambda values: values[0], clusters).interval
    rows, middle = len(residuals), float(residuals.mean())
    if rows < 2 or np.ptp(residuals) == 0:
        return Interval(value=middle, note="no interval: one row, or no spread")
    half = float(t.ppf(0.975, rows - 1) * residuals.std(ddof=1) / np.sqrt(rows))
    return Interval(value=middle, low=middle - half, high=middle + half)
