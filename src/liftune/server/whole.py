"""The server as all of its processes: what one of them is asked and answers for all.

In: a request to load or unload a model, or about the server.  Out: the same, done or said of every process.
Not here: the processes (workers.py), routes (app.py).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Protocol

from liftune.server.channel import Channel, GoneError
from liftune.server.errors import RequestError
from liftune.server.metrics import ServerMetrics
from liftune.server.registry import ModelRegistry
from liftune.server.sums import page_of

#: Seconds after which a question about the whole server is given up.
_PATIENCE = 5.0


@dataclass(frozen=True)
class Wanted:
    """A model that the server shall serve."""

    path: str
    name: str | None
    use: str | None = None
    named: bool = False
    """Whether the command line names it: then what was said of models holds for it, such as to run its code."""


class Whole(Protocol):
    """All processes of the server."""

    async def load(self, wanted: Wanted, *, replace: bool) -> str:
        """Load a model in every process; its name.

        Raises:
            LiftuneError: it was loaded in none.
        """
        ...

    async def unload(self, name: str) -> None:
        """Unload a model in every process.

        Raises:
            RequestError: there is none of that name (404), or it was unloaded in none.
        """
        ...

    async def metrics(self) -> bytes:
        """Of all processes together."""
        ...

    @property
    def processes(self) -> tuple[int, int]:
        """How many are ready, and how many there shall be."""
        ...


class Alone:
    """A server of one process."""

    processes = (1, 1)

    def __init__(self, models: ModelRegistry, metrics: ServerMetrics) -> None:
        self._models, self._metrics = models, metrics

    async def load(self, wanted: Wanted, *, replace: bool) -> str:
        """As Whole."""
        loading = asyncio.to_thread(self._models.load, wanted.path, wanted.name, use=wanted.use, replace=replace)
        return (await loading).name

    async def unload(self, name: str) -> None:
        """As Whole."""
        self._models.unload(name)
        self._metrics.forget(name)

    async def metrics(self) -> bytes:
        """As Whole."""
        return self._metrics.page()


class OneOfMany:
    """A worker, whose parent speaks for all of them.

    Args:
        parent: it is asked through this.
        workers: how many there shall be.
    """

    def __init__(self, parent: Channel, workers: int) -> None:
        self._parent = parent
        self.processes = (1, workers)
        """As the parent said last; before it says anything this one, which answers only once it is ready."""

    async def load(self, wanted: Wanted, *, replace: bool) -> str:
        """As Whole."""
        return str(await self._asked("load", wanted, replace))

    async def unload(self, name: str) -> None:
        """As Whole."""
        await self._asked("unload", name)

    async def metrics(self) -> bytes:
        """As Whole."""
        return page_of(await self._asked("metrics", seconds=_PATIENCE))

    async def _asked(self, name: str, *what: object, seconds: float | None = None) -> Any:
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.wrap_future(self._parent.asked(name, *what))
        except (GoneError, TimeoutError):
            message = "the process that speaks for all workers does not answer: the server is stopping, or too busy"
            raise RequestError(503, message, hint="try again in a moment", headers={"Retry-After": "5"}) from None
