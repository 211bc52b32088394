"""A folder or file has one writer: the second is refused, told who the first is, and a killed one refuses nobody."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from liftune.claims import Held, claim_file, claim_folder, is_empty, refuse_held
from liftune.exports.run import export
from liftune.progress import Progress
from liftune.spec import RunSpec
from liftune.sweeps.grid import SweepSpec
from liftune.sweeps.run import sweep
from liftune.workflows.inspect import inspect_data
from liftune.workflows.predict import PredictOptions, predict
from liftune.workflows.request import check_request
from liftune.workflows.tune import tune

HOLD = """import sys, liftune.claims as c, pathlib as p
with c.{}(p.Path({!r})):
    print('held', flush=True)
    sys.stdin.read()"""


@contextmanager
def held_elsewhere(kind: str, place: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process claims a place until the block ends."""
    command = [sys.executable, "-c", HOLD.format(kind, str(place))]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.parametrize(("kind", "claim"), [("claim_folder", claim_folder), ("claim_file", claim_file)])
def test_a_second_process_is_refused_and_told_the_first_and_a_killed_one_refuses_nobody(
    tmp_path: Path, kind: str, claim: object
) -> None:
    place = tmp_path / "place"
    with held_elsewhere(kind, place) as first:
        with pytest.raises(Held, match=f"is being written by process {first.pid}"), claim(place):  # type: ignore[operator]
            pass
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        with claim(place):  # type: ignore[operator]
            pass
    assert not [each for each in tmp_path.rglob("*") if each.is_file()]


def test_a_claimed_folder_is_empty_and_gone_afterwards_unless_something_was_written(tmp_path: Path) -> None:
    with claim_folder(tmp_path / "a" / "b"):
        assert is_empty(tmp_path / "a" / "b")
    assert not (tmp_path / "a").exists()
    with claim_folder(tmp_path / "a"):
        (tmp_path / "a" / "result").touch()
        assert not is_empty(tmp_path / "a")
    assert [each.name for each in (tmp_path / "a").iterdir()] == ["result"]


def test_two_threads_of_one_process_are_two_writers(tmp_path: Path) -> None:
    refused: list[str] = []

    def second() -> None:
        try:
            with claim_folder(tmp_path / "run"):
                pass
        except Held as error:
            refused.append(error.message)

    with claim_folder(tmp_path / "run"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        with pytest.raises(Held):
            refuse_held(tmp_path / "run")
    assert refused == [f"{tmp_path / 'run'} is being written by process {os.getpid()}"]


def test_every_command_that_writes_refuses_a_place_that_is_being_written(emotions: Path, tmp_path: Path) -> None:
    """`inspect`, `predict`, `export`, `sweep` and `tune`: before anything is read or computed for it."""
    out, table = tmp_path / "out", tmp_path / "out.jsonl"
    spec = RunSpec.of(data=str(emotions), out=str(out))
    with claim_folder(out):
        with pytest.raises(Held):
            check_request(spec)
        with pytest.raises(Held):
            sweep(SweepSpec.of(spec, "lora", None))
    with claim_file(table), pytest.raises(Held):
        predict(PredictOptions("no run", ["a"], out=str(table)), Progress(quiet=True))
    with claim_file(table), pytest.raises(Held):
        inspect_data(spec.data, out=str(table))


def test_a_second_tune_with_the_default_folder_gets_a_number(
    emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny: str
) -> None:
    monkeypatch.chdir(tmp_path)
    spec = RunSpec.of(data=str(emotions), model=tiny, epochs=1)
    name = check_request(spec).folder.path
    with claim_folder(name):
        assert Path(tune(spec).run) == name.with_name(f"{name.name}-2")
    assert not name.exists()


def test_two_exports_to_one_folder_do_not_remove_each_others_files(emotions: Path, tmp_path: Path, tiny: str) -> None:
    tune(RunSpec.of(data=str(emotions), model=tiny, epochs=1, out=str(tmp_path / "run")))
    with claim_file(tmp_path / "to"), pytest.raises(Held) as refused:
        export(tmp_path / "run", tmp_path / "to", format="merged", use="tuned")
    assert refused.value.where == "--to"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> str:
    from tiny_models import save_tiny

    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))
