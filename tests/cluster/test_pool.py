"""The workers of a cluster: each item once, tried again where its process is lost, none left at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import ray_nodes
from ray_nodes import two_nodes

from liftune.cluster import Share, joined, on_cluster
from liftune.errors import DataError, SpecError
from liftune.processes import Trouble

#: The support folder, where workers find this module's work too.
ENDED = "its process or its node was lost (the system ends processes when memory is short)"
HERE = str(Path(__file__).parent)


def made(folder: str) -> Callable[[str], str]:
    """Work that is named by its item: `SIGKILL` dies at each try, `once` at the first, `wrong` raises."""

    def do(item: str) -> str:
        number = len(list(Path(folder).glob(f"{item}-*"))) + 1
        (Path(folder) / f"{item}-{number}").write_text(str(os.getpid()))
        if item == "SIGKILL" or (item == "once" and number == 1):
            os.kill(os.getpid(), signal.SIGKILL)
        if item == "wrong":
            raise DataError("cannot be read", where="here", hint="look")
        return item.upper()

    return do


@pytest.fixture
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers import this module by its name."""
    path = os.pathsep.join([HERE, str(Path(ray_nodes.__file__).parent), *(each for each in sys.path if each)])
    monkeypatch.setenv("PYTHONPATH", path)
    monkeypatch.setattr(made, "__module__", "test_pool", raising=False)


def left_of_ray() -> set[str]:
    said = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True).stdout
    return {line for line in said.splitlines() if "liftune-ray-" in line}


@pytest.mark.usefixtures("_found")
def test_items_are_done_on_a_ray_that_is_started_here_and_leaves_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The one test of a cluster that always runs: all of it in one start."""
    before = left_of_ray()
    environment = dict(os.environ)
    handlers = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    said: list[str] = []
    with joined("auto", Share(1), modules=()) as cluster:
        assert [node.host for node in cluster.nodes()] == ["127.0.0.1"]
        found = dict(
            on_cluster(
                cluster, ["a", "once"], made, str(tmp_path), share=Share(1),
                again=lambda item, reason: said.append(f"{item}: {reason}"),
            )
        )  # fmt: skip
        assert found == {"a": "A", "once": "ONCE"}
        assert said == [f"once: {ENDED}"]
        with (
            pytest.raises(SpecError, match="a cell asks for 1000 CPUs, and no node has as much"),
            joined(
                "auto",
                Share(1000),  # the program's own, that is
            ),
        ):
            pass
        with pytest.raises(SpecError, match="lacks nowhere") as lacks, joined("auto", Share(), modules=("nowhere",)):
            pass
        assert "pip install 'liftune[scale]==" in (lacks.value.hint or "")
    assert capfd.readouterr() == ("", "")
    assert left_of_ray() <= before
    assert dict(os.environ) == environment
    assert {each: signal.getsignal(each) for each in handlers} == handlers


@pytest.mark.slow
@pytest.mark.usefixtures("_found")
def test_what_is_lost_at_each_try_is_said_and_what_is_raised_comes_back(tmp_path: Path) -> None:
    with joined("auto", Share(1), modules=()) as cluster:
        asked = (made, str(tmp_path))
        found = dict(on_cluster(cluster, ["SIGKILL", "b"], *asked, share=Share(1), again=lambda item, reason: None))
        assert found == {"b": "B", "SIGKILL": Trouble(ENDED, died=True)}
        with pytest.raises(DataError, match="cannot be read") as wrong:
            list(on_cluster(cluster, ["wrong"], *asked, share=Share(1), again=print))
        assert (wrong.value.where, wrong.value.hint) == ("here", "look")


@pytest.mark.slow
@pytest.mark.usefixtures("_found")
def test_other_versions_are_named_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liftune.cluster.join.versions", lambda names: {"liftune": "9.9", "torch": "1.0"})
    with two_nodes() as nodes, pytest.raises(SpecError) as differ, joined(nodes.address, Share(), modules=()):
        pass
    assert "liftune 0.1.0 (here 9.9)" in differ.value.message
    assert "torch" in differ.value.message
