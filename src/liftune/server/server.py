"""The server's process: a socket, the models, and a stop that finishes the accepted requests.

In: ServeOptions.  Out: nothing; it serves until a signal stops it.
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
from typing import TYPE_CHECKING

from liftune.errors import EXTRAS, SpecError, amount, need
from liftune.hardware.plan import PRECISIONS
from liftune.inference.onnx_bundle import usable_cpus
from liftune.inference.opening import check_precision
from liftune.models.foreign.said import Said
from liftune.server.opening import check_models, load_wanted, model_opener, wanted_models
from liftune.tasks import TaskKind

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from liftune.server.metrics import ServerMetrics
    from liftune.server.registry import ModelRegistry
    from liftune.server.whole import Whole

#: How long one thread may hold the interpreter while another waits for it: the model's thread releases and takes it at
#: every matrix product, and may wait this long each time.
SWITCH_SECONDS = 0.0005

#: Worker processes that may be asked for wherever there are fewer CPUs.
_LEAST_ALLOWED = 4
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
    workers: int = 1
    """Processes that answer requests."""

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
    with open_socket(options) as listener:
        if options.workers > 1:
            from liftune.server.workers import serve_workers

            serve_workers(options, listener, log=log, tell=tell or log)
            return
        run_server(ready(options, listener, log=log, tell=tell or log), listener)
        log("stopped")


def open_socket(options: ServeOptions) -> socket.socket:
    """The socket of a server all of whose options were checked, before any model is loaded.

    Raises:
        LiftuneError: as `serve`; the socket is closed.
    """
    need(*EXTRAS["serve"])
    check(options)
    from liftune.server.limits import limits_of

    limits_of(options.limits)
    listener = listen(options.host, options.port)
    try:
        check_models(options)
    except BaseException:  # Ctrl-C too must leave no open socket
        listener.close()
        raise
    return listener


def ready(
    options: ServeOptions, listener: socket.socket, *, log: Callable[[str], None], tell: Callable[[str], None]
) -> uvicorn.Server:
    """A server of this process whose models are loaded; where it will be is logged.

    Raises:
        LiftuneError: a model cannot be loaded.
    """
    from liftune.server.http_server import make_server
    from liftune.server.limits import limits_of
    from liftune.server.registry import ModelRegistry

    limits = limits_of(options.limits)
    open_model = model_opener(options, limits.batch_tokens)
    models = ModelRegistry(open_model)
    for wanted in wanted_models(options):
        load_wanted(models, wanted, options, open_model, log=log, tell=tell)
    server = make_server(app_of(options, models), limits)
    most = server.config.connections
    log(
        f"serving {amount(len(models), 'model')}, over at most {most:,} connections at a time, "
        f"at {address_of(listener)}"
    )
    return server


def app_of(
    options: ServeOptions, models: ModelRegistry, *, metrics: ServerMetrics | None = None, whole: Whole | None = None
) -> FastAPI:
    """The app with the tokens and limits of the options."""
    from liftune.server.app import make_app
    from liftune.server.auth import Credentials
    from liftune.server.limits import limits_of

    hosts = None if options.token or options.insecure else _allowed_hosts(options.host)
    credentials = Credentials(options.token, options.admin_token, hosts)
    limits = limits_of(options.limits)
    return make_app(models, credentials=credentials, limits=limits, metrics=metrics, whole=whole)


def address_of(listener: socket.socket) -> str:
    """Where a socket listens, as a browser takes it."""
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


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
    check_workers(options.workers)
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


def check_workers(count: int) -> None:
    """Refuse a number of worker processes that cannot be meant.

    Raises:
        SpecError: it is none, or far above the CPUs of this process.
    """
    cpus = usable_cpus()
    if count < 1:
        raise SpecError(f"a server has at least one process, not {count}", where="--workers", hint="--workers 1")
    if count > 1 and (sys.platform == "win32" or not hasattr(signal, "pthread_sigmask")):
        raise SpecError(
            "several processes cannot share one socket on this system",
            where="--workers",
            hint="leave it out; or serve on two ports, behind a proxy",
        )
    if count > max(_LEAST_ALLOWED, cpus):
        raise SpecError(
            f"{count:,} worker processes would share the {cpus} CPUs that this process may use, and each holds its "
            "models' memory",
            where="--workers",
            hint=f"--workers {cpus}",
        )


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


def _allowed_hosts(host: str) -> frozenset[str]:
    return _LOCAL | {f"[{host}]" if ":" in host else host}


def listen(host: str, port: int) -> socket.socket:
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


def run_server(server: uvicorn.Server, listener: socket.socket) -> None:
    """Serve until SIGTERM or SIGINT, then finish the accepted requests."""
    from liftune.server.http_server import short_log

    interval = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH_SECONDS)
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
