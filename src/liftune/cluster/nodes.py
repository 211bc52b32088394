"""A cluster that this process is in: its nodes, what they have, what a function says on each.

In: Ray.  Out: Nodes; results.
Not here: Ray's start (start.py), what a node must have (join.py), work for many processes (pool.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from liftune.errors import SpecError

#: Seconds in which every node must answer; and one that liftune has just started, on a machine that may be busy.
_LOOK, _LOOK_STARTED = 60.0, 300.0


@dataclass(frozen=True)
class Share:
    """What one piece of work asks of a node."""

    cpus: float = 1.0
    gpus: float = 0.0

    def fits(self, resources: dict[str, float]) -> int:
        """How many such pieces a node with these resources holds at once."""
        asked = {"CPU": self.cpus, "GPU": self.gpus}
        return min((int((resources.get(name, 0.0) + 1e-6) / each) for name, each in asked.items() if each), default=1)

    def __str__(self) -> str:
        return resources_text({"CPU": self.cpus, "GPU": self.gpus})


@dataclass(frozen=True)
class Node:
    """A machine of the cluster; on one machine there may be several."""

    id: str
    host: str
    resources: dict[str, float] = field(hash=False)

    def __str__(self) -> str:
        return f"{self.host} (node {self.id[:8]})"


@dataclass(frozen=True)
class Cluster:
    """A Ray that this process is connected to; its workers: pool.py."""

    ray: Any
    """The module."""
    address: str
    started: bool
    """Whether liftune started it, and it ends with the work."""

    def nodes(self) -> list[Node]:
        """Those that are alive, now."""
        return [
            Node(str(each["NodeID"]), str(each["NodeManagerAddress"]), dict(each.get("Resources") or {}))
            for each in self.ray.nodes()
            if each["Alive"]
        ]

    def holds(self, share: Share) -> int:
        """How many pieces of work that ask so much run at once, where nobody else's do."""
        return sum(share.fits(node.resources) for node in self.nodes())

    def on_each(self, work: Callable[..., Any], *given: Any) -> dict[Node, Any]:
        """What a function says on every node.

        Args:
            work: sent as it is where it is defined within a function, else by its name.

        Raises:
            SpecError: a node says nothing.
        """
        task = self.ray.remote(work)
        asked = {}
        for node in self.nodes():
            there = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(node_id=node.id, soft=False)
            options = task.options(num_cpus=0, max_retries=1, scheduling_strategy=there)
            asked[node] = options.remote(*given)
        said = {}
        limit = _LOOK_STARTED if self.started else _LOOK
        for node, ref in asked.items():
            try:
                said[node] = self.ray.get(ref, timeout=limit)
            except Exception as error:  # whatever Ray and the node raise; a node that has left is asked nothing
                if node.id not in {each.id for each in self.nodes()}:
                    continue
                raise self._silent(node, error, limit) from None
        return said

    def _silent(self, node: Node, error: Exception, limit: float) -> SpecError:
        """The error for a node that says nothing."""
        late = f"no answer within {limit:g} s" if isinstance(error, TimeoutError) else first_line(error)
        if self.started:
            return SpecError(
                f"the Ray that liftune started on this machine does not do what it is asked: {late}",
                where="--cluster",
                hint="run the command again when the machine is less busy, or leave --cluster out",
            )
        return SpecError(
            f"{node} of the cluster does not do what it is asked: {late}",
            where="--cluster",
            hint="look at that machine, or take it out of the cluster with `ray stop` there",
        )


def resources_text(resources: dict[str, float]) -> str:
    """What a node has, or work asks, in words.

    >>> resources_text({"CPU": 2.0, "GPU": 0.5}), resources_text({"CPU": 1.0, "GPU": 0.0}), resources_text({})
    ('2 CPUs and 0.5 GPUs', '1 CPU', 'no CPU')
    """
    named = [(f"{resources[name]:g}", name) for name in ("CPU", "GPU") if resources.get(name)]
    return " and ".join(f"{number} {name}{'' if number == '1' else 's'}" for number, name in named) or "no CPU"


def first_line(error: BaseException) -> str:
    """Of what a library says, without the rest."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
