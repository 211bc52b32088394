"""A run that several processes carry out: the first one is the run, the others help it.

In: what a launcher said.  Out: the crew of the first process; the end of the others.
Not here: what they share (models/crew.py, training/crew_steps.py), how they speak (hardware/ranks.py).
"""

from __future__ import annotations

import atexit
import contextlib
from collections.abc import Callable

from liftune.errors import LiftuneError, SpecError
from liftune.hardware.measure import measure_machine
from liftune.hardware.plan import Plan
from liftune.hardware.ranks import Failure, Group
from liftune.launch import ONE_PROCESS, Division, Launch, RankLost, launch
from liftune.models.crew import NO_CREW, Crew
from liftune.models.helper import End, Helper, as_failure
from liftune.records.base import Choice
from liftune.records.run import TuneRecord
from liftune.workflows.helpers_started import Helpers, count_of

#: Of the plan.
ENGINE = "processes"


class _Open:
    """The group of this process: there is one, as there is one launcher."""

    group: Group | None = None
    told: bool = False
    """Whether the helpers know the end of the last run."""
    helpers: Helpers | None = None
    """Those that this process has started."""


def open_group(here: Launch, started: Helpers | None = None) -> Group:
    """The group of this process, connected at the first call.

    Args:
        started: the helpers, where this process has started them.
    """
    if _Open.group is None:
        _Open.group = Group(here, started.store, started.watch) if started else Group(here)
        atexit.register(_Open.group.close)
    return _Open.group


def open_crew(division: Division, device: str | None) -> Crew:
    """That of the first process; of one that is alone, nobody.

    Args:
        division: the helpers that are started, where no launcher has.
        device: asked for by name.

    Raises:
        SpecError: the launcher has started as many as it was told to, or there are not so many devices.
    """
    here = launch()
    if here is not None:
        if division.devices != 1 or division.jobs != 1:
            option = "--devices" if division.devices != 1 else "--jobs"
            raise SpecError(
                f"{here.size} processes were started by a launcher already",
                where=option,
                hint=f"leave out {option}, or start liftune without torchrun or accelerate launch",
            )
        return Crew(open_group(here), shard=division.shard)
    count = count_of(division, device)
    if count == 1:
        refuse_one_shard(division)
        return NO_CREW
    _Open.helpers = Helpers(count)
    return Crew(open_group(_Open.helpers.here, _Open.helpers), shard=division.shard)


def refuse_one_shard(division: Division) -> None:
    """Refuse to divide a model for one process.

    Raises:
        SpecError: that is asked for.
    """
    if division.shard:
        raise SpecError(
            "--shard divides a model over several processes, and there is one",
            where="--shard",
            hint="add --devices 2, or start liftune with torchrun --nproc-per-node 2 -m liftune tune ...",
        )


def as_one(here: Launch | None, run: Callable[[], TuneRecord]) -> TuneRecord:
    """A run in the first process, and help with it in the others; its record in all of them.

    Args:
        here: what a launcher said; None: this process starts its helpers, if any.

    Raises:
        LiftuneError: what ended the run, in all of them.
        RankLost: a process is gone.
    """
    if here is not None and not here.leads:
        outcome = Helper(open_group(here)).serve()
        if isinstance(outcome, Failure):
            raise outcome.error
        assert isinstance(outcome, TuneRecord)
        return outcome
    _Open.told = False
    try:
        try:
            record = run()
        except RankLost:  # whoever is left may wait for the one that is gone: its launcher ends it
            raise
        except Exception as error:  # whatever it is, the helpers wait: they are told, and it is raised again
            dismiss(here, as_failure(error))
            raise
        dismiss(here, record)
    finally:
        if _Open.helpers is not None:
            _Open.helpers.end(told=_Open.told)
            if _Open.group is not None:
                _Open.group.close()
            _Open.helpers = _Open.group = None
    return record


def dismiss(here: Launch | None, outcome: TuneRecord | Failure | None = None) -> None:
    """Let the helpers go, unless they have been; those that are gone already are not missed.

    Args:
        outcome: what they are to know of the run.
    """
    if not _Open.told and (here is not None or _Open.group is not None):
        _Open.told = True
        with contextlib.suppress(LiftuneError):
            group = open_group(here) if here else _Open.group
            assert group is not None
            group.tell(([], End(outcome)), careless=True)


def help_until_told(here: Launch) -> None:
    """Help the first process until it is done, however that was: it says so itself.

    Raises:
        RankLost: it is gone.
    """
    Helper(open_group(here)).serve()


def join(crew: Crew, plan: Plan, *, asked: str | None) -> None:
    """Have every process compute on the planned device.

    Args:
        asked: the device that was asked for by name.

    Raises:
        SpecError: there are fewer GPUs than processes, or all were to take the same one.
    """
    if crew.group is None:
        return
    if plan.device.startswith("cuda"):
        if asked and ":" in asked:
            raise SpecError(
                f"{crew.size} processes would all compute on {asked}",
                where="--device",
                hint="leave it out: each process takes a GPU of its own",
            )
        crew.use_device(plan.device)
    elif plan.device != "cpu":
        raise SpecError(
            f"{crew.size} processes cannot share {plan.device}",
            where="--device",
            hint="start one process, or add --device cpu",
        )


def engine(crew: Crew, plan: Plan, division: Division = ONE_PROCESS) -> Choice:
    """What carries a run out, and why.

    Args:
        division: what is asked for, where nothing has been started yet.
    """
    if crew.group is not None:
        return _several(crew.size, crew.group.engine, "started by a launcher, or by --devices", shard=crew.shard)
    cuda, here = plan.device.startswith("cuda"), launch()
    if here is not None:
        return _several(here.size, "nccl" if cuda else "gloo", "started by a launcher", shard=division.shard)
    count = count_of(division, plan.device)
    if count > 1:
        return _several(count, "nccl" if cuda else "gloo", "as many as --devices says", shard=division.shard)
    refuse_one_shard(division)
    gpus = measure_machine().accelerators if cuda else 0
    why = f"{gpus} GPUs are here, and --devices {gpus} trains on all of them" if gpus > 1 else "there is one device"
    return Choice(choice=ENGINE, value="1", reason=why)


def _several(count: int, carrier: str, why: str, *, shard: bool) -> Choice:
    dealt = "each step's rows are dealt out by tokens, and the gradients summed"
    weights = "each has a part of the frozen weights (FSDP2)" if shard else "each has all weights"
    return Choice(choice=ENGINE, value=f"{count} ({carrier})", reason=f"{why}; {weights}: {dealt}")
