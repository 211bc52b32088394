"""`liftune tune --dry-run`: whether a run would go through, what it would take, and every fault at once.

In: a RunSpec, and rows where they are in memory already.  Out: a DryRun; nothing is left on the disk.
Not here: the trial (trial.py), the estimate (estimate.py), how it is shown (dry_run_sections.py).

Where something is at fault, the rest is looked at with what the option has by default: later faults are found, too;
but nothing is timed then, as the run would not go through.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, TypeVar

from liftune.data.folds import Folds
from liftune.data.inspect import Inspection, inspect
from liftune.data.load import RowsInMemory
from liftune.data.readers.memory import TablesInMemory
from liftune.data.splits import Splits
from liftune.errors import EXTRAS, LiftuneError, lacks_memory, need
from liftune.events import Events, Listener
from liftune.hardware.accelerations import check_accelerations
from liftune.hardware.memory import MIB, short_of_memory
from liftune.launch import ONE_PROCESS, Division, started_alone
from liftune.metrics.registry import METRICS, check_metric, margin_in_own_unit
from liftune.models.methods.registry import find_method, parse_options
from liftune.option_values import AUTO_FOLDS
from liftune.records.base import Choice, RowCounts, StoredRecord
from liftune.records.dry_run import DiskNeed, Fault, MemoryNeed, StageTime
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.tasks import TaskKind
from liftune.workflows.claiming import refuse_other_spec
from liftune.workflows.few_wanted import check_few
from liftune.workflows.request import (
    TuneRequest,
    check_answers,
    check_base_precision,
    check_zero_shot,
    checks_of_sources,
    read_for_tuning,
    run_name,
)
from liftune.workflows.starting import with_start
from liftune.workflows.starting_rows import Beginning, rows_to_go_on

if TYPE_CHECKING:  # they bring torch, which takes seconds: the rows are looked at before
    from liftune.models.classifier import Classifier
    from liftune.workflows.context import RunContext
    from liftune.workflows.trial import TuningTimes

Value = TypeVar("Value")
#: Of each trained number: its weight, its gradient, two moments; each 4 bytes.
_TRAINING_BYTES = 16
#: What is said where a run would first choose how long texts are read.
CHOICE_SAID = (
    "many train texts are longer than the model reads: the run would first choose how they are read (--long auto); the "
    "times below are those of cut"
)


class DryRun(StoredRecord):
    """What a run would be."""

    sections_from: ClassVar[str] = "liftune.workflows.dry_run_sections:dry_run_sections"
    words_from: ClassVar[str] = "liftune.workflows.dry_run_sections:briefly"

    would_run: bool
    faults: tuple[Fault, ...] = ()
    data: Inspection | None = None
    """As `liftune inspect` finds them; null where they cannot be read, and for rows that are cut into parts already."""
    rows: RowCounts | None = None
    folds: int | None = None
    out: str | None = None
    """The folder that the run would have."""
    notes: tuple[str, ...] = ()
    plan: tuple[Choice, ...] = ()
    memory: MemoryNeed | None = None
    disk: DiskNeed | None = None
    stages: tuple[StageTime, ...] = ()
    """How long each would take, if no training stops early; empty where the run would not go through."""
    seconds: float | None = None
    """Of all stages."""


@dataclass
class _Found:
    """Faults so far."""

    faults: list[Fault] = field(default_factory=list)

    def trying(self, stage: str, compute: Callable[[], Value]) -> Value | None:
        """A value; None, and the fault kept, where there is none."""
        try:
            return compute()
        except LiftuneError as error:
            self.add(stage, error)
        except Exception as error:
            if not lacks_memory(error):
                raise
            self.add(stage, short_of_memory(error))
        return None

    def add(self, stage: str, error: LiftuneError) -> None:
        """Another fault, unless it was found before."""
        fault = Fault(stage=stage, message=error.message, where=error.where, hint=error.hint)
        if (fault.message, fault.where) not in {(each.message, each.where) for each in self.faults}:
            self.faults.append(fault)


def dry_run(
    spec: RunSpec,
    rows: RowsInMemory | None = None,
    *,
    wrong: Sequence[LiftuneError] = (),
    overwrite: bool = False,
    listeners: Sequence[Listener] = (),
    division: Division = ONE_PROCESS,
) -> DryRun:
    """Check all that can be checked of a run, and time a little of it.

    Args:
        rows: as for `tune`.
        wrong: faults of options that the spec was made without.
        overwrite: a run in the folder would be replaced; nothing is removed.
        division: processes that the run would start; here all is timed in one.

    Raises:
        MissingExtra: what tuning needs is not installed. Every other fault is in the result.
    """
    need(*EXTRAS["tune"])
    found, events = _Found(), Events(listeners)
    for error in wrong:
        found.add("options", error)
    asked = spec
    anew = asked.method.model_copy(update={"start": None, "replay": None})
    spec = found.trying("options", lambda: with_start(asked)) or asked.model_copy(update={"method": anew})
    for check in checks_of_sources(spec):
        found.trying("answers", check)
    with events.stage("data", "" if rows else f"reading {spec.data.source}"):
        folder, out = _folder(spec, found, overwrite=overwrite), spec.out
        tables, length = rows if isinstance(rows, TablesInMemory) else None, spec.model.max_length
        cut = rows is not None and tables is None
        look = partial(inspect, spec.data, spec.model.name, length, tables, folds=spec.evaluation.folds == AUTO_FOLDS)
        data = None if cut else found.trying("data", look)
        read = _read(spec, rows, found)
        request = _request(spec, rows, read, folder, found)
    result = DryRun(would_run=False, data=data, out=str(folder.path) if folder else out)
    with events.stage("model", f"loading torch and {spec.model.name}"):
        if request is None:
            _look_at_model(spec, found)
        else:
            counts = request.splits.counts
            folds = len(request.folds.parts) if request.folds else None
            notes = (*started_alone(division), *request.notes)
            result = result.model_copy(update={"rows": counts, "folds": folds, "notes": notes})
            result = _try(request, result, found, events, division)
    faults = tuple(found.faults)
    update = {"stages": ()} if faults else {"seconds": sum(each.seconds for each in result.stages)}
    return result.model_copy(update={"would_run": not faults, "faults": faults, **update})


def _folder(spec: RunSpec, found: _Found, *, overwrite: bool) -> RunFolder | None:
    def look() -> RunFolder:
        refuse_other_spec(spec, overwrite=overwrite)
        return RunFolder.create(spec.out, name=run_name(spec), overwrite=overwrite)

    return found.trying("folder", look)


def _read(spec: RunSpec, rows: RowsInMemory | None, found: _Found) -> Splits | Folds | Beginning | None:
    """The rows as the run would cut them; where it would refuse some, without those."""
    if spec.method.start is not None:
        return found.trying("data", lambda: rows_to_go_on(spec, rows))
    read = found.trying("data", lambda: read_for_tuning(spec, rows))
    if read is not None or not (rows is None or isinstance(rows, TablesInMemory)):
        return read
    lenient = spec.model_copy(
        update={
            "data": spec.data.model_copy(update={"skip_bad_rows": True}),
            "evaluation": spec.evaluation.model_copy(update={"folds": AUTO_FOLDS}),
        }
    )
    return found.trying("data", lambda: read_for_tuning(lenient, rows))


def _request(
    spec: RunSpec,
    rows: RowsInMemory | None,
    read: Splits | Folds | Beginning | None,
    folder: RunFolder | None,
    found: _Found,
) -> TuneRequest | None:
    """Options and rows, each fault apart; None where there are no rows to go on with."""
    method = found.trying("options", lambda: find_method(spec.method.name))
    known = method or find_method("lora")
    options = found.trying("options", lambda: parse_options(known, spec.method.options)) if method else None
    options = parse_options(known, {}) if options is None else options
    if found.trying("options", lambda: check_accelerations(spec.train.accelerations or ())) is None:
        spec = spec.model_copy(update={"train": spec.train.model_copy(update={"accelerations": None})})
    if found.trying("options", lambda: check_base_precision(spec, known)) is None:
        spec = spec.model_copy(update={"model": spec.model.model_copy(update={"base_precision": None})})
    if read is None:
        return None
    beginning = read if isinstance(read, Beginning) else None
    folds = read if isinstance(read, Folds) else None
    splits = read.rows.splits if isinstance(read, Beginning) else read.whole if isinstance(read, Folds) else read
    metric = found.trying("options", lambda: check_metric(spec.evaluation.metric, splits.task).name)
    metric = metric or check_metric(None, splits.task).name
    if found.trying("options", lambda: check_few(spec, splits, known, options)) is None:
        spec = spec.model_copy(update={"train": spec.train.model_copy(update={"few": "off"})})
    found.trying("options", lambda: margin_in_own_unit(spec.evaluation.margin, METRICS[metric]))
    answers = found.trying("answers", lambda: check_answers(spec, splits, metric, rows, beginning)) or ()
    descriptions = found.trying("answers", lambda: check_zero_shot(spec, splits))
    folder = folder or RunFolder(Path(spec.out or run_name(spec)))
    request = TuneRequest(spec, known, options, folder, splits, folds, metric, folds_fit=False)
    alone = beginning.alone() if beginning else None
    return replace(request, answers=answers, descriptions=descriptions, beginning=alone)


def _prepared(request: TuneRequest, found: _Found, events: Events) -> tuple[RunContext, Classifier] | None:
    """The context and the base model; a device or an acceleration at fault is left out, and the rest looked at."""
    from liftune.workflows.preparing import prepare

    for _ in range(3):
        before = len(found.faults)
        prepared = found.trying("model", lambda: prepare(request, events))  # noqa: B023 - called at once
        if prepared is not None or len(found.faults) == before:
            return prepared
        spec, where = request.spec, found.faults[-1].where
        if where == "--device" and spec.model.device is not None:
            spec = spec.model_copy(update={"model": spec.model.model_copy(update={"device": None})})
        elif where == "--accelerations" and spec.train.accelerations is not None:
            spec = spec.model_copy(update={"train": spec.train.model_copy(update={"accelerations": None})})
        else:
            return None
        request = replace(request, spec=spec)
    return None


def _look_at_model(spec: RunSpec, found: _Found) -> None:
    """Without rows: whether the model loads, with the smallest head, and the method fits it."""
    from liftune.hardware.measure import measure_machine
    from liftune.hardware.plan import make_plan
    from liftune.models.attach import check_method
    from liftune.models.backbone import load_backbone
    from liftune.models.memory_needs import check_rank

    facts = measure_machine()
    plan = found.trying("model", lambda: make_plan(facts, device=spec.model.device)) or make_plan(facts)
    task, labels = TaskKind.SINGLE_LABEL, ("0", "1")
    backbone = found.trying("model", lambda: load_backbone(spec.model, task=task, labels=labels, seed=0, plan=plan))
    if backbone is not None:
        method = found.trying("options", lambda: find_method(spec.method.name)) or find_method("lora")
        options = found.trying("options", lambda: parse_options(method, spec.method.options))
        if options is not None:
            found.trying("model", lambda: check_method(backbone, method, options))
            found.trying("model", lambda: check_rank(backbone, method, options))


def _try(request: TuneRequest, result: DryRun, found: _Found, events: Events, division: Division) -> DryRun:
    """Passes and steps, and what follows for the whole."""
    from liftune.models.crew import NO_CREW
    from liftune.models.methods.registry import METHODS
    from liftune.workflows.crewed import engine
    from liftune.workflows.disk_needs import check_disk
    from liftune.workflows.estimate import stage_times
    from liftune.workflows.long_texts import with_choice
    from liftune.workflows.trial import time_base, time_tuning

    started = time.perf_counter()
    prepared = _prepared(request, found, events)
    load = time.perf_counter() - started
    if prepared is None:
        return result
    context, base = prepared
    del prepared
    chooses = (CHOICE_SAID,) if with_choice(context, base).chooses_long else ()
    carried = found.trying("model", lambda: engine(NO_CREW, base.plan, division))
    plan = base.plan.on(carried) if carried else base.plan
    result = result.model_copy(update={"plan": plan.choices, "notes": (*result.notes, *context.notes, *chooses)})
    disk = context.disk
    if disk is not None:
        found.trying("disk", lambda: check_disk(disk, result.out))
    if found.faults:
        return result
    splits = context.folds.parts[0] if context.folds else context.splits
    events.note("  trying a few passes and steps")
    read = found.trying("base model", lambda: time_base(context, base, splits))
    tuning = found.trying("fine-tuning", lambda: time_tuning(context, context.method, context.options, splits))
    full, with_full = None, context.spec.evaluation.with_full
    if with_full:
        method = METHODS["full"]
        full = found.trying(method.name, lambda: time_tuning(context, method, parse_options(method, {}), splits))
    if tuning is None or read is None or (with_full and full is None):
        return result
    memory = _memory(full or tuning)
    stages = stage_times(context, load, read, tuning, full)
    return result.model_copy(update={"stages": stages, "disk": disk, "memory": memory})


def _memory(times: TuningTimes) -> MemoryNeed:
    room = times.room
    return MemoryNeed(
        trainable_parameters=times.trainable_parameters,
        training_bytes=_TRAINING_BYTES * times.trainable_parameters,
        step_mib=times.step_mib,
        available_mib=None if room is None else room.bytes / MIB,
        limit=None if room is None else room.limit,
    )
