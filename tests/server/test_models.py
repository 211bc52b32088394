"""The server over real models: mixed batches through the interface, models that come and go, a process that stops."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving import PATIENCE
from starlette.testclient import TestClient
from tiny_adapters import save_tuned
from tiny_models import save_tiny

from liftune.errors import SpecError
from liftune.inference.opening import load_predictor
from liftune.server.adapter_engine import KERNELS
from liftune.server.app import make_app
from liftune.server.auth import Credentials
from liftune.server.batcher import DynamicBatcher
from liftune.server.limits import Limits
from liftune.server.queue import Batch
from liftune.server.registry import ModelRegistry, split_name
from liftune.server.server import ServeOptions, model_opener, serve

LABELS = {"two": 2, "six": 6, "many": 77}
TEXTS = ["ok", "a longer row of text", "the middle"]
ADMIN = {"Authorization": "Bearer admin"}


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    base = save_tiny("bert", folder / "base")
    for name, labels in LABELS.items():
        save_tuned(base, folder / name, labels=labels)
    return folder


@pytest.fixture(scope="module")
def models(ground: Path) -> ModelRegistry:
    found = ModelRegistry(model_opener(ServeOptions([]), 2048))
    for name in LABELS:
        found.load(str(ground / name))
    return found


def test_models_of_two_six_and_many_labels_answer_in_one_batch_as_each_alone(
    models: ModelRegistry, ground: Path
) -> None:
    batches: list[Batch] = []

    async def story() -> list[list[Any]]:
        rows = len(TEXTS) * len(LABELS)
        batcher = DynamicBatcher(
            Limits(batch_rows=rows, wait_seconds=1e6), on_batch=lambda batch, _: batches.append(batch)
        )
        batcher.start()
        engines = [models.find(name).engine for name in LABELS]
        found = await asyncio.gather(*(batcher.compute(each.executor, each.prepare(TEXTS)) for each in engines))
        await batcher.close()
        return list(found)

    found = asyncio.run(asyncio.wait_for(story(), PATIENCE))
    assert [len(batch.entries) for batch in batches] == [9]
    for (name, labels), logits in zip(LABELS.items(), found, strict=True):
        alone = load_predictor(ground / name).logits(TEXTS)
        assert np.stack(logits).shape == (3, labels)
        np.testing.assert_allclose(np.stack(logits), alone, atol=1e-5, rtol=0)


def test_the_interface_gives_what_predict_gives(models: ModelRegistry, ground: Path) -> None:
    with TestClient(make_app(models, limits=Limits(wait_seconds=0))) as client:
        body = {"model": "six", "texts": TEXTS, "with_base": True}
        found = client.post("/v1/classify", json=body).json()["results"]
        assert all(each["shared"] for each in client.get("/v1/models").json()["models"])
    expected = [each.to_json() for each in load_predictor(ground / "six", with_base=True).predict(TEXTS)]
    for one, other in zip(found, expected, strict=True):
        assert list(one) == list(other)
        assert (one["text"], one["label"], one["base"]["label"]) == (
            other["text"],
            other["label"],
            other["base"]["label"],
        )
        assert one["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)
        assert one["base"]["probabilities"] == pytest.approx(other["base"]["probabilities"], abs=1e-5)


def test_models_come_and_go_under_load_and_no_request_fails(models: ModelRegistry, ground: Path) -> None:
    """Requests go on for as long as models are loaded, replaced and unloaded; each is answered, by the right model."""
    app = make_app(models, credentials=Credentials(admin_token="admin"), limits=Limits(wait_seconds=0.001))
    over = threading.Event()
    seen: list[tuple[int, int]] = []

    def ask(client: TestClient, name: str) -> None:
        while not over.is_set():
            response = client.post("/v1/classify", json={"model": name, "texts": TEXTS})
            sizes = {len(each["probabilities"]) for each in response.json().get("results", ())}
            seen.append((response.status_code, sizes == {LABELS[name]}))

    with TestClient(app) as client:
        threads = [threading.Thread(target=ask, args=(client, name)) for name in ("two", "many", "two")]
        for thread in threads:
            thread.start()
        try:
            for _ in range(3):
                path = str(ground / "six")
                made = client.post("/v1/models", json={"path": path, "name": "guest"}, headers=ADMIN)
                assert made.status_code == 201
                assert client.post("/v1/classify", json={"model": "guest", "texts": TEXTS}).status_code == 200
                again = {"path": path, "name": "guest", "replace": True}
                assert client.post("/v1/models", json=again, headers=ADMIN).status_code == 201
                assert client.delete("/v1/models/guest", headers=ADMIN).status_code == 204
        finally:
            over.set()
            for thread in threads:
                thread.join(PATIENCE)
    assert len(seen) > 6
    assert set(seen) == {(200, True)}


def test_a_name_is_given_or_the_folders_own(ground: Path, models: ModelRegistry) -> None:
    assert split_name("mood=runs/a=b") == ("mood", "runs/a=b")
    assert split_name("./runs/a=b") == (None, "./runs/a=b")
    assert models.find("six").path == (ground / "six").resolve()


ADDRESSES = (
    "s3://bucket/run",
    "gs://bucket/run",
    "https://me:SECRET@host/run?sig=SECRET",
    "https://huggingface.co/org/name",
    "hf://org/name",
    "http://169.254.169.254/latest/meta-data",
    "file:///etc",
    "file:/etc",
    "zip://run::https://host/run.zip?sig=SECRET",
    "  https://host/run",
    "HTTPS://host/run",
    "https:/host/run",
)


@pytest.mark.parametrize("address", ADDRESSES)
def test_the_server_takes_no_addresses(address: str, models: ModelRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may load a model must not have the server ask other machines, or read files by another name."""

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("a host was looked up")

    monkeypatch.setattr(socket, "getaddrinfo", never)
    monkeypatch.setattr("liftune.data.readers.fetching.fetched", never)
    app = make_app(models, credentials=Credentials(admin_token="admin"), limits=Limits(wait_seconds=0))
    with TestClient(app) as client:
        for body in ({"path": address}, {"path": address, "name": "guest"}, {"path": address, "use": "tfidf"}):
            answer = client.post("/v1/models", json=body, headers=ADMIN)
            assert 400 <= answer.status_code < 500, answer.text
            assert "SECRET" not in answer.text
            assert "is an address" in answer.json()["detail"], answer.text
        assert client.request("DELETE", "/v1/models", params={"name": address}, headers=ADMIN).status_code == 404
        asked = client.post("/v1/classify", json={"model": address, "texts": TEXTS})
        assert asked.status_code == 404
        found = client.post("/v1/classify", json={"model": "two", "texts": [address]})  # a text as any other
        assert found.json()["results"][0]["text"] == address


@pytest.mark.parametrize("asked", [None, "64"])
def test_fewer_kernels_are_kept_unless_the_user_says_how_many(
    asked: str | None, ground: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, fewer = KERNELS
    monkeypatch.setenv(name, asked or "")  # so that what is set below is not left to other tests
    if not asked:
        monkeypatch.delenv(name)
    model_opener(ServeOptions([]), 2048)(ground / "two")
    assert os.environ[name] == (asked or fewer)


@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGHUP", marks=pytest.mark.slow)])
def test_a_stopped_process_answers_what_it_took(ground: Path, name: str) -> None:
    """The signal comes when half of a request is there: the whole gets its answer, and the exit code is 0."""
    command = [sys.executable, "-m", "liftune", "serve", f"mine={ground / 'two'}", "--port", "0"]
    secret = {"LIFTUNE_TOKEN": "not-to-be-seen"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **secret})
    try:
        assert process.stderr is not None
        lines = [process.stderr.readline() for _ in range(2)]
        port = int(lines[1].rpartition(":")[2])
        body = json.dumps({"model": "mine", "texts": ["a row"]}).encode()
        head = (
            "POST /v1/classify HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer not-to-be-seen\r\nExpect: 100-continue\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as connection:
            connection.sendall(head.encode() + body[:5])
            assert b"100 Continue" in connection.recv(1024)  # the app has begun to read
            process.send_signal(getattr(signal, name))
            connection.sendall(body[5:])
            answer = b""
            while part := connection.recv(65536):
                answer += part
        assert answer.startswith(b"HTTP/1.1 200")
        assert b'"model": "mine"' in answer
        assert process.wait(PATIENCE) == 0
        assert "not-to-be-seen" not in "".join(lines) + process.stderr.read()
    finally:
        process.kill()
        process.wait()
        if process.stderr is not None:
            process.stderr.close()


@pytest.mark.parametrize("port", [99999, 65536, -1])
def test_a_port_that_is_none_is_refused_and_not_wrapped(port: int) -> None:
    with pytest.raises(SpecError, match="port"):
        serve(ServeOptions(["no/such/run"], port=port), log=print)


def test_a_taken_port_is_told_before_any_model_is_loaded() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "liftune", "serve", "no/such/run", "--port", port]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert "cannot listen" in done.stderr
    assert "--port" in done.stderr


BUNDLE = """
import sys, types
import numpy as np
from pathlib import Path
from starlette.testclient import TestClient
from liftune.server.app import make_app
from liftune.server.registry import ModelRegistry
from liftune.server.server import ServeOptions, model_opener
from liftune.tasks import TaskKind

from liftune.inference import onnx_bundle

class Bundle:
    card = types.SimpleNamespace(
        labels=("a", "b"), task=TaskKind.SINGLE_LABEL, pairs=False, columns=None, base="minilm", method="lora",
        tokens={"max_length": 512}, thresholds=None, cutoffs=(),
    )
    @classmethod
    def open(cls, path): return cls()
    def logits(self, rows): return np.array([[0.0, len(row)] for row in rows], dtype=np.float32)

onnx_bundle.Bundle = Bundle
models = ModelRegistry(model_opener(ServeOptions([]), 2048))
models.load(sys.argv[1])
with TestClient(make_app(models)) as client:
    found = client.post("/v1/classify", json={"texts": ["x", ""]}).json()["results"]
    assert [each["label"] for each in found] == ["b", "a"], found
    refused = client.post("/v1/classify", json={"texts": ["x"], "with_base": True})
    assert (refused.status_code, refused.json()["where"]) == (422, "with_base"), refused.text
    unsure = client.post("/v1/classify", json={"texts": ["x"], "min_precision": 0.9})
    assert unsure.status_code == 422 and "abstain" in unsure.text, unsure.text
print(sorted({"torch", "transformers", "peft", "sklearn"} & set(sys.modules)))
"""


def test_a_server_of_bundles_alone_imports_no_torch(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}", encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", BUNDLE, str(tmp_path)], capture_output=True, text=True)
    assert done.stdout == "[]\n", done.stderr
