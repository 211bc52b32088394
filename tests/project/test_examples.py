"""The scripts of examples/ run, and each says what it shows."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError

import pytest
from made_runs import made_run
from serving import fake_app, serving
from tiny_models import save_tiny

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))


def called(*argv: str, folder: Path, code: int = 0) -> str:
    """What a command prints, of Python or bash."""
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PATH": path}
    done = subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_every_example_is_listed() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    files = [each.name for each in EXAMPLES.iterdir() if each.is_file() and each.name != "README.md"]
    assert [name for name in files if f"({name})" not in listed] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_an_example_says_what_it_shows_and_how_to_run_it(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    assert f"python examples/{path.name}" in docstring


def test_the_client_asks_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(EXAMPLES))
    from http_client import classify

    with serving(fake_app(tmp_path)) as address:
        results = classify(address, ["even", "odd"], model="two")
        assert [each["label"] for each in results] == ["label0", "label1"]
        with pytest.raises(HTTPError, match="404"):
            classify(address, ["even"], model="unknown")


@pytest.mark.parametrize(("points", "code", "said"), [("20", 0, "deploy new"), ("0.5", 1, "keep old")])
def test_the_gate_ends_as_the_comparison_does(points: str, code: int, said: str, tmp_path: Path) -> None:
    """The same model twice: great harm is ruled out, the least one is not."""
    made_run(tmp_path / "old")
    made_run(tmp_path / "new")
    gate = str(EXAMPLES / "gate_in_ci.sh")
    assert said in called("bash", gate, "old", "new", points, folder=tmp_path, code=code)


@pytest.mark.slow
def test_the_scripts_that_tune_run(tmp_path: Path) -> None:
    """With a tiny random model and one epoch: that they run, not how good it gets."""
    model = str(save_tiny("distilbert", tmp_path / "tiny"))
    small = ("--model", model, "--epochs", "1")

    def example(name: str, *argv: str) -> str:
        return called(sys.executable, str(EXAMPLES / f"{name}.py"), *argv, folder=tmp_path)

    assert "use " in example("tune_csv", *small)
    assert example("batch_predict", "runs/tune-csv")
    assert len(list((tmp_path / "runs" / "batch-answers").glob("*.jsonl"))) == 3
    assert "tuned" in example("tune_dataframe", *small)
    assert "chosen {'set': {'rank'" in example("sklearn_grid", *small, "--rows", "120")
    assert "old_system -> tuned" in example("answers_from_elsewhere", *small)
