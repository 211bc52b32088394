"""Score one model on the test rows of a data set.

In: data and a model: a run, an adapter, or a pretrained model with its own head.  Out: a EvaluationRecord.
Not here: comparing with other contenders (tune.py, compare.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from liftune.data.load import load_test
from liftune.data.splits import BecomesSplits, Splits
from liftune.errors import EXTRAS, SpecError, need
from liftune.evaluation.evaluate import evaluate
from liftune.events import Events, Listener
from liftune.hardware.measure import measure_machine
from liftune.hardware.plan import Plan, make_plan
from liftune.inference.predictor import find_model
from liftune.metrics.registry import check_metric
from liftune.models.adapter_io import open_adapter, read_card
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.records.base import Seconds
from liftune.records.calibration import Decisions
from liftune.records.run import Contender, EvaluationRecord
from liftune.spec import DataSpec, ModelSpec
from liftune.versions import versions


def evaluate_model(
    data: DataSpec,
    model: ModelSpec,
    rows: BecomesSplits | None = None,
    *,
    metric: str | None = None,
    listeners: Sequence[Listener] = (),
) -> EvaluationRecord:
    """Score one model on a data set's test rows: a run, an adapter, or a pretrained model with its own head.

    Data of one file are test rows, all of them. Labels that the model lacks count as wrong and are named.

    Args:
        rows: in memory, whose test rows are scored; None reads what `data` names.
        listeners: are sent what happens, as it happens: see events.py.
    """
    need(*EXTRAS["tune"])
    started = time.time()
    plan = make_plan(measure_machine(), device=model.device).for_inference
    saved = find_model(model.name)
    folder = saved.folder if saved and saved.kind == "adapter" else None
    classifier, splits = _model_and_rows(data, model, rows, folder, plan)
    metric = check_metric(metric, splits.task).name
    Events(listeners).note(f"{model.name} on {data.source}: {len(splits.test):,} test rows")
    answering = time.perf_counter()
    logits = classifier.logits(splits.test.rows)
    seconds = time.perf_counter() - answering
    thresholds = read_card(folder).thresholds if folder else None
    evaluation = evaluate(model.name, logits, splits, thresholds=thresholds)
    head = classifier.backbone.head if folder is None else "trained"
    contender = Contender(
        name=Path(model.name).name,
        head=head,
        trainable_parameters=0,
        seconds=Seconds(evaluate=seconds),
        metrics=evaluation.metrics,
        only_answer=evaluation.only_answer,
        decisions=Decisions(thresholds=thresholds, kind="stored", reason="as the adapter says") if thresholds else None,
        notes=("its classification head is randomly initialised: this score is just guessing",)
        if head == "fresh"
        else (),
    )
    return EvaluationRecord(
        run=model.name,
        task=splits.task,
        labels=splits.labels,
        partial=splits.partial,
        rows=splits.counts,
        audit=splits.audit,
        contenders=(contender,),
        metric=metric,
        data_fingerprint=splits.fingerprint,
        max_length=classifier.max_length,
        model=model.name,
        plan=plan.choices,
        versions=versions(),
        started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        seconds=time.time() - started,
    )


def _model_and_rows(
    data: DataSpec, model: ModelSpec, rows: BecomesSplits | None, folder: Path | None, plan: Plan
) -> tuple[Classifier, Splits]:
    """The model, and its test rows in the order of its labels.

    Args:
        folder: of an adapter; None loads a pretrained model, whose task is that of the rows.
    """
    if folder is None:
        splits = load_test(data, rows=rows)
        backbone = load_backbone(model, task=splits.task, labels=splits.labels, seed=0, plan=plan)
        classifier = attach(backbone, None, plan=plan)
    else:
        _refuse_settled(model)
        classifier = open_adapter(folder, plan=plan)
        splits = load_test(data, task=classifier.task, rows=rows)
    return classifier, splits.for_labels(classifier.labels)


def _refuse_settled(model: ModelSpec) -> None:
    """Refuse options that an adapter's own card decides, rather than ignore them."""
    given = [name for name in ("label_map", "max_length", "trust_remote_code") if getattr(model, name)]
    if given:
        raise SpecError(
            f"{model.name} keeps the labels, length and code that it was tuned with",
            where=", ".join(f"--{name.replace('_', '-')}" for name in given),
            hint="leave the option out, or tune again with it",
        )
