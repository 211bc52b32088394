"""From which probability on a label of a multi-label row is predicted: by validation, where validation says it helps.

In: an Evaluation of validation, the deciding metric.  Out: Thresholds, and why.
Not here: deciding by them (tasks/), abstaining (selective.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.compare import decided, too_few_to_fit
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.statistics.bootstrap import randomisation_test
from liftune.evaluation.statistics.clustered import sums_by_group
from liftune.metrics.metric import Metric
from liftune.metrics.row_statistics import Floats, Ints, Sums
from liftune.records.calibration import Decisions
from liftune.tasks import task_of

#: Logits (M, C), targets and a metric's name to cuts (C,), in logits.
Fit: TypeAlias = Callable[[Floats, NDArray[Any], str], Floats]

#: A label with fewer rows takes the threshold that all labels share.
LEAST_POSITIVES = 5
#: Thresholds tried for all labels together.
_SHARED = 256
#: Swaps of the test that judges thresholds: it need only resolve 0.05.
_DRAWS = 1_999
#: No threshold is nearer to 0 or 1 than the sigmoid of this.
_FARTHEST = 30.0
#: Rounds in which the best micro-F1 is approached; two or three are the usual.
_ROUNDS = 20


@dataclass(frozen=True)
class Thresholds:
    """Thresholds as validation chose them.

    Args:
        decisions: what was chosen, and why.
        out_of_fold: (M, C) those that each validation row is decided by, from the other folds; None is one half. Scores
            on validation must not be taken by thresholds that its own rows chose.
    """

    decisions: Decisions
    out_of_fold: Floats | None = None

    @property
    def values(self) -> tuple[float, ...] | None:
        """One a label, in (0, 1); None is one half for all."""
        return self.decisions.thresholds


def choose_thresholds(
    validation: Evaluation, metric: Metric, folds: Ints | None, *, seed: int = 0
) -> Thresholds | None:
    """One half for every label, one other threshold for all, or one for each; None for a task without thresholds.

    Thresholds are fitted on all folds of validation but one and decide that one, in turn. The shared one is used where
    it is better than one half by the rule that decides verdicts; one a label, where that is better than what is used so
    far, likewise. What is used is then fitted on all of validation.

    Args:
        validation: calibrated; labels that the model never had take part, as missed.
        metric: micro_f1 or macro_f1; for others one half stays.
        folds: (M,) each row's, as `data.folds.folds_for_fitting` cuts them; None where there are not two to cut.
        seed: of the randomisation test.
    """
    if not task_of(validation.task).has_thresholds:
        return None
    if metric.name not in _VALUES:
        return Thresholds(Decisions(reason=f"thresholds are chosen for {' and '.join(_VALUES)}, not for {metric.name}"))
    if few := too_few_to_fit(len(validation), validation.independent_rows, validation.unit):
        return Thresholds(Decisions(reason=f"{few} are too few to choose thresholds and to judge"))
    if folds is None:
        return Thresholds(
            Decisions(reason="all validation rows are of one text or group: there is none to judge thresholds by")
        )
    logits = np.asarray(validation.logits, dtype=np.float64)
    half = replace(validation, logits=logits, thresholds=None)
    reason = f"out of fold, other thresholds do not raise the {metric.name} of validation by more than chance would"
    used, used_score = half, half.score(metric)
    best = Thresholds(Decisions(reason=reason, validation_before=used_score))
    for kind, fit in _FITS.items():
        tried = replace(half, thresholds=_out_of_fold(fit, logits, half, metric, folds))
        score, p_value = tried.score(metric), _p_value(used, tried, metric, seed)
        outcome = {"validation_after": score, "p_value": p_value}
        gain = None if score is None or used_score is None else score - used_score
        if decided(p_value, gain) == "better":
            choice = {
                "kind": kind,
                "thresholds": tuple(_as_probabilities(fit(logits, half.targets, metric.name), half).tolist()),
                "reason": f"out of fold, the {metric.name} of validation rises by it",
            }
            used, used_score = tried, score
            best = Thresholds(best.decisions.model_copy(update={**outcome, **choice}), np.asarray(tried.thresholds))
        elif best.decisions.p_value is None:
            best = Thresholds(best.decisions.model_copy(update=outcome))
    return best


def _out_of_fold(fit: Fit, logits: Floats, half: Evaluation, metric: Metric, folds: Ints) -> Floats:
    """(M, C) thresholds, each row's chosen by the other folds."""
    thresholds = np.empty_like(logits)
    for each in np.unique(folds):
        cuts = fit(logits[folds != each], half.targets[folds != each], metric.name)
        thresholds[folds == each] = _as_probabilities(cuts, half)
    return thresholds


def _as_probabilities(cuts: Floats, of: Evaluation) -> Floats:
    """Logits as probabilities, neither 0 nor 1."""
    return task_of(of.task).probabilities(np.clip(cuts, -_FARTHEST, _FARTHEST))


def _p_value(a: Evaluation, b: Evaluation, metric: Metric, seed: int) -> float:
    sides = [each.statistics(metric) for each in (a, b)]
    sums = [each for each in sides if isinstance(each, Sums)]
    assert len(sums) == len(sides)
    if a.clusters is not None:
        sums = [sums_by_group(each, a.clusters) for each in sums]
    return randomisation_test(*sums, draws=_DRAWS, seed=seed)


# Cuts, in logits -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sorted:
    """Each label's rows from the highest logit down.

    Args:
        logits: (M, C), each column falling.
        hits: (M + 1, C) rows that have the label among the first k.
        positives: (C,) rows that have it.
        missed: rows of labels that the model never had.
    """

    logits: Floats
    hits: Ints
    positives: Ints
    missed: int

    @classmethod
    def of(cls, logits: Floats, targets: NDArray[Any]) -> Sorted:
        """Sort every column by itself."""
        order = np.argsort(-logits, axis=0, kind="stable")
        outputs = logits.shape[1]
        truth = np.take_along_axis(np.asarray(targets[:, :outputs], dtype=np.int64), order, axis=0)
        hits = np.concatenate([np.zeros((1, outputs), dtype=np.int64), truth.cumsum(axis=0)])
        return cls(np.take_along_axis(logits, order, axis=0), hits, hits[-1], int(targets[:, outputs:].sum()))

    def cut(self, label: int, predicted: int) -> float:
        """A logit that so many rows reach: halfway to the next one."""
        column = self.logits[:, label]
        if predicted == 0:
            return float(column[0] + 1.0)
        if predicted == len(column):
            return float(column[-1] - 1.0)
        return float((column[predicted - 1] + column[predicted]) / 2.0)

    def possible(self, label: int) -> NDArray[np.bool_]:
        """(M + 1,) whether a cut can have just so many rows above it: equal logits stay together."""
        column = self.logits[:, label]
        inner = column[:-1] > column[1:]
        return np.concatenate([[True], inner, [True]])


def _micro(hits: Ints, predicted: Ints, rows: Sorted) -> Floats:
    """(R,) micro-F1 of (R, C) hits and predictions."""
    total = predicted.sum(axis=1) + rows.positives.sum() + rows.missed
    return np.asarray(2.0 * hits.sum(axis=1) / np.maximum(total, 1))


def _macro(hits: Ints, predicted: Ints, rows: Sorted) -> Floats:
    """(R,) macro-F1 likewise, over the labels that occur or are predicted."""
    present = predicted + rows.positives > 0
    each = np.where(present, 2.0 * hits / np.maximum(predicted + rows.positives, 1), 0.0)
    return np.asarray(each.sum(axis=1) / np.maximum(present.sum(axis=1), 1))


#: Metric -> its value from hits and predictions.
_VALUES: dict[str, Callable[[Ints, Ints, Sorted], Floats]] = {"micro_f1": _micro, "macro_f1": _macro}


def shared_cuts(logits: Floats, targets: NDArray[Any], metric: str) -> Floats:
    """(C,) the one logit for all labels with the best value; zero among those tried, and the first of equals."""
    rows = Sorted.of(logits, targets)
    tried = np.append(0.0, np.quantile(logits, np.linspace(0.0, 1.0, _SHARED)))
    predicted = np.stack([(logits >= cut).sum(axis=0) for cut in tried])
    hits = np.take_along_axis(rows.hits, predicted, axis=0)
    best = tried[int(np.argmax(_VALUES[metric](hits, predicted, rows)))]
    return np.full(logits.shape[1], best)


def label_cuts(logits: Floats, targets: NDArray[Any], metric: str) -> Floats:
    """(C,) a logit for each label; labels with few rows take the shared one.

    Macro-F1 is a sum over labels, each at its own best. Micro-F1 is a ratio: with its value F guessed, each label
    predicts the k rows that make 2 hits - F k largest, which gives a better F, until it stays.

    Source: Dinkelbach (1967) for the maximum of a ratio.
    """
    rows = Sorted.of(logits, targets)
    cuts = shared_cuts(logits, targets, metric)
    free = [label for label in range(len(cuts)) if rows.positives[label] >= LEAST_POSITIVES]
    steps = np.arange(len(logits) + 1)
    ratio = 0.0
    for _ in range(_ROUNDS):
        for label in free:
            hits = rows.hits[:, label]
            worth = 2.0 * hits - ratio * steps
            if metric == "macro_f1":
                worth = 2.0 * hits / (steps + rows.positives[label])
            cuts[label] = rows.cut(label, int(np.argmax(np.where(rows.possible(label), worth, -np.inf))))
        predicted = (logits >= cuts).sum(axis=0)[None]
        better = float(_micro(np.take_along_axis(rows.hits, predicted, axis=0), predicted, rows)[0])
        if metric == "macro_f1" or better <= ratio + 1e-12:
            break
        ratio = better
    return cuts


#: Kinds of thresholds, the simpler first.
_FITS: dict[str, Fit] = {"shared": shared_cuts, "per label": label_cuts}
