"""A server in a thread of the caller's own process, for notebooks and tests of applications.

In: ServeOptions.  Out: a RunningServer, which knows its address and can be stopped.
Not here: a server that is its process (server.py), several processes (workers.py).
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from liftune.errors import SpecError
from liftune.server.server import ServeOptions, address_of, open_socket, ready

if TYPE_CHECKING:
    import uvicorn


class RunningServer:
    """A server that answers while the caller goes on; leaving a `with` block stops it.

    It ends with its process, and then finishes no request.
    """

    def __init__(self, server: uvicorn.Server, listener: socket.socket) -> None:
        self._server = server
        self._listener = listener
        self.url: str = address_of(listener)
        """Such as http://127.0.0.1:8000; with port 0, the port that was free."""
        self._thread = threading.Thread(target=self._run, name=f"liftune {self.url}", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether it still answers."""
        return self._thread.is_alive()

    def stop(self) -> None:
        """Finish the accepted requests and free the address; does nothing a second time."""
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<RunningServer {self.url}{'' if self.running else ', stopped'}>"

    def _run(self) -> None:
        from liftune.server.http_server import short_log

        with short_log():
            self._server.run(sockets=[self._listener])


def serve_in_background(
    options: ServeOptions, *, log: Callable[[str], None], tell: Callable[[str], None]
) -> RunningServer:
    """Load the models in this thread, and answer from another.

    Raises:
        SpecError: as `serve`, or more than one process is asked for.
        LiftuneError: a model cannot be loaded.
    """
    if options.workers > 1:
        raise SpecError(
            "a server in the background is a thread of this process, and has no worker processes",
            where="--workers",
            hint="leave it out; or run `liftune serve` beside this process",
        )
    listener = open_socket(options)
    try:
        return RunningServer(ready(options, listener, log=log, tell=tell), listener)
    except BaseException:  # Ctrl-C too must leave no open socket
        listener.close()
        raise
