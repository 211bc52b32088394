"""A cluster that is fit for the work, or a refusal that says which node lacks what, before the work starts.

In: an address, what the work asks.  Out: a Cluster, for a block.
Not here: Ray's start (start.py), the work (pool.py).
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence

from liftune.cluster.address import parse_address
from liftune.cluster.nodes import Cluster, Share, resources_text
from liftune.cluster.start import connected
from liftune.errors import EXTRAS, SpecError, need
from liftune.versions import RECORDED, versions


@contextlib.contextmanager
def joined(
    address: str, share: Share, *, modules: Sequence[str] = EXTRAS["tune"], what: str = "a cell", asks: str = "--cpus"
) -> Iterator[Cluster]:
    """A block in which a cluster is there, and fit for the work. What liftune started ends with it.

    Args:
        address: `auto` starts Ray here, or joins the one that RAY_ADDRESS names or that the program is in already.
        share: what one piece of work asks.
        modules: that every node must have, besides liftune.
        what: a piece of work in a message; `asks`: the option by which it asks for less.

    Raises:
        MissingExtra: Ray is not installed here.
        SpecError: the address is none, or nothing answers there; a node lacks liftune or a module, or has other
            versions than this machine; no node has what one piece of work asks.
    """
    need(*EXTRAS["scale"])
    wanted = parse_address(address)
    with connected(wanted) as cluster:
        _refuse_too_little(cluster, share, what, asks)
        _refuse_unlike(cluster, ("liftune", *modules))
        yield cluster


def _refuse_too_little(cluster: Cluster, share: Share, what: str, asks: str) -> None:
    nodes = cluster.nodes()
    if not any(share.fits(node.resources) for node in nodes):
        has = "; ".join(f"{node} has {resources_text(node.resources)}" for node in nodes)
        raise SpecError(
            f"{what} asks for {share}, and no node has as much: {has}", where="--cluster", hint=f"ask less, with {asks}"
        )


def _refuse_unlike(cluster: Cluster, modules: Sequence[str]) -> None:
    """Refuse nodes on which something is missing, or is another version: one cluster, one answer."""

    # Within a function it is sent as it is: a node without liftune can say so.
    def look(modules: Sequence[str], names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
        import importlib.metadata
        import importlib.util
        import platform

        found = {"python": platform.python_version()}
        for name in names:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        return [name for name in modules if importlib.util.find_spec(name) is None], found

    names = (*RECORDED, "ray")
    here = versions(names) | {"python": ".".join(map(str, sys.version_info[:3]))}
    said = cluster.on_each(look, tuple(modules), names)
    lacks = [f"{node} lacks {', '.join(missing)}" for node, (missing, _) in said.items() if missing]
    if lacks:
        extras = [name for name, brings in EXTRAS.items() if set(brings) & set(modules)] + ["scale"]
        raise SpecError(
            f"the cluster cannot do the work: {'; '.join(lacks)}",
            where="--cluster",
            hint=f"on each of these: pip install 'liftune[{','.join(dict.fromkeys(extras))}]=={here.get('liftune')}'",
        )
    other = []
    for node, (_, found) in said.items():
        pairs = [
            f"{name} {found.get(name, 'none')} (here {here[name]})" for name in here if found.get(name) != here[name]
        ]
        if pairs:
            other.append(f"{node} has {', '.join(pairs)}")
    if other:
        raise SpecError(
            f"versions differ, and so would the numbers: {'; '.join(other)}",
            where="--cluster",
            hint="install the same versions on every node and here, as `pip freeze` prints them",
        )
