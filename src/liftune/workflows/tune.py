"""The workflow of `liftune tune`: rows in, contenders scored on the same test rows, a verdict, a run folder.

In: a RunSpec.  Out: a RunRecord, and the files that it names.
Not here: any step's own work; each is a call into another module.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

from liftune.errors import EXTRAS, MissingExtra, need
from liftune.evaluation.ladder import Ladder
from liftune.progress import Progress
from liftune.records.data import LabelErrorSummary, Shift
from liftune.records.learning_curve import Curve
from liftune.records.run import RunRecord
from liftune.spec import RunSpec
from liftune.training.throughput import speed_of
from liftune.versions import versions
from liftune.workflows.baselines import diagnose_data, run_base_and_probe, run_baselines, with_soft_labels
from liftune.workflows.context import RunContext, prepare
from liftune.workflows.cross_validation import run_cross_validation
from liftune.workflows.finetune import FinetuneResult, run_finetuning, run_full_finetuning
from liftune.workflows.learning_curve import run_learning_curve
from liftune.workflows.report import publish


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
