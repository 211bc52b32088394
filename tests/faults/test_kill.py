"""SIGKILL at random moments, and the same command again: every file is that of an undisturbed one."""

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

import liftune

#: What is killed: LoRA once, and with two seeds and all that a run can do; AdaLoRA in folds; a sweep; what uses a run.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "short lora": ("tune", {"epochs": 1, "batch_size": 16, "few": "off"}),
    "lora": ("tune", {"seeds": [0, 1], "epochs": 2, "batch_size": 16}),
    "adalora in folds": ("tune", {"method": "adalora", "folds": 2, "epochs": 2, "batch_size": 16}),
    "sweep": ("sweep", {"methods": ["lora", "ia3"], "seeds": [0, 1], "epochs": 2, "batch_size": 16}),
    "merged export": ("export", {"format": "merged"}),
    "onnx export": ("export", {"format": "onnx"}),
    "predictions in csv": ("predict", {"to": "answers.csv"}),
    "predictions in parquet": ("predict", {"to": "answers.parquet"}),
    "predictions of a folder": ("predict_folder", {"to": "answers"}),
    "cleaned folder": ("inspect", {"to": "cleaned"}),
    "cleaned file": ("inspect", {"to": "cleaned.jsonl"}),
}
RUNS = [case for case, (command, _) in CASES.items() if command == "tune"]
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="each command is a fork")


def options_of(case: str, emotions: Path, place: Path) -> tuple[str, dict[str, Any]]:
    """A case's command and options; what uses a run gets one."""
    command, options = CASES[case]
    data = {"data": str(emotions), "model": str(save_tiny("distilbert", place / "model"))}
    if command == "sweep":
        return command, {"data": data["data"], "models": data["model"], **options}
    if command == "tune":
        return command, data | options
    if command == "inspect":
        return command, {"data": str(emotions)} | options
    liftune.tune(**data, epochs=1, batch_size=16, out=place / "made")
    given = {"run": str(place / "made"), "use": "tuned", **options}
    if command == "predict":
        rows = "".join(f"{i},row {i} sunny {'and so on ' * (i % 7)}\n" for i in range(1_000))
        (place / "rows.csv").write_text(f"id,text\n{rows}", encoding="utf-8")
        given["source"] = str(place / "rows.csv")
    if command == "predict_folder":
        for number in range(4):
            rows = "".join(f"{i},row {i} sunny {'and so on ' * (i % 7)}\n" for i in range(200 + number))
            (place / "rows" / f"{number % 2}").mkdir(parents=True, exist_ok=True)
            (place / "rows" / f"{number % 2}" / f"{number}.csv").write_text(f"id,text\n{rows}", encoding="utf-8")
        given["source"] = str(place / "rows")
    return command, given


def kill(case: str, at: str, kills: int, emotions: Path, place: Path) -> list[dict[str, Any]]:
    """The table of a case."""
    command, options = options_of(case, emotions, place)
    given = [f"{name}={json.dumps(value)}" for name, value in options.items()]
    argv = [sys.executable, killing.__file__, command, str(place), at, str(kills), *given]
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, *lines = [json.loads(line) for line in done.stdout.splitlines()]
    print(case, Counter(line["stage"] for line in lines), Counter(line["opened"] for line in lines), file=sys.stderr)
    assert len(lines) <= kills
    assert [line for line in (first, *lines) if line["differ"]] == []
    assert {line["opened"] for line in lines} <= {"absent", "refused", "whole"}
    return lines


@pytest.mark.parametrize(
    ("case", "kills"),
    [("short lora", 1), *(pytest.param(case, 30, marks=pytest.mark.slow) for case in ("lora", "adalora in folds"))],
)
def test_a_killed_run_ends_in_the_same_bytes(case: str, kills: int, emotions: Path, tmp_path: Path) -> None:
    assert len(kill(case, "time", kills, emotions, tmp_path)) == kills


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case not in RUNS])
def test_every_other_command_does_too(case: str, emotions: Path, tmp_path: Path) -> None:
    """At random moments of its life; predictions go on with --resume, and begin again without."""
    kills = 20 if CASES[case][0].startswith("predict") else 10
    assert len(kill(case, "time", kills, emotions, tmp_path)) == kills


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_and_so_does_what_was_killed_between_two_changes_of_the_disk(case: str, emotions: Path, tmp_path: Path) -> None:
    """Which random moments seldom meet: a file takes its name, the other has not yet."""
    assert kill(case, "change", 24, emotions, tmp_path)
