"""The workflow of `liftune tune`: rows in, contenders scored on the same test rows, a verdict, a run folder.

In: a RunSpec.  Out: a RunRecord, and the files that it names.
Not here: any step's own work; each is a call into another module.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime

from liftune.errors import EXTRAS, MissingExtra, need
from liftune.evaluation.ladder import Ladder
from liftune.events import Events, Listener
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


def tune(spec: RunSpec, *, listeners: Sequence[Listener] = ()) -> RunRecord:
    """Evaluate a model as it is, tune it, evaluate again on the same rows, compare, save.

    Args:
        listeners: are sent what happens, as it happens: see events.py.

    Returns:
        what was found; the same stands in record.json of the run folder that it names.

    Raises:
        LiftuneError: anything that the user can fix. Before the first contender has answered nothing is left on disk;
            after it, what was computed stays.
    """
    need(*EXTRAS["tune"])
    started = time.time()
    context, base = prepare(spec, Events(listeners))
    with context.folder.cleanup_on_error():
        context.folder.save_inputs(spec, context.splits)
        ladder = Ladder(context.splits, context.metric, context.keep)
        doubts: tuple[LabelErrorSummary | None, Shift | None] = (None, None)
        if context.folds:
            tuned = run_cross_validation(context, context.folds, ladder, base)
        else:
            pupils = run_baselines(context, ladder), run_base_and_probe(context, ladder, base)
            del base  # its memory is wanted for tuning
            doubts = diagnose_data(context, pupils[1].features)
            context = with_soft_labels(context, pupils)
            tuned = run_finetuning(context, ladder)
            if spec.evaluation.with_full:
                run_full_finetuning(context, ladder)
        curve = run_learning_curve(context) if spec.evaluation.curve else None
        record = build_record(context, ladder, tuned, started, doubts=doubts, curve=curve)
        context.folder.save_record(record)
    publish_report(context, record)
    return record


def publish_report(context: RunContext, record: RunRecord) -> None:
    """The adapter's card and the page; the run is whole without the page."""
    try:
        context.events.note(f"report: {publish(context.folder, record)}")
    except MissingExtra as error:
        context.events.note(
            f"no report.html: {error.message}; {error.hint}, then liftune report {record.run} --format html"
        )


def build_record(
    context: RunContext,
    ladder: Ladder,
    tuned: FinetuneResult,
    started: float,
    *,
    doubts: tuple[LabelErrorSummary | None, Shift | None] = (None, None),
    curve: Curve | None = None,
) -> RunRecord:
    """Everything that was found, as one record."""
    splits, spec = context.splits, context.spec
    took = time.time() - started
    verdicts = ladder.verdicts()
    return RunRecord(
        run=str(context.folder.path),
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
        metric=context.metric,
        strongest=ladder.strongest(),
        data_fingerprint=splits.fingerprint,
        max_length=ladder.rungs["tuned"].evaluation.max_length or 0,
        model=spec.model.name,
        data=spec.data.source,
        base_model=context.base_model,
        base_license=context.base_license,
        method=context.method.name,
        plan=tuned.plan.choices,
        speed=speed_of(
            tuned.logs, len(tuned.splits.train), shapes=context.shapes, method=context.method, plan=tuned.plan
        ),
        logs=tuned.logs,
        integrity=tuned.integrity,
        curve=curve,
        notes=context.notes,
        suspects=doubts[0],
        shift=doubts[1],
        versions=versions(),
        started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        seconds=took,
    )
