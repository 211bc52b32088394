"""The fine-tuned contenders: tuned once a seed, calibrated, saved and verified; full fine-tuning beside it.

In: a RunContext.  Out: contenders on the ladder; the adapter on disk.
Not here: what is settled before (preparing.py), the baselines (baselines.py), the training loop (liftune.training).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
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
from liftune.models.classifier import Classifier
from liftune.models.families import total_parameters
from liftune.models.fold_calibration import fold_calibration
from liftune.models.methods.registry import METHODS, Method, parse_options
from liftune.records.base import Head
from liftune.records.calibration import Calibration
from liftune.records.long_texts import LongChoice
from liftune.records.training import RoundTripCheck, TrainLog
from liftune.tasks import task_of
from liftune.training.loop import train
from liftune.workflows import few
from liftune.workflows.contenders import keep_full, learned_by_tuning
from liftune.workflows.context import RunContext, load_for, log_contender, note_passes, recipe_for
from liftune.workflows.few_wanted import keeps_start
from liftune.workflows.memo import Outcome
from liftune.workflows.side_by_side import beside_each_other


@dataclass(frozen=True)
class FinetuneResult:
    """What fine-tuning leaves besides the adapter."""

    logs: tuple[TrainLog, ...]
    integrity: RoundTripCheck
    plan: Plan
    """As it was carried out: without what does not fit the model."""
    splits: Splits
    """What the saved adapter was tuned on."""
    long: LongChoice | None = None
    """With folds, how it reads long texts, where that was chosen; each fold chose by its own rows."""


@dataclass(frozen=True)
class SeedRun:
    """The outcome of one seed, without the model."""

    logits: ContenderLogits
    log: TrainLog
    plan: Plan
    head: Head
    trainable_parameters: int
    max_length: int
    total_parameters: int | None = None

    def pack(self) -> Outcome:
        """All of it but the thresholds, which follow from the rest."""
        logits = self.logits
        values = {
            "seconds": [logits.evaluate_seconds, logits.train_seconds],
            "seed": logits.seed,
            "calibration": logits.calibration.model_dump(mode="json") if logits.calibration else None,
            "log": self.log.model_dump(mode="json"),
            "plan": self.plan.to_json(),
            "model": [self.head, self.trainable_parameters, self.max_length, self.total_parameters],
        }
        return Outcome(values, {"validation": logits.validation, "test": logits.test})

    @classmethod
    def unpack(cls, kept: Outcome, context: RunContext) -> SeedRun:
        """The same again."""
        values = kept.values
        logits = ContenderLogits(
            kept["validation"],
            kept["test"],
            values["seconds"][0],
            values["seconds"][1],
            values["seed"],
            Calibration.model_validate(values["calibration"]) if values["calibration"] else None,
        ).with_thresholds(context.splits, context.metric)
        return cls(logits, TrainLog.model_validate(values["log"]), Plan.from_json(values["plan"]), *values["model"])


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
    for seed, tuned in tune_seeds(context):
        attempts.append(tuned.run)
        if ladder.best([each.logits for each in attempts]) is tuned.run.logits:
            integrity = _keep_adapter(context, tuned, base, f"adapter {seed}")
        context.memo.forget(f"seed {seed}")  # its weights: they are kept, or not the best
    logs = tuple(each.log for each in attempts)
    return attempts, FinetuneResult(logs, integrity, smallest_passes(attempts), context.splits)


def smallest_passes(attempts: Sequence[SeedRun]) -> Plan:
    """The plan of the seed for which memory was shortest; they differ in nothing else."""
    return min((each.plan for each in attempts), key=lambda plan: plan.most_tokens)


def _keep_adapter(context: RunContext, tuned: Tuned, base: ContenderLogits | None, name: str) -> RoundTripCheck:
    """Save and verify an adapter, unless an earlier process did."""
    kept = context.memo.get(name)
    if kept is not None and "tuned" in context.folder.saved_contenders:
        return RoundTripCheck.model_validate(kept.values)
    classifier = tuned.model()
    with atomic_folder(context.folder.adapter) as folder:
        learned = learned_by_tuning(context, tuned.run.logits, base)
        save_adapter(classifier, folder, pairs=context.splits.pairs, learnt=learned)
        integrity = verify_saved_adapter(classifier, folder, context.splits.validation.rows)
    context.memo.put(name, Outcome(integrity.model_dump(mode="json")))
    return integrity


@dataclass
class Tuned:
    """A tuned model: what it scored, and the model itself, which is made again only where it is wanted."""

    run: SeedRun
    make: Callable[[], tuple[Classifier, SeedRun]]
    classifier: Classifier | None = None
    """Where this process has tuned it."""

    def model(self) -> Classifier:
        """Calibrated; from its training's last checkpoint where an earlier process tuned it."""
        return self.classifier or self.make()[0]


def tune_seeds(context: RunContext) -> Iterator[tuple[int, Tuned]]:
    """Each seed, and what was tuned under it; with several jobs, what was tuned side by side before."""
    seeds = context.spec.train.seeds
    if context.jobs > 1 and len(seeds) > 1:
        beside_each_other(context, tune_one, [f"seed {seed}" for seed in seeds])
    for seed in seeds:
        yield seed, tune(context, context.method, context.options, seed, name=f"seed {seed}")


def tune_one(context: RunContext, number: int) -> None:
    """Tune under one seed, and have it kept; nothing where it has been."""
    seed = context.spec.train.seeds[number]
    tune(context, context.method, context.options, seed, name=f"seed {seed}")


def tune(context: RunContext, method: Method, options: Any, seed: int, *, name: str) -> Tuned:
    """Tune a fresh base by a method under a seed and predict with it; or what an earlier process kept of that.

    Args:
        name: of the outcome.
    """

    def make() -> tuple[Classifier, SeedRun]:
        classifier, plan, log = tune_once(context, method, options, seed, name=name)
        parameters = classifier.trainable_parameters()  # saving may change their form, as PiSSA's
        size = (parameters, classifier.max_length, total_parameters(classifier.model))
        logits = logits_of(context, classifier, log, name=name)
        return classifier, SeedRun(logits, log, plan, classifier.backbone.head, *size)

    kept = context.memo.get(name)
    if kept is not None:
        return Tuned(SeedRun.unpack(kept, context), make)
    classifier, run = make()
    context.memo.put(name, run.pack())
    return Tuned(run, make, classifier)


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
        total_parameters=last.total_parameters,
    )
    log_contender(context, contender)


def run_full_finetuning(context: RunContext, ladder: Ladder, *, keep: bool = False) -> None:
    """Tune every parameter, for comparison.

    Args:
        keep: save the model.
    """
    tuned = tune_fully(context)
    if keep:
        keep_fully_tuned(context, tuned, logits_on(ladder, "base"))
    run = tuned.run
    contender = ladder.add(
        "full",
        [run.logits],
        head=run.head,
        trainable_parameters=run.trainable_parameters,
        max_length=run.max_length,
        saved_bytes=context.folder.saved_bytes("full"),
        total_parameters=run.total_parameters,
    )
    log_contender(context, contender)


def tune_fully(context: RunContext) -> Tuned:
    """Every parameter tuned under the first seed, by the method's own options."""
    method = METHODS["full"]
    return tune(context, method, parse_options(method, {}), context.spec.train.seeds[0], name="full")


def keep_fully_tuned(context: RunContext, tuned: Tuned, base: ContenderLogits | None) -> None:
    """Save and verify the model, unless an earlier process did."""
    if context.memo.get("full kept") is None or "full" not in context.folder.saved_contenders:
        keep_full(context, tuned.model(), tuned.run.logits, base)
        context.memo.put("full kept", Outcome())
    context.memo.forget("full")


def tune_once(
    context: RunContext, method: Method, options: Any, seed: int, *, name: str
) -> tuple[Classifier, Plan, TrainLog]:
    """Tune a fresh base by a method under a seed, or go on where an earlier process stopped.

    Args:
        name: of the folder of its checkpoints.

    Returns:
        the tuned model, the plan by which it was trained, and the log.
    """
    spec, splits = context.spec, context.splits
    # --lr and --accelerations are for the requested method: full fine-tuning, for comparison, keeps its own rate, and
    # of the accelerations what fits it.
    train_spec, plan = spec.train, context.plan
    if method is not context.method:
        train_spec, plan = train_spec.model_copy(update={"lr": None}), replace(plan, requested=frozenset())
    schedule = context.schedule(train_spec, method, len(splits.train))
    pairs = few.wanted(context, method)
    taught = context.soft_labels.name if context.soft_labels else None
    paired = pairs is not None and pairs.taken
    tunes = not (paired and keeps_start(spec, splits))
    context.events.send(TuningStarted(method.name, seed, taught, from_pairs=paired, tunes=tunes))
    classifier = context.crew.make(recipe_for(context, seed, method, options, plan=plan, steps=schedule.steps))
    note_passes(context.memo.within(name), classifier, context.events)
    pairs = few.start(context, classifier, seed, pairs, name=name)
    with context.memo.trained(name) as checkpoints:
        log = train(
            classifier,
            splits,
            train_spec,
            few.slower(schedule, context, pairs),
            metric=context.metric,
            seed=seed,
            events=context.events,
            soft_labels=context.soft_labels,
            checkpoints=checkpoints,
            lead=few.lead(context, pairs),
        )
    trained_by = classifier.plan  # its passes may have become smaller
    context.crew.restore_full_precision(classifier, lambda: load_for(context, seed))
    return classifier, trained_by, log.model_copy(update={"pairs": pairs})


def logits_of(context: RunContext, classifier: Classifier, log: TrainLog, *, name: str) -> ContenderLogits:
    """Calibrated logits of a tuned model on validation and test; the classifier is calibrated from here on.

    Args:
        name: of the outcome.
    """
    splits = context.splits
    advance = context.events.rows("predicting", len(splits.validation) + len(splits.test))
    known = few.logits_at_start(context, classifier, log, name=name)
    if known is not None:
        validation, test, seconds = known
    else:
        validation = classifier.logits(splits.validation.rows, advance)
        started = time.perf_counter()
        test = classifier.logits(splits.test.rows, advance)
        seconds = time.perf_counter() - started
    fitting = log.seconds + (log.pairs.seconds if log.pairs else 0.0)
    logits = ContenderLogits(validation, test, seconds, fitting, log.seed)
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
