"""Many connections that ask one text at a time, as fast as they are answered, over bare sockets.

In: a port, texts.  Out: the seconds of every request, and of all together.
Not here: the servers (serve.py).
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True)
class Load:
    """One round."""

    seconds: float
    latencies: tuple[float, ...]
    """Seconds, of each request."""

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.latencies) / self.seconds

    def quantile(self, share: float) -> float:
        """Seconds within which that share was answered."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def ask(port: int, texts: Sequence[str], *, connections: int, requests: int) -> Load:
    """So many requests over so many connections, text by text in turn.

    Raises:
        RuntimeError: an answer that is not 200.
    """
    return asyncio.run(_ask(port, texts, connections, requests))


async def _ask(port: int, texts: Sequence[str], connections: int, requests: int) -> Load:
    numbers, latencies = count(), []

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while (number := next(numbers)) < requests:
            body = json.dumps({"texts": [texts[number % len(texts)]]}).encode()
            head = "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            begun = time.perf_counter()
            writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            latencies.append(time.perf_counter() - begun)
            if not answer.startswith(b"http/1.1 200"):
                raise RuntimeError(answer.partition(b"\r\n")[0].decode())
        writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return Load(time.perf_counter() - begun, tuple(latencies))
