"""The fine-tuned contenders: tuned once a seed, calibrated, saved and verified; full fine-tuning beside it.

In: a RunContext.  Out: contenders on the ladder; the adapter on disk.
Not here: what is settled before (context.py), the baselines (baselines.py), the training loop (liftune.training).
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from liftune.data.folds import folds_for_fitting
from liftune.data.splits import Splits
from liftune.evaluation.calibration import calibrate, calibration_record
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.ladder import ContenderLogits, Ladder
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
from liftune.workflows.contenders import keep_full, learned_by_tuning
from liftune.workflows.context import RunContext, load_for, log_contender


@dataclass(frozen=True)
class FinetuneResult:
    """What fine-tuning leaves besides the adapter."""

    logs: tuple[TrainLog, ...]
    integrity: RoundTripCheck
    plan: Plan
    """As it was carried out: without what does not fit the model."""
    splits: Splits
    """What the saved adapter was tuned on."""


@dataclass(frozen=True)
class SeedRun:
    """The outcome of one seed, without the model."""

    logits: ContenderLogits
    log: TrainLog
    plan: Plan
    head: Head
    trainable_parameters: int
    max_length: int


def run_finetuning(context: RunContext, ladder: Ladder) -> FinetuneResult:
    """Tune once a seed, and score the tuned model; the best adapter on validation is saved and verified."""
    attempts, tuned = tune_and_save(context, ladder, logits_on(ladder, "base"))
    add_tuned(context, ladder, attempts)
    return tuned


def logits_on(ladder: Ladder, name: str) -> ContenderLogits | None:
    """A contender's logits, where it has been scored."""
    return ladder.results[name].attempts[0] if name in ladder.results else None


def tune_and_save(
    context: RunContext, ladder: Ladder, base: ContenderLogits | None
) -> tuple[list[SeedRun], FinetuneResult]:
    """Tune once a seed; save and verify the best adapter on validation.

    Args:
        base: the untuned model's logits.
    """
    attempts: list[SeedRun] = []
    for classifier, attempt in tune_seeds(context):
        attempts.append(attempt)
        if ladder.best([each.logits for each in attempts]) is attempt.logits:
            with atomic_folder(context.folder.adapter) as folder:
                learned = learned_by_tuning(context, attempt.logits, base)
                save_adapter(classifier, folder, pairs=context.splits.pairs, learnt=learned)
                integrity = verify_saved_adapter(classifier, folder, context.splits.validation.rows)
    return attempts, FinetuneResult(tuple(each.log for each in attempts), integrity, attempts[-1].plan, context.splits)


def tune_seeds(context: RunContext) -> Iterator[tuple[Classifier, SeedRun]]:
    """The tuned model of each seed, with its logits."""
    for seed in context.spec.train.seeds:
        classifier, plan, log = tune_once(context, context.method, context.options, seed)
        parameters = classifier.trainable_parameters()  # saving may change their form, as PiSSA's
        logits = logits_of(context, classifier, log)
        yield classifier, SeedRun(logits, log, plan, classifier.backbone.head, parameters, classifier.max_length)


def add_tuned(context: RunContext, ladder: Ladder, attempts: Sequence[SeedRun]) -> None:
    """Score the tuned model, from one run a seed."""
    last = attempts[-1]
    contender = ladder.add(
        "tuned",
        [each.logits for each in attempts],
        head=last.head,
        trainable_parameters=last.trainable_parameters,
        max_length=last.max_length,
        saved_bytes=context.folder.saved_bytes("tuned"),
    )
    log_contender(context, contender)


def run_full_finetuning(context: RunContext, ladder: Ladder, *, keep: bool = False) -> None:
    """Tune every parameter, for comparison.

    Args:
        keep: save the model.
    """
    classifier, logits = tune_fully(context)
    if keep:
        keep_full(context, classifier, logits, logits_on(ladder, "base"))
    contender = ladder.add(
        "full",
        [logits],
        head=classifier.backbone.head,
        trainable_parameters=classifier.trainable_parameters(),
        max_length=classifier.max_length,
        saved_bytes=context.folder.saved_bytes("full"),
    )
    log_contender(context, contender)


def tune_fully(context: RunContext) -> tuple[Classifier, ContenderLogits]:
    """Every parameter tuned under the first seed, by the method's own options."""
    method = METHODS["full"]
    classifier, _, log = tune_once(context, method, parse_options(method, {}), context.spec.train.seeds[0])
    return classifier, logits_of(context, classifier, log)


def tune_once(context: RunContext, method: Method, options: Any, seed: int) -> tuple[Classifier, Plan, TrainLog]:
    """Tune a fresh base by a method under a seed.

    Returns:
        the tuned model, the plan by which it was trained, and the log.
    """
    spec, splits = context.spec, context.splits
    context.events.send(TuningStarted(method.name, seed, context.soft_labels.name if context.soft_labels else None))
    backbone = load_for(context, seed)
    # --lr and --accelerations are for the requested method: full fine-tuning, for comparison, keeps its own rate, and
    # of the accelerations what fits it.
    train_spec, plan = spec.train, context.plan
    if method is not context.method:
        train_spec, plan = train_spec.model_copy(update={"lr": None}), replace(plan, requested=frozenset())
    schedule = Schedule.of(train_spec, rows=len(splits.train), learning_rate=method.learning_rate)
    classifier = attach(backbone, method, options, plan=plan, seed=seed, total_steps=schedule.steps)
    trained_by = classifier.plan
    log = train(
        classifier,
        splits,
        train_spec,
        schedule,
        metric=context.metric,
        seed=seed,
        events=context.events,
        soft_labels=context.soft_labels,
    )
    restore_full_precision(classifier, load_for(context, seed))
    return classifier, trained_by, log


def logits_of(context: RunContext, classifier: Classifier, log: TrainLog) -> ContenderLogits:
    """Calibrated logits of a tuned model on validation and test; the classifier is calibrated from here on."""
    splits = context.splits
    advance = context.events.rows("predicting", len(splits.validation) + len(splits.test))
    validation = classifier.logits(splits.validation.rows, advance)
    started = time.perf_counter()
    test = classifier.logits(splits.test.rows, advance)
    logits = ContenderLogits(validation, test, time.perf_counter() - started, log.seconds, log.seed)
    if task_of(splits.task).has_probabilities:
        logits = calibrated(context, classifier, logits)
    return logits.with_thresholds(splits, context.metric)


def calibrated(context: RunContext, classifier: Classifier, logits: ContenderLogits) -> ContenderLogits:
    """Calibrate on validation, and fold the calibration into the head.

    Returns:
        the logits that the classifier gives from now on.
    """
    splits = context.splits
    validation = Evaluation.of("validation", logits.validation, splits, splits.validation)
    folds = folds_for_fitting(splits.validation, splits.task, near=splits.audit.near_duplicates or 0.0)
    calibration = calibrate(validation, METRICS[context.metric], folds, vector=classifier.has_output_bias)
    scaling = calibration.scaling
    if calibration.kind != "none":
        reason = fold_calibration(classifier, scaling.factor, scaling.shift, splits.validation.rows, logits.validation)
        calibration = calibration.refused(reason) if reason else calibration
    record = calibration_record(calibration, Evaluation.of("tuned", logits.test, splits))
    if record.kept:
        logits = replace(logits, validation=scaling(logits.validation), test=scaling(logits.test))
    return replace(logits, calibration=record)
