"""Which of several processes of one command this is, and how many shall be started.

In: what a launcher put into the environment: torchrun, accelerate launch; what `--devices` says.  Out: a Launch, None
for a process alone; a Division.
Not here: starting them (workflows/crewed.py), how the processes speak (hardware/ranks.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace

from liftune.errors import LiftuneError, SpecError, shown

#: What launchers set, and what of it is a number.
_NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")
#: What liftune itself sets for processes that it starts.
MEETING = "LIFTUNE_MEETING"
_NEEDED = (*_NUMBERS, "MASTER_ADDR")
#: What `accelerate launch` sets for engines that would take over loading the model.
_OTHER_ENGINES = {
    "ACCELERATE_USE_FSDP": "--use_fsdp",
    "ACCELERATE_USE_DEEPSPEED": "--use_deepspeed",
    "ACCELERATE_USE_MEGATRON_LM": "--use_megatron_lm",
    "ACCELERATE_USE_PARALLELISM_CONFIG": "--use_parallelism_config",
}


class RankLost(LiftuneError):  # noqa: N818 - what it is
    """A process of the command has ended, or answers no longer."""


class OutOfStep(RankLost):
    """This process failed where the others wait for it: they can only be ended.

    Args:
        error: what it failed of.
    """

    def __init__(self, error: Exception) -> None:
        said = error.message if isinstance(error, LiftuneError) else f"{type(error).__name__}: {error}"
        hint = (
            error.hint
            if isinstance(error, LiftuneError)
            else "give the same command again: it goes on from what was saved"
        )
        super().__init__(said, where="--shard", hint=hint)


@dataclass(frozen=True)
class Launch:
    """Which of several processes this is."""

    rank: int
    size: int
    local: int
    """Among those of this machine: the number of its GPU."""
    meeting: str | None = None
    """Where they meet, as HOST:PORT; None: where the environment says, by torch's own rule."""

    @property
    def leads(self) -> bool:
        """Whether this process is the command, and the others help it."""
        return self.rank == 0


def launch(environment: Mapping[str, str] | None = None) -> Launch | None:
    """What a launcher said; None where this process is alone.

    >>> launch({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"})
    Launch(rank=1, size=2, local=1, meeting=None)
    >>> launch({"RANK": "0", "WORLD_SIZE": "1"})

    Raises:
        LiftuneError: it said half of it, or nonsense.
    """
    said = os.environ if environment is None else environment
    if said.get("WORLD_SIZE", "1").strip() in ("", "1"):
        return None
    missing = [name for name in _NEEDED if not said.get(name)]
    wrong = [name for name in _NUMBERS if said.get(name) and not said[name].strip().isdecimal()]
    if missing or wrong:
        shown = ", ".join(
            (*(f"{name} is missing" for name in missing), *(f"{name} is {said[name]!r}" for name in wrong))
        )
        raise LiftuneError(
            f"WORLD_SIZE is {said['WORLD_SIZE']}, which says that several processes work together, and {shown}",
            where="environment",
            hint="start them with `torchrun --nproc-per-node N -m liftune tune ...`, or unset WORLD_SIZE",
        )
    found = Launch(int(said["RANK"]), int(said["WORLD_SIZE"]), int(said["LOCAL_RANK"]), said.get(MEETING))
    if not found.rank < found.size:
        raise LiftuneError(
            f"RANK is {found.rank}, and WORLD_SIZE is {found.size}",
            where="environment",
            hint="ranks count from 0: start the processes with torchrun",
        )
    for name, option in _OTHER_ENGINES.items():
        if said.get(name, "").lower() in ("1", "true", "yes", "on"):
            raise LiftuneError(
                f"accelerate was launched with {option}, and liftune divides the work itself",
                where="accelerate launch",
                hint=f"leave out {option}; for a model that no device holds, add --shard to liftune tune",
            )
    return found


#: Beginnings of what torchrun and mpirun tell the processes that they start.
_OF_SEVERAL = ("RANK", "WORLD_SIZE", "OMPI_", "PMI_", "MPI_")
#: One process for each device.
AUTO = "auto"


@dataclass(frozen=True)
class Division:
    """How one run is divided over processes that it starts itself.

    Args:
        devices: so many processes; 0: one for each GPU.
        shard: each process holds a part of the frozen weights.
        jobs: seeds, or folds, at once, each in a process of its own.
    """

    devices: int = 1
    shard: bool = False
    jobs: int = 1

    def with_jobs(self, jobs: object) -> Division:
        """The same, with seeds or folds side by side; None is one at a time.

        >>> ONE_PROCESS.with_jobs(2).jobs
        2

        Raises:
            SpecError: that is no number, or a run that is divided otherwise already.
        """
        if jobs is None:
            return self
        if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1:
            raise SpecError(
                f"{shown(jobs)} is no number of jobs", where="--jobs", hint="give 2 or more, or leave it out"
            )
        if jobs > _MOST:
            raise _too_many(jobs, "jobs")
        if jobs > 1 and (self.devices != 1 or self.shard):
            raise SpecError(
                "--jobs gives each seed or fold a process of its own, --devices several to each",
                where="--jobs",
                hint="give one of them",
            )
        return replace(self, jobs=jobs)

    @classmethod
    def of(cls, devices: object, *, shard: bool = False) -> Division:
        """Of what was typed, or given in Python; None is one process.

        >>> Division.of("2").devices, Division.of("auto").devices
        (2, 0)

        Raises:
            SpecError: it is neither a number of processes nor auto.
        """
        if devices is None:
            return cls(shard=shard)
        said = str(devices).strip() if isinstance(devices, str | int) and devices is not True else ""
        if said == AUTO:
            return cls(0, shard)
        if not (said.isascii() and said.isdecimal() and int(said) > 0):
            raise SpecError(
                f"{shown(devices)} is no number of devices",
                where="--devices",
                hint="give 2, or auto for all GPUs of this machine",
            )
        if int(said) > _MOST:
            raise _too_many(int(said), "devices")
        return cls(int(said), shard)


ONE_PROCESS = Division()
#: Nobody has so many on one machine.
_MOST = 1_000


def started_alone(division: Division, environment: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """A note where `accelerate launch` was asked for several processes and started one, as it does on CPUs.

    Args:
        division: of the run; one that starts processes itself needs no note.
    """
    said = os.environ if environment is None else environment
    # It names a meeting of several, and what each shall do, but no ranks.
    if division.devices != 1 or division.jobs != 1 or not {"ACCELERATE_DYNAMO_BACKEND", "MASTER_PORT"} <= said.keys():
        return ()
    if any(name.startswith(_OF_SEVERAL) for name in said):
        return ()
    return (
        "accelerate launch was asked for several processes and started this one alone, as it does on CPUs: "
        "liftune tune --devices 2 starts two",
    )


def _too_many(count: int, what: str) -> SpecError:
    return SpecError(f"{count} {what} are too many: at most {_MOST}", where=f"--{what}", hint="give fewer")
