"""The command line in several processes: one run folder, one set of numbers, one error; what a killed one leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from tiny_models import save_tiny
from together import without_dropout

LIFTUNE = (sys.executable, "-m", "liftune")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node")
FILES = ("record.json", "adapter/adapter_model.safetensors", "logits/tuned.npz", "logits/probe.npz", "report.html")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("several")
    save_tiny("distilbert", folder / "model", change=without_dropout)
    words = ("sunny", "laugh", "shout", "slam")
    lines = [f"{i} {words[i % 4]} {'and so on ' * (i % 5)},{'joy' if i % 4 < 2 else 'anger'}" for i in range(240)]
    (folder / "rows.csv").write_text("text,label\n" + "\n".join(lines) + "\n")
    return folder


def asked(out: str, *more: str) -> list[str]:
    options = ["--head", "random", "--epochs", "2", "--folds", "none", "--accelerations", "none", "--model", "model"]
    return ["tune", "rows.csv", *options, "--out", out, *more]


def ran(place: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=300)


@pytest.fixture(scope="module")
def alone(place: Path) -> Path:
    done = ran(place, *LIFTUNE, *asked("alone"))
    assert done.returncode == 0, done.stderr
    return place / "alone"


def assert_same_numbers(one: Path, other: Path) -> None:
    assert sorted(each.name for each in one.iterdir()) == sorted(each.name for each in other.iterdir())
    for name in ("base", "probe", "tuned"):
        with np.load(one / f"logits/{name}.npz") as mine, np.load(other / f"logits/{name}.npz") as theirs:
            for part in ("validation", "test"):
                np.testing.assert_allclose(mine[part], theirs[part], atol=1e-4)
    first, second = (json.loads((each / "record.json").read_text()) for each in (one, other))
    assert [each["name"] for each in first["contenders"]] == [each["name"] for each in second["contenders"]]
    assert first["recommended"] == second["recommended"]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "devices", "shard"])
def test_however_they_are_started_they_end_in_one_run(launcher: str, place: Path, alone: Path) -> None:
    command = {
        "torchrun": (*TORCHRUN, "2", "-m", "liftune", *asked(launcher)),
        "devices": (*LIFTUNE, *asked(launcher, "--devices", "2")),
        "shard": (*LIFTUNE, *asked(launcher, "--devices", "2", "--shard")),
    }[launcher]
    done = ran(place, *command)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Report:") == 1
    assert done.stderr.count("reading rows.csv") == 1
    assert_same_numbers(alone, place / launcher)
    (choice,) = [
        each
        for each in json.loads((place / launcher / "record.json").read_text())["plan"]
        if each["choice"] == "processes"
    ]
    assert choice["value"] == "2 (gloo)"
    assert ("FSDP2" in choice["reason"]) is (launcher == "shard")


@pytest.mark.slow
@pytest.mark.parametrize(("name", "parts"), [("seeds", ("--seeds", "0,1")), ("folds", ("--folds", "3"))])
def test_seeds_and_folds_side_by_side_are_what_they_are_in_turn(name: str, parts: tuple[str, ...], place: Path) -> None:
    """To the last bit."""
    for each in (
        asked(name, "--epochs", "1", *parts, "--jobs", "2"),
        asked(f"{name}-in-turn", "--epochs", "1", *parts),
    ):
        done = ran(place, *LIFTUNE, *each)
        assert done.returncode == 0, done.stderr
    one, other = place / f"{name}-in-turn", place / name
    for path in ("adapter/adapter_model.safetensors", "logits/tuned.npz", "logits/probe.npz"):
        assert (one / path).read_bytes() == (other / path).read_bytes(), path
    assert_same_numbers(one, other)


@pytest.mark.slow
def test_a_killed_one_ends_the_run_and_one_process_goes_on(place: Path, alone: Path) -> None:
    more = ("--devices", "2", "--checkpoint-minutes", "0")
    run = subprocess.Popen([*LIFTUNE, *asked("killed", *more)], cwd=place, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    for line in run.stderr:
        if "epoch 1 of 2" in line:
            break
    (helper,) = psutil.Process(run.pid).children()
    os.kill(helper.pid, signal.SIGKILL)
    said = run.stderr.read()
    assert run.wait(60) == 2
    assert f"rank 1 (process {helper.pid}) has ended" in said
    assert "training was saved after step" in said
    assert "to go on: liftune tune --resume killed" in said
    done = ran(place, *LIFTUNE, "tune", "--resume", "killed")
    assert done.returncode == 0, done.stderr
    assert "going on after step" in done.stderr
    assert_same_numbers(alone, place / "killed")


@pytest.mark.slow
def test_without_the_first_the_others_end(place: Path) -> None:
    command = [*LIFTUNE, *asked("first", "--devices", "2", "--epochs", "50", "--patience", "50")]
    run = subprocess.Popen(command, cwd=place, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    for line in run.stderr:
        if "epoch 1 of" in line:
            break
    (helper,) = psutil.Process(run.pid).children()
    run.kill()
    run.wait()
    until = time.monotonic() + 60
    while helper.is_running() and helper.status() != psutil.STATUS_ZOMBIE and time.monotonic() < until:
        time.sleep(0.1)
    assert not helper.is_running() or helper.status() == psutil.STATUS_ZOMBIE


@pytest.mark.slow
def test_bad_input_is_said_once(place: Path) -> None:
    done = ran(place, *TORCHRUN, "2", "-m", "liftune", *asked("bad", "--lr", "fast"))
    assert done.stderr.count("liftune: ") == 1
    assert not (place / "bad").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--devices", "two"), "'two' is no number of devices"),
        (("--devices", "999"), "999 processes were asked for"),
        (("--shard",), "there is one"),
        (("--jobs", "2"), "there is one seed and no fold"),
        (("--jobs", "2", "--devices", "2"), "give one of them"),
        (("--shard", "--devices", "2", "--method", "full"), "--method full trains every weight"),
    ],
)
@pytest.mark.slow
def test_what_cannot_be_divided_is_refused(more: tuple[str, ...], said: str, place: Path) -> None:
    done = ran(place, *LIFTUNE, *asked("refused", *more))
    assert done.returncode == 2
    assert said in done.stderr
    assert not (place / "refused").exists()
