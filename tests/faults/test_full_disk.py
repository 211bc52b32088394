"""A disk that fills up while a run writes: a clear message, nothing half, and the same command goes on afterwards."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import full_disk
import pytest
from tiny_models import save_tiny

#: In a namespace of its own, where a disk of any size can be mounted.
ALONE = ("unshare", "--map-root-user", "--mount")


def _can_mount(place: Path) -> bool:
    if shutil.which(ALONE[0]) is None:
        return False
    return subprocess.run([*ALONE, "mount", "-t", "tmpfs", "tmpfs", str(place)], capture_output=True).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("moments", [2, 20])
def test_a_run_whose_disk_was_full_loses_nothing(moments: int, emotions: Path, tmp_path: Path) -> None:
    if not _can_mount(tmp_path):
        pytest.skip("a disk cannot be mounted here")
    options = {"data": str(emotions), "model": str(save_tiny("distilbert", tmp_path / "model"))}
    options |= {"epochs": 1 if moments < 20 else 2, "batch_size": 16}
    given = [f"{name}={json.dumps(value)}" for name, value in options.items()]
    command = [*ALONE, sys.executable, full_disk.__file__, str(tmp_path), str(moments), *given]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    print(Counter(line["stage"] for line in lines), file=sys.stderr)
    assert len(lines) == moments
    for line in lines:
        assert line["full"], line
        assert line["code"] == 2 or line["stage"] == "report", line  # the run is whole without its report
        assert line["code"] == 0 or ("no space left" in line["said"].lower() and "hint:" in line["said"]), line
        assert line["halves"] == [], line
        assert line["differ"] == [], line
