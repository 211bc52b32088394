"""The rungs of the ladder, each climbed by one function.

In: a Job, which holds all that is settled before the first contender answers.  Out: rungs; the adapter on disk.
Not here: the order of the story (run.py), scoring and verdicts (evidence/).
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liftune.artifact import RunFolder
from liftune.data import load_data
from liftune.data.rows import Splits
from liftune.evidence.abstention import cutoffs
from liftune.evidence.baselines import Majority, Tfidf, majority, tfidf
from liftune.evidence.calibration import calibrate, calibration_record
from liftune.evidence.ladder import Answers, Ladder
from liftune.evidence.probe import probe as fit_probe
from liftune.hardware.flops import Shapes
from liftune.hardware.plan import Plan, make_plan
from liftune.hardware.probe import probe
from liftune.metrics import METRICS, check_metric
from liftune.models.adapter import prove, save_adapter
from liftune.models.attach import answer_exactly, attach, check_method
from liftune.models.backbones import Backbone, load_backbone
from liftune.models.classifier import Classifier
from liftune.models.families import position_limit
from liftune.models.methods import METHODS, Method, find_method, parse_options, virtual_tokens
from liftune.models.scaled_head import fold
from liftune.models.shapes import shapes_of
from liftune.record import Contender, Integrity, TrainLog
from liftune.report.progress import Progress
from liftune.report.sections import interval
from liftune.spec import RunSpec
from liftune.task import TaskKind
from liftune.train import Schedule, train


@dataclass(frozen=True)
class Job:
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

    def keep(self, name: str, answers: Answers) -> None:
        """Put a contender's logits on disk as soon as they are known."""
        self.folder.save_logits(name, test=answers.test, validation=answers.validation)


@dataclass(frozen=True)
class Tuned:
    """What tuning left behind beside the adapter."""

    logs: tuple[TrainLog, ...]
    integrity: Integrity
    plan: Plan
    """As it was carried out: without what did not fit the model."""


def prepare(spec: RunSpec, progress: Progress) -> tuple[Job, Classifier]:
    """Check everything that can be checked before anything is computed; load rows and base."""
    method = find_method(spec.method.name)
    options = parse_options(method, spec.method.options)
    plan = make_plan(probe(), device=spec.model.device, accelerations=spec.train.accelerations)
    folder = RunFolder.claim(spec.out, name=run_name(spec))
    splits = load_data(spec.data)
    metric = check_metric(spec.evaluation.metric, splits.task).name
    backbone = load_backbone(spec.model, task=splits.task, labels=splits.labels, seed=spec.train.seeds[0], plan=plan)
    check_method(backbone, method, options)
    spec, backbone = same_length(spec, backbone, options)
    splits = splits.for_labels(backbone.labels)
    counts = splits.counts
    progress.say(
        f"{spec.data.source}: {splits.task.value}, {len(splits.labels)} labels, {counts.train:,} train, "
        f"{counts.validation:,} validation, {counts.test:,} test rows"
    )
    progress.say(
        f"{spec.model.name}: {backbone.family}, {backbone.head} head, {backbone.max_length} tokens, "
        f"{plan.dtype} on {plan.device}"
    )
    for note in backbone.notes:
        progress.say(f"  {note}")
    job = Job(spec, method, options, splits, metric, plan, folder, progress, shapes_of(backbone), notes=backbone.notes)
    return job, attach(backbone, None, None, plan=plan)


def same_length(spec: RunSpec, backbone: Backbone, options: Any) -> tuple[RunSpec, Backbone]:
    """Shorten every contender's rows to what a method with virtual tokens leaves room for: all must read the same."""
    room = position_limit(backbone.model)
    tokens = backbone.max_length if room is None else min(backbone.max_length, room - virtual_tokens(options))
    model = spec.model.model_copy(update={"max_length": tokens})
    return spec.model_copy(update={"model": model}), replace(backbone, max_length=tokens)


def climb_baselines(job: Job, ladder: Ladder) -> None:
    """What needs no pretrained model: the majority class, and tf-idf with a linear model."""
    fits: dict[str, Callable[[], Majority | Tfidf]] = {
        "majority": lambda: majority(job.splits),
        "tfidf": lambda: tfidf(job.splits, job.metric),
    }
    for name, fit in fits.items():
        started = time.perf_counter()
        scorer = fit()
        answers = Answers.of(scorer, job.splits, train_seconds=time.perf_counter() - started)
        tell(job, ladder.add(name, [answers], trainable_parameters=scorer.trainable_parameters))


def climb_base_and_probe(job: Job, ladder: Ladder, base: Classifier) -> None:
    """The model as it is, and a linear model on its frozen features: both from one pass over each part.

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
            answers = Answers(parts["validation"][0], parts["test"][0], took["test"])
            tell(job, ladder.add("base", [answers], head=base.backbone.head, max_length=base.max_length))
    started = time.perf_counter()
    fitted = fit_probe(parts["train"][1], parts["validation"][1], splits, job.metric)
    train_seconds = took["train"] + time.perf_counter() - started
    validation, test = (fitted.logits_of(parts[name][1]) for name in ("validation", "test"))
    contender = ladder.add(
        "probe",
        [Answers(validation, test, took["test"], train_seconds)],
        trainable_parameters=fitted.trainable_parameters,
        max_length=base.max_length,
        notes=(f"{fitted.pooling} pooling, {fitted.scaling} scaling, C = {fitted.strength:g}, chosen on validation",),
    )
    tell(job, contender)


def climb_tuned(job: Job, ladder: Ladder) -> Tuned:
    """The tuned model, once a seed; the adapter that validation likes best is saved and proven."""
    attempts, logs = [], []
    for seed in job.spec.train.seeds:
        classifier, plan, log = tune_once(job, job.method, job.options, seed)
        parameters = classifier.trainable_parameters()  # saving may change their form, as PiSSA's
        attempts.append(ladder.with_thresholds(answers_of(job, classifier, log)))
        logs.append(log)
        if ladder.best(attempts) is attempts[-1]:
            with job.folder.fresh_adapter() as folder:
                learnt = learnt_on_validation(job, attempts[-1], ladder.rungs["base"].contender)
                save_adapter(classifier, folder, pairs=job.splits.pairs, learnt=learnt)
                integrity = prove(classifier, folder, job.splits.validation.rows)
    contender = ladder.add(
        "tuned",
        attempts,
        head=classifier.backbone.head,
        trainable_parameters=parameters,
        max_length=classifier.max_length,
    )
    tell(job, contender)
    return Tuned(tuple(logs), integrity, plan)


def climb_full(job: Job, ladder: Ladder) -> None:
    """Every parameter tuned, for the comparison alone: its weights are not kept."""
    method = METHODS["full"]
    classifier, _, log = tune_once(job, method, parse_options(method, {}), job.spec.train.seeds[0])
    answers = answers_of(job, classifier, log)
    contender = ladder.add(
        "full",
        [answers],
        head=classifier.backbone.head,
        trainable_parameters=classifier.trainable_parameters(),
        max_length=classifier.max_length,
    )
    tell(job, contender)


def tune_once(job: Job, method: Method, options: Any, seed: int) -> tuple[Classifier, Plan, TrainLog]:
    """A fresh base, tuned by a method under a seed; and the plan by which it was trained."""
    spec, splits = job.spec, job.splits
    job.progress.say(f"tuning by {method.name}, seed {seed}")
    backbone = load_for(job, seed)
    # --lr and --accelerations speak of the method that was asked for: full fine-tuning beside it keeps its own rate,
    # and of the accelerations what fits it.
    asked, plan = spec.train, job.plan
    if method is not job.method:
        asked, plan = asked.model_copy(update={"lr": None}), replace(plan, asked=frozenset())
    schedule = Schedule.of(asked, rows=len(splits.train), learning_rate=method.learning_rate)
    classifier = attach(backbone, method, options, plan=plan, seed=seed, total_steps=schedule.steps)
    trained_by = classifier.plan
    log = train(classifier, splits, asked, schedule, metric=job.metric, seed=seed, progress=job.progress)
    answer_exactly(classifier, load_for(job, seed))
    return classifier, trained_by, log


def load_for(job: Job, seed: int) -> Backbone:
    """The base, with a fresh head drawn from the seed where the data need one."""
    splits = job.splits
    return load_backbone(job.spec.model, task=splits.task, labels=splits.labels, seed=seed, plan=job.plan)


def answers_of(job: Job, classifier: Classifier, log: TrainLog) -> Answers:
    """What a tuned model answers to validation and test, calibrated; from here on the classifier answers so."""
    splits = job.splits
    with job.progress.bar("answering", len(splits.validation) + len(splits.test)) as advance:
        validation = classifier.logits(splits.validation.rows, advance)
        started = time.perf_counter()
        test = classifier.logits(splits.test.rows, advance)
    answers = Answers(validation, test, time.perf_counter() - started, log.seconds, log.seed)
    return answers if splits.task is TaskKind.REGRESSION else calibrated(job, classifier, answers)


def calibrated(job: Job, classifier: Classifier, answers: Answers) -> Answers:
    """Fold what validation says of the head's confidence into the head; the answers that it gives then."""
    splits = job.splits
    encoded = splits.encoded(splits.validation)
    metric, vector = METRICS[job.metric], classifier.has_output_bias
    found = calibrate(answers.validation, encoded, splits.task, metric, vector=vector)
    scaling = found.scaling
    if found.kind != "none":
        why_not = fold(classifier, scaling.factor, scaling.shift, splits.validation.rows, answers.validation)
        found = found.refused(why_not) if why_not else found
    record = calibration_record(found, answers.test, splits)
    if record.kept:
        answers = replace(answers, validation=scaling(answers.validation), test=scaling(answers.test))
    return replace(answers, calibration=record)


def learnt_on_validation(job: Job, answers: Answers, base: Contender) -> dict[str, Any]:
    """What the adapter's card must hold, so that every door decides as the run did."""
    splits = job.splits
    return {
        "temperature": answers.calibration.temperature if answers.calibration else 1.0,
        "thresholds": answers.thresholds,
        "base_thresholds": base.decisions.thresholds if base.decisions else None,
        "cutoffs": cutoffs(answers.validation, splits.encoded(splits.validation), splits.task),
    }


def run_name(spec: RunSpec) -> str:
    """A folder name that says what was run: `imdb-distilbert-base-uncased-lora`."""
    parts = (spec.data.source.removeprefix("sample:"), spec.model.name, spec.method.name)
    return "-".join(Path(part).name.split(".")[0].split("@")[0].replace(":", "-") or "data" for part in parts)


def tell(job: Job, contender: Contender) -> None:
    """One line a rung, as soon as it is known."""
    found = contender.metrics[job.metric]
    job.progress.say(f"  {contender.name:9}{job.metric} {interval(found)}")
