"""Several processes behind one socket: what reaches all or none, what dies, what is added up, and how it stops."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from queue import SimpleQueue
from types import SimpleNamespace
from typing import Any

import pytest
from constant_model import save_constant
from prometheus_client.parser import text_string_to_metric_families
from serving import PATIENCE

from liftune.errors import ArtifactError, LiftuneError, OutOfMemory, SpecError
from liftune.server import workers
from liftune.server.channel import Channel, GoneError
from liftune.server.errors import RequestError
from liftune.server.member import check_memory, own_memory
from liftune.server.metrics import ServerMetrics
from liftune.server.opening import libraries_of
from liftune.server.server import ServeOptions, check, serve
from liftune.server.sums import of_the_dead, page_of, summed, without
from liftune.server.whole import OneOfMany, Wanted

ADMIN = {"Authorization": "Bearer admin"}

# Questions and answers.


@contextmanager
def channels(answers: dict[str, Callable[..., Any]]) -> Iterator[tuple[Channel, Any, threading.Event]]:
    """The asking end, the other end's pipe, and whether the asking end knows that the other is gone."""
    ours, theirs = multiprocessing.Pipe()
    gone = threading.Event()
    one, other = Channel(ours, {}, gone.set), Channel(theirs, answers, lambda: None)
    one.start()
    other.start()
    yield one, theirs, gone
    ours.close()


def refuse(error: Exception) -> None:
    raise error


def test_an_answer_or_an_error_comes_back() -> None:
    told: list[int] = []
    answers = {"add": lambda a, b: a + b, "refuse": refuse, "told": told.append, "all": lambda: list(told)}
    with channels(answers) as (channel, _, _):
        assert channel.ask("add", 1, 2) == 3
        with pytest.raises(ArtifactError, match="no run") as found:
            channel.ask("refuse", ArtifactError("no run", where="path", hint="give one"))
        assert (found.value.where, found.value.hint) == ("path", "give one")
        with pytest.raises(RequestError, match="taken") as refused:
            channel.ask("refuse", RequestError(409, "taken", where="name", headers={"Retry-After": "1"}))
        assert (refused.value.status, refused.value.headers) == (409, {"Retry-After": "1"})
        with pytest.raises(RequestError, match="ZeroDivisionError"):
            channel.ask("refuse", ZeroDivisionError("of no user's making"))
        for number in range(50):
            channel.tell("told", number)
        assert channel.ask("all") == list(range(50)), "what is told is done in order"


def test_what_fails_where_nobody_waits_is_in_the_log(capfd: pytest.CaptureFixture[str]) -> None:
    """Of a defect that is all there is; whoever asks learns where to look."""
    with channels({"refuse": refuse, "sum": sum}) as (channel, _, _):
        channel.tell("refuse", ArtifactError("no run", where="path", hint="give one"))
        channel.tell("refuse", ZeroDivisionError("of no user's making"))
        assert channel.ask("sum", [1, 2]) == 3
        said = capfd.readouterr().err
        assert "liftune: refuse failed" in said
        assert "no run" in said
        assert "Traceback" in said
        assert "ZeroDivisionError: of no user's making" in said
        with pytest.raises(RequestError) as found:
            channel.ask("refuse", ZeroDivisionError("another"))
        assert found.value.hint == "see the server's log"
        assert "ZeroDivisionError: another" in capfd.readouterr().err


def test_who_asks_a_process_that_ends_is_told() -> None:
    hold = threading.Event()
    with channels({"wait": lambda: hold.wait(PATIENCE)}) as (channel, theirs, gone):
        with pytest.raises(GoneError):
            channel.ask("wait", seconds=0.01)
        waiting = channel.asked("wait")
        os.close(os.dup(theirs.fileno()))
        with socket.socket(fileno=os.dup(theirs.fileno())) as end:
            end.shutdown(socket.SHUT_RDWR)  # as when the process is killed
        with pytest.raises(GoneError):
            waiting.result(PATIENCE)
        assert gone.wait(PATIENCE)
        with pytest.raises(GoneError):
            channel.ask("wait")
        hold.set()


# Sums.


def counted(*requests: tuple[str, int, float], rows: int = 0, models: int = 1) -> ServerMetrics:
    metrics = ServerMetrics()
    metrics.add_gauges(lambda: rows, lambda: models)
    for route, status, seconds in requests:
        metrics.request(route, status, seconds)
        metrics.texts("mine", 3)
    return metrics


def values(page: bytes) -> dict[str, float]:
    """Sample and labels -> value."""
    return {
        f"{each.name}{sorted(each.labels.values()) or ''}": each.value
        for family in text_string_to_metric_families(page.decode())
        for each in family.samples
    }


def test_counts_of_processes_are_added_and_outlive_them() -> None:
    one, other = counted(("/a", 200, 0.1), ("/a", 200, 0.2), rows=5), counted(("/a", 503, 2.0), rows=2)
    both = summed([one.snapshot(), other.snapshot()])
    found = values(page_of(both))
    assert found["liftune_requests_total['/a', '200']"] == 2
    assert found["liftune_requests_total['/a', '503']"] == 1
    assert found["liftune_request_seconds_count['/a']"] == 3
    assert found["liftune_request_seconds_sum['/a']"] == pytest.approx(2.3)
    assert (found["liftune_queue_rows"], found["liftune_models"]) == (7, 1)
    after = values(page_of(summed([of_the_dead(one.snapshot()), other.snapshot()])))
    assert after["liftune_request_seconds_count['/a']"] == 3
    assert after["liftune_queue_rows"] == 2
    assert "liftune_texts_total['mine']" not in values(page_of(without(both, {"model": "mine"})))


def test_the_sum_of_one_is_its_own_page() -> None:
    one = counted(("/a", 200, 0.1))
    assert values(page_of(summed([one.snapshot()]))) == values(one.page())


# All or none.


class FakeMember:
    """A worker without a process: answers at once, or as `answers` say."""

    def __init__(self, number: int, job: Any, listener: Any, threads: int, answers: Any, happened: Any) -> None:
        self.number, self.ready, self.failure, self.names = number, True, None, [each.name for each in job.models]
        self.job, self.since, self.happened = job, time.monotonic(), happened
        self.counted: Any = counted(("/a", 200, 0.1)).snapshot()
        self.did: list[str] = []
        self.answers: dict[str, Exception] = {}
        self.process = SimpleNamespace(pid=None, exitcode=-9, join=lambda: None, is_alive=lambda: False)
        self.channel = SimpleNamespace(tell=self.tell, asked=self.asked)

    def tell(self, name: str, *what: Any) -> None:
        self.did.append(name)

    def asked(self, name: str, *what: Any) -> Future[Any]:
        self.did.append(name)
        future: Future[Any] = Future()
        if name in self.answers:
            future.set_exception(self.answers[name])
        else:
            future.set_result(what[0].name if name == "prepare" else self.counted)
        return future


@pytest.fixture
def crew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(workers, "Member", FakeMember)
    said: list[str] = []
    options = ServeOptions([f"mine={save_constant(tmp_path / 'mine', [0, 1])}"], workers=3)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        made: Any = workers.Crew(options, listener, log=said.append, tell=said.append)
        with made:
            made.said = said
            made.fakes = made._members
            for each in made.fakes.values():
                each.did.clear()  # what they were told of each other's start
            yield made


def names(crew: Any) -> list[str]:
    """Of the models that a process which starts now begins with."""
    crew._start(9)
    return list(crew.fakes.pop(9).names)


def test_a_model_is_loaded_by_all_before_any_serves_it(crew: Any) -> None:
    assert crew.load(Wanted("two", "new"), False) == "new"
    assert [each.did for each in crew.fakes.values()] == [["prepare", "serve"]] * 3
    assert names(crew) == ["mine", "new"]
    crew.unload("new")
    assert [each.did[2:] for each in crew.fakes.values()] == [["unload"]] * 3
    assert names(crew) == ["mine"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ArtifactError("no run", where="path"), "no run"),
        (OutOfMemory("no memory"), "no memory"),
        (GoneError(), "worker process 2 has ended: nothing was changed"),
    ],
)
def test_a_model_that_one_cannot_load_is_loaded_by_none(error: Exception, said: str, crew: Any) -> None:
    crew.fakes[2].answers["prepare"] = error
    with pytest.raises(LiftuneError, match=said):
        crew.load(Wanted("two", "new"), False)
    assert [each.did for each in crew.fakes.values()] == [["prepare", "drop"]] * 3
    assert names(crew) == ["mine"]


def test_one_that_ends_while_a_model_is_put_begins_with_it(crew: Any) -> None:
    crew.fakes[1].answers["serve"] = GoneError()
    assert crew.load(Wanted("two", "new"), False) == "new"
    assert names(crew) == ["mine", "new"]


def test_nothing_is_changed_while_one_is_not_ready(crew: Any) -> None:
    crew.fakes[3].ready = False
    for change in (lambda: crew.load(Wanted("two", "new"), False), lambda: crew.unload("mine")):
        with pytest.raises(RequestError, match="only 2 of 3 worker processes are ready: nothing was changed") as found:
            change()
        assert (found.value.status, found.value.headers) == (503, {"Retry-After": "5"})
    assert [each.did for each in crew.fakes.values()] == [[]] * 3


def test_an_unknown_model_is_unloaded_by_none(crew: Any) -> None:
    crew.fakes[1].answers["unload"] = RequestError(404, "no model of that name")
    with pytest.raises(RequestError, match="no model"):
        crew.unload("other")
    assert [each.did for each in crew.fakes.values()] == [["unload"], [], []]


def test_one_that_ends_is_said_and_started_again_and_its_counts_stay(crew: Any) -> None:
    dead = crew.fakes[2]
    crew._handle("gone", dead)
    assert "worker 2 has ended: its process was ended by SIGKILL" in crew.said[-1]
    assert "the others serve on" in crew.said[-1]
    assert crew.metrics()["liftune_workers"].samples == {("liftune_workers", ()): 2}
    assert [each.did[-2:] for each in crew.fakes.values()] == [["processes", "metrics"]] * 2
    crew._start_due()
    assert crew.fakes[2] is not dead
    crew._handle("ready", crew.fakes[2])
    assert "worker 2 serves again" in crew.said[-1]
    found = values(page_of(crew.metrics()))
    assert found["liftune_request_seconds_count['/a']"] == 4
    assert (found["liftune_workers"], found["liftune_worker_restarts_total"]) == (3, 1)


def test_one_that_ends_again_and_again_is_started_ever_more_slowly(crew: Any) -> None:
    pauses = []
    for _ in range(4):
        before = time.monotonic()
        crew.fakes[1].names = []  # it never served
        crew.fakes[1].failure = ArtifactError("the folder is gone")
        crew._handle("gone", crew.fakes[1])
        pauses.append(round(crew._due[1] - before))
        assert "the folder is gone" in crew.said[-1]
        crew._due[1] = 0.0
        crew._start_due()
    assert pauses == [1, 2, 4, 8]


def test_metrics_do_without_one_that_does_not_answer(crew: Any) -> None:
    crew.fakes[1].answers["metrics"] = GoneError()
    assert values(page_of(crew.metrics()))["liftune_request_seconds_count['/a']"] == 3


# What is refused before anything is loaded.


@pytest.mark.parametrize("count", [0, -2, 10_000])
def test_a_number_of_workers_that_cannot_be_meant_is_refused(count: int) -> None:
    with pytest.raises(SpecError, match=r"process") as found:
        serve(ServeOptions(["no/such/run"], workers=count), log=print)
    assert found.value.where == "--workers"
    again = re.fullmatch(r"--workers (\d+)", str(found.value.hint))
    assert again is not None
    check(ServeOptions(["no/such/run"], workers=int(again[1])))


def test_windows_is_told_what_else_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(SpecError, match="cannot share one socket"):
        check(ServeOptions([], workers=2))
    check(ServeOptions([], workers=1))


def test_more_workers_than_memory_holds_are_refused(tmp_path: Path) -> None:
    (tmp_path / "proc" / "7").mkdir(parents=True)
    rollup = "00400000-7fff [rollup]\nRss: 900 kB\nShared_Clean: 500 kB\nPrivate_Clean: 100 kB\nPrivate_Dirty: 300 kB\n"
    (tmp_path / "proc" / "7" / "smaps_rollup").write_text(rollup)
    (tmp_path / "proc" / "meminfo").write_text("MemAvailable: 1000 kB\n")
    assert own_memory(7, tmp_path) == 400 * 1024
    assert own_memory(8, tmp_path) is None
    check_memory(7, 3, tmp_path)
    check_memory(8, 99, tmp_path)
    with pytest.raises(OutOfMemory, match="3 more would need") as found:
        check_memory(7, 4, tmp_path)
    assert found.value.hint == "--workers 3"


# The processes.


def test_what_the_models_need_is_imported_once_for_all(tmp_path: Path) -> None:
    folder = save_constant(tmp_path / "mine", [0, 1])
    assert libraries_of(ServeOptions([str(folder)])) == ("liftune.server.worker",)


def children(pid: int) -> list[int]:
    try:
        return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        return []


class Server:
    """`liftune serve --workers 2` over constant models, and what it says."""

    def __init__(self, root: Path, *more: str) -> None:
        command = [sys.executable, "-m", "liftune", "serve", f"mine={root / 'mine'}", "--port", "0", "--workers", "2"]
        environment = {**os.environ, "LIFTUNE_ADMIN_TOKEN": "admin", "LIFTUNE_TOKEN": "not-to-be-seen"}
        self.process = subprocess.Popen([*command, *more], stderr=subprocess.PIPE, text=True, env=environment)
        self.lines: list[str] = []
        self.read_until("serving")
        self.port = int(self.lines[-1].rpartition(":")[2])

    def read_until(self, word: str) -> str:
        assert self.process.stderr is not None
        while line := self.process.stderr.readline():
            self.lines.append(line)
            if word in line:
                return line
        raise AssertionError("".join(self.lines))

    def ask(self, path: str, body: object = None, method: str | None = None) -> tuple[int, Any]:
        """Over a connection of its own."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data, method=method)
        request.add_header("Authorization", "Bearer admin")
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                text = answer.read().decode()
                return answer.status, json.loads(text) if text.startswith("{") else text
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def classify(self, model: str) -> int:
        return self.ask("/v1/classify", {"model": model, "texts": ["a row"]})[0]

    def workers(self) -> list[int]:
        """The process ids of those that serve."""
        return [each for child in children(self.process.pid) for each in children(child)]

    def each_alone(self, found: Callable[[], Any]) -> list[Any]:
        """What is found while one alone of them runs, of each in turn."""
        answers, all_of_them = [], self.workers()
        for held in all_of_them:
            os.kill(held, signal.SIGSTOP)
            try:
                answers.append(found())
            finally:
                os.kill(held, signal.SIGCONT)
        return answers

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stderr is not None
        self.process.stderr.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    save_constant(tmp_path / "mine", [0, 1])
    save_constant(tmp_path / "other", [0, 1, 2])
    running = Server(tmp_path)
    try:
        yield running
    finally:
        running.end()


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="finds worker processes in /proc")


def test_while_others_start_those_that_serve_know_how_many_they_are() -> None:
    """One that answers is ready itself, whether it has been told or not."""
    alone: Any = None
    assert OneOfMany(alone, 3).processes == (1, 3)
    crew, told = object.__new__(workers.Crew), list[tuple[int, Any]]()
    crew._options, crew._events = ServeOptions(models=("m",), workers=3), SimpleQueue()

    def member(number: int, ready: bool) -> Any:
        return SimpleNamespace(
            number=number, ready=ready, channel=SimpleNamespace(tell=lambda *said: told.append((number, said)))
        )

    crew._members = {1: member(1, True), 2: member(2, False), 3: member(3, True)}
    assert crew._wait_ready(1).number == 1
    assert told == [(1, ("processes", 2, 3)), (3, ("processes", 2, 3))]
    crew._members[2].ready = True
    crew._events.put(("ready", crew._members[2]))
    told.clear()
    assert crew._wait_ready(2).number == 2
    assert told == [(number, ("processes", 3, 3)) for number in (1, 2, 3)]


@needs_proc
def test_two_workers_serve_the_same_and_stop_with_every_answer_given(server: Server, tmp_path: Path) -> None:
    """The signal comes when half of a request is there."""
    assert server.ask("/readyz") == (200, {"status": "ready", "workers": 2, "workers_ready": 2})
    assert server.ask("/v1/models", {"path": str(tmp_path / "other")})[0] == 201
    assert server.ask("/v1/models", {"path": str(tmp_path / "other")})[0] == 409
    assert server.ask("/v1/models", {"path": str(tmp_path / "none")})[0] == 422
    assert server.each_alone(lambda: server.classify("other")) == [200, 200]
    assert server.ask("/v1/models/other", method="DELETE")[0] == 204
    assert server.each_alone(lambda: server.classify("other")) == [404, 404]
    found = values(server.ask("/metrics")[1].encode())
    assert found["liftune_requests_total['/v1/classify', '200']"] == 2
    assert found["liftune_requests_total['/v1/classify', '404']"] == 2
    assert found["liftune_workers"] == 2
    body = json.dumps({"model": "mine", "texts": ["a row"]}).encode()
    head = (
        "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer admin\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as connection:
        connection.sendall(head.encode() + body[:5])
        assert b"100 Continue" in connection.recv(1024)
        server.process.send_signal(signal.SIGTERM)
        connection.sendall(body[5:])
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert answer.startswith(b"HTTP/1.1 200")
    assert server.process.wait(PATIENCE) == 0
    assert "not-to-be-seen" not in "".join(server.lines)


def test_a_model_that_cannot_be_loaded_ends_the_command_with_its_reason(tmp_path: Path) -> None:
    place = save_constant(tmp_path / "mine", [0, 1]) / "contender.json"
    place.write_text(place.read_text().replace("constant", "constants"))
    command = [sys.executable, "-m", "liftune", "serve", str(place.parent), "--port", "0", "--workers", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 2, done.stderr
    assert "contender.json" in done.stderr
    assert "Traceback" not in done.stderr


class Load:
    """Clients that ask without a pause, and what became of each request."""

    def __init__(self, server: Server, clients: int = 6) -> None:
        self.found: Counter[object] = Counter()
        self._stop, self._server = threading.Event(), server
        self._threads = [threading.Thread(target=self._ask) for _ in range(clients)]

    def _ask(self) -> None:
        while not self._stop.is_set():
            try:
                self.found[self._server.classify("mine")] += 1
            except (OSError, HTTPException) as error:
                refused = isinstance(getattr(error, "reason", error), ConnectionRefusedError)
                self.found["refused" if refused else "lost"] += 1
                if refused:
                    return

    def __enter__(self) -> Load:
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for each in self._threads:
            each.join(PATIENCE)

    def wait(self, more: int = 50) -> None:
        wanted = self.found[200] + more
        until = time.monotonic() + PATIENCE
        while self.found[200] < wanted:
            assert time.monotonic() < until, self.found
            self._stop.wait(0.01)


@needs_proc
@pytest.mark.slow
def test_a_killed_worker_harms_no_other_and_a_stop_loses_nothing(server: Server, tmp_path: Path) -> None:
    with Load(server) as load:
        load.wait()
        before = set(server.workers())
        os.kill(min(before), signal.SIGKILL)
        assert "SIGKILL" in server.read_until("has ended")
        load.wait()
        assert server.ask("/healthz")[1]["workers_ready"] == 1
        assert server.ask("/v1/models", {"path": str(tmp_path / "other")})[0] == 503
        server.read_until("serves again")
        load.wait()
        assert set(server.workers()) & before == before - {min(before)}
        assert server.ask("/v1/models", {"path": str(tmp_path / "other")})[0] == 201
        assert server.each_alone(lambda: server.classify("other")) == [200, 200]
        os.kill(min(server.workers()), signal.SIGTERM)  # one alone: it finishes what it has
        server.read_until("serves again")
        assert server.each_alone(lambda: server.classify("other")) == [200, 200], "it has what was loaded meanwhile"
        assert load.found["lost"] <= 6, "who was being answered by the killed one"
        assert set(load.found) <= {200, "lost"}
        lost = load.found["lost"]
        load.wait()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(PATIENCE) == 0
    assert load.found["lost"] == lost, load.found
    assert load.found["refused"] == 6


@needs_proc
@pytest.mark.slow
def test_workers_end_when_their_parent_is_killed(server: Server) -> None:
    left = [*server.workers(), *children(server.process.pid)]
    server.process.kill()
    server.process.wait()
    until = time.monotonic() + PATIENCE
    while any(Path(f"/proc/{each}/stat").exists() for each in left):
        assert time.monotonic() < until
        time.sleep(0.05)
