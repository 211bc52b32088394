"""The rungs of the ladder, each climbed by one function.

In: a Job, which holds all that is settled before the first contender answers.  Out: rungs; the adapter on disk.
Not here: the order of the story (run.py), scoring and verdicts (evidence/).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_probe import fit_linear_probe as fit_probe
from liftune.baselines.soft_labels import BaselineFit, SoftLabels, make_soft_labels
from liftune.baselines.tfidf import Majority, Tfidf, majority, tfidf
from liftune.data import load_data
from liftune.data.folds import Folds
from liftune.data.load import load_folds
from liftune.data.splits import Splits
from liftune.diagnostics.label_errors import find_label_errors
from liftune.diagnostics.shift import shift
from liftune.evaluation.calibration import calibrate, calibration_record
from liftune.evaluation.ladder import ContenderLogits, ContenderResult, Ladder
from liftune.evaluation.selective import cutoffs
from liftune.hardware.flops import Shapes
from liftune.hardware.measure import measure_machine
from liftune.hardware.plan import Plan, make_plan
from liftune.metrics.registry import METRICS, check_metric
from liftune.models.adapter_io import save_adapter, verify_saved_adapter
from liftune.models.attach import attach, check_method, restore_full_precision
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.classifier import Classifier
from liftune.models.families import position_limit
from liftune.models.fold_calibration import fold_calibration
from liftune.models.linear_shapes import shapes_of
from liftune.models.methods.registry import METHODS, Method, find_method, parse_options, virtual_tokens
from liftune.progress import Progress
from liftune.records.base import Head
from liftune.records.data import LabelErrorSummary, Shift
from liftune.records.run import Contender
from liftune.records.training import RoundTripCheck, TrainLog
from liftune.report.sections.results import interval
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.tasks.base import TaskKind
from liftune.training.loop import train
from liftune.training.schedule import Schedule


@dataclass(frozen=True)
class RunContext:
    """All that is settled before the first contender answers."""

    spec: RunSpec
    method: Method
    options: Any
    splits: Splits
    metric: str
    plan: Plan
    folder: RunFolder
    progress: Progress
    shapes: Shapes
    """Of the model before it is changed."""
    notes: tuple[str, ...] = ()
    """What loading the model said."""
    folds: Folds | None = None
    """With --folds: `splits` is then the whole, every row of it test."""
    teacher: SoftLabels | None = None
    """Of train's rows; known when the cheap rungs are."""
    base_model: str = ""
    """Its hub id, empty for a local folder."""
    base_license: str | None = None

    def keep(self, name: str, answers: ContenderLogits) -> None:
        """Put a contender's logits on disk as soon as they are known."""
        self.folder.save_logits(name, test=answers.test, validation=answers.validation)


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


def prepare(spec: RunSpec, progress: Progress) -> tuple[RunContext, Classifier]:
    """Check everything that can be checked before anything is computed; load rows and base."""
    method = find_method(spec.method.name)
    options = parse_options(method, spec.method.options)
    plan = make_plan(measure_machine(), device=spec.model.device, accelerations=spec.train.accelerations)
    folder = RunFolder.create(spec.out, name=run_name(spec))
    folds = load_folds(spec.data, spec.evaluation.folds) if spec.evaluation.folds else None
    splits = folds.whole if folds else load_data(spec.data)
    metric = check_metric(spec.evaluation.metric, splits.task).name
    backbone = load_backbone(spec.model, task=splits.task, labels=splits.labels, seed=spec.train.seeds[0], plan=plan)
    check_method(backbone, method, options)
    spec, backbone = same_length(spec, backbone, options)
    folds = folds.for_labels(backbone.labels) if folds else None
    splits = folds.whole if folds else splits.for_labels(backbone.labels)
    progress.log(f"{spec.data.source}: {splits.task.value}, {len(splits.labels)} labels, {counted(splits, folds)}")
    progress.log(
        f"{spec.model.name}: {backbone.family}, {backbone.head} head, {backbone.max_length} tokens, "
        f"{plan.dtype} on {plan.device}"
    )
    for note in backbone.notes:
        progress.log(f"  {note}")
    job = RunContext(
        spec,
        method,
        options,
        splits,
        metric,
        plan,
        folder,
        progress,
        shapes_of(backbone),
        notes=backbone.notes,
        folds=folds,
        base_model="" if Path(backbone.base).is_dir() else backbone.base,
        base_license=backbone.license,
    )
    return job, attach(backbone, None, None, plan=plan)


def counted(splits: Splits, folds: Folds | None) -> str:
    """How many rows there are, in words."""
    counts = splits.counts
    if folds:
        return f"{counts.test:,} rows in {len(folds.parts)} folds"
    return f"{counts.train:,} train, {counts.validation:,} validation, {counts.test:,} test rows"


def same_length(spec: RunSpec, backbone: Backbone, options: Any) -> tuple[RunSpec, Backbone]:
    """Shorten every contender's rows to what a method with virtual tokens leaves room for: all must read the same."""
    room = position_limit(backbone.model)
    tokens = backbone.max_length if room is None else min(backbone.max_length, room - virtual_tokens(options))
    model = spec.model.model_copy(update={"max_length": tokens})
    return spec.model_copy(update={"model": model}), replace(backbone, max_length=tokens)


def run_baselines(job: RunContext, ladder: Ladder) -> BaselineFit:
    """What needs no pretrained model: the majority class, and tf-idf with a linear model, which may teach."""
    fits: dict[str, Callable[[], Majority | Tfidf]] = {
        "majority": lambda: majority(job.splits),
        "tfidf": lambda: tfidf(job.splits, job.metric),
    }
    for name, fit in fits.items():
        started = time.perf_counter()
        scorer = fit()
        answers = ContenderLogits.of(scorer, job.splits, train_seconds=time.perf_counter() - started)
        log_contender(job, ladder.add(name, [answers], trainable_parameters=scorer.trainable_parameters))
    assert isinstance(scorer, Tfidf)
    return scorer.pupil(job.splits.train.rows)


def run_base_and_probe(job: RunContext, ladder: Ladder, base: Classifier) -> BaselineFit:
    """The model as it is, and a linear model on its frozen features, which may teach: from one pass over each part.

    A fresh head is flagged: the base's score is then chance by construction.
    """
    splits = job.splits
    parts = {}
    took = {}
    for name, split in (("validation", splits.validation), ("test", splits.test), ("train", splits.train)):
        started = time.perf_counter()
        with job.progress.bar(f"base reads {name}", len(split)) as advance:
            parts[name] = base.read(split.rows, advance)
        took[name] = time.perf_counter() - started
        if name == "test":
            answers = ContenderLogits(parts["validation"][0], parts["test"][0], took["test"])
            log_contender(job, ladder.add("base", [answers], head=base.backbone.head, max_length=base.max_length))
    started = time.perf_counter()
    fitted = fit_probe(parts["train"][1], parts["validation"][1], splits, job.metric)
    train_seconds = took["train"] + time.perf_counter() - started
    validation, test = (fitted.logits_of(parts[name][1]) for name in ("validation", "test"))
    contender = ladder.add(
        "probe",
        [ContenderLogits(validation, test, took["test"], train_seconds)],
        trainable_parameters=fitted.trainable_parameters,
        max_length=base.max_length,
        notes=(f"{fitted.pooling} pooling, {fitted.scaling} scaling, C = {fitted.strength:g}, chosen on validation",),
    )
    log_contender(job, contender)
    return fitted.pupil(parts["train"][1])


def fit_baselines(job: RunContext, base: Classifier) -> list[BaselineFit]:
    """The rungs that may teach, fitted without taking part in a ladder."""
    splits = job.splits
    train, validation = base.features(splits.train.rows), base.features(splits.validation.rows)
    fitted = fit_probe(train, validation, splits, job.metric)
    return [tfidf(splits, job.metric).pupil(splits.train.rows), fitted.pupil(train)]


def with_soft_labels(job: RunContext, pupils: Sequence[BaselineFit]) -> RunContext:
    """The job with the stronger of the cheap rungs, to learn from beside the labels, where that is wanted."""
    wanted = bool(job.spec.train.teacher_share)
    return replace(job, teacher=make_soft_labels(pupils, job.splits, seed=job.spec.data.seed) if wanted else None)


def diagnose_data(job: RunContext, features: NDArray[np.float32]) -> tuple[LabelErrorSummary | None, Shift | None]:
    """What to doubt of the rows themselves, told by linear models: labels of train, and that test is drawn alike.

    Args:
        features: (N, D) of the train rows.
    """
    splits = job.splits
    doubts = find_label_errors(splits.train, splits.task, features)
    if doubts is None:
        return None, shift(splits)
    job.folder.save_suspects(doubts.listed)
    return doubts.found, shift(splits)


def run_finetuning(job: RunContext, ladder: Ladder) -> FinetuneResult:
    """The tuned model, once a seed; the adapter that validation likes best is saved and proven."""
    attempts, tuned = tune_and_save(job, ladder)
    add_tuned(job, ladder, attempts, saved_bytes=job.folder.saved_bytes())
    return tuned


def tune_and_save(job: RunContext, ladder: Ladder) -> tuple[list[SeedRun], FinetuneResult]:
    """Tune once a seed; save and prove the adapter that the ladder's validation likes best."""
    attempts: list[SeedRun] = []
    for classifier, tuned in tune_seeds(job):
        attempt = replace(tuned, answers=ladder.with_thresholds(tuned.answers))
        attempts.append(attempt)
        if ladder.best([each.answers for each in attempts]) is attempt.answers:
            with job.folder.fresh_adapter() as folder:
                learnt = learnt_on_validation(job, attempt.answers, ladder.rungs.get("base"))
                save_adapter(classifier, folder, pairs=job.splits.pairs, learnt=learnt)
                integrity = verify_saved_adapter(classifier, folder, job.splits.validation.rows)
    return attempts, FinetuneResult(tuple(each.log for each in attempts), integrity, attempts[-1].plan, job.splits)


def tune_seeds(job: RunContext) -> Iterator[tuple[Classifier, SeedRun]]:
    """Each seed's tuned model, with what it answered."""
    for seed in job.spec.train.seeds:
        classifier, plan, log = tune_once(job, job.method, job.options, seed)
        parameters = classifier.trainable_parameters()  # saving may change their form, as PiSSA's
        answers = logits_of(job, classifier, log)
        yield classifier, SeedRun(answers, log, plan, classifier.backbone.head, parameters, classifier.max_length)


def add_tuned(job: RunContext, ladder: Ladder, attempts: Sequence[SeedRun], *, saved_bytes: int | None = None) -> None:
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
    log_contender(job, contender)


def run_full_finetuning(job: RunContext, ladder: Ladder) -> None:
    """Every parameter tuned, for the comparison alone: its weights are not kept."""
    method = METHODS["full"]
    classifier, _, log = tune_once(job, method, parse_options(method, {}), job.spec.train.seeds[0])
    answers = logits_of(job, classifier, log)
    contender = ladder.add(
        "full",
        [answers],
        head=classifier.backbone.head,
        trainable_parameters=classifier.trainable_parameters(),
        max_length=classifier.max_length,
    )
    log_contender(job, contender)


def tune_once(job: RunContext, method: Method, options: Any, seed: int) -> tuple[Classifier, Plan, TrainLog]:
    """A fresh base, tuned by a method under a seed; and the plan by which it was trained."""
    spec, splits = job.spec, job.splits
    taught = f", taught by {job.teacher.name}" if job.teacher else ""
    job.progress.log(f"tuning by {method.name}{taught}, seed {seed}")
    backbone = load_for(job, seed)
    # --lr and --accelerations speak of the method that was asked for: full fine-tuning beside it keeps its own rate,
    # and of the accelerations what fits it.
    asked, plan = spec.train, job.plan
    if method is not job.method:
        asked, plan = asked.model_copy(update={"lr": None}), replace(plan, asked=frozenset())
    schedule = Schedule.of(asked, rows=len(splits.train), learning_rate=method.learning_rate)
    classifier = attach(backbone, method, options, plan=plan, seed=seed, total_steps=schedule.steps)
    trained_by = classifier.plan
    log = train(
        classifier, splits, asked, schedule, metric=job.metric, seed=seed, progress=job.progress, teacher=job.teacher
    )
    restore_full_precision(classifier, load_for(job, seed))
    return classifier, trained_by, log


def load_for(job: RunContext, seed: int) -> Backbone:
    """The base, with a fresh head drawn from the seed where the data need one."""
    splits = job.splits
    return load_backbone(job.spec.model, task=splits.task, labels=splits.labels, seed=seed, plan=job.plan)


def logits_of(job: RunContext, classifier: Classifier, log: TrainLog) -> ContenderLogits:
    """What a tuned model answers to validation and test, calibrated; from here on the classifier answers so."""
    splits = job.splits
    with job.progress.bar("answering", len(splits.validation) + len(splits.test)) as advance:
        validation = classifier.logits(splits.validation.rows, advance)
        started = time.perf_counter()
        test = classifier.logits(splits.test.rows, advance)
    answers = ContenderLogits(validation, test, time.perf_counter() - started, log.seconds, log.seed)
    return answers if splits.task is TaskKind.REGRESSION else calibrated(job, classifier, answers)


def calibrated(job: RunContext, classifier: Classifier, answers: ContenderLogits) -> ContenderLogits:
    """Fold what validation says of the head's confidence into the head; the answers that it gives then."""
    splits = job.splits
    encoded = splits.encoded(splits.validation)
    metric, vector = METRICS[job.metric], classifier.has_output_bias
    found = calibrate(answers.validation, encoded, splits.task, metric, vector=vector)
    scaling = found.scaling
    if found.kind != "none":
        why_not = fold_calibration(
            classifier, scaling.factor, scaling.shift, splits.validation.rows, answers.validation
        )
        found = found.refused(why_not) if why_not else found
    record = calibration_record(found, answers.test, splits)
    if record.kept:
        answers = replace(answers, validation=scaling(answers.validation), test=scaling(answers.test))
    return replace(answers, calibration=record)


def learnt_on_validation(job: RunContext, answers: ContenderLogits, base: ContenderResult | None) -> dict[str, Any]:
    """What the adapter's card must hold, so that every door decides as the run did."""
    splits = job.splits
    decisions = base.contender.decisions if base else None
    return {
        "temperature": answers.calibration.temperature if answers.calibration else 1.0,
        "thresholds": answers.thresholds,
        "base_thresholds": decisions.thresholds if decisions else None,
        "cutoffs": cutoffs(answers.validation, splits.encoded(splits.validation), splits.task),
    }


def run_name(spec: RunSpec) -> str:
    """A folder name that says what was run: `imdb-distilbert-base-uncased-lora`."""
    parts = (spec.data.source.removeprefix("sample:"), spec.model.name, spec.method.name)
    return "-".join(Path(part).name.split(".")[0].split("@")[0].replace(":", "-") or "data" for part in parts)


def log_contender(job: RunContext, contender: Contender) -> None:
    """One line a rung, as soon as it is known."""
    found = contender.metrics[job.metric]
    job.progress.log(f"  {contender.name:9}{job.metric} {interval(found)}")
