"""Ray, started here or joined: the only module that imports it.

In: an address.  Out: a Cluster, for a block; what liftune started ends with the block.
Not here: which addresses there are (address.py), what the nodes must have (join.py).

Ray runs any code that it is sent: what liftune starts listens on 127.0.0.1 alone, without a dashboard.
"""

from __future__ import annotations

import contextlib
import importlib
import logging
import os
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Iterator
from typing import Any

from liftune.cluster.address import fault_at, host_and_port, parse_address, reach
from liftune.cluster.nodes import Cluster, first_line
from liftune.errors import SpecError
from liftune.stopping import SIGNALS

#: Of a Ray that liftune starts, for what goes to workers and comes back; more than that goes to its disk.
_STORE_BYTES = 200 * 2**20
_HERE = "127.0.0.1"


@contextlib.contextmanager
def connected(address: str) -> Iterator[Cluster]:
    """Connected to Ray, which is started where the address is `auto` and none is named."""
    if "ray" in sys.modules and sys.modules["ray"].is_initialized():
        if address != "auto":
            raise SpecError(
                "this program is in a Ray cluster already",
                where="--cluster",
                hint="give auto to use that one, or call ray.shutdown() first",
            )
        yield Cluster(sys.modules["ray"], "the program's own", started=False)
        return
    named = os.environ.get("RAY_ADDRESS", "").strip()
    if address == "auto" and named not in ("", "auto", "local"):
        address = parse_address(named)
    if address != "auto":
        reach(address)
    with _quiet(), contextlib.ExitStack() as stack:
        if address == "auto":
            folder = stack.enter_context(_short_folder())
            ray = stack.enter_context(_on_loopback(True))
            options = {"address": "local", "include_dashboard": False, "_node_ip_address": _HERE, "_temp_dir": folder}
            options |= {"object_store_memory": _STORE_BYTES}
        else:
            ray = stack.enter_context(_on_loopback(_only_here(address)))
            options = {"address": address}
        stack.callback(ray.shutdown)
        _init(ray, address, options)
        cluster = Cluster(ray, address, started=address == "auto")
        if cluster.started and any(node.host != _HERE for node in cluster.nodes()):
            raise SpecError(
                "this version of Ray opens ports to other machines where it is asked to open none",
                where="--cluster auto",
                hint="start one yourself, as you trust your network, with `ray start --head`, and give its HOST:PORT",
            )
        yield cluster


def _init(ray: Any, address: str, options: dict[str, Any]) -> None:
    """Ray's own start. It takes over signals, which liftune has its own plans for."""
    main = threading.current_thread() is threading.main_thread()
    before = {each: signal.getsignal(each) for each in SIGNALS} if main else {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is then raised
            ray.init(**options, log_to_driver=False, configure_logging=False, logging_level=logging.ERROR)
    except (Exception, SystemExit) as error:  # of its many kinds
        what = "Ray does not start here" if address == "auto" else f"the Ray at {address} cannot be joined"
        raise SpecError(
            f"{what}: {first_line(error)}",
            where="--cluster",
            hint="it needs the Ray and Python of this machine; if it asks for a token, set RAY_AUTH_MODE=token here too"
            if address != "auto"
            else "look whether the disk or the memory is short, or leave --cluster out",
        ) from None
    finally:
        for each, handler in before.items():
            if handler is not None:
                signal.signal(each, handler)


def _only_here(address: str) -> bool:
    """Whether a Ray listens to this machine alone, as one that liftune started does."""
    host, port = host_and_port(address)
    if address.startswith("ray://") or host not in (_HERE, "localhost"):
        return False
    util: Any = importlib.import_module("ray.util")
    return fault_at(f"{util.get_node_ip_address()}:{port}") is not None


@contextlib.contextmanager
def _on_loopback(wanted: bool) -> Iterator[Any]:
    """Ray, which takes the address of a network card for 127.0.0.1 unless it is told that it has no cluster."""
    import ray
    import ray.util.scheduling_strategies  # which the name of the package alone does not bring
    from ray._private import ray_constants

    with _set(ray_constants, "ENABLE_RAY_CLUSTER", False) if wanted else contextlib.nullcontext():
        yield ray


@contextlib.contextmanager
def _set(owner: Any, name: str, value: Any) -> Iterator[None]:
    """A part of Ray that is otherwise for a block, where this version of it has that part."""
    if not hasattr(owner, name):
        yield
        return
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Ray's notes are not the user's, and what it sets in the environment goes again."""
    said = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "1"}
    before = dict(os.environ)
    os.environ.update(said)
    importlib.import_module("ray")  # which sets its logger's level
    logger = logging.getLogger("ray")
    level = logger.level
    logger.setLevel(logging.ERROR)
    worker = importlib.import_module("ray._private.worker")
    try:
        # It prints on stdout that a process was lost, which is said here once it has been tried again.
        with _set(worker, "print_to_stdstream", lambda *given, **more: None):
            yield
    finally:
        logger.setLevel(level)
        for name in (each for each in {*os.environ, *before} if each.startswith(("RAY_", "PYTHONBREAKPOINT"))):
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


@contextlib.contextmanager
def _short_folder() -> Iterator[str]:
    """Where a Ray that is started keeps its sockets, whose paths must be short, and its logs."""
    place = tempfile.gettempdir() if len(tempfile.gettempdir()) <= 20 or os.name != "posix" else "/tmp"
    folder = tempfile.mkdtemp(prefix="liftune-ray-", dir=place)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def this_node() -> str:
    """In a process of the cluster: its node's id."""
    import ray

    return str(ray.get_runtime_context().get_node_id())
