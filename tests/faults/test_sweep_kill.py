"""SIGKILL of a sweep's workers and of the sweep itself, at random moments: the same command ends in the same scores."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tiny_models import save_tiny

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are looked for in /proc"),
]
KILLS = 10


def workers_of(parent: int) -> list[int]:
    """The worker processes of a sweep."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            state, ppid = (place / "stat").read_text().rpartition(") ")[2].split()[:2]
            if int(ppid) == parent and state != "Z" and b"spawn_main" in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


def ended(process: int) -> bool:
    try:
        return ") Z" in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return True


def command(emotions: Path, model: Path, out: Path) -> list[str]:
    options = ["--methods", "lora,ia3", "--models", str(model), "--seeds", "0,1", "--epochs", "2", "--jobs", "2"]
    return [sys.executable, "-m", "liftune", "sweep", str(emotions), *options, "--json", "--out", str(out)]


def scores(said: str) -> list[Any]:
    record = json.loads(said)
    assert [cell["state"] for cell in record["cells"]] == ["done"] * 4
    return [(each["contender"], each["score"], each["validation"]) for each in record["leaderboard"]]


def test_a_sweep_whose_processes_are_killed_ends_in_the_same_scores(emotions: Path, tmp_path: Path) -> None:
    """Every second kill hits a worker, and the sweep goes on; the others hit the sweep, and no worker outlives it."""
    model = save_tiny("distilbert", tmp_path / "model")
    run = {"capture_output": True, "text": True, "check": True}
    started = time.monotonic()
    expected = scores(subprocess.run(command(emotions, model, tmp_path / "undisturbed"), **run).stdout)
    longest = time.monotonic() - started
    draw, table = random.Random(0), []
    for number in range(KILLS):
        argv = command(emotions, model, tmp_path / f"sweep-{number}")
        parent = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(draw.uniform(0.3, 0.9) * longest)
        workers = workers_of(parent.pid)
        whom = draw.choice(workers) if number % 2 and workers else parent.pid
        os.kill(whom, signal.SIGKILL)
        out, err = parent.communicate()
        if whom == parent.pid:
            give_up = time.monotonic() + 60
            while not all(map(ended, workers)):
                assert time.monotonic() < give_up, f"workers {workers} outlive the sweep"
                time.sleep(0.05)
            out = subprocess.run(argv, **run).stdout
        else:
            assert parent.returncode == 0, err
            assert "Traceback" not in err
        table.append((number, "sweep" if whom == parent.pid else "worker", len(workers), scores(out) == expected))
        print(table[-1], err.count("tried once more"), file=sys.stderr, flush=True)
    assert all(same for *_, same in table)
