"""Before torch is imported: a first line at once, bad rows refused; a bare install is told what it lacks."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from liftune.cli.main import main

#: Runs the command line, then says whether torch was imported.
WATCHED = (
    "import sys; from liftune.cli.main import main; code = main(sys.argv[1:]); "
    "print('torch' in sys.modules, file=sys.stderr); sys.exit(code)"
)
#: The same where torch and what needs it are not installed.
BARE = """
import sys
from importlib.machinery import PathFinder

LIBRARIES = {"torch", "transformers", "peft", "accelerate", "datasets", "sklearn"}
spec_of = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in LIBRARIES else spec_of(name, *rest)
from liftune.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def run(program: str, *argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program, *argv], capture_output=True, text=True, cwd=cwd, timeout=300)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bad.csv").write_text("text,label\na,b\nb,\n")
    (tmp_path / "good.csv").write_text("text,label\n" + "".join(f"row {i},{'ab'[i % 2]}\n" for i in range(20)))
    return tmp_path


def test_bad_rows_are_refused_before_torch_is_imported(folder: Path) -> None:
    started = time.perf_counter()
    done = run(WATCHED, "tune", "bad.csv", cwd=folder)
    seconds = time.perf_counter() - started
    reading, *refusal, torch_imported = done.stderr.splitlines()
    assert done.returncode == 2
    assert reading == "reading bad.csv"
    assert refusal[0] == "liftune: row 2 cannot be used: no label"
    assert torch_imported == "False"
    assert seconds < 30  # two seconds where nothing else runs; with torch it is twelve


@pytest.mark.parametrize(
    "wrong", [["--method", "lroa"], ["--set", "rnak=3"], ["--accelerations", "pakcing"], ["--metric", "acuracy"]]
)
def test_a_wrong_option_is_refused_before_torch_is_imported(wrong: list[str], folder: Path) -> None:
    done = run(WATCHED, "tune", "good.csv", *wrong, cwd=folder)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (2, "False")


@pytest.mark.slow
def test_the_first_lines_say_what_is_being_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not twelve seconds of nothing; the model is not there, so that the run ends after them."""
    done = run(WATCHED, "tune", "good.csv", "--model", "./nowhere", cwd=folder)
    said = done.stderr.splitlines()
    at = said.index("loading torch and ./nowhere")
    assert said[0] == "reading good.csv"
    assert all(line.startswith("  ") for line in said[1:at]), "what the rows cannot show"
    assert "cross-validation" in said[1], "what it will cost is said before it is paid"
    assert done.stdout == ""
    monkeypatch.chdir(folder)
    assert main(["tune", "good.csv", "--model", "./nowhere", "--quiet"]) == 2
    assert capsys.readouterr().err.startswith("liftune: ")


@pytest.mark.parametrize(
    "argv",
    [
        ["doctor"],
        ["tune", "good.csv"],
        ["evaluate", "good.csv", "--model", "minilm"],
        ["sweep", "good.csv", "--methods", "lora"],
        ["predict", "good.csv", "some text"],
    ],
)
def test_a_bare_install_is_told_what_to_install(argv: list[str], folder: Path) -> None:
    done = run(BARE, *argv, cwd=folder)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    if argv[0] != "predict":  # whose bundles need no torch: it says that good.csv is no run
        assert "pip install 'liftune[tune]'" in done.stderr


def test_a_bare_install_exports_nothing_and_says_so(folder: Path) -> None:
    (folder / "run" / "adapter").mkdir(parents=True)
    (folder / "run" / "record.json").write_text("{}")
    done = run(BARE, "export", "run", "--to", "out", cwd=folder)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr


def test_importing_liftune_imports_no_numpy() -> None:
    program = "import sys, liftune; print(sorted({'numpy', 'torch', 'pydantic', 'typer'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
