"""The server's process: a socket, the models, and a stop that finishes the accepted requests.

In: ServeOptions.  Out: nothing; it serves until a signal stops it.
Not here: routes (app.py).
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import signal
import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from liftune.errors import EXTRAS, SpecError, need
from liftune.hardware.plan import PRECISIONS
from liftune.inference.locate import locate_model
from liftune.inference.predictor import check_precision
from liftune.models.foreign.said import NOTHING, Said
from liftune.models.hub import at_hand, repository_of
from liftune.tasks import TaskKind

if TYPE_CHECKING:
    import uvicorn

    from liftune.server.engine import Engine, ModelInfo

#: How long one thread may hold the interpreter while another waits for it: the model's thread releases and takes it at
#: every matrix product, and may wait this long each time.
_SWITCH_SECONDS = 0.0005

_LOCAL = frozenset({"127.0.0.1", "localhost", "[::1]"})


@dataclass(frozen=True)
class ServeOptions:
    """The options of `liftune serve`; its repr leaves the tokens out."""

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
    use: str | None = None
    """Which contender of each run."""
    trust_remote_code: bool = False
    """Whether the models named here may run Python code of their own; those loaded over HTTP never may."""
    bases: Sequence[str] = ()
    """Base models that are no longer where they were."""
    label_names: tuple[str, ...] = ()
    """Of the outputs of models that others saved."""
    task: TaskKind | None = None
    """What these predict."""
    pairs: bool = False
    """Whether these read pairs of texts: no file says so."""

    @property
    def said(self) -> Said:
        """What is said of models that others saved and that are named here."""
        return Said(self.label_names, self.task, tuple(self.bases), sole=len(self.models) == 1, pairs=self.pairs)


def serve(options: ServeOptions, *, log: Callable[[str], None], tell: Callable[[str], None] | None = None) -> None:
    """Load the models and serve them until SIGTERM or SIGINT.

    Args:
        tell: takes what is to be said also where nobody looks; None is `log`.

    Raises:
        SpecError: an address that needs a token, a port that is taken, an unknown precision.
        LiftuneError: a model cannot be loaded.
    """
    need(*EXTRAS["serve"])
    check(options)
    from liftune.server.app import make_app
    from liftune.server.auth import Credentials
    from liftune.server.http_server import make_server
    from liftune.server.limits import limits_of
    from liftune.server.registry import ModelRegistry, split_name

    limits = limits_of(options.limits)
    with _listen(options.host, options.port) as listener:
        open_model = model_opener(options, limits.batch_tokens)
        check_models(options)
        models = ModelRegistry(open_model)
        named = partial(open_model, trust_remote_code=options.trust_remote_code, said=options.said)
        for argument in options.models:
            name, path = split_name(argument)
            if repository := repository_of(path):
                name, path = name or repository[0].partition("/")[2], str(at_hand(path))
            model = models.load(path, name, use=options.use, open_model=named)
            log(f"{model.name}: {model.info.task}, {len(model.info.labels)} labels, {model.info.kind} {path}")
            if model.info.kind == "bundle" and (options.device or options.precision != "float32"):
                log(f"{model.name}: a bundle stays as it was exported; --device and --precision are for the others")
            if model.info.note:
                (tell or log)(f"{model.name}: {model.info.note}")
        hosts = None if options.token or options.insecure else _allowed_hosts(options.host)
        credentials = Credentials(options.token, options.admin_token, hosts)
        app = make_app(models, credentials=credentials, limits=limits)
        server = make_server(app, limits)
        host, port = listener.getsockname()[:2]
        most = server.config.connections
        address = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        log(f"serving {len(models)} models, over at most {most:,} connections at a time, at {address}")
        _run(server, listener)
        log("stopped")


def check(options: ServeOptions) -> None:
    """Refuse to serve other machines without a token, and unusable options.

    Raises:
        SpecError: names the option.
    """
    check_precision(options.precision, PRECISIONS)
    if not 0 <= options.port < 1 << 16:
        raise SpecError(
            f"there is no port {options.port}", where="--port", hint="give one from 0 to 65535; 0 takes a free one"
        )
    for option, token in (("--token", options.token), ("--admin-token", options.admin_token)):
        if token is not None and (not token.strip() or not token.isascii() or not token.isprintable()):
            raise SpecError(
                "the token is empty, or has characters that an HTTP header cannot hold",
                where=option,
                hint="give another",
            )
    if not is_loopback(options.host) and options.token is None and not options.insecure:
        raise SpecError(
            f"other machines can reach {options.host}, and there is no token",
            where="--host",
            hint="set LIFTUNE_TOKEN or --token; or give --insecure if something else restricts access",
        )


def check_models(options: ServeOptions) -> None:
    """Refuse options that no model follows, before any is loaded.

    Raises:
        SpecError: a base that none was tuned on; a device or precision where all models are bundles.
        ArtifactError: a path leads to no model.
    """
    from liftune.inference.bases import use_bases
    from liftune.inference.onnx_bundle import refuse_options
    from liftune.server.registry import split_name

    paths = (os.path.expanduser(split_name(argument)[1]) for argument in options.models)
    models = [locate_model(path, use=options.use, said=options.said, where="path") for path in paths]
    if all(each.kind == "bundle" for each in models):
        precision = None if options.precision == "float32" else options.precision
        refuse_options(device=options.device, with_base=False, precision=precision)
    use_bases(options.bases, models, with_base=True)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, True, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class _Opener(Protocol):
    """An OpenModel that may be told to run a model's own code."""

    def __call__(
        self, path: Path, use: str | None = None, *, trust_remote_code: bool = False, said: Said = NOTHING
    ) -> tuple[Engine, ModelInfo]: ...


def model_opener(options: ServeOptions, tokens: int) -> _Opener:
    """What opens a model's folder; torch is imported for the first one that is not a bundle.

    It runs no code of a model unless it is told so at each call, whatever the options say: the models that come over
    HTTP are opened by it too.
    """
    from liftune.server.adapter_engine import AdapterLoader
    from liftune.server.bundle_engine import open_bundle
    from liftune.server.contender_engine import open_contender_engine

    precision = next(each for each in PRECISIONS if each == options.precision)
    adapters = AdapterLoader(device=options.device, precision=precision, tokens=tokens)

    elsewhere = Said(bases=tuple(options.bases), sole=False)  # of what is loaded over HTTP

    def open_model(
        path: Path, use: str | None = None, *, trust_remote_code: bool = False, said: Said = elsewhere
    ) -> tuple[Engine, ModelInfo]:
        model = locate_model(path, use=use, said=replace(said, trust_remote_code=trust_remote_code), where="path")
        if model.kind == "bundle":
            return open_bundle(model.folder)
        if model.kind == "contender":
            engine, info = open_contender_engine(
                model.folder, device=options.device, precision=precision, trust_remote_code=trust_remote_code
            )
        else:
            engine, info = adapters.open(model.folder, card=model.card, trust_remote_code=trust_remote_code)
        return engine, replace(info, contender=model.contender, note=model.note)

    return open_model


def _allowed_hosts(host: str) -> frozenset[str]:
    return _LOCAL | {f"[{host}]" if ":" in host else host}


def _listen(host: str, port: int) -> socket.socket:
    """The socket, opened before models are loaded, so that a port in use is known at once."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SpecError(
            f"{host} is not an address: {error.strerror}", where="--host", hint="give an IP address"
        ) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise SpecError(
            f"cannot listen at {host}:{port}: {error}", where="--port", hint="give another --port"
        ) from None
    return listener


def _run(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then finish the accepted requests."""
    from liftune.server.http_server import short_log

    interval = sys.getswitchinterval()
    sys.setswitchinterval(_SWITCH_SECONDS)
    # uvicorn raises the signal again once it has stopped; by then there is nothing left to stop.
    handlers = {each: signal.signal(each, lambda *_: None) for each in (signal.SIGTERM, signal.SIGINT)}
    if (
        hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN
    ):  # of which uvicorn knows nothing
        handlers[signal.SIGHUP] = signal.signal(signal.SIGHUP, server.handle_exit)
    try:
        with short_log():
            asyncio.run(server.serve(sockets=[listener]))
    finally:
        sys.setswitchinterval(interval)
        for each, handler in handlers.items():
            signal.signal(each, handler)
