"""Answers that were made elsewhere as logits, so that they are scored and compared as any contender is.

In: Answers, the rows.  Out: Given: logits of both parts, which rows have no answer, and what the record says.
Not here: reading the answers (data/answers.py), the ladder (ladder.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from liftune.data.answers import Answers
from liftune.data.splits import Split, Splits
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.reliability import calibration_scores
from liftune.records.outside import Outside
from liftune.tasks import ThresholdValues, task_of
from liftune.types import BoolArray

#: Validation may lack answers for so much more of its rows than test, and its score still count.
_LESS = 0.05


@dataclass(frozen=True)
class Given:
    """What a contender that was not fitted here predicts.

    Args:
        validation: (M, C); nothing is chosen by it unless `about.chosen_on_validation`.
        test: (N, C).
        unanswered, validation_unanswered: (N,) and (M,) rows without an answer, which count as wrong.
        seconds: of the test rows, where they were predicted here.
    """

    validation: NDArray[np.float32]
    test: NDArray[np.float32]
    unanswered: BoolArray
    validation_unanswered: BoolArray
    about: Outside
    seconds: float | None = None
    has_thresholds: bool = False
    """Whether its labels are decided as those of every contender: by thresholds that validation gives."""


def given_by(answers: Answers, splits: Splits, cost: float | None = None) -> Given:
    """The answers as logits.

    A row without an answer is predicted wrongly and as unsurely as can be; a value that is missing is the mean of
    train. Answers without probabilities are sure ones, and nothing that reads probabilities is computed of them.
    """
    validation, without = _logits(answers, splits, splits.validation)
    test, lacking = _logits(answers, splits, splits.test)
    tested, chosen = 1.0 - _share(lacking), 1.0 - _share(without)
    about = Outside(
        kind="answers",
        source=answers.source,
        way=f"found {answers.by}",
        answered=answers.answered(splits.test),
        validation_answered=answers.answered(splits.validation),
        chosen_on_validation=len(without) > 0 and chosen > 0 and chosen >= tested - _LESS,
        probabilities=answers.shares is not None,
        warnings=answers.warnings,
        cost_per_row=cost,
    )
    return Given(validation, test, lacking, without, about)


def given_here(
    validation: NDArray[np.float32], test: NDArray[np.float32], about: Outside, seconds: float | None = None
) -> Given:
    """The same of a model that answers every row."""
    none = np.zeros(len(test), dtype=bool), np.zeros(len(validation), dtype=bool)
    return Given(validation, test, *none, about, seconds, has_thresholds=True)


def scored(
    name: str,
    given: Given,
    splits: Splits,
    *,
    max_length: int | None = None,
    thresholds: ThresholdValues | None = None,
) -> tuple[Evaluation, Outside]:
    """Its scores on test, and what the record says of it: with how well its probabilities fit the rows that have one.

    Args:
        thresholds: by which its labels are decided; None is one half.
    """
    unanswered = given.unanswered if given.unanswered.any() else None
    evaluation = Evaluation.of(name, given.test, splits, max_length=max_length, thresholds=thresholds)
    evaluation = replace(evaluation, unanswered=unanswered, sure=not given.about.probabilities)
    evaluation = replace(evaluation, metrics=scores([evaluation]))
    if not given.about.probabilities:
        return evaluation, given.about
    answered = evaluation.take(np.flatnonzero(~given.unanswered))
    return evaluation, given.about.model_copy(update={"calibration": calibration_scores(answered)})


def _share(rows: BoolArray) -> float:
    return float(np.mean(rows)) if len(rows) else 1.0


def _logits(answers: Answers, splits: Splits, part: Split) -> tuple[NDArray[np.float32], BoolArray]:
    """(N, C), and (N,) which rows have no answer among the labels of train."""
    task, outputs = task_of(splits.task), splits.outputs
    targets = splits.encoded(part)
    prior = task.prior_logits(splits.encoded(splits.train), outputs)
    logits = task.wrong_logits(targets, prior)
    rows = np.array([i for i, row in enumerate(part.ids) if row in answers.targets], dtype=np.int64)
    unanswered = np.ones(len(part), dtype=bool)
    if not len(rows):
        return logits, unanswered
    given = task.encode([answers.targets[part.ids[i]] for i in rows], (*splits.labels, *splits.unseen))
    can, _ = task.known(given, outputs)
    rows, given = rows[can], given[can]
    if answers.shares is None:
        logits[rows] = task.sure_logits(given, outputs)
    else:
        order = [answers.labels.index(label) if label in answers.labels else -1 for label in splits.labels]
        shares = np.array([answers.shares[part.ids[i]] for i in rows], dtype=np.float64).reshape(len(rows), -1)
        shares = np.where(np.array(order) >= 0, shares[:, order], 0.0) if len(rows) else shares.reshape(0, outputs)
        logits[rows] = task.logits_of_shares(shares, given)
    unanswered[rows] = False
    return logits, unanswered
