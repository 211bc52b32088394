"""Answers that were made elsewhere, beside the model that `liftune evaluate` scores: on the same rows, and compared.

In: what was asked, the test rows, the model's evaluation.  Out: their Contenders, and the model against each.
Not here: the model's own scores (evaluate.py), reading answers (data/answers.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from liftune.data.answers import Answers, coverage_notes, where_of
from liftune.data.load import RowsInMemory
from liftune.data.splits import Splits
from liftune.errors import DataError, SpecError, amount
from liftune.evaluation.clean_rows import Leaks, on_clean_rows
from liftune.evaluation.compare import compare
from liftune.evaluation.contrasts import under_one_correction
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.outside import given_by, scored
from liftune.records.base import Comparison, Interval, Seconds
from liftune.records.run import Contender
from liftune.spec import RunSpec
from liftune.tasks import task_of
from liftune.workflows.request import check_answers, checks_of_sources


@dataclass(frozen=True)
class Beside:
    """Contenders beside a model, and the model against each of them."""

    contenders: tuple[Contender, ...] = ()
    comparisons: tuple[Comparison, ...] = ()


def check_before_reading(spec: RunSpec) -> None:
    """Refuse what can be refused before any row is read.

    Raises:
        DataError, SpecError: a file is not there; a cost is that of nothing; or labels would have two names.
    """
    if not (spec.evaluation.answers or spec.evaluation.cost):
        return
    if spec.model.label_map:
        raise SpecError(
            "answers are read in the labels of the model, and --label-map gives these other names",
            where="--answers with --label-map",
            hint="leave one of them out; or write data and answers with the model's labels",
        )
    for check in checks_of_sources(spec):
        check()


def read_beside(
    spec: RunSpec, splits: Splits, metric: str, rows: RowsInMemory | None, model: str
) -> tuple[Answers, ...]:
    """The answers, held against the test rows.

    Args:
        splits: whose test rows are those of the model, with its labels.
        rows: those in memory.
        model: the name of the one that is scored.

    Raises:
        DataError, SpecError: as `check_answers`; or a value is missing, and no train row says what it would count as;
            or answers are named as the model is.
    """
    if model in spec.evaluation.answers:
        raise SpecError(
            f"{model} is the name of the model that is scored", where=where_of(model), hint="give the answers another"
        )
    found = check_answers(spec, splits, metric, rows)
    for each in found:
        lacking = len(splits.test) - each.answered(splits.test)
        if lacking and not task_of(splits.task).outputs_labels:
            raise DataError(
                f"{amount(lacking, 'test row has', 'test rows have')} no value of {each.name}, and without train rows "
                "there is none that could stand for it",
                where=where_of(each.name),
                hint="give a value for each test row, or leave these rows out of the data",
            )
    return found


def score_beside(spec: RunSpec, answers: Sequence[Answers], splits: Splits, model: Evaluation, metric: str) -> Beside:
    """Score the answers, and compare the model with each; all comparisons are under one correction (Holm's)."""
    leaks, contenders, comparisons = Leaks.of(splits.audit), [], []
    for each in answers:
        # Without train rows nothing is known of labels' shares: those of test decide nothing but the order of guesses.
        given = given_by(each, replace(splits, train=splits.test), spec.evaluation.cost.get(each.name))
        evaluation, about = scored(each.name, given, splits)
        contenders.append(
            Contender(
                name=each.name,
                head=None,
                trainable_parameters=0,
                seconds=Seconds(evaluate=None),
                metrics=evaluation.metrics,
                clean=clean_scores(evaluation, splits),
                notes=(*coverage_notes(each, splits), *each.notes),
                only_answer=evaluation.only_answer,
                outside=about,
            )
        )
        sides = [evaluation, model]
        comparisons.append(on_clean_rows(sides, leaks, lambda both: compare(both[0], both[1], metric)))
    return Beside(tuple(contenders), under_one_correction(comparisons) if comparisons else ())


def clean_scores(evaluation: Evaluation, splits: Splits) -> dict[str, Interval] | None:
    """Scores on the rows that the model was not tuned on; None where that is all or none of them."""
    rows = Leaks.of(splits.audit).clean(evaluation)
    return scores([evaluation.take(rows)]) if 0 < len(rows) < len(evaluation) else None
