"""SIGKILL at random moments, and the same command again: every file is that of an undisturbed run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import killing
import pytest
from tiny_models import save_tiny

#: What is killed: LoRA under two seeds with all that a run can do; AdaLoRA in folds.
CASES: dict[str, dict[str, Any]] = {
    "lora": {"seeds": [0, 1], "epochs": 2, "batch_size": 16},
    "adalora in folds": {"method": "adalora", "folds": 2, "epochs": 2, "batch_size": 16},
}
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each run is a fork")


@pytest.mark.parametrize("case", ["lora", pytest.param("adalora in folds", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kills", [pytest.param(1, id="short"), pytest.param(30, marks=pytest.mark.slow, id="30")])
def test_a_killed_run_ends_in_the_same_bytes(case: str, kills: int, emotions: Path, tmp_path: Path) -> None:
    options = {"data": str(emotions), "model": str(save_tiny("distilbert", tmp_path / "model")), **CASES[case]}
    given = [f"{name}={json.dumps(value)}" for name, value in options.items()]
    done = subprocess.run(
        [sys.executable, killing.__file__, str(tmp_path), str(kills), *given], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    print(Counter(line["stage"] for line in lines[1:]), file=sys.stderr)
    assert len(lines) == kills + 1
    assert [line for line in lines if line["differ"]] == []
