"""How several processes that carry out one command speak.

In: which one this is (launch.py).  Out: a Group: messages, sums.
Not here: what the processes do together (models/crew.py, training/crew_steps.py).

The first process, rank 0, is the command: it reads, decides, writes and prints as if it were alone. The others help it:
they wait for a message, do as it says, answer, and end with it. Messages go from process to process over gloo, so that
a connection that breaks names the rank that is gone; tensors go by gloo or, on CUDA, by nccl.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import platform
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from liftune.launch import Launch, RankLost

if TYPE_CHECKING:
    from torch import Tensor

Value = TypeVar("Value")
#: A rank that answers nothing for so long is taken for lost; one that was killed is missed at once.
PATIENCE = timedelta(minutes=30)
#: A helper waits for the first rank as long as that lives, whatever it is busy with.
_FOREVER = timedelta(days=365)
#: Seconds.
_DYING = 2.0
_LOOK = 0.05
#: Whoever started a helper listens already: there is nothing to wait for.
_CONNECTING = timedelta(seconds=30)


@dataclass(frozen=True)
class Failure:
    """What a helper could not do, for the first rank to say."""

    error: BaseException
    told: str
    """The error's own class and words, where it is not one of liftune's."""


class Group:
    """The processes of one command, connected.

    Args:
        here: which one this is.
        store: where they meet; None meets where the launcher said.
        watch: called again and again until they have met; what it raises ends the wait.
    """

    def __init__(self, here: Launch, store: Any = None, watch: Callable[[], None] | None = None) -> None:
        import torch.distributed as dist

        self._dist, self.here = dist, here
        self._device = "cpu"
        self._tensors: Any = None
        """Whom tensors go by where it is not gloo."""
        self._places: list[tuple[str, int]] = []
        if watch is not None:  # torch cannot be stopped once it waits
            arrived = [_arrival(rank) for rank in range(1, here.size)]
            while not store.check(arrived):
                watch()
                time.sleep(_LOOK)
        try:
            _watched(partial(self._meet, store), watch)
        except RankLost:
            raise
        except Exception as error:  # torch has many classes for it, and the network others
            raise RankLost(
                f"the {here.size} processes of this command do not find each other: {_first_line(error)}",
                where=f"rank {here.rank}",
                hint="start all of them at once, and see that they reach each other's MASTER_ADDR and MASTER_PORT",
            ) from None

    def _meet(self, store: Any) -> None:
        """Connect to all others; the first learns where each is."""
        from torch.distributed import TCPStore  # type: ignore[attr-defined]

        here = self.here
        if store is None and here.meeting:
            host, _, port = here.meeting.rpartition(":")
            store = TCPStore(host, int(port), here.size, is_master=False, timeout=_CONNECTING)
            store.set(_arrival(here.rank), "")
        where = {"store": store, "rank": here.rank, "world_size": here.size} if store is not None else {}
        self._dist.init_process_group("gloo", timeout=PATIENCE, **where)
        self._asking = self._dist.new_group(backend="gloo", timeout=_FOREVER)
        place = (platform.node(), os.getpid())
        if here.leads:
            self._places = [place, *(self.hear(rank) for rank in self.helpers)]
        else:
            self.answer(place)

    @property
    def helpers(self) -> range:
        """Every rank but the first."""
        return range(1, self.here.size)

    def use_device(self, device: str) -> None:
        """Have tensors go by nccl where they lie on CUDA; all ranks must call it."""
        self._device = device
        if device.startswith("cuda") and self._tensors is None:
            self._tensors = self._dist.new_group(backend="nccl", timeout=PATIENCE)

    def tensors_group(self) -> Any:
        """Torch's group that tensors go by."""
        return self._tensors or self._dist.group.WORLD

    @property
    def engine(self) -> str:
        """What carries tensors."""
        return "gloo" if self._tensors is None else "nccl"

    # What the first rank calls.

    def tell(self, message: Any, *, careless: bool = False) -> None:
        """Send a message to every helper.

        Args:
            careless: to those that are there.

        Raises:
            RankLost: one of them is gone.
        """
        header, buffers = _packed(message)
        for rank in self.helpers:
            with contextlib.suppress(RankLost) if careless else contextlib.nullcontext():
                self._guarded(rank, partial(self._send, header, buffers, rank, self._asking))

    def hear(self, rank: int) -> Any:
        """What a helper answers.

        Raises:
            RankLost: it is gone, or has not answered for long.
        """
        return self._guarded(rank, partial(self._receive, rank, None))

    # What a helper calls.

    def wait(self) -> Any:
        """The next message of the first rank, whenever it comes.

        Raises:
            RankLost: the first rank is gone.
        """
        return self._guarded(0, partial(self._receive, 0, self._asking))

    def answer(self, value: Any) -> None:
        """Send a value to the first rank."""
        self._guarded(0, partial(self._send, *_packed(value), 0, None))

    # What all of them call at once.

    def share(self, tensors: Sequence[Tensor]) -> None:
        """Give every rank the first one's values, in place."""
        for flat, parts in _by_kind(tensors, self._device):
            self._guarded(None, partial(self._dist.broadcast, flat, 0, group=self._tensors))
            if not self.here.leads:
                _spread(flat, parts)

    def sum_up(self, tensors: Sequence[Tensor]) -> None:
        """Give the first rank the sum over all ranks, in place; the others' values are undefined afterwards."""
        for flat, parts in _by_kind(tensors, self._device):
            self._guarded(None, partial(self._dist.reduce, flat, 0, group=self._tensors))
            if self.here.leads:
                _spread(flat, parts)

    def close(self) -> None:
        """Leave; nothing can be sent any more."""
        with contextlib.suppress(Exception):  # the others may be gone; the work is done, or its own error is raised
            self._dist.destroy_process_group()

    def lost(self) -> str:
        """Which helpers of this machine have ended, in words; empty where none has, or none can be seen."""
        return " and ".join(self._name(rank) for rank in self.helpers if self._has_ended(rank))

    def _has_ended(self, rank: int) -> bool:
        import psutil  # type: ignore[import-untyped]

        host, process = self._places[rank] if rank < len(self._places) else ("", 0)
        if host != platform.node():
            return False
        try:
            return bool(psutil.Process(process).status() == psutil.STATUS_ZOMBIE)
        except psutil.Error:
            return True

    def _guarded(self, rank: int | None, work: Callable[[], Value]) -> Value:
        """What work gives; a connection that breaks is an error that names the rank."""
        try:
            return work()
        except RuntimeError as error:
            raise self._missing(rank, error) from None

    def _missing(self, rank: int | None, error: Exception) -> RankLost:
        said = _first_line(error)
        if not self.here.leads:
            return RankLost(f"rank 0 is gone: {said}", where=f"rank {self.here.rank}")
        silent = "timed out" in said.lower() or "timeout" in said.lower()
        names = "" if silent else self._ended_soon()
        if not names and (rank is not None or self.here.size == 2):
            names = self._name(rank or 1)
        minutes = int(PATIENCE.total_seconds() // 60)
        what = f"has not answered for {minutes} minutes" if silent else "has ended"
        return RankLost(
            f"{names or 'a rank'} {what}, and {self.here.size} processes carry out this run together",
            where=said,
            hint="look at what ended it (memory? a signal?); then give the same command again, with as many processes "
            "as you like: it goes on from what was saved",
        )

    def _ended_soon(self) -> str:
        """Which have ended: a connection may break some moments before its process is gone."""
        until = time.monotonic() + _DYING
        while not (names := self.lost()) and time.monotonic() < until:
            time.sleep(0.02)
        return names

    def _name(self, rank: int) -> str:
        host, process = self._places[rank] if rank < len(self._places) else ("", 0)
        return f"rank {rank} (process {process}{f' of {host}' if host != platform.node() else ''})"

    def _send(self, header: bytes, buffers: Sequence[memoryview], rank: int, group: Any) -> None:
        import torch

        sizes = torch.tensor([len(header), *(each.nbytes for each in buffers)], dtype=torch.int64)
        self._dist.send(torch.tensor([len(sizes)], dtype=torch.int64), rank, group=group)
        self._dist.send(sizes, rank, group=group)
        for part in (memoryview(header), *buffers):
            if part.nbytes:
                self._dist.send(_bytes(part), rank, group=group)

    def _receive(self, rank: int, group: Any) -> Any:
        import torch

        count = torch.zeros(1, dtype=torch.int64)
        self._dist.recv(count, rank, group=group)
        sizes = torch.zeros(int(count), dtype=torch.int64)
        self._dist.recv(sizes, rank, group=group)
        parts = [bytearray(int(size)) for size in sizes]
        for part in parts:
            if part:
                self._dist.recv(_bytes(memoryview(part)), rank, group=group)
        return pickle.loads(parts[0], buffers=parts[1:])


def _arrival(rank: int) -> str:
    """What a helper that was started writes where they meet, as soon as it can."""
    return f"liftune: rank {rank} is here"


def _watched(work: Callable[[], None], watch: Callable[[], None] | None) -> None:
    """Do what waits in native code in a thread: meanwhile signals are heard, and `watch` looks.

    Raises:
        Exception: what the work raises, or `watch`, which may know better why.
    """
    failed: list[Exception] = []

    def do() -> None:
        try:
            work()
        except Exception as error:  # raised below, by the thread that waits
            failed.append(error)

    thread = threading.Thread(target=do, name="meet the other processes", daemon=True)
    thread.start()
    while thread.is_alive():
        if watch is not None:
            watch()
        thread.join(_LOOK)
    until = time.monotonic() + _DYING  # a connection may break some moments before its process is gone
    while failed and watch is not None and time.monotonic() < until:
        watch()
        time.sleep(_LOOK)
    if failed:
        raise failed[0]


def _packed(value: Any) -> tuple[bytes, list[memoryview]]:
    """A value's pickle; its arrays are sent from where they lie."""
    buffers: list[pickle.PickleBuffer] = []
    header = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return header, [each.raw() for each in buffers]


def _bytes(part: memoryview) -> Tensor:
    import warnings

    import torch

    with warnings.catch_warnings():  # of memory that is only read
        warnings.simplefilter("ignore")
        return torch.frombuffer(part, dtype=torch.uint8)


def _by_kind(tensors: Sequence[Tensor], device: str) -> Iterator[tuple[Tensor, list[Tensor]]]:
    """All tensors of a precision end to end, and the tensors."""
    import torch

    kinds: dict[torch.dtype, list[Tensor]] = {}
    for each in tensors:
        kinds.setdefault(each.dtype, []).append(each)
    for parts in kinds.values():
        yield torch.cat([each.detach().reshape(-1).to(device) for each in parts]), parts


def _spread(flat: Tensor, parts: Sequence[Tensor]) -> None:
    import torch

    with torch.no_grad():
        start = 0
        for part in parts:
            part.copy_(flat[start : start + part.numel()].view(part.shape))
            start += part.numel()


def _first_line(error: BaseException) -> str:
    """What an error says, without the place in gloo's source where it was found, and without advice to developers.

    >>> _first_line(RuntimeError("[/src/gloo/pair.cc:537] Read error [127.0.0.1]:2: Connection reset. This is a hint"))
    'Read error [127.0.0.1]:2: Connection reset'
    """
    first = next(iter(str(error).strip().splitlines()), "") or type(error).__name__
    return re.sub(r"^\[\S+:\d+\] ", "", first).partition(". ")[0][:200]
