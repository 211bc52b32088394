"""Everything that is settled before the first contender is scored.

In: a TuneRequest.  Out: a RunContext, and the base model with its head.
Not here: options and rows (request.py), contenders (baselines.py, finetune.py), their order (tune_stages.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from liftune.baselines.soft_labels import SoftLabels
from liftune.data.answers import Answers
from liftune.data.descriptions import Descriptions
from liftune.data.folds import Folds
from liftune.data.splits import Splits
from liftune.errors import ArtifactError, SpecError
from liftune.evaluation.ladder import ContenderLogits
from liftune.events import ContenderScored, Events, RunPrepared
from liftune.hardware.flops import Shapes
from liftune.hardware.measure import device_room, measure_machine, processor_name
from liftune.hardware.memory import Room
from liftune.hardware.plan import Plan, make_plan
from liftune.models import families
from liftune.models.attach import check_method
from liftune.models.backbone import Backbone, check_windows, load_backbone
from liftune.models.classifier import Classifier
from liftune.models.crew import NO_CREW, Crew
from liftune.models.families import position_limit
from liftune.models.helper import Recipe
from liftune.models.linear_shapes import shapes_of
from liftune.models.memory_needs import Size, check_memory, check_rank, fit_passes
from liftune.models.methods.registry import METHODS, Method, parse_options, virtual_tokens
from liftune.models.shards import check_shards, plan_of_shards
from liftune.models.started import refuse_other_base
from liftune.records.base import Choice
from liftune.records.dry_run import DiskNeed
from liftune.records.run import Contender
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec, TrainSpec
from liftune.training.schedule import Schedule, rate_of, step_rows, why_rate
from liftune.workflows.crewed import engine, join
from liftune.workflows.disk_needs import disk_need
from liftune.workflows.memo import NO_MEMO, Memo, Outcome
from liftune.workflows.reach import LENGTH, longest_row, reach, tokens_of
from liftune.workflows.request import TuneRequest
from liftune.workflows.starting_rows import Beginning

#: Train rows whose tokens are counted, about, to know how long rows are.
COUNTED = 500


@dataclass(frozen=True)
class RunContext:
    """Everything that is settled before the first contender is scored."""

    spec: RunSpec
    method: Method
    options: Any
    splits: Splits
    metric: str
    plan: Plan
    folder: RunFolder
    events: Events
    shapes: Shapes
    """Of the model before it is changed."""
    notes: tuple[str, ...] = ()
    """What loading the model said."""
    folds: Folds | None = None
    """With cross-validation: `splits` is then the whole, every row of it test."""
    folds_fit: bool = False
    """Whether cross-validation would be worth its time and accepted."""
    memo: Memo = NO_MEMO
    """What was worked out before, perhaps by an earlier process."""
    disk: DiskNeed | None = None
    """What the run writes; None where the size of what is trained is not known before."""
    soft_labels: SoftLabels | None = None
    """Of train's rows; known once the baselines are fitted."""
    base_model: str = ""
    """Its hub id, empty for a local folder."""
    base_license: str | None = None
    crew: Crew = NO_CREW
    """Other processes that compute a part of what takes long."""
    jobs: int = 1
    """Seeds or folds at once."""
    answers: tuple[Answers, ...] = ()
    """Those that were made elsewhere."""
    descriptions: Descriptions | None = None
    """Of the labels, for a model that needs no training here."""
    beginning: Beginning | None = None
    """With --start."""
    chooses_long: bool = False
    """Whether it is to be chosen how long texts are read (long_texts.py)."""
    width: int = 0
    """Of the base's states."""
    row_tokens: float = 0.0
    """Of a train row, on average."""

    def schedule(self, spec: TrainSpec, method: Method, rows: int) -> Schedule:
        """That of tuning by a method on so many rows."""
        rate = rate_of(method, self.width)
        return Schedule.of(spec, rows=rows, learning_rate=rate, row_tokens=self.row_tokens)

    def save_logits(self, name: str, logits: ContenderLogits) -> None:
        """Write a contender's logits to disk as soon as they are known."""
        self.folder.save_logits(name, test=logits.test, validation=logits.validation, unanswered=logits.unanswered)


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
    spec, method, options, splits = request.spec, request.method, request.options, request.splits
    jobs = jobs_of(request, jobs)
    kept = memo.get("plan")
    plan = Plan.from_json(kept.values["plan"]) if kept else _make_plan(spec)
    join(crew, plan, asked=spec.model.device)
    backbone = load_backbone(spec.model, task=splits.task, labels=splits.labels, seed=spec.train.seeds[0], plan=plan)
    if request.beginning:
        refuse_other_base(request.beginning.started.card, backbone)
    check_method(backbone, method, options)
    if crew.shard:
        check_shards(backbone, METHODS["full"] if spec.evaluation.with_full else method)
    check_rank(backbone, method, options)
    shapes = shapes_of(backbone)
    free = crew.share_of_memory(device_room(plan.device), plan.device)
    if free and jobs > 1 and plan.device == "cpu":
        free = Room(free.bytes // jobs, f"{free.limit} for each of {jobs} jobs")
    size = check_memory(backbone, method, options, shapes, free)
    sizes = [size]
    if spec.evaluation.with_full and method is not METHODS["full"]:
        sizes.append(check_memory(backbone, METHODS["full"], parse_options(METHODS["full"], {}), shapes, free))
    plan, backbone = _reaching(request, plan, backbone, shapes, size, free, fresh=kept is None)
    if kept:
        check_same(kept, backbone, events)
    else:
        longest = longest_row(backbone, splits.train.rows)
        most = step_rows(spec.train, len(splits.train)) * longest
        plan = fit_passes(plan, shapes, size, free, most=most, longest=longest)
        memo.put("plan", Outcome({"plan": plan.to_json(), "base": backbone.sha256, "processor": processor_name()}))
    plan = plan_of_shards(plan) if crew.shard else plan
    plan = plan.on(engine(crew, plan)) if crew.size > 1 else plan
    spec, backbone = same_length(spec, backbone, options)
    folds = request.folds.for_labels(backbone.labels) if request.folds else None
    splits = folds.whole if folds else splits.for_labels(backbone.labels)
    width = families.width(backbone.model)
    plan = _with_rate(plan, spec, method, width, len(splits.train))
    events.send(_prepared(spec, splits, folds, backbone, plan))
    trained = [each.trained for each in sizes if each]
    context = RunContext(
        spec,
        method,
        options,
        splits,
        request.metric,
        plan,
        request.folder,
        events,
        shapes,
        notes=backbone.notes,
        folds=folds,
        folds_fit=request.folds_fit,
        base_model="" if Path(backbone.base).is_dir() else backbone.base,
        base_license=backbone.license,
        memo=memo,
        disk=disk_need(
            spec,
            splits,
            request.folder.path,
            width=shapes.width,
            trained=trained,
            passes=len(folds.parts) + 1 if folds else 1,
        )
        if trained
        else None,
        crew=crew,
        jobs=jobs,
        answers=request.answers,
        descriptions=request.descriptions,
        width=width,
        beginning=request.beginning,
    )
    base = crew.make(recipe_for(context, spec.train.seeds[0], plan=plan.for_inference), backbone)
    note_passes(memo, base, events)
    return replace(context, row_tokens=_row_tokens(base, splits)), base


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
    request: TuneRequest,
    plan: Plan,
    backbone: Backbone,
    shapes: Shapes,
    size: Size | None,
    room: Room | None,
    *,
    fresh: bool,
) -> tuple[Plan, Backbone]:
    """Plan and backbone for the length that train needs; of a run that goes on, as its plan says."""
    if fresh:
        found = reach(request.spec.model, backbone, request.splits.train.rows, shapes, size, room)
        plan = replace(plan, choices=(*plan.choices, found)) if found else plan
    length = next((tokens_of(each) for each in plan.choices if each.choice == LENGTH), backbone.max_length)
    return plan, replace(backbone, max_length=length)


def note_passes(memo: Memo, classifier: Classifier, events: Events) -> str:
    """Have it read rows in smaller passes where an earlier process of the run died in a larger one.

    Args:
        memo: of what the classifier is for: what fitted beside another model says little.

    Returns:
        what was said of it; empty where none died.
    """
    note = memo.passes()
    classifier.note_passes(note)
    if note.said:
        events.note(f"  {note.said}")
    return note.said


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


def _prepared(spec: RunSpec, splits: Splits, folds: Folds | None, backbone: Backbone, plan: Plan) -> RunPrepared:
    """What the run works on, for listeners."""
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


def recipe_for(
    context: RunContext,
    seed: int,
    method: Method | None = None,
    options: Any = None,
    *,
    plan: Plan | None = None,
    steps: int = 1,
) -> Recipe:
    """Of a classifier that is attached to what `load_for` loads; without a method the base as it is."""
    splits = context.splits
    name = method.name if method else None
    started = context.beginning.started if context.beginning and method is context.method else None
    return Recipe(
        context.spec.model,
        splits.task,
        tuple(splits.labels),
        seed,
        plan or context.plan,
        name,
        options,
        steps,
        shard=context.crew.shard,
        start=str(started.folder) if started else None,
    )


def load_for(context: RunContext, seed: int) -> Backbone:
    """The base, with a head drawn at random from the seed where the data need a new one."""
    splits = context.splits
    return load_backbone(context.spec.model, task=splits.task, labels=splits.labels, seed=seed, plan=context.plan)


def log_contender(context: RunContext, contender: Contender) -> None:
    """Report a contender to listeners as soon as it is scored."""
    context.events.send(ContenderScored(contender, context.metric))
