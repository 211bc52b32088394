"""Which addresses of a cluster there are, and what is said where none answers."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading

import pytest

from liftune.cluster import Share, joined, parse_address
from liftune.errors import SpecError


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("auto", "auto"),
        (" auto ", "auto"),
        ("ray://head", "ray://head:10001"),
        ("ray://head:10002", "ray://head:10002"),
        ("10.0.0.1:6379", "10.0.0.1:6379"),
        ("[::1]:6379", "[::1]:6379"),
    ],
)
def test_an_address_has_its_port(text, meant):
    assert parse_address(text) == meant


@pytest.mark.parametrize(
    "text",
    ["", "Auto", "local", "head", "head:", ":6379", "head:0", "head:65536", "head:x", "http://head:1", "ray://",
     "a b:1",
     "ray://ray://head", "user@head:1", "head:²"],
)  # fmt: skip
def test_what_is_no_address_is_refused(text):
    with pytest.raises(SpecError, match="is no address of a Ray cluster") as error:
        parse_address(text)
    assert "auto" in error.value.hint


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nothing_listens_is_refused_at_once(scheme):
    address = f"{scheme}127.0.0.1:{free_port()}"
    with pytest.raises(SpecError, match=f"no Ray answers at {address}"), joined(address, Share()):
        pass


def test_another_server_is_told_from_a_ray():
    """Ray would try for two minutes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            link, _ = server.accept()
            link.recv(100)
            link.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            link.close()

        threading.Thread(target=answer, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(SpecError, match="speaks another language"), joined(address, Share()):
            pass


def test_an_address_in_the_environment_is_the_one_of_auto(monkeypatch):
    address = f"127.0.0.1:{free_port()}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(SpecError, match=f"no Ray answers at {address}"), joined("auto", Share()):
        pass


def test_ray_is_imported_where_a_cluster_is_asked_for_alone():
    code = "import sys, liftune.cluster, liftune.cluster.pool; raise SystemExit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], env=os.environ, check=False).returncode == 0


@pytest.mark.parametrize(
    ("share", "held"),
    [(Share(1), 4), (Share(3), 1), (Share(5), 0), (Share(1, 0.5), 2), (Share(0.5, 0), 8), (Share(1, 2), 0)],
)
def test_a_node_holds_what_both_cpus_and_gpus_allow(share, held):
    assert share.fits({"CPU": 4.0, "GPU": 1.0}) == held
