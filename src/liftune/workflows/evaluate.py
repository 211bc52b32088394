"""Score one model on the test rows of a data set.

In: data and a model: a run, an adapter, or a pretrained model with its own head.  Out: a EvaluationRecord.
Not here: comparing with other contenders (tune.py, compare.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from liftune.data.label_matching import match_labels
from liftune.data.load import RowsInMemory
from liftune.data.splits import Splits
from liftune.data.test_part import load_test
from liftune.data.tuned_on import TunedOn, seen_sentence
from liftune.errors import EXTRAS, DataError, ModelError, SpecError, need
from liftune.evaluation.clean_rows import Leaks
from liftune.evaluation.evaluate import Evaluation, evaluate
from liftune.evaluation.slices import slices
from liftune.events import Events, Listener
from liftune.hardware.measure import measure_machine
from liftune.hardware.plan import Plan, make_plan
from liftune.inference.bases import use_base_of_scored
from liftune.inference.contenders import read_contender_card, refuse_torch_options
from liftune.inference.locate import SavedModel, find_model, held_to_its_run
from liftune.inference.onnx_bundle import refuse_options
from liftune.metrics.registry import check_metric
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.foreign.said import Said
from liftune.records.base import Seconds
from liftune.records.calibration import Decisions
from liftune.records.run import Contender, EvaluationRecord
from liftune.run_folder import RunFolder, run_around
from liftune.spec import DataSpec, ModelSpec, RunSpec
from liftune.spec_text import Asked
from liftune.versions import versions
from liftune.workflows.evaluate_answers import check_before_reading, clean_scores, read_beside, score_beside
from liftune.workflows.opened import Opened, open_saved
from liftune.wrong_path import is_file_in, is_folder, refusal

#: Options of a ModelSpec that say how long texts are read.
_LONG = ("long", "window_overlap", "window_pooling")
_GUESSES = "its classification head is randomly initialised: this score is just guessing"


def evaluate_model(
    spec: RunSpec,
    rows: RowsInMemory | None = None,
    *,
    use: str | None = None,
    base: str | None = None,
    listeners: Sequence[Listener] = (),
) -> EvaluationRecord:
    """Score one model on a data set's test rows: a run, an adapter, or a pretrained model with its own head.

    Data of one file are test rows, all of them. Labels that the model lacks count as wrong and are named.

    Args:
        spec: data, model, metric; and answers that were made elsewhere, which the model is compared with.
        rows: in memory, whose test rows are scored; None reads what the spec names.
        use: which contender of a run; None takes the tuned one, but where the verdict says that it is worse than the
            recommended one.
        base: the adapter's base model, where it is no longer where it was.
        listeners: are sent what happens, as it happens: see events.py.
    """
    need(*EXTRAS["tune"])
    started, data, model = time.time(), spec.data, spec.model
    check_before_reading(spec)
    plan = make_plan(measure_machine(), device=model.device).for_inference
    events = Events(listeners)
    saved = _tuned_model(data, model, use, base)
    if saved is not None and saved.note:
        events.note(saved.note)
    opened, splits = _model_and_rows(data, model, rows, saved, plan)
    if seen := seen_sentence(splits):
        events.note(seen)
    metric = check_metric(spec.evaluation.metric, splits.task).name
    name = _name(model.name, saved)
    answers = read_beside(spec, splits, metric, rows, name)
    events.note(f"{model.name} on {data.source}: {len(splits.test):,} test rows")
    evaluation, contender = _scored(name, opened, splits, saved, seen)
    beside = score_beside(spec, answers, splits, evaluation, metric)
    for each in beside.contenders:
        for note in each.notes:
            events.note(f"  {each.name}: {note}")
        for warning in each.outside.warnings if each.outside else ():
            events.note(f"  warning: {each.name}: {warning}")
    return EvaluationRecord(
        run=model.name,
        task=splits.task,
        labels=splits.labels,
        partial=splits.partial,
        rows=splits.counts,
        audit=splits.audit,
        contenders=(contender, *beside.contenders),
        comparisons=beside.comparisons,
        metric=metric,
        data_fingerprint=splits.fingerprint,
        max_length=opened.max_length,
        long=opened.long,
        model=model.name,
        contender=saved.contender if saved and saved.card is None else None,
        plan=plan.choices,
        slices=slices(evaluation, None, Leaks.of(splits.audit)),
        versions=versions(),
        started=datetime.fromtimestamp(started, UTC).isoformat(timespec="seconds"),
        seconds=time.time() - started,
    )


def _tuned_model(data: DataSpec, model: ModelSpec, use: str | None, base: str | None) -> SavedModel | None:
    """What liftune or others have tuned; None where the name is that of a pretrained model.

    Raises:
        SpecError: an option does not fit what the name leads to.
        ModelError: it leads to a folder that holds no model.
    """
    _refuse_choice(model)
    said = use_base_of_scored(base, model.name, use, said=_said(data, model))
    saved = find_model(model.name, use, said=said)
    if saved is None and use is not None:
        raise SpecError(
            f"{model.name} is no run: it has no contenders to choose from",
            where="--use",
            hint="leave --use out, or give a run's folder with --model",
        )
    if saved is None and is_folder(model.name) and not is_file_in(model.name, "config.json"):
        message, hint = refusal(model.name, "scored")
        raise ModelError(message, where="--model", hint=hint)
    return saved and held_to_its_run(saved)


def _name(asked: str, saved: SavedModel | None) -> str:
    """Of the contender."""
    return Path(asked).name + (f" ({saved.contender})" if saved and saved.contender != "tuned" else "")


def _scored(
    name: str, opened: Opened, splits: Splits, saved: SavedModel | None, seen: str | None
) -> tuple[Evaluation, Contender]:
    """Its predictions of the test rows, and its scores.

    Args:
        seen: that it was tuned on some of these; None where it was not.
    """
    answering = time.perf_counter()
    logits = opened.scorer.logits(splits.test.rows)
    seconds = time.perf_counter() - answering
    thresholds = opened.thresholds
    evaluation = evaluate(name, logits, splits, thresholds=thresholds)
    contender = Contender(
        name=name,
        head=opened.head,
        trainable_parameters=0,
        seconds=Seconds(evaluate=seconds),
        metrics=evaluation.metrics,
        clean=clean_scores(evaluation, splits),
        only_answer=evaluation.only_answer,
        decisions=Decisions(thresholds=thresholds, kind="stored", reason="as the adapter says") if thresholds else None,
        notes=(
            *((saved.note,) if saved and saved.note else ()),
            *((_GUESSES,) if opened.head == "fresh" else ()),
            *((seen,) if seen else ()),
        ),
    )
    return evaluation, contender


def _tuned_on(saved: SavedModel) -> TunedOn:
    """The rows that a model was tuned on, of which its run keeps hashes; a model by itself has none."""
    run = RunFolder(run_around(saved.folder))
    if saved.card is not None:
        return TunedOn(unknown="it was not tuned by liftune")
    if not run.has_record or saved.folder != run.contender(saved.contender):
        return TunedOn(unknown="the model is by itself, and its run keeps what tells")
    return run.tuned_on()


def _said(data: DataSpec, model: ModelSpec) -> Said:
    """What the options say of a model that others saved: they name the labels of the data, which are its own."""
    return Said(
        data.label_names,
        data.task,
        max_length=model.max_length,
        long={name: getattr(model, name) for name in _LONG if getattr(model, name) is not None},
        trust_remote_code=model.trust_remote_code,
    )


def _model_and_rows(
    data: DataSpec, model: ModelSpec, rows: RowsInMemory | None, saved: SavedModel | None, plan: Plan
) -> tuple[Opened, Splits]:
    """The model, and its test rows in the order of its labels.

    Args:
        saved: what liftune or others have tuned; None loads a pretrained model, whose task is that of the rows.
    """
    head, asked = None, Asked("evaluate", {"model": model.name})
    if saved is None or (saved.is_whole_of_others and not data.label_names):
        whole = model if saved is None else model.model_copy(update={"name": str(saved.folder)})
        splits = load_test(data, rows=rows, asked=asked)
        backbone = load_backbone(whole, task=splits.task, labels=splits.labels, seed=0, plan=plan)
        as_it_is = attach(backbone, None, plan=plan)
        head = backbone.head
        opened = Opened(as_it_is, splits.task, as_it_is.labels, as_it_is.max_length, head, long=as_it_is.long.rule)
    if saved is not None and head != "trained":
        # Of a whole model, whose head has other labels than the data: they are matched as those of a tuned model are.
        if saved.card is None:
            _refuse_settled(model)
        _refuse_device(model, saved)
        opened = open_saved(saved, plan, model.trust_remote_code)
        splits = load_test(data, task=opened.task, rows=rows, known=opened.columns, labels=opened.labels, asked=asked)
        if saved.card is not None:  # nobody kept whether it reads pairs
            opened = replace(opened, pairs=splits.pairs)
        if splits.pairs != opened.pairs:
            raise _other_rows(opened, model.name)
        splits = match_labels(splits, opened.labels, model.label_map, model=model.name)
    splits = splits.for_labels(opened.labels)
    if saved is not None and saved.contender != "base":  # which is scored as it was before tuning
        splits = _tuned_on(saved).audited(splits)
    return opened, splits


def _other_rows(opened: Opened, name: str) -> DataError:
    """The rows are pairs, and the model reads single texts; or the other way round."""
    if opened.pairs:
        return DataError(
            f"{name} was tuned on text pairs, and the data are single texts",
            where="--text-pair",
            hint="name the column of the second text with --text-pair",
        )
    return DataError(
        f"{name} was tuned on single texts, and the data are text pairs",
        where="--text-pair",
        hint="leave --text-pair out, or name the one column of the text with --text",
    )


def _refuse_device(model: ModelSpec, saved: SavedModel) -> None:
    """Refuse a device for a model that cannot choose one."""
    if saved.kind == "bundle":
        refuse_options(device=model.device, with_base=False, precision=None)
    elif saved.kind == "contender" and read_contender_card(saved.folder).base is None:
        refuse_torch_options(saved.contender, device=model.device)


def _refuse_settled(model: ModelSpec) -> None:
    """Refuse an option that an adapter's own card decides, rather than ignore it."""
    for name in ("max_length", *_LONG):
        if getattr(model, name):
            raise SpecError(
                f"{model.name} reads long texts as it did when it was tuned",
                where=f"--{name.replace('_', '-')}",
                hint="leave the option out, or tune again with it",
            )


def _refuse_choice(model: ModelSpec) -> None:
    """Refuse to choose how long texts are read, where there are no train rows to choose on."""
    if model.long == "auto":
        raise SpecError(
            "auto chooses on train and validation rows, and evaluate has test rows alone",
            where="--long",
            hint="give --long cut, head-tail or windows",
        )
