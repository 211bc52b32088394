"""Everything that is settled before the first contender is scored.

In: a TuneRequest.  Out: a RunContext, and the base model with its head.
Not here: options and rows (request.py), what the contenders are made with (context.py), contenders (baselines.py,
finetune.py), their order (tune_stages.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liftune.data.folds import Folds
from liftune.data.splits import Splits
from liftune.errors import ArtifactError, SpecError
from liftune.events import Events, RunPrepared
from liftune.hardware.flops import Shapes
from liftune.hardware.measure import device_room, measure_machine
from liftune.hardware.memory import Room
from liftune.hardware.plan import Plan, make_plan
from liftune.hardware.processor import processor_name
from liftune.models import families
from liftune.models.attach import check_method
from liftune.models.backbone import Backbone, check_windows, load_backbone
from liftune.models.classifier import Classifier
from liftune.models.crew import NO_CREW, Crew
from liftune.models.families import position_limit
from liftune.models.linear_shapes import shapes_of
from liftune.models.memory_needs import Size, check_memory, check_rank, fit_passes
from liftune.models.methods.registry import METHODS, Method, parse_options, virtual_tokens
from liftune.models.shards import check_shards, plan_of_shards
from liftune.models.started import refuse_other_base
from liftune.records.base import Choice
from liftune.records.dry_run import DiskNeed
from liftune.spec import RunSpec
from liftune.training.schedule import Schedule, rate_of, step_rows, why_rate
from liftune.workflows.context import RunContext, note_passes, recipe_for
from liftune.workflows.crewed import engine, join
from liftune.workflows.disk_needs import disk_need
from liftune.workflows.few import NO_BODY
from liftune.workflows.few_wanted import may_start
from liftune.workflows.memo import NO_MEMO, Memo, Outcome
from liftune.workflows.reach import LENGTH, longest_row, reach, tokens_of
from liftune.workflows.request import TuneRequest

#: Train rows whose tokens are counted, about, to know how long rows are.
COUNTED = 500


def prepare(
    request: TuneRequest, events: Events, memo: Memo = NO_MEMO, crew: Crew = NO_CREW, *, jobs: int = 1
) -> tuple[RunContext, Classifier]:
    """Measure the machine and load the model, for a request whose options and rows were checked.

    Args:
        crew: other processes of the command.
        jobs: seeds, or folds, at once.

    Raises:
        LiftuneError: device, model or method do not fit; nothing has been computed or written yet.
        ArtifactError: the run was begun with another base model.
    """
    jobs = jobs_of(request, jobs)
    kept = memo.get("plan")
    plan = Plan.from_json(kept.values["plan"]) if kept else _make_plan(request.spec)
    join(crew, plan, asked=request.spec.model.device)
    backbone = _loaded(request, plan, crew)
    needs = MemoryNeeds.of(request, backbone, plan, crew, jobs)
    plan, backbone = _reaching(request, plan, backbone, needs, fresh=kept is None)
    if kept:
        check_same(kept, backbone, events)
    else:
        plan = _in_passes_that_fit(request, plan, backbone, needs)
        memo.put("plan", Outcome({"plan": plan.to_json(), "base": backbone.sha256, "processor": processor_name()}))
    plan = plan_of_shards(plan) if crew.shard else plan
    plan = plan.on(engine(crew, plan)) if crew.size > 1 else plan
    spec, backbone = same_length(request.spec, backbone, request.options)
    context = _context(replace(request, spec=spec), plan, backbone, needs, events, memo, crew, jobs)
    events.send(_prepared(context, backbone))
    base = crew.make(recipe_for(context, context.spec.train.seeds[0], plan=context.plan.for_inference), backbone)
    note_passes(memo, base, events)
    return replace(context, row_tokens=_row_tokens(base, context.splits)), base


@dataclass(frozen=True)
class MemoryNeeds:
    """What training takes of memory, and what there is."""

    shapes: Shapes
    """Of the model before it is changed."""
    size: Size | None
    """Of the model with the method; None where that is not known before."""
    full_size: Size | None
    """Of the fully tuned one that is wanted beside it."""
    room: Room | None

    @classmethod
    def of(cls, request: TuneRequest, backbone: Backbone, plan: Plan, crew: Crew, jobs: int) -> MemoryNeeds:
        """Worked out before anything is computed.

        Raises:
            OutOfMemory: it does not fit.
        """
        shapes = shapes_of(backbone)
        room = crew.share_of_memory(device_room(plan.device), plan.device)
        if room and jobs > 1 and plan.device == "cpu":
            room = Room(room.bytes // jobs, f"{room.limit} for each of {jobs} jobs")
        size = check_memory(backbone, request.method, request.options, shapes, room)
        full, full_size = METHODS["full"], None
        if request.spec.evaluation.with_full and request.method is not full:
            full_size = check_memory(backbone, full, parse_options(full, {}), shapes, room)
        return cls(shapes, size, full_size, room)

    @property
    def trained(self) -> list[int]:
        """Numbers that each of the two models trains, as far as they are known."""
        return [each.trained for each in (self.size, self.full_size) if each]


def _loaded(request: TuneRequest, plan: Plan, crew: Crew) -> Backbone:
    """The base model, which the method fits.

    Raises:
        LiftuneError: it cannot be loaded, or it does not.
    """
    spec, method, options, splits = request.spec, request.method, request.options, request.splits
    backbone = load_backbone(spec.model, task=splits.task, labels=splits.labels, seed=spec.train.seeds[0], plan=plan)
    if request.beginning:
        refuse_other_base(request.beginning.started.card, backbone)
    check_method(backbone, method, options)
    check_pairs(spec, backbone)
    if crew.shard:
        check_shards(backbone, METHODS["full"] if spec.evaluation.with_full else method)
    check_rank(backbone, method, options)
    return backbone


def check_pairs(spec: RunSpec, backbone: Backbone) -> None:
    """Refuse `--few on` for a model without a marked body: pairs train the states of the body's tokens.

    Raises:
        SpecError: it was asked for. Where nobody did, the start is left out, which is said.
    """
    if spec.train.few == "on" and not families.base_name(backbone.model):
        raise SpecError(f"{backbone.name}: {NO_BODY}", where="--few on", hint="leave it out, or give --few off")


def _in_passes_that_fit(request: TuneRequest, plan: Plan, backbone: Backbone, needs: MemoryNeeds) -> Plan:
    train = request.splits.train
    longest = longest_row(backbone, train.rows)
    most = step_rows(request.spec.train, len(train)) * longest
    return fit_passes(plan, needs.shapes, needs.size, needs.room, most=most, longest=longest)


def _context(
    request: TuneRequest,
    plan: Plan,
    backbone: Backbone,
    needs: MemoryNeeds,
    events: Events,
    memo: Memo,
    crew: Crew,
    jobs: int,
) -> RunContext:
    """All that is settled, but for the tokens of a row: these are counted by the classifier."""
    spec = request.spec
    folds = request.folds.for_labels(backbone.labels) if request.folds else None
    splits = folds.whole if folds else request.splits.for_labels(backbone.labels)
    width = families.width(backbone.model)
    return RunContext(
        spec,
        request.method,
        request.options,
        splits,
        request.metric,
        _with_rate(plan, spec, request.method, width, len(splits.train)),
        request.folder,
        events,
        needs.shapes,
        notes=backbone.notes,
        folds=folds,
        folds_fit=request.folds_fit,
        base_model="" if Path(backbone.base).is_dir() else backbone.base,
        base_license=backbone.license,
        memo=memo,
        disk=_disk(
            spec,
            splits,
            folds,
            request.folder.path,
            needs,
            from_pairs=may_start(spec, splits, request.method, request.options),
        ),
        crew=crew,
        jobs=jobs,
        answers=request.answers,
        descriptions=request.descriptions,
        width=width,
        beginning=request.beginning,
    )


def _disk(
    spec: RunSpec, splits: Splits, folds: Folds | None, path: Path, needs: MemoryNeeds, *, from_pairs: bool
) -> DiskNeed | None:
    """What the run writes; None where the size of what is trained is not known."""
    passes = len(folds.parts) + 1 if folds else 1
    trained, width = needs.trained, needs.shapes.width
    if not trained:
        return None
    return disk_need(spec, splits, path, width=width, trained=trained, passes=passes, from_pairs=from_pairs)


def _with_rate(plan: Plan, spec: RunSpec, method: Method, width: int, rows: int) -> Plan:
    """The plan, which says the peak learning rate and why."""
    schedule = Schedule.of(spec.train, rows=rows, learning_rate=rate_of(method, width))
    reason = why_rate(spec.train, schedule, method, width)
    return plan.on(Choice(choice="learning rate", value=f"{schedule.learning_rate:.2g}", reason=reason))


def _row_tokens(base: Classifier, splits: Splits) -> float:
    """Tokens of a train row, on average over COUNTED of them that lie evenly."""
    rows = splits.train.rows or splits.test.rows
    counted = rows[:: max(1, len(rows) // COUNTED)]
    return float(base.encode(counted).lengths.mean())


def _reaching(
    request: TuneRequest, plan: Plan, backbone: Backbone, needs: MemoryNeeds, *, fresh: bool
) -> tuple[Plan, Backbone]:
    """Plan and backbone for the length that train needs; of a run that goes on, as its plan says."""
    if fresh:
        rows = request.splits.train.rows
        found = reach(request.spec.model, backbone, rows, needs.shapes, needs.size, needs.room)
        plan = replace(plan, choices=(*plan.choices, found)) if found else plan
    length = next((tokens_of(each) for each in plan.choices if each.choice == LENGTH), backbone.max_length)
    return plan, replace(backbone, max_length=length)


def _make_plan(spec: RunSpec) -> Plan:
    return make_plan(measure_machine(), device=spec.model.device, accelerations=spec.train.accelerations)


def check_same(kept: Outcome, backbone: Backbone, events: Events) -> None:
    """Refuse to go on with another base model; on another machine say so."""
    if kept.values["base"] != backbone.sha256:
        raise ArtifactError(
            "the base model has changed since the run began: its weights are others",
            where=backbone.name,
            hint="restore them, or name another folder with --out",
        )
    if kept.values["processor"] != processor_name():
        events.note(f"the run was begun on another processor, {kept.values['processor']}: last digits may differ")


def _prepared(context: RunContext, backbone: Backbone) -> RunPrepared:
    """What the run works on, for listeners."""
    spec, splits, folds, plan = context.spec, context.splits, context.folds, context.plan
    return RunPrepared(
        data=spec.data.source,
        task=splits.task.value,
        labels=len(splits.labels),
        train=len(splits.train),
        validation=len(splits.validation),
        test=len(splits.test),
        folds=len(folds.parts) if folds else None,
        model=spec.model.name,
        family=backbone.family,
        head=backbone.head,
        max_length=backbone.max_length,
        dtype=plan.dtype,
        device=plan.device,
        notes=backbone.notes,
    )


def same_length(spec: RunSpec, backbone: Backbone, options: Any) -> tuple[RunSpec, Backbone]:
    """Cut rows at the length that a method with virtual tokens leaves: all contenders must read the same."""
    positions = position_limit(backbone.model)
    tokens = backbone.max_length if positions is None else min(backbone.max_length, positions - virtual_tokens(options))
    model = spec.model.model_copy(update={"max_length": tokens})
    return spec.model_copy(update={"model": model}), check_windows(spec.model, replace(backbone, max_length=tokens))


def jobs_of(request: TuneRequest, jobs: int) -> int:
    """How many seeds or folds run at once.

    Raises:
        SpecError: there is one of each.
    """
    most = len(request.folds.parts) if request.folds else len(request.spec.train.seeds)
    if jobs > 1 and most == 1:
        raise SpecError(
            "--jobs runs seeds, or folds, side by side, and there is one seed and no fold",
            where="--jobs",
            hint="leave it out, or add --seeds 0,1,2; to divide one training, --devices 2",
        )
    return min(jobs, most)
