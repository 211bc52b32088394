"""Threads side by side, each with its share of the cores: whole passes at once, instead of parts of every product.

In: work, and what it is to be done on.  Out: what came of it, in order.
Not here: which rows each worker takes (training/micro_batches.py), what a pass computes (models/).

Two threads inside one product wait for each other at each of its ends, a hundred times a pass, and whatever is too
small to be divided runs on one of them while the other idles. Passes side by side meet once a step. Where another
program takes a core, two threads waiting at every product ran at a seventh of one thread's rate (docs/log.md).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Worker:
    """A thread that computes; what is kept from pass to pass is kept per worker."""

    index: int = 0
    generator: torch.Generator | None = None
    """Of its random numbers; None is torch's own."""


class _Here(threading.local):
    worker = Worker()


_HERE = _Here()


def current_worker() -> Worker:
    """That of the calling thread."""
    return _HERE.worker


class Workers:
    """Lanes that are open; see `open_lanes`."""

    def __init__(self, pools: Sequence[ThreadPoolExecutor], generators: Sequence[torch.Generator] = ()) -> None:
        self._pools = pools
        self._generators = generators

    def random_states(self) -> list[torch.Tensor]:
        """Of each worker's own generator, while none works; empty where they have none."""
        return [generator.get_state() for generator in self._generators]

    def restore_random(self, states: Sequence[torch.Tensor]) -> None:
        """Put back what `random_states` gave, while none works."""
        for generator, state in zip(self._generators, states, strict=True):
            generator.set_state(state)

    def __len__(self) -> int:
        return max(1, len(self._pools))

    def map(self, work: Callable[[T], R], items: Sequence[T]) -> list[R]:
        """One item a worker, at most: the first worker always takes the first item. What came of each, in order.

        An exception of any is raised once all have ended.
        """
        if not self._pools:
            return [work(item) for item in items]
        return _results([pool.submit(work, item) for pool, item in zip(self._pools, items, strict=False)])

    def in_turn(self, work: Callable[[T], None], items: Iterable[T]) -> None:
        """Any number of items, dealt out in turn: what a worker draws for an item is the same every time."""
        every, count = list(items), len(self)

        def deal(first: int) -> None:
            for item in every[first::count]:
                work(item)

        self.map(deal, range(count))

    def each(self, work: Callable[[T], None], items: Iterable[T]) -> None:
        """Any number of items, each by whichever worker is free."""
        if not self._pools:
            for item in items:
                work(item)
            return
        queue, lock = iter(items), threading.Lock()

        def drain() -> None:
            for item in _taken(queue, lock):
                work(item)

        _results([pool.submit(drain) for pool in self._pools])


#: The calling thread as it is.
ONE_WORKER = Workers(())


@contextmanager
def open_workers(count: int, *, random: bool = False, random_states: Sequence[torch.Tensor] = ()) -> Iterator[Workers]:
    """Open workers, each with an equal share of torch's threads; one worker is the calling thread as it is.

    Args:
        random: give each a generator of its own, which follows from torch's: a seed decides all. Without, workers draw
            from torch's in whatever order they come.
        random_states: those of earlier workers, which these go on from; nothing is drawn from torch's generator then.
    """
    if count <= 1:
        yield ONE_WORKER
        return
    before = torch.get_num_threads()
    share = max(1, before // count)
    generators = _generators(count, random_states) if random else []
    pools = [
        ThreadPoolExecutor(1, "liftune-worker", initializer=_begin, initargs=(index, generator, share))
        for index, generator in enumerate(generators or [None] * count)
    ]
    # Threads that torch opened for the caller would go on waiting, busily, for its next product.
    torch.set_num_threads(share)
    try:
        yield Workers(pools, generators)
    finally:
        for pool in pools:
            pool.shutdown()
        torch.set_num_threads(before)


def _generators(count: int, states: Sequence[torch.Tensor]) -> list[torch.Generator]:
    """In these states, one a worker; without states, seeded from torch's generator."""
    if not states:
        return [torch.Generator().manual_seed(seed) for seed in torch.randint(2**62, (count,)).tolist()]
    if len(states) != count:
        raise ValueError(f"{len(states)} random states for {count} workers")
    generators = [torch.Generator() for _ in states]
    for generator, state in zip(generators, states, strict=True):
        generator.set_state(state)
    return generators


def _begin(index: int, generator: torch.Generator | None, threads: int) -> None:
    _HERE.worker = Worker(index, generator)
    torch.set_num_threads(threads)


def _taken(queue: Iterator[T], lock: threading.Lock) -> Iterator[T]:
    while True:
        with lock:
            try:
                item = next(queue)
            except StopIteration:
                return
        yield item


def _results(futures: list[Future[R]]) -> list[R]:
    wait(futures)
    return [future.result() for future in futures]
