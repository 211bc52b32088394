"""A stand-in of the Hub's HTTP interface on this machine: as much of it as pushing and reading models needs.

In: requests of `huggingface_hub`.  Out: answers; repositories in memory, with their commits, and a log of requests.
Not here: LFS and Xet (every file is taken as a small one), assertions.

Used as `with fake_hub(monkeypatch, tmp_path) as hub`: in that block the hub is this server, its cache is empty, and the
token is `hub.token`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

TOKEN = "hf_" + "a" * 34


@dataclass
class Repository:
    """One repository's commits, the newest last."""

    private: bool
    commits: list[tuple[str, dict[str, bytes]]] = field(default_factory=list)

    @property
    def head(self) -> str:
        return self.commits[-1][0]

    @property
    def files(self) -> dict[str, bytes]:
        return self.commits[-1][1]

    def at(self, revision: str) -> tuple[str, dict[str, bytes]] | None:
        if revision in ("main", "HEAD"):
            return self.commits[-1]
        return next((each for each in self.commits if each[0] == revision), None)

    def commit(self, files: dict[str, bytes]) -> str:
        told = json.dumps([len(self.commits), sorted((name, _sha1(each)) for name, each in files.items())])
        oid = _sha1(told.encode())
        self.commits.append((oid, files))
        return oid


@dataclass
class FakeHub:
    """The server's state, for tests to look at and to change."""

    endpoint: str = ""
    token: str = TOKEN
    user: str = "someone"
    repositories: dict[str, Repository] = field(default_factory=dict)
    """Name -> a model; "datasets/" stands before the name of a data set."""
    requests: list[str] = field(default_factory=list)
    sent: list[bytes] = field(default_factory=list)
    """The bodies of all requests."""
    failing: dict[str, int] = field(default_factory=dict)
    """Part of a path -> the status that it is answered with."""
    read_only: bool = False
    """The token may only read."""

    def add(self, name: str, folder: Path, *, private: bool = False) -> str:
        """A repository of a folder's files; returns its commit."""
        repository = self.repositories.setdefault(name, Repository(private))
        return repository.commit({each.name: each.read_bytes() for each in folder.iterdir() if each.is_file()})


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


def _entries_at(files: dict[str, bytes], path: str) -> list[dict[str, Any]]:
    """What the hub tells of a file or a folder; nothing where there is none."""
    if path in files:
        return [{"type": "file", "path": path, "size": len(files[path]), "oid": _sha1(files[path])}]
    return (
        [{"type": "directory", "path": path, "oid": ""}] if any(each.startswith(f"{path}/") for each in files) else []
    )


class _Answer(Exception):  # noqa: N818 - an answer that ends a request early
    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def _handler(hub: FakeHub) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._serve()

        def do_HEAD(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def _serve(self) -> None:
            path = unquote(urlsplit(self.path).path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Transfer-Encoding") == "chunked":
                body = self._chunks()
            hub.requests.append(f"{self.command} {path}")
            hub.sent.append(body)
            try:
                for part, status in hub.failing.items():
                    if part in path:
                        raise _Answer(status, message="made to fail")
                self._route(path, body)
            except _Answer as answer:
                headers = {"X-Error-Code": answer.code, "X-Error-Message": answer.message}
                self._send(answer.status, json.dumps({"error": answer.message}).encode(), headers)

        def _chunks(self) -> bytes:
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _route(self, path: str, body: bytes) -> None:
            kinds = path.strip("/").split("/")
            if path == "/api/whoami-v2":
                self._need_token()
                return self._json({"type": "user", "name": hub.user, "orgs": [], "auth": {}})
            if path == "/api/validate-yaml":
                return self._json({"errors": [], "warnings": []})
            if path == "/api/repos/create":
                return self._create(json.loads(body))
            if kinds[:2] == ["api", "models"]:
                return self._model("/".join(kinds[2:4]), kinds[4:], body)
            if kinds[:2] == ["api", "datasets"]:
                return self._model("/".join(["datasets", *kinds[2:4]]), kinds[4:], body)
            if kinds[0] == "datasets" and len(kinds) > 5 and kinds[3] == "resolve":
                return self._file("/".join(kinds[:3]), kinds[4], "/".join(kinds[5:]))
            if len(kinds) > 4 and kinds[2] == "resolve":
                return self._file("/".join(kinds[:2]), kinds[3], "/".join(kinds[4:]))
            raise _Answer(404, message=f"no such address: {path}")

        def _allowed(self) -> bool:
            return self.headers.get("Authorization") == f"Bearer {hub.token}"

        def _need_token(self) -> None:
            if not self._allowed():
                raise _Answer(401, message="Invalid credentials in Authorization header")

        def _may_write(self, owner: str) -> None:
            self._need_token()
            if hub.read_only or owner != hub.user:
                raise _Answer(403, message="You don't have the rights to create a model under this namespace")

        def _create(self, wanted: dict[str, Any]) -> None:
            owner = wanted.get("organization") or hub.user
            name = f"{owner}/{wanted['name']}"
            self._may_write(owner)
            if name in hub.repositories:
                told = {"error": "You already created this model repo", "url": f"{hub.endpoint}/{name}"}
                self._send(409, json.dumps(told).encode(), {})
                return
            private = wanted.get("private") or wanted.get("visibility") == "private"
            hub.repositories[name] = repository = Repository(bool(private))
            repository.commit({".gitattributes": b"*.safetensors filter=lfs\n"})
            self._json({"url": f"{hub.endpoint}/{name}", "name": name, "id": name})

        def _repository(self, name: str) -> Repository:
            repository = hub.repositories.get(name)
            if repository is None or (repository.private and not self._allowed()):
                raise _Answer(404 if self._allowed() else 401, "RepoNotFound", "Repository not found")
            return repository

        def _model(self, name: str, rest: list[str], body: bytes) -> None:
            repository = self._repository(name)
            action = rest[0] if rest else "revision"
            revision = rest[1] if len(rest) > 1 else "main"
            if action == "preupload":
                self._may_write(name.split("/")[0])
                files = [
                    {"path": each["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                    for each in json.loads(body)["files"]
                ]
                return self._json({"files": files})
            if action == "commit":
                self._may_write(name.split("/")[0])
                return self._commit(name, repository, body)
            found = repository.at(revision)
            if found is None:
                raise _Answer(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            commit, files = found
            if action == "paths-info":
                asked = parse_qs(body.decode()).get("paths", [])
                return self._json([entry for path in asked for entry in _entries_at(files, path)])
            if action == "tree" and "recursive=true" not in self.path.lower():
                folder = "".join(f"{each}/" for each in rest[2:])
                inside = [each.removeprefix(folder).split("/")[0] for each in files if each.startswith(folder)]
                return self._json(
                    [entry for each in sorted(set(inside)) for entry in _entries_at(files, folder + each)]
                )
            if action == "tree":
                entries = [
                    {"type": "file", "path": path, "size": len(each), "oid": _sha1(each)}
                    for path, each in sorted(files.items())
                ]
                return self._json(entries)
            if action == "revision":
                siblings = [{"rfilename": each} for each in sorted(files)]
                known = {"id": name, "modelId": name, "sha": commit, "private": repository.private}
                licence = re.search(rb"^license: *(\S+)", files.get("README.md", b""), re.MULTILINE)
                data = {"license": licence[1].decode()} if licence else {}
                return self._json({**known, "siblings": siblings, "cardData": data})
            raise _Answer(404, message=f"no such action: {action}")

        def _commit(self, name: str, repository: Repository, body: bytes) -> None:
            files = dict(repository.files)
            for line in body.splitlines():
                each = json.loads(line)
                value = each["value"]
                if each["key"] == "header" and value.get("parentCommit") not in (None, repository.head):
                    raise _Answer(412, message="A commit has happened since. Please refresh and try again.")
                if each["key"] == "file":
                    files[value["path"]] = base64.b64decode(value["content"])
                if each["key"] == "deletedFile":
                    del files[value["path"]]
            oid = repository.commit(files)
            url = f"{hub.endpoint}/{name}/commit/{oid}"
            self._json({"success": True, "commitOid": oid, "commitUrl": url, "hookOutput": ""})

        def _file(self, name: str, revision: str, path: str) -> None:
            repository = self._repository(name)
            found = repository.at(revision)
            if found is None:
                raise _Answer(404, "RevisionNotFound", f"Invalid rev id: {revision}")
            commit, files = found
            if path not in files:
                raise _Answer(404, "EntryNotFound", "Entry not found")
            headers = {"ETag": f'"{_sha1(files[path])}"', "X-Repo-Commit": commit}
            self._send(200, files[path], headers, "application/octet-stream")

        def _json(self, value: Any) -> None:
            self._send(200, json.dumps(value).encode(), {})

        def _send(self, status: int, content: bytes, headers: dict[str, str], kind: str = "application/json") -> None:
            self.send_response(status)
            for name, value in headers.items():
                if value:
                    self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

    return Handler


@contextmanager
def fake_hub(patch: pytest.MonkeyPatch, cache: Path) -> Iterator[FakeHub]:
    """A server that `huggingface_hub` takes for the hub.

    Args:
        cache: a folder for what is downloaded.
    """
    from huggingface_hub import constants, hf_api
    from huggingface_hub.utils import _http
    from transformers.utils import hub as transformers_hub

    hub = FakeHub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(hub))
    server.daemon_threads = True
    hub.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    patch.setenv("HF_ENDPOINT", hub.endpoint)  # of processes that are started
    patch.setenv("HF_HUB_CACHE", str(cache))
    patch.setenv("HF_TOKEN", hub.token)
    patch.setenv("NO_PROXY", "127.0.0.1")
    patch.setattr(constants, "ENDPOINT", hub.endpoint)  # of this one, which has read them
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", hub.endpoint + "/{repo_id}/resolve/{revision}/{filename}")
    patch.setattr(constants, "HF_HUB_CACHE", str(cache))
    patch.setattr(constants, "HF_HUB_OFFLINE", False)
    patch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    patch.setattr(hf_api.api, "endpoint", hub.endpoint)
    patch.setattr(_http, "time", SimpleNamespace(**{**vars(time), "sleep": lambda seconds: None}))  # between tries
    patch.setattr(transformers_hub, "_hf_api", None, raising=False)  # it keeps the address of the first hub it asked
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
