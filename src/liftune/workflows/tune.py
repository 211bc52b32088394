"""The story: rows in, a ladder of contenders on the same test rows, a verdict, a run folder.

In: a RunSpec.  Out: a RunRecord, and what it speaks of on disk.
Not here: any step's own work; each is a call into another room.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from liftune.data.load import load_test
from liftune.errors import EXTRAS, ArtifactError, MissingExtra, SpecError, need
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation, score
from liftune.evaluation.ladder import Ladder
from liftune.hardware.measure import measure_machine
from liftune.hardware.plan import make_plan
from liftune.metrics.registry import check_metric
from liftune.models.adapter_io import open_adapter, read_card
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.progress import Progress
from liftune.records.base import Seconds
from liftune.records.calibration import Decisions
from liftune.records.data import LabelErrorSummary, Shift
from liftune.records.learning_curve import Curve
from liftune.records.run import Contender, RunRecord
from liftune.run_folder import RunFolder, adapter_folder
from liftune.spec import DataSpec, ModelSpec, RunSpec
from liftune.tasks.base import encode
from liftune.training.throughput import speed_of
from liftune.workflows.cross_validation import run_cross_validation
from liftune.workflows.finetune import (
    FinetuneResult,
    RunContext,
    diagnose_data,
    prepare,
    run_base_and_probe,
    run_baselines,
    run_finetuning,
    run_full_finetuning,
    with_soft_labels,
)
from liftune.workflows.learning_curve import run_learning_curve
from liftune.workflows.report import publish

#: Whose versions a record keeps: what a number may depend on.
RECORDED = ("liftune", "torch", "transformers", "peft", "accelerate", "datasets", "scikit-learn", "numpy", "scipy")


def tune(spec: RunSpec, *, progress: Progress | None = None) -> RunRecord:
    """Evaluate a model as it is, tune it, evaluate again on the same rows, compare, save.

    Returns:
        what was found; the same stands in record.json of the run folder that it names.

    Raises:
        LiftuneError: anything that the user can fix. Before the first contender has answered nothing is left on disk;
            after it, what was computed stays.
    """
    need(*EXTRAS["tune"])
    started = time.time()
    job, base = prepare(spec, progress or Progress(quiet=True))
    with job.folder.cleanup_on_error():
        job.folder.save_inputs(spec, job.splits)
        ladder = Ladder(job.splits, job.metric, job.keep)
        doubts: tuple[LabelErrorSummary | None, Shift | None] = (None, None)
        if job.folds:
            tuned = run_cross_validation(job, job.folds, ladder, base)
        else:
            pupils = run_baselines(job, ladder), run_base_and_probe(job, ladder, base)
            del base  # its memory is wanted for tuning
            doubts = diagnose_data(job, pupils[1].features)
            job = with_soft_labels(job, pupils)
            tuned = run_finetuning(job, ladder)
            if spec.evaluation.with_full:
                run_full_finetuning(job, ladder)
        curve = run_learning_curve(job) if spec.evaluation.curve else None
        record = build_record(job, ladder, tuned, started, doubts=doubts, curve=curve)
        job.folder.save_record(record)
    publish_report(job, record)
    return record


def publish_report(job: RunContext, record: RunRecord) -> None:
    """The adapter's card and the page; the run is whole without the page."""
    try:
        job.progress.log(f"report: {publish(job.folder, record)}")
    except MissingExtra as error:
        job.progress.log(
            f"no report.html: {error.message}; {error.hint}, then liftune report {record.run} --format html"
        )


def build_record(
    job: RunContext,
    ladder: Ladder,
    tuned: FinetuneResult,
    started: float,
    *,
    doubts: tuple[LabelErrorSummary | None, Shift | None] = (None, None),
    curve: Curve | None = None,
) -> RunRecord:
    """Everything that was found, as one record."""
    splits, spec = job.splits, job.spec
    took = time.time() - started
    verdicts = ladder.verdicts()
    return RunRecord(
        run=str(job.folder.path),
        task=splits.task,
        labels=splits.labels,
        partial=splits.partial,
        rows=tuned.splits.counts.model_copy(update={"test": len(splits.test)}),
        audit=splits.audit,
        contenders=ladder.contenders,
        comparisons=verdicts,
        recommended=ladder.recommended(verdicts),
        method_comparisons=ladder.method_verdicts(),
        folds=spec.evaluation.folds,
        metric=job.metric,
        strongest=ladder.strongest(),
        data_fingerprint=splits.fingerprint,
        max_length=ladder.rungs["tuned"].evaluation.max_length or 0,
        model=spec.model.name,
        data=spec.data.source,
        base_model=job.base_model,
        base_license=job.base_license,
        method=job.method.name,
        plan=tuned.plan.choices,
        speed=speed_of(tuned.logs, len(tuned.splits.train), shapes=job.shapes, method=job.method, plan=tuned.plan),
        logs=tuned.logs,
        integrity=tuned.integrity,
        curve=curve,
        notes=job.notes,
        suspects=doubts[0],
        shift=doubts[1],
        versions=versions(),
        started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        seconds=took,
    )


def versions(names: Iterable[str] = RECORDED) -> dict[str, str]:
    """What a number may depend on, as far as it is installed."""
    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def evaluate_model(
    data: DataSpec, model: ModelSpec, *, metric: str | None = None, progress: Progress | None = None
) -> RunRecord:
    """Score one model on a data set's test rows: a run, an adapter, or a pretrained model with its own head.

    Data of one file are test rows, all of them. Labels that the model lacks count as wrong and are named.
    """
    need(*EXTRAS["tune"])
    started = time.time()
    plan = make_plan(measure_machine(), device=model.device).for_inference
    folder = adapter_folder(model.name)
    if folder is not None:
        _refuse_settled(model)
    if folder is None:
        splits = load_test(data)
        backbone = load_backbone(model, task=splits.task, labels=splits.labels, seed=0, plan=plan)
        classifier = attach(backbone, None, plan=plan)
    else:
        classifier = open_adapter(folder, plan=plan)
        splits = load_test(data, task=classifier.task)
    splits = splits.for_labels(classifier.labels)
    metric = check_metric(metric, splits.task).name
    if progress:
        progress.log(f"{model.name} on {data.source}: {len(splits.test):,} test rows")
    answering = time.perf_counter()
    logits = classifier.logits(splits.test.rows)
    seconds = time.perf_counter() - answering
    thresholds = read_card(folder).thresholds if folder else None
    head = classifier.backbone.head if folder is None else "trained"
    contender = Contender(
        name=Path(model.name).name,
        head=head,
        trainable_parameters=0,
        seconds=Seconds(evaluate=seconds),
        metrics=score(logits, splits.encoded(splits.test), splits.task, thresholds, groups=splits.test.groups),
        decisions=Decisions(thresholds=thresholds, kind="stored", reason="as the adapter says") if thresholds else None,
        notes=("its head is fresh: this is chance by construction",) if head == "fresh" else (),
    )
    return RunRecord(
        run=model.name,
        task=splits.task,
        labels=splits.labels,
        partial=splits.partial,
        rows=splits.counts,
        audit=splits.audit,
        contenders=(contender,),
        comparisons=(),
        metric=metric,
        data_fingerprint=splits.fingerprint,
        max_length=classifier.max_length,
        model=model.name,
        plan=plan.choices,
        versions=versions(),
        started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        seconds=time.time() - started,
    )


def _refuse_settled(model: ModelSpec) -> None:
    """Refuse what an adapter's own card says, rather than pass over it."""
    asked = [name for name in ("label_map", "max_length", "trust_remote_code") if getattr(model, name)]
    if asked:
        raise SpecError(
            f"{model.name} was tuned with its own labels, length and code, which stay as they are",
            where=", ".join(f"--{name.replace('_', '-')}" for name in asked),
            hint="leave the option out, or tune again with it",
        )


def compare_runs(a: str, b: str, *, metric: str | None = None) -> RunRecord:
    """The tuned models of two runs on the test rows that they share: b against a.

    Raises:
        ArtifactError: a folder holds no finished run, or is damaged.
        DataError: the runs differ in rows, label order or truncation length.
    """
    folders = [RunFolder.open(path) for path in (a, b)]
    records = [folder.record() for folder in folders]
    names = [Path(path).name or path for path in (a, b)]
    if names[0] == names[1]:
        names = [a, b]
    first, second = (
        tuned_evaluation(name, folder, record) for name, folder, record in zip(names, folders, records, strict=True)
    )
    comparison = compare(first, second, metric or records[0].metric)
    contenders = tuple(
        next(each for each in record.contenders if each.name == "tuned").model_copy(update={"name": name})
        for name, record in zip(names, records, strict=True)
    )
    update = {"run": b, "contenders": contenders, "comparisons": (comparison,), "metric": comparison.metric}
    cleared = {
        "strongest": None,
        "method_comparisons": (),
        "speed": None,
        "logs": (),
        "integrity": None,
        "curve": None,
        "notes": (f"compared with {a}",),
    }
    return records[1].model_copy(update={**update, **cleared})


def tuned_evaluation(name: str, folder: RunFolder, record: RunRecord) -> Evaluation:
    """A run's tuned contender, from disk, with the thresholds that it was scored by."""
    test, logits = folder.split("test"), folder.logits("tuned")
    unseen = tuple(sorted(record.audit.unseen_labels))
    if len(logits) != len(test):
        raise ArtifactError(
            f"{len(logits)} logits for {len(test)} test rows", where=str(folder.path), hint="run `liftune tune` again"
        )
    tuned = next(each for each in record.contenders if each.name == "tuned")
    return Evaluation(
        name=name,
        task=record.task,
        labels=record.labels,
        unseen=unseen,
        ids=test.ids,
        logits=logits,
        targets=encode(test.targets, (*record.labels, *unseen), record.task),
        fingerprint=record.data_fingerprint,
        max_length=record.max_length,
        groups=test.groups,
        thresholds=tuned.decisions.thresholds if tuned.decisions else None,
    )
