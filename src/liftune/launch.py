"""Which of several processes of one command this is.

In: what a launcher put into the environment: torchrun, accelerate launch.  Out: a Launch; None for a process alone.
Not here: how the processes speak (hardware/ranks.py).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from liftune.errors import LiftuneError

#: What launchers set, and what of it is a number.
_NUMBERS = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_PORT")
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


@dataclass(frozen=True)
class Launch:
    """Which of several processes this is."""

    rank: int
    size: int
    local: int
    """Among those of this machine: the number of its GPU."""

    @property
    def leads(self) -> bool:
        """Whether this process is the command, and the others help it."""
        return self.rank == 0


def launch(environment: Mapping[str, str] | None = None) -> Launch | None:
    """What a launcher said; None where this process is alone.

    >>> launch({"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"})
    Launch(rank=1, size=2, local=1)
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
    found = Launch(int(said["RANK"]), int(said["WORLD_SIZE"]), int(said["LOCAL_RANK"]))
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
