"""Terminals that are not UTF-8, output that nobody reads: no traceback, and JSON stays JSON."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny_adapters import save_tuned
from tiny_models import save_tiny

from liftune.cli.main import main

TEXT = "café ☕ \U0001f600"


def data(folder: Path) -> str:
    path = folder / "café.csv"
    rows = [f"{TEXT} {i} lovely,joyé\n{TEXT} {i} cold,wüt\n" for i in range(12)]
    path.write_text("text,label\n" + "".join(rows), encoding="utf-8")
    return str(path)


def in_terminal(monkeypatch: pytest.MonkeyPatch, encoding: str, *arguments: str) -> tuple[int, str]:
    raw = io.BytesIO()
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
        code = main(list(arguments))
        sys.stdout.flush()
        return code, raw.getvalue().decode(encoding)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "koi8-r", "utf-8"])
def test_a_terminal_shows_what_it_can(encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = data(tmp_path)
    code, shown = in_terminal(monkeypatch, encoding, "inspect", source, "--model", "none")
    assert code == 0
    assert ("joyé" if encoding in ("utf-8", "latin-1", "cp1252") else r"joy\u00e9") in shown
    code, shown = in_terminal(monkeypatch, encoding, "inspect", source, "--model", "none", "--json")
    assert code == 0
    assert "joyé" in json.dumps(json.loads(shown), ensure_ascii=False)


def test_predictions_are_json_in_any_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a pair stands for a character beyond the first 65,536, as JSON writes it."""
    save_tuned(save_tiny("distilbert", tmp_path / "base"), tmp_path / "run" / "adapter")
    run = str(tmp_path / "run")
    rows = tmp_path / "rows.jsonl"
    rows.write_text(json.dumps({"text": TEXT}), encoding="utf-8")
    assert in_terminal(monkeypatch, "ascii", "predict", run, TEXT)[0] == 0
    for options in ((TEXT, "--json"), ("--in", str(rows), "--out", "-"), ("--in", str(rows), "--json")):
        code, shown = in_terminal(monkeypatch, "ascii", "predict", run, *options)
        assert code == 0
        assert json.loads(shown)["text"] == TEXT


@pytest.mark.skipif(os.name == "nt", reason="a shell of Unix")
@pytest.mark.parametrize(
    ("ending", "code"), [(">&-", 0), ("2>&-", 0), (">&- 2>&-", 0), ("| true", 0), ("2>&1 | true", 0), (">/dev/full", 2)]
)
@pytest.mark.parametrize("command", ["list methods", "list methods --json"])
def test_output_that_goes_nowhere_is_no_traceback(command: str, ending: str, code: int) -> None:
    if "full" in ending and not Path("/dev/full").exists():
        pytest.skip("no full disk here")
    shell = f"{sys.executable} -m liftune {command} {ending}"
    found = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=False)
    assert found.returncode == code, found.stderr
    assert "Traceback" not in found.stderr + found.stdout
    assert "Exception ignored" not in found.stderr
    if code:
        assert "cannot write to standard output" in found.stderr
