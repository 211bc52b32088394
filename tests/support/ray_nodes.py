"""A cluster of several nodes on this machine, one of which can be killed.

In: how many nodes.  Out: a block with its address; no process of Ray is left.  Not here: what is asserted.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

STORE_BYTES = 100 * 2**20


@dataclass(frozen=True)
class Nodes:
    """Nodes that are up."""

    address: str
    lose_one: Callable[[], None]
    """Kill the second node, as a machine that is switched off."""


@contextlib.contextmanager
def two_nodes(*, cpus: float = 1) -> Iterator[Nodes]:
    """Two nodes with so many CPUs each, whose processes import what tests import."""
    from ray.cluster_utils import Cluster

    kept = {name: os.environ.get(name) for name in ("PYTHONPATH", "RAY_USAGE_STATS_ENABLED")}
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent), *(each for each in sys.path if each)])
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    node = {"num_cpus": cpus, "object_store_memory": STORE_BYTES}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        second = cluster.add_node(**node)
        cluster.wait_for_nodes()
        yield Nodes(cluster.address, lambda: cluster.remove_node(second, allow_graceful=False))
    finally:
        cluster.shutdown()
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
