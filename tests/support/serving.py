"""Servers for the tests: a model that is no model, an app around it, and a real socket for whoever needs one.

Not here: assertions.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray

from liftune.errors import ArtifactError
from liftune.records.base import Head
from liftune.server.app import make_app
from liftune.server.auth import Credentials
from liftune.server.engine import Engine, ModelInfo, Work
from liftune.server.http_server import make_server
from liftune.server.limits import Limits
from liftune.server.registry import ModelRegistry
from liftune.tasks import TaskKind, task_of
from liftune.types import Row

#: A test that hangs is a defect; it fails after so long.
PATIENCE = 60


class FakeExecutor:
    """Gives each row a one at the position that its length says, and keeps what each batch held.

    With `hold`, a batch waits until `go` is set; `started` says that it does.
    """

    def __init__(self, *, hold: bool = False) -> None:
        self.batches: list[list[Any]] = []
        self.started, self.go = threading.Event(), threading.Event()
        if not hold:
            self.go.set()

    def logits(self, work: Sequence[Work]) -> list[NDArray[np.float32]]:
        self.batches.append([each.encoded for each in work])
        self.started.set()
        assert self.go.wait(PATIENCE)
        if any("defect" in str(each.encoded) for each in work):
            raise ZeroDivisionError("of no row's making")
        return [np.eye(each.model, dtype=np.float32)[len(str(each.encoded)) % each.model] for each in work]


class FakeEngine:
    """A model of so many labels; a row costs a token a character."""

    def __init__(self, executor: FakeExecutor, labels: int, base: FakeEngine | None = None) -> None:
        self.executor, self._labels, self._base = executor, labels, base

    def as_read(self, row: Row) -> None:
        """It reads words."""

    def prepare(self, rows: Sequence[Row]) -> list[Work]:
        return [Work(len(str(row)), self._labels, row) for row in rows]

    def base(self) -> Engine:
        if self._base is None:
            raise ArtifactError("no base here")
        return self._base


def info(labels: int, *, pairs: bool = False, task: TaskKind = TaskKind.SINGLE_LABEL) -> ModelInfo:
    names = tuple(f"label{i}" for i in range(labels)) if task_of(task).outputs_labels else ()
    head: Head = "trained" if labels == 2 else "fresh"
    return ModelInfo(task, names, pairs, "base", "lora", 64, "run", base_head=head)


def fake_models(root: Path, executor: FakeExecutor) -> ModelRegistry:
    """Folders `two`, `six` and `pair` that can be loaded; `two` is, and alone has a base with a trained head."""

    def open_model(path: Path, use: str | None = None) -> tuple[Engine, ModelInfo]:
        labels = {"two": 2, "six": 6, "pair": 3}.get(path.name)
        if labels is None:
            raise ArtifactError(f"{path.name} holds no run", where="path")
        return FakeEngine(executor, labels, FakeEngine(executor, labels)), info(labels, pairs=path.name == "pair")

    for name in ("two", "six", "pair", "empty"):
        (root / name).mkdir()
    models = ModelRegistry(open_model)
    models.load(str(root / "two"))
    return models


def fake_app(
    root: Path,
    *,
    executor: FakeExecutor | None = None,
    credentials: Credentials | None = None,
    limits: Limits | None = None,
) -> FastAPI:
    return make_app(fake_models(root, executor or FakeExecutor()), credentials=credentials, limits=limits)


@contextmanager
def serving(app: FastAPI, limits: Limits | None = None) -> Iterator[str]:
    """The app on a socket of its own; its address."""
    server = make_server(app, limits or Limits())
    listener = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
    ready = threading.Event()
    startup = server.startup

    async def started(*args: Any, **kwargs: Any) -> None:
        await startup(*args, **kwargs)
        ready.set()

    server.startup = started  # type: ignore[method-assign]
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()
