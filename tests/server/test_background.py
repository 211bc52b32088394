"""A server in a thread: it answers while the caller goes on, and its address is free once it is stopped."""

from __future__ import annotations

import json
import socket
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from tiny_adapters import save_tuned
from tiny_models import save_tiny

import liftune
from liftune.errors import ArtifactError, ModelError, SpecError


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    save_tuned(save_tiny("bert", folder / "base"), folder / "tuned", labels=3)
    return folder / "tuned"


def classify(url: str, text: str) -> dict[str, Any]:
    body = json.dumps({"texts": [text]}).encode()
    request = urllib.request.Request(f"{url}/v1/classify", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return dict(json.load(answer)["results"][0])


def test_it_answers_as_the_loaded_model_does_until_the_block_ends(run: Path) -> None:
    expected = liftune.load(run).predict(["sunny laugh"])[0]
    threads = threading.active_count()
    with liftune.serve(run, port=0, background=True, quiet=True) as server:
        assert server is not None
        assert server.running
        found = classify(server.url, "sunny laugh")
        assert found["label"] == expected.label
        assert found["probabilities"] == pytest.approx(expected.probabilities, abs=1e-5)
    assert not server.running
    assert repr(server) == f"<RunningServer {server.url}, stopped>"
    server.stop()
    port = int(server.url.rpartition(":")[2])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
    assert threading.active_count() <= threads + 1, "of the model's own worker"


def test_two_of_them_run_side_by_side(run: Path) -> None:
    with (
        liftune.serve(f"one={run}", port=0, background=True, quiet=True) as one,
        liftune.serve(f"other={run}", port=0, background=True, quiet=True) as other,
    ):
        assert one.url != other.url
        assert classify(one.url, "slam")["label"] == classify(other.url, "slam")["label"]


def test_what_is_wrong_is_raised_where_it_was_asked_for(run: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no worker processes") as raised:
        liftune.serve(run, port=0, background=True, workers=2)
    assert "leave it out" in str(raised.value.hint)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SpecError, match="cannot listen"):
            liftune.serve(run, port=port, background=True)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ArtifactError):
        liftune.serve(tmp_path / "empty", port=port, background=True)
    with socket.socket() as other:  # the socket of the refused one is closed
        other.bind(("127.0.0.1", port))
    with pytest.raises(ModelError) as missing:  # as in a process of its own, before any model is loaded
        liftune.serve(run, port=port, background=True, base=tmp_path / "nowhere")
    assert "nowhere" in str(missing.value)
    with pytest.raises(SpecError, match="background"):
        liftune.serve(run, background="yes")  # type: ignore[arg-type]
