"""A model by itself, scored on the test rows of a run: so that it can be compared with that run's models.

In: a path or hub id, a run, one of its evaluations.  Out: an Evaluation on the same rows, and a Contender.
Not here: comparing (compare.py), the scores of a model on other data (evaluate.py).
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from liftune.data.label_matching import in_their_order
from liftune.errors import EXTRAS, DataError, first_of, need, pasted
from liftune.evaluation.evaluate import Evaluation, scores
from liftune.evaluation.harm import over_labels
from liftune.inference.locate import locate_model
from liftune.models.foreign.said import Said
from liftune.records.base import Seconds
from liftune.records.run import Contender, TuneRecord
from liftune.tasks import task_of
from liftune.types import FloatArray

if TYPE_CHECKING:
    from liftune.workflows.opened import Opened

_LABELS_SHOWN = 8


@dataclass(frozen=True)
class ScoredModel:
    """A model by itself on a run's rows."""

    evaluation: Evaluation
    contender: Contender
    method: str
    note: str


def score_on(
    path: str,
    on: Evaluation,
    record: TuneRecord,
    *,
    name: str,
    where: str,
    said: Said,
    use: str | None = None,
    differing: bool = False,
) -> ScoredModel:
    """Score a model on the test rows of a run.

    Args:
        on: an evaluation of the run: its rows, targets and groups.
        name: what to call the model.
        where: the name of the argument, for messages.
        said: what the user says of a model that others saved.
        use: which contender, where the path is that of a run.
        differing: whether it may have other labels: it then keeps its own.

    Raises:
        ArtifactError: the path leads to no tuned model, or a file of it is damaged.
        DataError: it has other labels than the run, another task, or reads single texts where the rows are pairs.
    """
    need(*EXTRAS["tune"])
    from liftune.hardware.measure import measure_machine
    from liftune.hardware.plan import make_plan
    from liftune.workflows.opened import open_saved

    saved = locate_model(path, use=use, said=said, where=where)
    opened = open_saved(saved, make_plan(measure_machine()).for_inference, trusted=False)
    model: Any = saved.card or opened
    _refuse_other_kind(path, opened, record, where, knows_pairs=saved.card is None)
    labelled, order = task_of(record.task).outputs_labels, None
    if labelled and differing:
        on = over_labels(on, opened.labels)
    elif labelled:
        order = _order(path, opened.labels, record, where)
    assert on.texts is not None  # as a run's evaluation has them
    started = time.perf_counter()
    logits = opened.scorer.logits(on.texts)
    seconds = time.perf_counter() - started
    evaluation = replace(
        on,
        name=name,
        logits=logits if order is None else _in_order(logits, order),
        max_length=opened.max_length or None,
        thresholds=None if opened.thresholds is None else _shares(opened.thresholds, order),
        metrics={},
    )
    contender = Contender(
        name=name,
        head=opened.head,
        trainable_parameters=0,
        seconds=Seconds(evaluate=seconds),
        metrics=scores([evaluation]),
        notes=(saved.note,) if saved.note else (),
    )
    return ScoredModel(evaluation, contender, getattr(model, "method", ""), saved.note)


def _refuse_other_kind(path: str, opened: Opened, record: TuneRecord, where: str, *, knows_pairs: bool) -> None:
    """Refuse a model of another task than the run's, or of other rows.

    Args:
        knows_pairs: whether it is known if the model reads pairs.
    """
    if opened.task is not record.task:
        raise DataError(
            f"{path} is {_words(opened.task)}, and {record.run} is {_words(record.task)}",
            where=where,
            hint="compare models of one task",
        )
    if opened.pairs != record.pairs and knows_pairs:
        kinds = [f"reads {'pairs of texts' if each else 'single texts'}" for each in (opened.pairs, record.pairs)]
        raise DataError(
            f"{path} {kinds[0]}, and {record.run} {kinds[1]}", where=where, hint="compare models of one kind of rows"
        )


def _shares(thresholds: tuple[float, ...], order: list[int] | None) -> tuple[float, ...]:
    return thresholds if order is None else tuple(thresholds[place] for place in order)


def _words(task: Any) -> str:
    return str(task.value).replace("_", " ")


def _in_order(logits: FloatArray, order: list[int]) -> FloatArray:
    """(N, C) logits in the run's order of labels."""
    return np.ascontiguousarray(logits[:, order])


def _order(path: str, labels: tuple[str, ...], record: TuneRecord, where: str) -> list[int]:
    """Where the run's labels are among the model's."""
    if set(labels) != set(record.labels):
        ours, theirs = (first_of([repr(each) for each in names], _LABELS_SHOWN) for names in (labels, record.labels))
        raise DataError(
            f"{path} has the labels {ours}, and {record.run} has {theirs}",
            where=where,
            hint=f"where they mean the same, {in_their_order(len(labels))}; or score "
            f"it by itself: liftune evaluate DATA --model {pasted(path)} --label-map DATA_LABEL=MODEL_LABEL",
        )
    return [labels.index(label) for label in record.labels]
