"""What a stop says that comes before the work of tune, or after it: nobody who keeps anything hears of it."""

from __future__ import annotations

import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from liftune.cli.main import main
from liftune.run_folder import RunFolder
from liftune.spec import DataSpec, ModelSpec, RunSpec
from liftune.stopping import NOTHING_KEPT, say_if_stopped
from liftune.workflows import tune as workflow

WHOLE = ("the run is whole, in x", "to read it: liftune report x")


def interrupt(*_: Any, **__: Any) -> None:
    signal.raise_signal(signal.SIGTERM)


def end_and_interrupt(*_: Any, **__: Any) -> None:
    say_if_stopped(*WHOLE)
    interrupt()


def test_before_the_work_and_after_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(workflow, "tune", end_and_interrupt)
    assert main(["tune", "rows.csv"]) == 143
    assert capsys.readouterr().err == f"liftune: stopped; {'; '.join(WHOLE)}\n"
    monkeypatch.setattr(workflow, "tune", interrupt)
    assert main(["tune", "rows.csv"]) == 143
    assert capsys.readouterr().err == "liftune: stopped; nothing was worked out yet: give the same command again\n"


def request_in(folder: Path) -> Any:
    spec = RunSpec(data=DataSpec(source="rows.csv"), model=ModelSpec(name="minilm"), out=str(folder))
    return SimpleNamespace(folder=RunFolder(folder), spec=spec)


def test_a_stop_while_the_report_is_written_says_that_the_run_is_whole(tmp_path: Path) -> None:
    request = request_in(tmp_path)
    unfinished = request.folder.unfinished
    unfinished.folder.mkdir()
    unfinished.request.write_text("{}")
    with pytest.raises(KeyboardInterrupt) as caught, workflow._whole(request):
        raise KeyboardInterrupt
    going_on = f"to end it: liftune tune --resume {tmp_path}"
    assert caught.value.__notes__ == [f"the run is whole, in {tmp_path}", going_on]
    unfinished.request.unlink()
    with pytest.raises(KeyboardInterrupt) as caught, workflow._whole(request):
        raise KeyboardInterrupt
    assert caught.value.__notes__[1] == f"to read it: liftune report {tmp_path}"


def test_what_was_kept_is_never_denied(tmp_path: Path) -> None:
    """Of a run that is whole."""
    with (
        pytest.raises(KeyboardInterrupt) as caught,
        workflow.saying_what_is_kept(),
        workflow._whole(request_in(tmp_path)),
    ):
        raise KeyboardInterrupt
    assert NOTHING_KEPT not in caught.value.__notes__
