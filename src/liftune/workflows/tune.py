"""The workflow of `liftune tune`: rows in, contenders scored on the same test rows, a verdict, a run folder.

In: a RunSpec, and rows where they are in memory already.  Out: a TuneRecord, and the files that it names.
Not here: any step's own work: each stage is a call into another module (tune_stages.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from liftune.addresses import Address
from liftune.data.load import RowsInMemory
from liftune.errors import EXTRAS, SpecError, need, pasted, shown
from liftune.events import Events, Listener
from liftune.launch import ONE_PROCESS, Division, launch, started_alone
from liftune.models.trust import refuse_code
from liftune.records.run import TuneRecord
from liftune.replacing import finish_taking, staged, take_place
from liftune.spec import IN_MEMORY, RunSpec
from liftune.spec_text import settings_of
from liftune.stopping import NOTHING_YET, say_if_stopped, saying_what_is_kept
from liftune.unfinished import Unfinished
from liftune.workflows.asked import contradicting
from liftune.workflows.claiming import Claimed, claimed, refuse_other_spec, spec_of_unfinished
from liftune.workflows.request import TuneRequest, check_request
from liftune.workflows.starting import with_start

if TYPE_CHECKING:
    from liftune.workflows.tune_stages import RunState


@dataclass(frozen=True)
class Keeping:
    """How what was worked out is kept until the run ends; none of it changes the result.

    Args:
        minutes: between two checkpoints within an epoch.
        to_the_end: keep all of it when the run has ended, too.
    """

    minutes: float = 5.0
    to_the_end: bool = False

    @classmethod
    def of(cls, minutes: object, to_the_end: bool) -> Keeping:
        """Of what was typed, or given in Python.

        Raises:
            SpecError: it is no number of minutes.
        """
        try:
            found = float(minutes) if isinstance(minutes, str | int | float) and minutes is not True else math.nan
        except (ValueError, OverflowError):
            found = math.nan
        if not 0 <= found < math.inf:
            raise SpecError(
                f"{shown(minutes)} is no number of minutes",
                where="--checkpoint-minutes",
                hint="give 5, or 0 to save after every step",
            )
        return cls(found, to_the_end)


def again(run: str, given: RunSpec | None = None) -> RunSpec:
    """What the unfinished run in a folder was asked.

    Args:
        given: options that were named beside it: they must be those of the run.

    Raises:
        ArtifactError: there is no unfinished run.
        ModelError: it needs code of its own model's, and that is not allowed beside it.
        SpecError: an option is another than the run's.
    """
    spec = spec_of_unfinished(run)
    others = contradicting(given, spec) if given else []
    if others:
        raise SpecError(
            "\n".join((f"{run} was asked otherwise", *(f"  {line}" for line in others))),
            where="--resume",
            hint="give --resume alone, or leave it out to begin another run",
        )
    if spec.model.trust_remote_code and not (given and given.model.trust_remote_code):
        # What lies in the folder may be anyone's.
        raise refuse_code(spec.model.name, Path(spec.model.name), f"{Unfinished(Path(run)).request}: trust_remote_code")
    return with_addresses(spec, given) if given else spec


def with_addresses(spec: RunSpec, given: RunSpec) -> RunSpec:
    """The spec with the addresses that were given: what lies in a folder has no queries."""
    same = {
        name: value
        for name in ("source", "validation", "test")
        if isinstance(value := getattr(given.data, name), Address) and value == getattr(spec.data, name)
    }
    spec = spec.model_copy(update={"data": spec.data.model_copy(update=same)}) if same else spec
    held = {name: given.evaluation.answers.get(name, source) for name, source in spec.evaluation.answers.items()}
    return spec.model_copy(update={"evaluation": spec.evaluation.model_copy(update={"answers": held})})


def refuse_both(overwrite: bool) -> None:
    """Refuse to replace a run that is to be gone on with.

    Raises:
        SpecError: both are asked for.
    """
    if overwrite:
        raise SpecError(
            "--resume goes on with a run, --overwrite replaces it", where="--overwrite", hint="give one of them"
        )


def tune(
    spec: RunSpec,
    rows: RowsInMemory | None = None,
    *,
    keeping: Keeping = Keeping(),
    overwrite: bool = False,
    listeners: Sequence[Listener] = (),
    division: Division = ONE_PROCESS,
) -> TuneRecord:
    """Evaluate a model as it is, tune it, evaluate again on the same rows, compare, save.

    An unfinished run of the same request goes on, and ends in the same bytes as one that nothing disturbed.

    Args:
        rows: those to work on, tables or what `load_data` returns; None reads what `spec.data` names.
        overwrite: a run in `spec.out` is replaced: removed once options, rows and model have been checked.
        listeners: are sent what happens, as it happens: see events.py.
        division: processes to start that compute a part of it; the result is the same, but for rounding.

    Returns:
        the record, which is also in record.json of the run folder; of several processes each returns it.

    Raises:
        LiftuneError: anything that the user can fix. Before the first contender is scored nothing is left on disk;
            after it, what was computed stays.
    """
    need(*EXTRAS["tune"])
    spec = with_start(spec)
    here = launch()

    def run() -> TuneRecord:
        return _claimed_and_tuned(spec, rows, listeners, keeping, division, overwrite=overwrite)

    if here is None and division == ONE_PROCESS:
        return run()
    from liftune.workflows.crewed import as_one

    return as_one(here, run)


def _claimed_and_tuned(
    spec: RunSpec,
    rows: RowsInMemory | None,
    listeners: Sequence[Listener],
    keeping: Keeping,
    division: Division,
    *,
    overwrite: bool,
) -> TuneRecord:
    """See `tune`; in the process that leads."""
    if rows is None and spec.data.source == IN_MEMORY:
        raise SpecError(
            "the rows of this run were in memory, and are not kept",
            where="data",
            hint=f"give them again: liftune.tune(rows, resume={spec.out!r})",
        )
    started, events = time.time(), Events(listeners)
    if spec.out is not None:
        finish_taking(Path(spec.out))
    refuse_other_spec(spec, overwrite=overwrite)
    with saying_what_is_kept(NOTHING_YET):
        return _tuned(spec, rows, started, events, keeping, division, overwrite=overwrite)


def _tuned(
    spec: RunSpec,
    rows: RowsInMemory | None,
    started: float,
    events: Events,
    keeping: Keeping,
    division: Division,
    *,
    overwrite: bool,
) -> TuneRecord:
    """Read, check, claim and carry out."""
    with events.stage("data", "" if rows else f"reading {spec.data.source}"):
        request = check_request(spec, rows, overwrite=overwrite)
    for note in (*started_alone(division), *request.notes):
        events.note(f"  {note}")
    with (
        claimed(request, overwrite=overwrite) as ours,
        events.run(str(ours.request.folder.path), settings_of(ours.request.spec), goes_on=ours.goes_on) as end,
    ):
        folder = ours.request.folder
        if ours.goes_on:
            events.note(f"going on with the unfinished run {folder.path}")
        if folder.has_record and not ours.replaces:  # only the report was left to write
            from liftune.workflows.report import publish_or_say

            record = folder.record()
            with _whole(ours.request), events.stage("report"):
                publish_or_say(folder, record, events)
        else:
            with saying_what_is_kept():
                record = _carry_out(ours, started, events, keeping, division)
        with _whole(ours.request):
            folder.unfinished.end(keep=keeping.to_the_end)
            end(record)
    return record


@contextmanager
def _whole(request: TuneRequest) -> Iterator[None]:
    """A stop in the block, or after it, says that the run is whole, and how to go on or to read it."""
    folder = request.folder
    said = f"the run is whole, in {folder.path}"
    read = f"to read it: liftune report {pasted(folder.path)}"
    try:
        yield
    except KeyboardInterrupt as error:
        error.add_note(said)
        going_on = folder.unfinished.can_go_on  # its report may be missing
        error.add_note(f"to end it: {_going_on(request.spec, folder.path)}" if going_on else read)
        raise
    say_if_stopped(said, read)


def _going_on(spec: RunSpec, folder: Path) -> str:
    """What goes on with a run."""
    if spec.data.source == IN_MEMORY:
        return f"liftune.tune(rows, resume={str(folder)!r})"
    trust = " --trust-remote-code" if spec.model.trust_remote_code else ""
    return f"liftune tune --resume {pasted(folder)}{trust}"


def _carry_out(ours: Claimed, started: float, events: Events, keeping: Keeping, division: Division) -> TuneRecord:
    """All that follows the rows."""
    folder = ours.request.folder
    again = _going_on(ours.request.spec, folder.path)
    # Until its model is checked, a run that replaces another one has nothing in the folder that an error could undo.
    with nullcontext() if ours.replaces else folder.unfinished.cleanup_on_error(again):
        state = _begun(ours, started, events, keeping, division)
    with folder.unfinished.cleanup_on_error(again):
        from liftune.workflows.tune_stages import stages_of

        *computed, report = stages_of(state.context)
        for stage in computed:
            with events.stage(stage.name):
                state = stage.run(state)
    with _whole(ours.request), events.stage(report.name):
        state = report.run(state)
    assert state.record is not None
    return state.record


def _begun(ours: Claimed, started: float, events: Events, keeping: Keeping, division: Division) -> RunState:
    """The model is loaded, and fits; a run that is replaced is removed."""
    request, folder = ours.request, ours.request.folder
    with events.stage("model", f"loading torch and {request.spec.model.name}"):
        # Torch takes seconds to import: what can be checked without it has been checked by now.
        from liftune.workflows.clock import Clock
        from liftune.workflows.context import note_passes
        from liftune.workflows.crewed import open_crew
        from liftune.workflows.disk_needs import check_disk
        from liftune.workflows.long_texts import with_choice
        from liftune.workflows.memo import Memo
        from liftune.workflows.preparing import prepare
        from liftune.workflows.tune_stages import RunState

        kept = staged(folder.path) if ours.replaces else folder.unfinished
        memo = Memo(kept.folder, ours.key, keeping.minutes)
        clock = Clock.going_on(memo, None if ours.replaces else kept.last_written(), started)
        crew = open_crew(division, request.spec.model.device)
        context, base = prepare(request, events, memo, crew, jobs=division.jobs)
        if context.disk is not None:
            check_disk(context.disk, folder.path)
        if ours.replaces:
            take_place(folder.path)
            events.note(f"  replaced: the run that was in {folder.path}")
            context = replace(context, memo=replace(memo, folder=folder.unfinished.folder))
            note_passes(context.memo, base, events)
        return RunState.begin(request.spec, clock, with_choice(context, base), base)
