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
from liftune.launch import Launch, launch
from liftune.models.crew import NO_CREW, Crew
from liftune.models.helper import End, Helper, as_failure
from liftune.records.base import Choice
from liftune.records.run import TuneRecord

#: Of the plan.
ENGINE = "processes"


class _Open:
    """The group of this process: there is one, as there is one launcher."""

    group: Group | None = None
    told: bool = False
    """Whether the helpers know the end of the last run."""


def open_group(here: Launch) -> Group:
    """The group of this process, connected at the first call."""
    if _Open.group is None:
        _Open.group = Group(here)
        atexit.register(_Open.group.close)
    return _Open.group


def open_crew() -> Crew:
    """That of the first process; of one that is alone, nobody."""
    here = launch()
    return NO_CREW if here is None else Crew(open_group(here))


def as_one(here: Launch, run: Callable[[], TuneRecord]) -> TuneRecord:
    """A run in the first process, and help with it in the others; its record in all of them.

    Raises:
        LiftuneError: what ended the run, in all of them.
        RankLost: a process is gone.
    """
    if not here.leads:
        outcome = Helper(open_group(here)).serve()
        if isinstance(outcome, Failure):
            raise outcome.error
        assert isinstance(outcome, TuneRecord)
        return outcome
    _Open.told = False
    try:
        record = run()
    except Exception as error:
        dismiss(here, as_failure(error))
        raise
    except BaseException as error:  # stopped: whatever started the processes ends the others
        if _Open.group is not None:
            dismiss(here, as_failure(LiftuneError(f"the run was stopped: {error}")))
        raise
    dismiss(here, record)
    return record


def help_until_told(here: Launch) -> None:
    """Help the first process until it is done, however that was: it says so itself.

    Raises:
        RankLost: it is gone.
    """
    Helper(open_group(here)).serve()


def dismiss(here: Launch, outcome: TuneRecord | Failure | None = None) -> None:
    """Let the helpers go, unless they have been; those that are gone already are not missed.

    Args:
        outcome: what they are to know of the run.
    """
    if not _Open.told:
        _Open.told = True
        with contextlib.suppress(LiftuneError):
            open_group(here).tell(([], End(outcome)), careless=True)


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


def engine(crew: Crew, plan: Plan) -> Choice:
    """What carries a run out, and why."""
    if crew.group is not None:
        carried = f"{crew.size}, gradients summed by {crew.group.engine}"
        return Choice(
            choice=ENGINE, value=carried, reason="started as so many: each step's rows are dealt out by tokens"
        )
    kind, gpus = plan.device.partition(":")[0], measure_machine().accelerators
    if kind == "cuda" and gpus > 1 and plan.device == "cuda":
        return Choice(choice=ENGINE, value="1", reason=f"there are {gpus} GPUs: --devices {gpus} trains on all of them")
    return Choice(choice=ENGINE, value="1", reason="one device, which one process fills")
