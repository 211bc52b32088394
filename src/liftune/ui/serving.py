"""The process of `liftune ui`: a socket of this machine, a token, and a stop that lets the running job save.

In: UiOptions.  Out: nothing; it serves until a signal stops it.
Not here: routes (app.py).
"""

from __future__ import annotations

import secrets
import webbrowser
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from liftune.claims import claim_folder
from liftune.errors import EXTRAS, SpecError, need
from liftune.server.server import address_of, is_loopback, listen, run_server

DEFAULT_FOLDER = "runs/ui"
DEFAULT_PORT = 8010
#: Seconds in which a large file may be downloaded.
_DOWNLOAD_SECONDS = 3_600.0


@dataclass(frozen=True)
class UiOptions:
    """The options of `liftune ui`."""

    folder: str = DEFAULT_FOLDER
    models: Sequence[str] = ()
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    limits: Sequence[str] = ()
    opens: bool = False
    """Whether to open a browser."""


def serve_ui(options: UiOptions, *, log: Callable[[str], None], tell: Callable[[str], None]) -> None:
    """Serve the page until SIGTERM or SIGINT; a job that runs then saves, and can be resumed.

    Args:
        tell: takes what is to be said also where nobody looks: the address.

    Raises:
        SpecError: an address that others reach, a port that is taken, an unknown limit.
        Held: another server has the folder.
    """
    need(*EXTRAS["serve"])
    need(*EXTRAS["tune"])
    check(options)
    from liftune.server.http_server import make_server
    from liftune.server.limits import Limits
    from liftune.ui.app import make_app
    from liftune.ui.children import StartProcess
    from liftune.ui.choices import choices_of
    from liftune.ui.guard import LOCAL_NAMES, PARAMETER
    from liftune.ui.incoming import reading_within
    from liftune.ui.limits import ui_limits_of
    from liftune.ui.store import Store

    limits, choices, folder = ui_limits_of(options.limits), choices_of(options.models), Path(options.folder)
    with listen(options.host, options.port) as listener, claim_folder(folder, where="--folder"):
        store, token = Store(folder), secrets.token_urlsafe(32)
        for each in store.unreadable:
            tell(f"left out, as it cannot be read: {each}")
        hosts = LOCAL_NAMES | {f"[{options.host}]" if ":" in options.host else options.host}
        app = make_app(store, choices, StartProcess(reading_within(limits)), token=token, limits=limits, hosts=hosts)
        server = make_server(app, Limits(seconds=_DOWNLOAD_SECONDS))
        address = f"{address_of(listener)}/?{PARAMETER}={token}"
        tell(f"the page is at {address}")
        log(f"files and runs are in {store.folder}; Ctrl-C stops the page, and what runs saves first")
        if options.opens:
            webbrowser.open(address)
        run_server(server, listener)
        log("stopped")


def check(options: UiOptions) -> None:
    """Refuse an address that other machines reach.

    Raises:
        SpecError: names the option.
    """
    if not is_loopback(options.host):
        raise SpecError(
            f"other machines can reach {options.host}, and the page is for this machine alone",
            where="--host",
            hint="leave it out; from another machine, come by a tunnel: ssh -L 8010:localhost:8010 THIS-MACHINE",
        )
    if not 0 <= options.port < 1 << 16:
        raise SpecError(
            f"there is no port {options.port}", where="--port", hint="give one from 0 to 65535; 0 takes a free one"
        )
