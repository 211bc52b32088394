"""From which probability on a label of a multi-label row is answered: by validation, where validation says it helps.

In: logits (M, C) and targets of validation, the deciding metric.  Out: Chosen thresholds, and why.
Not here: deciding by them (task.py), abstaining (abstention.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from liftune.evaluation.compare import decided
from liftune.evaluation.statistics.bootstrap import randomisation_test
from liftune.metrics.registry import Metric
from liftune.metrics.row_statistics import Floats, Ints, Sums
from liftune.records.calibration import Decisions
from liftune.tasks.base import TaskKind, ThresholdValues, probabilities
from liftune.types import FloatArray

#: Logits (M, C), targets and a metric's name to cuts (C,), in logits.
Fit: TypeAlias = Callable[[Floats, NDArray[Any], str], Floats]

FOLDS = 5
#: With fewer validation rows nothing is fitted.
LEAST_ROWS = 30
#: A label with fewer rows takes the threshold that all labels share.
LEAST_POSITIVES = 5
#: Thresholds tried for all labels together.
_SHARED = 256
#: Swaps of the test that judges thresholds: it need only tell 0.05.
_DRAWS = 1_999
#: No threshold is nearer to 0 or 1 than the sigmoid of this.
_FARTHEST = 30.0
#: Rounds in which the best micro-F1 is approached; two or three are the usual.
_ROUNDS = 20


@dataclass(frozen=True)
class Thresholds:
    """Thresholds as validation chose them.

    Args:
        values: one a label; None is one half for all.
        out_of_fold: (M, C) those that each validation row is decided by, from the other folds, or None likewise: scores
            on validation must not be taken by thresholds that its own rows chose.
    """

    found: Decisions
    out_of_fold: Floats | None = None

    @property
    def values(self) -> tuple[float, ...] | None:
        """One a label, in (0, 1); None is one half for all."""
        return self.found.thresholds


def choose_thresholds(
    logits: FloatArray, targets: NDArray[Any], task: TaskKind, metric: Metric, *, seed: int = 0
) -> Thresholds | None:
    """One half for every label, one other threshold for all, or one for each; None for a task without thresholds.

    Thresholds are fitted on all folds of validation but one and decide that one, in turn. The shared one is used where
    it is better than one half by the rule that decides verdicts; one a label, where that is better than
    what is used so far, likewise. What is used is then fitted on all of validation.

    Args:
        logits: (M, C) of validation, calibrated.
        targets: encoded; labels that the model never had take part, as missed.
        metric: micro_f1 or macro_f1; for others one half stays.
    """
    if task is not TaskKind.MULTI_LABEL:
        return None
    if metric.name not in _VALUES:
        return Thresholds(Decisions(reason=f"thresholds are chosen for {' and '.join(_VALUES)}, not for {metric.name}"))
    if len(targets) < LEAST_ROWS:
        return Thresholds(
            Decisions(reason=f"{len(targets)} validation rows are too few to choose thresholds and to judge")
        )
    values = np.asarray(logits, dtype=np.float64)
    half = metric(targets, values, task)
    reason = f"out of fold, other thresholds do not raise the {metric.name} of validation by more than chance would"
    best, so_far = Thresholds(Decisions(reason=reason, validation_before=half)), half
    for kind, fit in _FITS.items():
        tried = _out_of_fold(fit, values, targets, metric, seed)
        score = metric(targets, metric.view(values, tried), task)
        p_value = _p_value(values, best.out_of_fold, tried, targets, metric, seed)
        told = {"validation_after": score, "p_value": p_value}
        gain = None if score is None or so_far is None else score - so_far
        if decided(p_value, gain) == "better":
            used = {
                "kind": kind,
                "thresholds": tuple(_shares(fit(values, targets, metric.name)).tolist()),
                "reason": f"out of fold, the {metric.name} of validation rises by it",
            }
            best, so_far = Thresholds(best.found.model_copy(update={**told, **used}), tried), score
        elif best.found.p_value is None:
            best = Thresholds(best.found.model_copy(update=told))
    return best


def _out_of_fold(fit: Fit, logits: Floats, targets: NDArray[Any], metric: Metric, seed: int) -> Floats:
    """(M, C) thresholds, each row's chosen by the other folds."""
    fold = np.random.default_rng(seed).permutation(len(targets)) % FOLDS
    found = np.empty_like(logits)
    for each in range(FOLDS):
        found[fold == each] = _shares(fit(logits[fold != each], targets[fold != each], metric.name))
    return found


def _shares(cuts: Floats) -> Floats:
    """Logits as probabilities, neither 0 nor 1."""
    return probabilities(np.clip(cuts, -_FARTHEST, _FARTHEST), TaskKind.MULTI_LABEL)


def _p_value(
    logits: Floats,
    a: ThresholdValues | None,
    b: ThresholdValues | None,
    targets: NDArray[Any],
    metric: Metric,
    seed: int,
) -> float:
    sides = [metric.statistics(targets, metric.view(logits, each), TaskKind.MULTI_LABEL) for each in (a, b)]
    assert isinstance(sides[0], Sums)
    assert isinstance(sides[1], Sums)
    return randomisation_test(sides[0], sides[1], draws=_DRAWS, seed=seed)


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

    def cut(self, label: int, answered: int) -> float:
        """A logit that so many rows reach: halfway to the next one."""
        column = self.logits[:, label]
        if answered == 0:
            return float(column[0] + 1.0)
        if answered == len(column):
            return float(column[-1] - 1.0)
        return float((column[answered - 1] + column[answered]) / 2.0)

    def possible(self, label: int) -> NDArray[np.bool_]:
        """(M + 1,) whether a cut can have just so many rows above it: equal logits stay together."""
        column = self.logits[:, label]
        inner = column[:-1] > column[1:]
        return np.concatenate([[True], inner, [True]])


def _micro(hits: Ints, answered: Ints, rows: Sorted) -> Floats:
    """(R,) micro-F1 of (R, C) hits and answers."""
    total = answered.sum(axis=1) + rows.positives.sum() + rows.missed
    return np.asarray(2.0 * hits.sum(axis=1) / np.maximum(total, 1))


def _macro(hits: Ints, answered: Ints, rows: Sorted) -> Floats:
    """(R,) macro-F1 likewise, over the labels that occur or are answered."""
    present = answered + rows.positives > 0
    each = np.where(present, 2.0 * hits / np.maximum(answered + rows.positives, 1), 0.0)
    return np.asarray(each.sum(axis=1) / np.maximum(present.sum(axis=1), 1))


#: Metric -> its value from hits and answers.
_VALUES: dict[str, Callable[[Ints, Ints, Sorted], Floats]] = {"micro_f1": _micro, "macro_f1": _macro}


def shared_cuts(logits: Floats, targets: NDArray[Any], metric: str) -> Floats:
    """(C,) the one logit for all labels with the best value; nought among those tried, and the first of equals."""
    rows = Sorted.of(logits, targets)
    tried = np.append(0.0, np.quantile(logits, np.linspace(0.0, 1.0, _SHARED)))
    answered = np.stack([(logits >= cut).sum(axis=0) for cut in tried])
    hits = np.take_along_axis(rows.hits, answered, axis=0)
    best = tried[int(np.argmax(_VALUES[metric](hits, answered, rows)))]
    return np.full(logits.shape[1], best)


def label_cuts(logits: Floats, targets: NDArray[Any], metric: str) -> Floats:
    """(C,) a logit for each label; labels with few rows take the shared one.

    Macro-F1 is a sum over labels, each at its own best. Micro-F1 is a ratio: with its value F guessed, each label
    answers the k rows that make 2 hits - F k largest, which gives a better F, until it stays.

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
        answered = (logits >= cuts).sum(axis=0)[None]
        better = float(_micro(np.take_along_axis(rows.hits, answered, axis=0), answered, rows)[0])
        if metric == "macro_f1" or better <= ratio + 1e-12:
            break
        ratio = better
    return cuts


#: Kinds of thresholds, the simpler first.
_FITS: dict[str, Fit] = {"shared": shared_cuts, "per label": label_cuts}
