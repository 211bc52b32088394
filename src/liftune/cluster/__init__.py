"""Many machines by Ray: join or start a cluster, and give its processes work. Nothing else imports Ray."""

from liftune.cluster.address import parse_address
from liftune.cluster.join import joined
from liftune.cluster.nodes import Cluster, Node, Share
from liftune.cluster.pool import on_cluster

__all__ = ["Cluster", "Node", "Share", "joined", "on_cluster", "parse_address"]
