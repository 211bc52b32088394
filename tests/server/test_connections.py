"""Connections over real sockets: how many, how slow, how large, and that whoever is refused can read why."""

from __future__ import annotations

import asyncio
import errno
import http.client
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from serving import PATIENCE, FakeExecutor, fake_app, serving
from starlette.testclient import TestClient

from liftune.errors import SpecError, nearest
from liftune.server.auth import Credentials
from liftune.server.connections import LimitedConnection, spare
from liftune.server.http_server import OncePerMinute, make_server, most_connections, short_log
from liftune.server.limits import Limits, limits_of
from liftune.server.preparing import slices

QUICK = Limits(header_seconds=0.2, body_seconds=0.2, idle_seconds=0.2, wait_seconds=0, body_bytes=500_000)
ADMIN = {"Authorization": "Bearer admin"}


@contextmanager
def connected(root: Path, limits: Limits, **options: Any) -> Iterator[Any]:
    """What opens a socket to a server of these limits."""
    with serving(fake_app(root, limits=limits, **options), limits) as url, ExitStack() as stack:
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        yield lambda: stack.enter_context(closing(socket.create_connection(address, timeout=PATIENCE)))


def answer_of(connection: socket.socket) -> tuple[int, dict[str, Any]]:
    """Status and JSON; 0 where the server closed the connection without an answer."""
    response = http.client.HTTPResponse(connection)
    try:
        response.begin()
    except http.client.RemoteDisconnected:
        return 0, {}
    body = response.read()
    kind = response.headers.get("Content-Type", "")
    if response.status >= 400:
        assert kind == "application/problem+json"
    return response.status, json.loads(body) if "json" in kind else {}


def asked(connection: socket.socket, body: bytes = b'{"texts": ["a"]}', head: str = "") -> tuple[int, dict[str, Any]]:
    connection.sendall(post(body, head))
    return answer_of(connection)


def post(body: bytes, head: str = "", path: str = "/v1/classify") -> bytes:
    start = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{start}{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: "])
def test_a_head_that_does_not_come_in_time_is_refused(sent: bytes, tmp_path: Path) -> None:
    """On a new connection, and on one that has had an answer."""
    with connected(tmp_path, QUICK) as connect:
        for used in (False, True):
            connection = connect()
            if used:
                assert asked(connection)[0] == 200
            connection.sendall(sent)
            assert answer_of(connection)[0] == (408 if sent else 0)
            assert connection.recv(1) == b""


def test_a_body_that_does_not_come_in_time_is_refused(tmp_path: Path) -> None:
    with connected(tmp_path, QUICK) as connect:
        connection = connect()
        connection.sendall(post(b'{"texts": ["a"]}')[:-3])
        status, problem = answer_of(connection)
        assert (status, problem["detail"]) == (408, "the body did not arrive in time")


def test_a_body_that_nobody_asked_for_does_not_hold_the_connection(tmp_path: Path) -> None:
    with connected(tmp_path, QUICK) as connect:
        connection = connect()
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 90\r\n\r\nabc")
        assert answer_of(connection)[0] == 200
        connection.sendall(b"x" * 87)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET /" + b"a" * 400_000, 414),
        (b"GET /v1/models?name=" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 400_000, 431),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 60_000, 431),
        (b"no such thing\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"POST /v1/classify HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)
def test_a_head_that_cannot_be_used_is_refused_by_what_is_wrong(head: bytes, status: int, tmp_path: Path) -> None:
    with connected(tmp_path, Limits()) as connect:
        connection = connect()
        connection.sendall(head)
        assert answer_of(connection)[0] == status
        assert asked(connect())[0] == 200


@pytest.mark.parametrize("head", ["", "Connection: close\r\n"])
@pytest.mark.parametrize("wrong", ["large", "chunked", "token", "path", "method"])
def test_whoever_is_refused_can_read_why_after_sending_everything(wrong: str, head: str, tmp_path: Path) -> None:
    """An ordinary client sends its whole body before it reads; a connection closed before that is reset."""
    statuses = {"large": 413, "chunked": 413, "token": 401, "path": 404, "method": 405}
    body = b" " * (300_000 if wrong in ("token", "path", "method") else 6_000_000)
    request = post(body, head)
    if wrong == "chunked":
        request = request.replace(b"Content-Length: 6000000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n5B8D80\r\n")
        request += b"\r\n0\r\n\r\n"
    if wrong == "path":
        request = request.replace(b"/v1/classify", b"/nothing")
    if wrong == "method":
        request = request.replace(b"POST", b"GET", 1)
    credentials = Credentials("secret") if wrong == "token" else None
    with connected(tmp_path, QUICK, credentials=credentials) as connect:
        connection = connect()
        connection.sendall(request)
        status, problem = answer_of(connection)
        assert (status, bool(problem["hint"])) == (statuses[wrong], True)
        if wrong in ("large", "chunked"):
            assert connection.recv(1) == b""


def test_who_asks_before_sending_a_large_body_is_told_at_once(tmp_path: Path) -> None:
    with connected(tmp_path, QUICK) as connect:
        connection = connect()
        connection.sendall(post(b" " * 600_000, "Expect: 100-continue\r\n")[:-600_000])
        assert answer_of(connection)[0] == 413


def test_a_connection_too_many_is_refused_and_more_wait(tmp_path: Path) -> None:
    limits = Limits(connections=4, wait_seconds=0)
    executor = FakeExecutor(hold=True)
    with connected(tmp_path, limits, executor=executor) as connect:
        working = [connect() for _ in range(4)]
        for each in working:
            each.sendall(post(b'{"texts": ["a"]}'))
        assert executor.started.wait(PATIENCE)
        for _ in range(6):
            refused, problem = asked(connect())
            assert (refused, problem["detail"]) == (503, "too many connections are open")
        executor.go.set()
        assert [answer_of(each)[0] for each in working] == [200] * 4
        assert asked(working[0])[0] == 200


@pytest.mark.parametrize("sent", [b"", b"GET / HT"])
def test_idle_connections_shut_nobody_out(sent: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that never asked make room first; who has asked keeps its connection for a while."""
    monkeypatch.setattr("liftune.server.connections._UNUSED_SECONDS", 0.0)
    with connected(tmp_path, Limits(connections=4, wait_seconds=0)) as connect:
        used = connect()
        assert asked(used)[0] == 200
        idle = [connect() for _ in range(40)]
        for each in idle:
            each.sendall(sent)
        for _ in range(3):
            assert asked(used)[0] == 200
            assert asked(connect())[0] == 200


def test_used_connections_make_room_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liftune.server.connections._USED_SECONDS", 0.0)
    with connected(tmp_path, Limits(connections=4, wait_seconds=0)) as connect:
        for _ in range(12):
            assert asked(connect())[0] == 200


class Unread(asyncio.Transport):
    """Of a client that reads nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.unread, self.aborted = 5, False

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return True

    def abort(self) -> None:
        self.aborted = True


def test_a_client_that_does_not_read_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.new_event_loop()
    server = make_server(fake_app(tmp_path), Limits(seconds=10))
    connection = LimitedConnection(server.config, server.server_state, {}, loop)
    transport = Unread()
    connection.connection_made(transport)
    found = []
    for now, unread in ((1, 5), (9, 5), (10, 0), (15, 5), (24, 4), (26, 3)):
        monkeypatch.setattr(loop, "time", lambda now=now: now)
        transport.unread = unread
        connection.check_time()
        found.append(transport.aborted)
    assert found == [False] * 5 + [True]
    loop.close()


def test_many_large_bodies_at_once_are_refused(tmp_path: Path) -> None:
    with connected(tmp_path, Limits(body_bytes=1000)) as connect:
        slow = [connect() for _ in range(17)]
        for each in slow:
            each.sendall(post(b" " * 1000)[:-1])
        found = [each for each in slow if _answers(each)]
        assert [answer_of(each)[0] for each in found] == [503] * len(found)
        assert len(found) >= 1


def _answers(connection: socket.socket) -> bool:
    connection.settimeout(0.1)
    try:
        return bool(connection.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False
    finally:
        connection.settimeout(PATIENCE)


def test_connections_leave_half_of_the_files_for_everything_else(monkeypatch: pytest.MonkeyPatch) -> None:
    for files, most in ((96, 39), (1024, 410), (1_000_000, 512), (None, 512)):
        monkeypatch.setattr("liftune.server.http_server.files_allowed", lambda files=files: files)
        found = most_connections(Limits())
        assert found == most
        assert files is None or found + spare(found) <= files / 2
    monkeypatch.setattr("liftune.server.http_server.files_allowed", lambda: 12)
    with pytest.raises(SpecError, match="too few to serve"):
        most_connections(Limits())


def test_accept_failures_wait_and_are_logged_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """asyncio itself tries and logs a whole queue of times at each turn of its loop."""
    monkeypatch.setattr("liftune.server.http_server._RETRY_SECONDS", 0.01)
    tries = []

    class Exhausted(socket.socket):
        def accept(self) -> Any:
            tries.append(1)
            if len(tries) < 5:
                raise OSError(errno.EMFILE, "Too many open files")
            return super().accept()

    async def story() -> None:
        server = make_server(fake_app(tmp_path), Limits())
        with socket.create_server(("127.0.0.1", 0)) as listener:
            exhausted = Exhausted(fileno=listener.detach())
        serving = asyncio.create_task(server.serve([exhausted]))
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection(*exhausted.getsockname())
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in await reader.readline()
        writer.close()
        server.should_exit = True
        await serving

    with short_log():
        asyncio.run(asyncio.wait_for(story(), PATIENCE))
    assert len(tries) >= 5
    assert capsys.readouterr().err.count("cannot accept connections, which wait: Too many open files") == 1


def test_a_stop_answers_who_waits_and_who_is_about_to_ask_again(tmp_path: Path) -> None:
    """A connection that is kept open ends with its next answer, and says so; one in the system's queue is taken."""
    asked = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

    async def answer(reader: asyncio.StreamReader) -> bytes:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        return head

    async def story() -> None:
        server = make_server(fake_app(tmp_path), Limits())
        listener = socket.create_server(("127.0.0.1", 0))
        address = listener.getsockname()
        serving = asyncio.create_task(server.serve([listener]))
        while not server.started:
            await asyncio.sleep(0.01)
        reader, writer = await asyncio.open_connection(*address)
        writer.write(asked)
        assert b"connection: close" not in await answer(reader)
        server.should_exit = True
        while not server._ending.is_set():
            await asyncio.sleep(0)
        with socket.create_connection(address, timeout=PATIENCE) as waiting:  # before the server has its next turn
            waiting.sendall(asked)
            writer.write(asked)
            head = await answer(reader)
            assert b"200 ok" in head and b"connection: close" in head  # noqa: PT018 - of one answer
            found = await asyncio.to_thread(waiting.recv, 4096)
            assert b"200 OK" in found and b"connection: close" in found.lower()  # noqa: PT018 - as above
        await serving
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(address, timeout=PATIENCE)

    asyncio.run(asyncio.wait_for(story(), PATIENCE))


def test_a_kind_of_message_is_logged_once_a_minute() -> None:
    now = [0.0]
    once = OncePerMinute(lambda: now[0])

    def logged(message: str) -> str:
        record = logging.LogRecord("a", logging.ERROR, "a", 1, message, (), None)
        return record.msg if once.filter(record) else ""

    assert [logged("a"), logged("a\nof another socket"), logged("b"), logged("a")] == ["a", "", "b", ""]
    now[0] = 61
    assert [logged("a"), logged("a"), logged("b")] == ["a (and 2 times before, not logged)", "", "b"]


@pytest.mark.parametrize("name", ["a" * 4_000_000, "\ud83d" * 101, "é" * 200])
def test_a_name_that_is_too_long_is_refused_with_its_beginning(name: str, tmp_path: Path) -> None:
    with TestClient(fake_app(tmp_path, limits=Limits(body_bytes=30_000_000))) as client:
        body = json.dumps({"model": name, "texts": ["a"]})
        response = client.post("/v1/classify", content=body, headers={"Content-Type": "application/json"})
        assert response.status_code == 404
        assert len(response.content) < 2_000
        assert repr(name[:10])[1:-1] in response.json()["detail"]


@pytest.mark.parametrize("field", ["path", "name", "a" * 4_000_000])
def test_nothing_long_is_repeated(field: str, tmp_path: Path) -> None:
    app = fake_app(tmp_path, credentials=Credentials(admin_token="admin"), limits=Limits(body_bytes=30_000_000))
    with TestClient(app) as client:
        body = {"path": str(tmp_path / "none"), "name": "six", field: "b" * 3_000_000}
        response = client.post("/v1/models", json=body, headers=ADMIN)
        assert response.status_code == 422
        assert len(response.content) < 2_000


def test_far_too_many_texts_are_refused_before_each_is_looked_at(tmp_path: Path) -> None:
    with TestClient(fake_app(tmp_path, limits=Limits(body_bytes=30_000_000))) as client:
        response = client.post("/v1/classify", json={"texts": [5] * 100_000})
        assert (response.status_code, response.json()["where"]) == (413, "texts")
    with pytest.raises(SpecError, match="at most 65,536"):
        limits_of(["texts=100000"])


def test_no_name_is_guessed_from_a_book() -> None:
    assert nearest("lora" * 1_000_000, ["lora"]) == ""


def test_slices_hold_every_row_once_in_order() -> None:
    rows = ["a" * (i * 37 % 50) for i in range(100)]
    found = list(slices(rows, 100))
    assert [row for part in found for row in part] == rows
    assert all(sum(map(len, part)) <= 100 for part in found)


def test_a_giant_request_is_prepared_in_slices_between_which_others_come(tmp_path: Path) -> None:
    executor = FakeExecutor()
    with TestClient(fake_app(tmp_path, executor=executor)) as client:
        texts = ["a" * 5_000, "b" * 5_000, "c"] * 30
        found = client.post("/v1/classify", json={"texts": texts}).json()["results"]
    assert [each["text"] for each in found] == texts
