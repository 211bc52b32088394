"""One cell of the grid: one model tuned by one method under one seed, by the same steps as `liftune tune`.

In: a Stage, which holds what a model's cells share.  Out: a CellRecord; logits on disk.
Not here: the order of cells, what a failure means for the sweep (run.py).
"""

from __future__ import annotations

import io
import json
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from liftune.baselines.soft_labels import SoftLabels
from liftune.data.splits import Splits
from liftune.errors import MethodError, OutOfMemory
from liftune.evaluation.ladder import Ladder
from liftune.events import Events
from liftune.files import atomic_write, damaged, read_json_object
from liftune.hardware.measure import device_room, measure_machine, peak_mib, restart_peak
from liftune.hardware.plan import Plan, make_plan
from liftune.hardware.processor import processor_name
from liftune.metrics.registry import check_metric
from liftune.models.adapter_io import save_adapter
from liftune.models.attach import attach, check_method
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.linear_shapes import shapes_of
from liftune.models.memory_needs import Size, check_memory, check_rank, fit_passes
from liftune.models.methods.registry import find_method, parse_options
from liftune.records.sweep import BaselinesRecord, CellRecord
from liftune.run_folder import RunFolder
from liftune.sweeps.grid import Cell, SweepSpec, record_of
from liftune.sweeps.trials import try_out
from liftune.training.schedule import step_rows
from liftune.workflows.asked import Request
from liftune.workflows.baselines import run_base_and_probe, run_baselines, with_soft_labels
from liftune.workflows.context import RunContext, note_passes
from liftune.workflows.finetune import logits_of, tune_once
from liftune.workflows.memo import Memo, Outcome
from liftune.workflows.preparing import check_same, same_length
from liftune.workflows.stages import rows_fingerprint


@dataclass(frozen=True)
class Stage:
    """What all cells of a model share."""

    spec: SweepSpec
    model: str
    context: RunContext
    """Of the baselines; a cell's differs in method, options and seed."""
    unfit: dict[str, str]
    """Method -> why it does not fit the model."""
    sizes: dict[str, Size | None]
    """Of the model with each method that fits it; None where that is not known before."""
    asked: Memo
    """What was settled before the base model was loaded: the plan."""
    base_sha256: str = ""


def set_stage(spec: SweepSpec, model: str, splits: Splits, folder: RunFolder, *, goes_on: bool = True) -> Stage:
    """Load the model once: its labels, which methods fit it, how many tokens of a row all contenders can read.

    Args:
        goes_on: by the plan of the process that began the sweep; else by one for this process's share of the machine,
            but for cells that were begun.

    Raises:
        ArtifactError: the sweep was begun with another base model.
    """
    first = Cell(model, spec.methods[0], spec.run.train.seeds[0])
    run = spec.run_of(first)
    asked = Memo(folder.unfinished.folder, Request.of(run, rows_fingerprint(splits)).key)
    kept = asked.get("plan") if goes_on else None
    plan = (
        Plan.from_json(kept.values["plan"])
        if kept
        else make_plan(measure_machine(), device=run.model.device, accelerations=run.train.accelerations)
    )
    backbone = load_backbone(run.model, task=splits.task, labels=splits.labels, seed=first.seed, plan=plan)
    if kept:
        check_same(kept, backbone, Events())
    shapes, notes, labels = shapes_of(backbone), backbone.notes, backbone.labels
    unfit: dict[str, str] = {}
    sizes: dict[str, Size | None] = {}
    for name in spec.methods:
        method = find_method(name)
        options = parse_options(method, spec.options_of(name))
        try:
            check_method(backbone, method, options)
            check_rank(backbone, method, options)
            sizes[name] = check_memory(backbone, method, options, shapes, device_room(plan.device))
        except (MethodError, OutOfMemory) as error:
            unfit[name] = error.message
            continue
        run, backbone = same_length(run, backbone, options)
    splits = splits.for_labels(labels)
    method = find_method(first.method)
    options = parse_options(method, run.method.options)
    metric = check_metric(run.evaluation.metric, splits.task).name
    memo = Memo(folder.unfinished.folder, Request.of(run, rows_fingerprint(splits)).key + backbone.sha256)
    context = RunContext(run, method, options, splits, metric, plan, folder, Events(), shapes, notes=notes, memo=memo)
    return Stage(spec, model, context, unfit, sizes, asked, backbone.sha256)


def keep_plan(stage: Stage) -> None:
    """Keep the plan for a process that goes on with the sweep: it is not measured again."""
    if stage.asked.get("plan") is None:
        values = {"plan": stage.context.plan.to_json(), "base": stage.base_sha256, "processor": processor_name()}
        stage.asked.put("plan", Outcome(values))


def forget(stage: Stage, name: str | None = None) -> None:
    """Remove what was kept of a cell, once its record is on disk; of all of a model where no cell is named."""
    memo = stage.context.memo
    if name is not None:
        memo.forget(name)
        memo.drop(_plan_of(name))
    elif memo.folder is not None:
        shutil.rmtree(memo.folder, ignore_errors=True)


def run_shared_baselines(stage: Stage) -> BaselinesRecord:
    """Majority, tf-idf, the untuned base, and the probe."""
    context = stage.context
    ladder = Ladder(context.splits, context.metric, context.save_logits)
    words = run_baselines(context, ladder)
    backbone = load_backbone(
        context.spec.model,
        task=context.splits.task,
        labels=context.splits.labels,
        seed=context.spec.train.seeds[0],
        plan=context.plan,
    )
    base = attach(backbone, None, None, plan=context.plan.for_inference)
    said = note_passes(context.memo, base, context.events)
    context = with_soft_labels(context, [words, run_base_and_probe(context, ladder, base)])
    _save_soft_labels(context)
    return BaselinesRecord(
        model=stage.model,
        labels=context.splits.labels,
        max_length=base.max_length,
        plan=base.plan.choices,
        contenders=ladder.contenders,
        notes=(*context.notes, *([said] if said else ())),
    )


def tune_cell(stage: Stage, cell: Cell) -> CellRecord:
    """One tuned model: its scores and costs, its logits on disk. Its weights are not kept.

    A trial of a search is looked at on validation alone, and may be given up early.

    Raises:
        LiftuneError: what `liftune tune` would raise.
    """
    if cell.method in stage.unfit:
        return record_of(cell, state="unfit", reason=stage.unfit[cell.method])
    method, run = find_method(cell.method), stage.spec.run_of(cell)
    options = parse_options(method, run.method.options)
    spec = stage.context.spec.model_copy(update={"train": run.train})
    context = replace(
        stage.context, spec=spec, method=method, options=options, soft_labels=_load_soft_labels(stage.context)
    )
    context = replace(context, plan=_planned(stage, cell, context))
    if cell.trial is not None and not cell.trial.chosen:
        return try_out(context, cell, cell.trial)
    held = restart_peak()
    classifier, _, log = tune_once(context, method, options, cell.seed, name=cell.name)
    parameters = classifier.trainable_parameters()  # saving may change their form, as PiSSA's
    answers = logits_of(context, classifier, log, name=cell.name)
    peak = peak_mib()
    contender = Ladder(context.splits, context.metric, context.save_logits).add(
        cell.name, [answers], max_length=classifier.max_length
    )
    return record_of(
        cell,
        state="done",
        metrics=contender.metrics,
        validation=contender.validation,
        train_seconds=log.seconds,
        evaluate_seconds=answers.evaluate_seconds,
        trainable_parameters=parameters,
        adapter_bytes=saved_bytes(classifier, pairs=context.splits.pairs),
        memory_mib=None if held is None or peak is None else peak - held,
        log=log,
    )


def _planned(stage: Stage, cell: Cell, context: RunContext) -> Plan:
    """The plan of a cell: as it was begun with, perhaps by a process with another share of the machine; of a new one
    the stage's, in passes that fit, as `liftune tune` plans them.
    """
    name, memo = _plan_of(cell.name), context.memo
    kept = memo.get(name)
    if kept is not None:
        return Plan.from_json(kept.values["plan"])
    longest = context.spec.model.max_length or 1
    most = step_rows(context.spec.train, len(context.splits.train)) * longest
    room = device_room(context.plan.device)
    plan = fit_passes(context.plan, context.shapes, stage.sizes.get(cell.method), room, most=most, longest=longest)
    memo.put(name, Outcome({"plan": plan.to_json()}))
    return plan


def _plan_of(name: str) -> str:
    return f"plan {name}"


def saved_bytes(classifier: Classifier, *, pairs: bool) -> int:
    """How large the weights are on disk."""
    with tempfile.TemporaryDirectory() as folder:
        save_adapter(classifier, Path(folder) / "adapter", pairs=pairs)
        return sum(path.stat().st_size for path in Path(folder).rglob("*.safetensors"))


def _save_soft_labels(context: RunContext) -> None:
    """Baselines run once; each cell, maybe in another process, learns from the same soft labels."""
    if context.soft_labels is None:
        return
    soft_labels = context.soft_labels
    with atomic_write(context.folder.path / "teacher.npy") as file:
        np.save(file, soft_labels.targets)
    with atomic_write(context.folder.path / "teacher.json") as file:
        facts = {"name": soft_labels.name, "score": soft_labels.score, "temperature": soft_labels.temperature}
        file.write(json.dumps(facts).encode())


def _load_soft_labels(context: RunContext) -> SoftLabels | None:
    facts = context.folder.path / "teacher.json"
    if not facts.is_file():
        return None
    hint = "remove it and run `liftune sweep` again"
    values = read_json_object(facts, hint=hint)
    try:
        context.folder.read(facts.name)
        targets = np.load(io.BytesIO(context.folder.read("teacher.npy")))
        return SoftLabels(str(values["name"]), targets, float(values["score"]), float(values["temperature"]))
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise damaged(facts, str(error), hint=hint) from None
