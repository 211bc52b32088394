"""The fine-tuned contenders: tuned once a seed, calibrated, saved and verified; full fine-tuning beside it.

In: a RunContext.  Out: contenders on the ladder; the adapter on disk.
Not here: what is settled before (context.py), the baselines (baselines.py), the training loop (liftune.training).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from liftune.data.splits import Splits
from liftune.evaluation.calibration import calibrate, calibration_record
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.ladder import ContenderLogits, ContenderResult, Ladder
from liftune.evaluation.selective import cutoffs
from liftune.events import TuningStarted
from liftune.files import atomic_folder
from liftune.hardware.plan import Plan
from liftune.metrics.registry import METRICS
from liftune.models.adapter_io import save_adapter, verify_saved_adapter
from liftune.models.attach import attach, restore_full_precision
from liftune.models.classifier import Classifier
from liftune.models.fold_calibration import fold_calibration
from liftune.models.methods.registry import METHODS, Method, parse_options
from liftune.records.base import Head
from liftune.records.training import RoundTripCheck, TrainLog
from liftune.tasks import task_of
from liftune.training.loop import train
from liftune.training.schedule import Schedule
from liftune.workflows.context import RunContext, load_for, log_contender


@dataclass(frozen=True)
class FinetuneResult:
    """What tuning left behind beside the adapter."""

    logs: tuple[TrainLog, ...]
    integrity: RoundTripCheck
    plan: Plan
    """As it was carried out: without what did not fit the model."""
    splits: Splits
    """What the saved adapter was tuned on."""


@dataclass(frozen=True)
class SeedRun:
    """One seed's tuning, without the model."""

    answers: ContenderLogits
    log: TrainLog
    plan: Plan
    head: Head
    trainable_parameters: int
    max_length: int


def run_finetuning(context: RunContext, ladder: Ladder) -> FinetuneResult:
    """The tuned model, once a seed; the adapter that validation likes best is saved and proven."""
    attempts, tuned = tune_and_save(context, ladder)
    add_tuned(context, ladder, attempts, saved_bytes=context.folder.saved_bytes())
    return tuned


def tune_and_save(context: RunContext, ladder: Ladder) -> tuple[list[SeedRun], FinetuneResult]:
    """Tune once a seed; save and prove the adapter that the ladder's validation likes best."""
    attempts: list[SeedRun] = []
    for classifier, attempt in tune_seeds(context):
        attempts.append(attempt)
        if ladder.best([each.answers for each in attempts]) is attempt.answers:
            with atomic_folder(context.folder.adapter) as folder:
                learnt = learnt_on_validation(context, attempt.answers, ladder.results.get("base"))
                save_adapter(classifier, folder, pairs=context.splits.pairs, learnt=learnt)
                integrity = verify_saved_adapter(classifier, folder, context.splits.validation.rows)
    return attempts, FinetuneResult(tuple(each.log for each in attempts), integrity, attempts[-1].plan, context.splits)


def tune_seeds(context: RunContext) -> Iterator[tuple[Classifier, SeedRun]]:
    """Each seed's tuned model, with what it answered."""
    for seed in context.spec.train.seeds:
        classifier, plan, log = tune_once(context, context.method, context.options, seed)
        parameters = classifier.trainable_parameters()  # saving may change their form, as PiSSA's
        answers = logits_of(context, classifier, log)
        yield classifier, SeedRun(answers, log, plan, classifier.backbone.head, parameters, classifier.max_length)


def add_tuned(
    context: RunContext, ladder: Ladder, attempts: Sequence[SeedRun], *, saved_bytes: int | None = None
) -> None:
    """The rung of the tuned model, from one attempt a seed."""
    last = attempts[-1]
    contender = ladder.add(
        "tuned",
        [each.answers for each in attempts],
        head=last.head,
        trainable_parameters=last.trainable_parameters,
        max_length=last.max_length,
        saved_bytes=saved_bytes,
    )
    log_contender(context, contender)


def run_full_finetuning(context: RunContext, ladder: Ladder) -> None:
    """Every parameter tuned, for the comparison alone: its weights are not kept."""
    method = METHODS["full"]
    classifier, _, log = tune_once(context, method, parse_options(method, {}), context.spec.train.seeds[0])
    answers = logits_of(context, classifier, log)
    contender = ladder.add(
        "full",
        [answers],
        head=classifier.backbone.head,
        trainable_parameters=classifier.trainable_parameters(),
        max_length=classifier.max_length,
    )
    log_contender(context, contender)


def tune_once(context: RunContext, method: Method, options: Any, seed: int) -> tuple[Classifier, Plan, TrainLog]:
    """A fresh base, tuned by a method under a seed; and the plan by which it was trained."""
    spec, splits = context.spec, context.splits
    context.events.send(TuningStarted(method.name, seed, context.teacher.name if context.teacher else None))
    backbone = load_for(context, seed)
    # --lr and --accelerations speak of the method that was asked for: full fine-tuning beside it keeps its own rate,
    # and of the accelerations what fits it.
    asked, plan = spec.train, context.plan
    if method is not context.method:
        asked, plan = asked.model_copy(update={"lr": None}), replace(plan, requested=frozenset())
    schedule = Schedule.of(asked, rows=len(splits.train), learning_rate=method.learning_rate)
    classifier = attach(backbone, method, options, plan=plan, seed=seed, total_steps=schedule.steps)
    trained_by = classifier.plan
    log = train(
        classifier,
        splits,
        asked,
        schedule,
        metric=context.metric,
        seed=seed,
        events=context.events,
        teacher=context.teacher,
    )
    restore_full_precision(classifier, load_for(context, seed))
    return classifier, trained_by, log


def logits_of(context: RunContext, classifier: Classifier, log: TrainLog) -> ContenderLogits:
    """What a tuned model answers to validation and test, calibrated; from here on the classifier answers so."""
    splits = context.splits
    advance = context.events.rows("predicting", len(splits.validation) + len(splits.test))
    validation = classifier.logits(splits.validation.rows, advance)
    started = time.perf_counter()
    test = classifier.logits(splits.test.rows, advance)
    answers = ContenderLogits(validation, test, time.perf_counter() - started, log.seconds, log.seed)
    if task_of(splits.task).has_probabilities:
        answers = calibrated(context, classifier, answers)
    return answers.with_thresholds(splits, context.metric)


def calibrated(context: RunContext, classifier: Classifier, answers: ContenderLogits) -> ContenderLogits:
    """Fold what validation says of the head's confidence into the head; the answers that it gives then."""
    splits = context.splits
    validation = Evaluation.of("validation", answers.validation, splits, splits.validation)
    found = calibrate(validation, METRICS[context.metric], vector=classifier.has_output_bias)
    scaling = found.scaling
    if found.kind != "none":
        why_not = fold_calibration(
            classifier, scaling.factor, scaling.shift, splits.validation.rows, answers.validation
        )
        found = found.refused(why_not) if why_not else found
    record = calibration_record(found, Evaluation.of("tuned", answers.test, splits))
    if record.kept:
        answers = replace(answers, validation=scaling(answers.validation), test=scaling(answers.test))
    return replace(answers, calibration=record)


def learnt_on_validation(context: RunContext, answers: ContenderLogits, base: ContenderResult | None) -> dict[str, Any]:
    """What the adapter's card must hold, so that every door decides as the run did."""
    splits = context.splits
    decisions = base.contender.decisions if base else None
    return {
        "temperature": answers.calibration.temperature if answers.calibration else 1.0,
        "thresholds": answers.threshold_values,
        "base_thresholds": decisions.thresholds if decisions else None,
        "cutoffs": cutoffs(Evaluation.of("validation", answers.validation, splits, splits.validation)),
    }
