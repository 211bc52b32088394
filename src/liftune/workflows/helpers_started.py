"""Helpers of a run that it starts itself, on this machine: `--devices`.

In: how many processes.  Out: a Launch of this process as the first of them; the others run, and end with it.
Not here: how they help (crewed.py, models/helper.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from typing import Any

import torch

from liftune.errors import SpecError
from liftune.launch import MEETING, Division, Launch, RankLost

#: Seconds that a helper has to end once it was told.
_PATIENCE = 20.0
_HOST = "127.0.0.1"


def count_of(division: Division, device: str | None) -> int:
    """How many processes a division means here.

    Args:
        device: asked for by name; None: the best there is.

    Raises:
        SpecError: there are fewer GPUs, or cores.
    """
    gpus = torch.cuda.device_count() if (device or "cuda").startswith("cuda") else 0
    if not division.devices:
        return max(1, gpus)
    cores = os.cpu_count() or 1
    if gpus and division.devices > gpus:
        raise SpecError(
            f"{division.devices} devices were asked for, and this machine has {gpus} GPU{'s' * (gpus > 1)}",
            where="--devices",
            hint="give --devices auto, or add --device cpu",
        )
    if not gpus and division.devices > max(cores, 2):
        raise SpecError(
            f"{division.devices} processes were asked for, and this machine has {cores} cores and no GPU",
            where="--devices",
            hint=f"give --devices {cores}",
        )
    return division.devices


class Helpers:
    """Processes that were started to help this one."""

    def __init__(self, count: int) -> None:
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        self.store: Any = TCPStore(_HOST, 0, count, is_master=True, wait_for_workers=False)
        self.here = Launch(0, count, 0)
        self._threads = torch.get_num_threads()
        threads = max(1, self._threads // count)
        torch.set_num_threads(threads)
        self._processes = [self._start(rank, threads) for rank in range(1, count)]

    def _start(self, rank: int, threads: int) -> subprocess.Popen[bytes]:
        said = {
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": str(self.here.size),
            "MASTER_ADDR": _HOST,
            "MASTER_PORT": str(self.store.port),
            MEETING: f"{_HOST}:{self.store.port}",
            "OMP_NUM_THREADS": str(threads),
        }
        silent = subprocess.DEVNULL
        return subprocess.Popen(
            [sys.executable, "-m", "liftune", "tune"], env={**os.environ, **said}, stdin=silent, stdout=silent
        )

    def watch(self) -> None:
        """See that all of them live.

        Raises:
            RankLost: one has ended.
        """
        for rank, each in enumerate(self._processes, 1):
            if (code := each.poll()) is not None:
                raise RankLost(
                    f"rank {rank} (process {each.pid}) ended while it started, {_ending(code)}",
                    where="--devices",
                    hint="look at what ended it (memory? a signal? what it printed above); then give the same command "
                    "again, with fewer --devices or none if it ends again",
                )

    def end(self, *, told: bool) -> None:
        """Have no process left.

        Args:
            told: they know that it is over, and end by themselves.
        """
        for each in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                if told:
                    each.wait(_PATIENCE)
            each.kill()
            each.wait()
        torch.set_num_threads(self._threads)


def _ending(code: int) -> str:
    """How a process ended.

    >>> _ending(-9), _ending(1)
    ('by SIGKILL', 'with exit code 1')
    """
    if code >= 0:
        return f"with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"by {signal.Signals(-code).name}"
    return f"by signal {-code}"
