"""Work for the processes of a cluster: items one after the other, tried again where a node or a process is lost.

In: a Cluster, items, what makes a worker.  Out: what came of each item, as it comes; no process is left.
Not here: Ray's start and its nodes (start.py, nodes.py), processes of this machine (processes.py), the work itself.

A worker is made once in each process and does one item after the other, so what it holds, such as a model, is loaded
once. Pieces of work are few and long: one at a time for a worker, the next when it is heard.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Generator, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from liftune.cluster.nodes import Cluster, Share
from liftune.cluster.start import this_node
from liftune.errors import LiftuneError, SpecError
from liftune.processes import Tries, Trouble
from liftune.stopping import Signalled, leave, stop

T = TypeVar("T", bound=Hashable)
R = TypeVar("R")

#: Workers in a row that may be lost before they could begin.
_STILLBORN = 5
#: Seconds between two looks at the nodes; without any that is large enough before the work is given up; that workers
#: have to save and to end once they are told.
_EVERY, _WITHOUT, _PATIENCE = 2.0, 60.0, 120.0


def on_cluster(
    cluster: Cluster,
    items: Iterable[T | None],
    make: Callable[..., Callable[[T], R]],
    *given: Any,
    share: Share,
    most: int | None = None,
    tries: int = 2,
    again: Callable[[T, str], None],
) -> Generator[tuple[T, R | Trouble], None, None]:
    """Every item, done by one of many workers, in the order in which they finish: as `processes.in_processes`.

    Args:
        make: a function of a module that nodes have; called in each worker's process, for what does its items, which
            may give `Trouble` too.
        given: its arguments, each sent to the cluster once.
        share: what one worker asks of its node.
        most: workers at once; None takes as many as the cluster holds.
        tries: how often an item is begun, at most.
        again: is told of an item that is tried again, and why.

    Raises:
        LiftuneError: what `make` or the work raised; or no node is left that is large enough.
    """
    waiting = Tries(items, tries, again)
    with _Crew[T](cluster, make, given, share) as crew:
        while waiting or crew.members:
            crew.hire(len(waiting), most)
            for member in crew.heard():
                item, outcome = member.item, member.outcome()
                if isinstance(outcome, LiftuneError):
                    raise outcome
                lost = isinstance(outcome, _Dead)
                if lost:
                    outcome = Trouble(crew.bury(member, outcome), died=True)
                if item is not None and waiting.settles(item, outcome):
                    yield item, outcome  # what came of it may decide what is next
                if not lost:
                    crew.give(member, waiting.next())


@dataclass(frozen=True)
class _Dead:
    """A process that was lost, as Ray says it."""

    said: str


@dataclass(eq=False)
class _Member(Generic[T]):
    """A worker, and what it is asked."""

    ray: Any
    actor: Any
    ref: Any
    item: T | None = None
    node: str = ""
    """Where it is, once it has said so."""

    def outcome(self) -> Any:
        """What came of its item; an error that it raised; or that it is no more."""
        try:
            kind, said = self.ray.get(self.ref)
        except (self.ray.exceptions.RayActorError, self.ray.exceptions.ObjectLostError) as error:
            return _Dead(str(error))
        except self.ray.exceptions.NodeDiedError as error:
            return _Dead(str(error))
        if kind == "raised":
            return said
        if kind == "node":
            self.node = said
        return said


class _Crew(Generic[T]):
    """Workers on a cluster: all end with the block."""

    def __init__(self, cluster: Cluster, make: Callable[..., Any], given: Sequence[Any], share: Share) -> None:
        self._cluster, self._ray, self._share = cluster, cluster.ray, share
        self._class = cluster.ray.remote(_Worker)
        self._given = [cluster.ray.put(each) for each in given]
        self._make = make
        self._held, self._looked, self._none_since = cluster.holds(share), time.monotonic(), 0.0
        self._stillborn = 0
        self.members: list[_Member[T]] = []

    def __enter__(self) -> _Crew[T]:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(Exception):  # where Ray itself is gone, so are they
            for member in self.members:
                member.actor.stop.remote()
            refs = [member.ref for member in self.members if member.item is not None]
            if refs:
                self._ray.wait(refs, num_returns=len(refs), timeout=_PATIENCE)
            for member in self.members:
                self._ray.kill(member.actor)

    def hire(self, waiting: int, most: int | None) -> None:
        """As many workers as there is room for and work."""
        self._look()
        idle = sum(member.item is None for member in self.members)
        room = (self._held if most is None else min(self._held, most)) - len(self.members)
        for _ in range(min(room, waiting - idle)):
            options = {"num_cpus": self._share.cpus, "num_gpus": self._share.gpus, "max_concurrency": 2}
            # Of several nodes each gets its part, where Ray would fill the first.
            actor = self._class.options(**options, scheduling_strategy="SPREAD").remote(self._make, *self._given)
            self.members.append(_Member(self._ray, actor, actor.begin.remote()))

    def heard(self) -> list[_Member[T]]:
        """Those that have said something, or were lost; after a while, none."""
        refs = {member.ref: member for member in self.members}
        if not refs:
            time.sleep(_EVERY / 4)
            return []
        ready, _ = self._ray.wait(list(refs), num_returns=1, timeout=_EVERY)
        return [refs[ref] for ref in ready]

    def give(self, member: _Member[T], item: T | None) -> None:
        """Another item, or the end of its work."""
        member.item = item
        if item is not None:
            member.ref = member.actor.do.remote(item)
            return
        self.members.remove(member)
        self._ray.kill(member.actor)

    def bury(self, member: _Member[T], dead: _Dead) -> str:
        """Why it is no more.

        Raises:
            SpecError: it never began, and others before it did not either.
        """
        self.members.remove(member)
        # One that is only out of reach must not go on beside its successor. Ray may not find it: why it ended is said.
        with contextlib.suppress(Exception):
            self._ray.kill(member.actor)
        self._stillborn = 0 if member.node else self._stillborn + 1
        if self._stillborn >= _STILLBORN:
            raise SpecError(
                f"no process of the cluster gets as far as to begin: {dead.said.strip().splitlines()[-1]}",
                where="--cluster",
                hint="look whether the nodes have enough memory, and the same liftune",
            )
        self._looked = 0.0
        if member.node and member.node not in {node.id for node in self._cluster.nodes()}:
            return f"the node {member.node[:8]} was lost"
        if "low on memory" in dead.said or "memory monitor" in dead.said:
            return "Ray ended its process, as memory was short"
        return "its process or its node was lost (the system ends processes when memory is short)"

    def _look(self) -> None:
        """Count anew how much the cluster holds: nodes go and come.

        Raises:
            SpecError: for a while it has held nothing.
        """
        now = time.monotonic()
        if now - self._looked >= _EVERY:
            self._held, self._looked = self._cluster.holds(self._share), now
        if self._held:
            self._none_since = now
        elif now - self._none_since > _WITHOUT:
            raise SpecError(
                f"no node is left that has {self._share}",
                where="--cluster",
                hint="the same command goes on once the cluster has its nodes again, also on another one or without",
            )


class _Worker:
    """In a process of the cluster: what does the items, made once."""

    def __init__(self, make: Callable[..., Callable[[Any], Any]], *given: Any) -> None:
        self._make, self._given = make, given
        # One thread for all items: torch's number of threads is kept by the thread that set it.
        self._lane = ThreadPoolExecutor(1, "liftune-item")

    def begin(self) -> tuple[str, Any]:
        """Get ready, and say on which node."""
        kind, self._work = self._lane.submit(_tried, self._make, *self._given).result()
        if kind == "raised":
            return kind, self._work
        return "node", this_node()

    def do(self, item: Any) -> tuple[str, Any]:
        """One item: what came of it, or the error that it raised."""
        return self._lane.submit(_tried, self._work, item).result()

    def stop(self) -> None:
        """Save, where the work does, and end."""
        stop(leave)


def _tried(work: Callable[..., Any], *given: Any) -> tuple[str, Any]:
    try:
        return "done", work(*given)
    except LiftuneError as error:
        return "raised", error
    except Signalled as stopped:  # it has saved
        os._exit(stopped.exit_code)
