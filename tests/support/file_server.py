"""A server of files by https on this machine, which answers as a test says; and stores that fsspec takes for s3 and gs.

Not here: assertions.
"""

from __future__ import annotations

import hashlib
import ssl
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fsspec.implementations.memory import MemoryFileSystem

CERTIFICATE = Path(__file__).with_name("localhost.pem")


@dataclass
class Answer:
    """What a path is answered with."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    """As Content-Length; None: that of the body."""
    says_length: bool = True
    cut: bool = False
    """Whether the connection ends in the middle of a chunk."""
    raw: bytes = b""
    """What is sent in the place of an answer."""
    silent: bool = False
    """Whether nothing is answered until the client has gone."""


@dataclass
class FileServer:
    """The server's state."""

    root: str = ""
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    """Path and query of each."""
    seen: list[dict[str, str]] = field(default_factory=list)
    """The headers of each."""

    def put(self, path: str, body: bytes | str, **facts: Any) -> str:
        """A file; returns its address."""
        self.answers[path] = Answer(body.encode() if isinstance(body, str) else body, **facts)
        return self.root + path

    def lead(self, path: str, to: str, status: int = 302) -> str:
        """A redirect; returns its address."""
        return self.put(path, b"", status=status, headers={"Location": to})


@contextmanager
def file_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FileServer]:
    """A server whose certificate is trusted in this block."""
    state = FileServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            state.requests.append(self.path)
            state.seen.append(dict(self.headers.items()))
            answer = state.answers.get(self.path.partition("?")[0], Answer(b"no such file", 404))
            if answer.silent or answer.raw:
                self.wfile.write(answer.raw)
                self.close_connection = True
                self.rfile.read(int(answer.silent))
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.says_length:
                self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
            else:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.close_connection = True
            if answer.says_length:
                self.wfile.write(answer.body)
            else:
                for i in range(0, len(answer.body), 1 << 16):
                    block = answer.body[i : i + (1 << 16)]
                    self.wfile.write(f"{len(block):x}\r\n".encode() + block + b"\r\n")
                if not answer.cut:
                    self.wfile.write(b"0\r\n\r\n")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign] # clients that refuse to go on
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    state.root = f"https://localhost:{server.server_address[1]}"
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()


class Bucket(MemoryFileSystem):
    """A store in memory, as s3fs and gcsfs are to fsspec."""

    protocol: ClassVar[Any] = ("s3", "gs")
    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        path = str(path).partition("://")[2] or str(path)
        return "/" + path.strip("/")

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return self._tagged(super().info(path))

    def ls(self, path: str, detail: bool = True, **_: Any) -> Any:
        found = [self._tagged(each) for each in super().ls(path, detail=True)]
        return found if detail else [each["name"] for each in found]

    def find(self, path: str, detail: bool = False, **more: Any) -> Any:
        found = super().find(path, detail=True, **more)
        return {name: self._tagged(each) for name, each in found.items()} if detail else list(found)

    def _tagged(self, info: dict[str, Any]) -> dict[str, Any]:
        if info["type"] == "file":
            info["ETag"] = hashlib.md5(self.store[info["name"]].getvalue(), usedforsecurity=False).hexdigest()
        return info


@contextmanager
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """Stores for s3 and gs, empty, in this block."""
    Bucket.store.clear()
    Bucket.pseudo_dirs[:] = [""]
    with monkeypatch.context() as patch:
        for scheme in ("s3", "gs"):
            patch.setitem(sys.modules["fsspec.registry"]._registry, scheme, Bucket)
        patch.setattr("liftune.data.readers.fetching._MODULES", dict.fromkeys(("s3", "gs", "https", "hf"), "fsspec"))
        yield Bucket(skip_instance_cache=True)
