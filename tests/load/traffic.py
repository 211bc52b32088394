"""A server process, and clients that count what becomes of each request.

In: options of `liftune serve`, requests and when they are sent.  Out: statuses and seconds of each; what the process
used.
Not here: what is asserted (__main__.py).
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

#: What stands for a status where a connection ended without an answer.
LOST = 0
ADMIN = "admin"


@dataclass
class Tally:
    """What became of some requests."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """Of those answered with 200."""

    def add(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.seconds.append(seconds)

    def quantile(self, share: float) -> float:
        """Milliseconds."""
        ordered = sorted(self.seconds) or [float("nan")]
        return 1e3 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def told(self) -> str:
        names = {LOST: "lost"}
        return ", ".join(f"{names.get(status, status)}: {count:,}" for status, count in sorted(self.statuses.items()))


class Server:
    """`liftune serve` in a process of its own, on one port for its whole life."""

    def __init__(
        self, models: Sequence[str], place: Path, *, files: int | None = None, limits: Sequence[str] = ()
    ) -> None:
        self._log = place / "server.log"
        self._command = [sys.executable, "-m", "liftune", "serve", *models, "--admin-token", ADMIN]
        for limit in limits:
            self._command += ["--limit", limit]
        self._files = files
        self.port = 0
        self.start()

    def start(self) -> None:
        """Start, on the port it had before, and wait until it serves."""

        def limit() -> None:
            if self._files:
                resource.setrlimit(resource.RLIMIT_NOFILE, (self._files, self._files))

        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [*self._command, "--port", str(self.port)], stdout=log, stderr=log, preexec_fn=limit
            )
        served = self._log.read_text(encoding="utf-8").count("serving ") + 1
        while self._log.read_text(encoding="utf-8").count("serving ") < served:
            if self._process.poll() is not None:
                raise RuntimeError(self._log.read_text(encoding="utf-8"))
            time.sleep(0.1)
        self.port = int(self._log.read_text(encoding="utf-8").rstrip().rpartition(":")[2])

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(120)

    @property
    def log_bytes(self) -> int:
        return self._log.stat().st_size

    @property
    def mebibytes(self) -> float:
        """Of memory that it holds."""
        pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE") / 2**20

    @property
    def processor(self) -> float:
        """Seconds of CPU time so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def request(method: str, path: str, body: object = None) -> bytes:
    """The bytes of a request."""
    content = b"" if body is None else json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {ADMIN}\r\n"
    return f"{head}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


def classify(texts: Sequence[str], model: str = "mine") -> bytes:
    return request("POST", "/v1/classify", {"model": model, "texts": list(texts)})


class Connection:
    """One socket, opened when it is first used and whenever it was closed."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, content: bytes) -> int:
        """The status of the answer."""
        try:
            if self._streams is None:
                self._streams = await asyncio.open_connection("127.0.0.1", self._port)
            reader, writer = self._streams
            writer.write(content)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or 0))
            if b"connection: close" in head:
                await self.close()
            return int(head.split(b" ", 2)[1])
        except (OSError, EOFError):
            await self.close()
            return LOST

    async def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


async def clients(port: int, count: int, make: Callable[[int], bytes], until: Callable[[], bool]) -> Tally:
    """So many clients, each of which asks again as soon as it has its answer."""
    tally = Tally()

    async def one(number: int) -> None:
        connection, asked = Connection(port), number
        while not until():
            begun = time.perf_counter()
            status = await connection.ask(make(asked))
            tally.add(status, time.perf_counter() - begun)
            asked += count
            if status != 200:
                await asyncio.sleep(0.05)
        await connection.close()

    await asyncio.gather(*(one(number) for number in range(count)))
    return tally


async def arrivals(port: int, rate: float, content: bytes, seconds: float) -> Tally:
    """So many requests a second, each over a connection of its own, whether or not others have their answers."""
    tally, tasks = Tally(), []

    async def one() -> None:
        connection, begun = Connection(port), time.perf_counter()
        tally.add(await connection.ask(content), time.perf_counter() - begun)
        await connection.close()

    begun, sent = time.perf_counter(), 0
    while (now := time.perf_counter() - begun) < seconds:
        while sent < rate * now:
            tasks.append(asyncio.create_task(one()))
            sent += 1
        await asyncio.sleep(0.01)
    await asyncio.gather(*tasks)
    return tally


def lasting(seconds: float) -> Callable[[], bool]:
    """Whether so many seconds have passed."""
    end = time.perf_counter() + seconds
    return lambda: time.perf_counter() > end
