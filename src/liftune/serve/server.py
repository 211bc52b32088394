"""The server's process: a socket, the models, and a stop that finishes what was taken.

In: models, an address, keys.  Out: nothing; it serves until it is told to stop.
Not here: routes (app.py).
"""

from __future__ import annotations

import asyncio
import ipaddress
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from liftune.errors import EXTRAS, SpecError, need
from liftune.hardware.plan import PRECISIONS
from liftune.inference.predictor import check_precision, locate_model

if TYPE_CHECKING:
    from liftune.serve.engine import Engine, ModelInfo

#: Seconds that a stop waits for what was taken.
_FINISH = 30
#: How long one thread may hold the interpreter while another wants it: the model's thread gives it up and takes it back
#: at every product, and would wait this long each time.
_SWITCH_SECONDS = 0.0005

#: Connections that the system keeps waiting.
_BACKLOG = 1_024
_LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True)
class ServeOptions:
    """What `liftune serve` was asked for; tokens are in no repr."""

    models: Sequence[str]
    """Paths, or NAME=PATH."""
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = field(default=None, repr=False)
    admin_token: str | None = field(default=None, repr=False)
    insecure: bool = False
    device: str | None = None
    precision: str = "float32"
    limits: Sequence[str] = ()
    """NAME=VALUE, see Limits."""


def serve(asked: ServeOptions, *, say: Callable[[str], None]) -> None:
    """Load the models and answer until a signal comes.

    Raises:
        SpecError: an address that needs a token, a port that is taken, an unknown precision.
        LiftuneError: a model cannot be loaded.
    """
    need(*EXTRAS["serve"])
    check(asked)
    from liftune.serve.app import make_app
    from liftune.serve.auth import Credentials
    from liftune.serve.limits import limits_of
    from liftune.serve.registry import ModelRegistry, split_name

    limits = limits_of(asked.limits)
    with _bound(asked.host, asked.port) as bound:
        catalogue = ModelRegistry(model_opener(asked, limits.batch_tokens))
        for argument in asked.models:
            name, path = split_name(argument)
            loaded = catalogue.load(path, name)
            say(f"{loaded.name}: {loaded.facts.task}, {len(loaded.facts.labels)} labels, {loaded.facts.kind} {path}")
        open_to_all = asked.token is None and asked.insecure
        keys = Credentials(asked.token, asked.admin_token, None if asked.token or open_to_all else _hosts(asked.host))
        app = make_app(catalogue, keys=keys, limits=limits)
        host, port = bound.getsockname()[:2]
        say(f"serving {len(catalogue)} models at http://{f'[{host}]' if ':' in host else host}:{port}")
        _run(app, bound)
        say("stopped")


def check(asked: ServeOptions) -> None:
    """Refuse to serve the network without a token, and what cannot be meant.

    Raises:
        SpecError: see above.
    """
    check_precision(asked.precision, PRECISIONS)
    for option, token in (("--token", asked.token), ("--admin-token", asked.admin_token)):
        if token is not None and (not token.strip() or not token.isascii() or not token.isprintable()):
            raise SpecError("the token is empty, or holds what no header can carry", where=option, hint="give another")
    if not is_loopback(asked.host) and asked.token is None and not asked.insecure:
        raise SpecError(
            f"{asked.host} can be reached by others, and there is no token",
            where="--host",
            hint="set LIFTUNE_TOKEN or --token, or say --insecure where something else keeps strangers out",
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def model_opener(asked: ServeOptions, tokens: int) -> Callable[[Path], tuple[Engine, ModelInfo]]:
    """What opens a folder: torch is imported for the first one that is no bundle."""
    from liftune.serve.adapter_engine import AdapterLoader
    from liftune.serve.bundle_engine import open_bundle

    precision = next(each for each in PRECISIONS if each == asked.precision)
    adapters = AdapterLoader(device=asked.device, precision=precision, tokens=tokens)

    def open_model(path: Path) -> tuple[Engine, ModelInfo]:
        model = locate_model(path, where="path")
        return open_bundle(model.folder) if model.kind == "bundle" else adapters.open(model.folder)

    return open_model


def _hosts(host: str) -> frozenset[str]:
    return _LOCAL | {f"[{host}]" if ":" in host else host}


def _bound(host: str, port: int) -> socket.socket:
    """The socket, taken before models are loaded, so that a taken port is known at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SpecError(f"{host} is no address: {error.strerror}", where="--host", hint="give an IP address") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
        bound.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        bound.close()
        raise SpecError(
            f"cannot listen at {host}:{port}: {error}", where="--port", hint="give another --port"
        ) from None
    return bound


def _run(app: object, bound: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT; requests that were taken are answered first."""
    import uvicorn

    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="warning",
        access_log=False,  # it would write whole paths, and /metrics counts requests
        timeout_graceful_shutdown=_FINISH,
        server_header=False,
    )
    server = uvicorn.Server(config)
    before = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    # uvicorn raises the signal again once it has stopped; by then there is nothing left to stop.
    handlers = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        asyncio.run(server.serve(sockets=[bound]))
    finally:
        sys.setswitchinterval(before)
        for each, handler in handlers.items():
            signal.signal(each, handler)
