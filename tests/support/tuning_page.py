"""The page of `liftune ui` in memory: an app over a folder, a client as a browser would be, children that are none.

Not here: assertions about the page.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from liftune.ui.app import make_app
from liftune.ui.choices import Choices
from liftune.ui.guard import PARAMETER
from liftune.ui.limits import UiLimits
from liftune.ui.store import Store

#: A test that hangs is a defect; it fails after so long.
PATIENCE = 60
TOKEN = "the-token-of-this-start"
HOST = "127.0.0.1:8010"
ORIGIN = f"http://{HOST}"
CSV = b"text,label\n" + b"".join(f"day {i},{('glad', 'sad')[i % 2]}\n".encode() for i in range(20))


class FakeChild:
    """A command that ends when the test says so, and with what code; asked to stop, it ends as after SIGTERM."""

    def __init__(self, arguments: Sequence[str], folder: Path, log: Path) -> None:
        self.arguments, self.folder, self.log = tuple(arguments), folder, log
        self.pid = 4_000_000
        self.stopped = False
        self._over = threading.Event()
        self._code = 0

    async def wait(self) -> int:
        assert await asyncio.to_thread(self._over.wait, PATIENCE)
        return self._code

    def stop(self) -> None:
        self.stopped = True
        self.end(143)

    def end(self, code: int, said: str = "") -> None:
        with self.log.open("a", encoding="utf-8") as file:
            file.write(said)
        self._code = code
        self._over.set()

    @property
    def run(self) -> Path:
        """The run's folder, beside the options."""
        return (self.folder / self.arguments[self.arguments.index("--config") + 1]).parent / "run"

    def finish(self, record: str = "{}") -> None:
        """End as a run that came to its end."""
        self.run.mkdir(exist_ok=True)
        (self.run / "record.json").write_text(record, encoding="utf-8")
        self.end(0)


class FakeStarter:
    """Starts FakeChildren, and keeps them; `started` is set when one is."""

    def __init__(self) -> None:
        self.children: list[FakeChild] = []
        self._fresh = threading.Semaphore(0)

    async def __call__(self, arguments: Sequence[str], folder: Path, log: Path) -> FakeChild:
        child = FakeChild(arguments, folder, log)
        self.children.append(child)
        self._fresh.release()
        return child

    def next(self) -> FakeChild:
        """The child that is started next."""
        assert self._fresh.acquire(timeout=PATIENCE)
        return self.children[-1]


@contextmanager
def page(
    folder: Path, start: Any = None, limits: UiLimits | None = None, models: Sequence[str] = ("minilm",)
) -> Iterator[TestClient]:
    """A client with the token's cookie, that sends the page's own origin."""
    app = make_app(Store(folder), Choices(tuple(models)), start or FakeStarter(), token=TOKEN, limits=limits)
    with TestClient(app, base_url=ORIGIN, headers={"Origin": ORIGIN}) as client:
        assert client.get("/", params={PARAMETER: TOKEN}).status_code == 200
        yield client


def sent(client: TestClient, content: bytes = CSV, name: str = "rows.csv", **headers: str) -> Any:
    """The response to a file."""
    return client.post("/api/uploads", content=content, headers={"X-File-Name": name, **headers})


def asked(client: TestClient, **form: Any) -> Any:
    """The job that a form starts, of the sample where it names no upload."""
    response = client.post("/api/jobs", json=form)
    assert response.status_code == 201, response.text
    return response.json()


def until(client: TestClient, job: str, wanted: str, bundle: str | None = None) -> Mapping[str, Any]:
    """The job once it is in a state; each look is a request."""
    for _ in range(20_000):
        found = client.get(f"/api/jobs/{job}").json()
        if found["state"] == wanted and (bundle is None or (found["bundle"] or {}).get("state") == bundle):
            return dict(found)
    raise AssertionError(f"{job} is {found['state']} with {found['bundle']}, not {wanted}")
