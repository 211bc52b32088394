"""A run is replaced where that was asked for: not before the new one is checked, and never with other files."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import pytest
from killing import files_of
from made_runs import made_run
from tiny_models import save_tiny

import liftune
from liftune import replacing
from liftune.cli.main import main
from liftune.errors import ArtifactError, LiftuneError
from liftune.events import Listener, StageEnded, StageStarted
from liftune.replacing import FOR_READERS, is_decided, staged, take_place
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.unfinished import Unfinished
from liftune.workflows.asked import Request
from liftune.workflows.claiming import spec_of_unfinished
from liftune.wrong_path import refusal


class Stop(Listener):
    """Ends the run at the start of a stage, as Ctrl-C would."""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def on_stage(self, event: StageStarted | StageEnded) -> None:
        if isinstance(event, StageStarted) and event.stage == self.stage:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture
def options(model: str, emotions: Path, tmp_path: Path) -> dict[str, Any]:
    return {"data": str(emotions), "model": model, "epochs": 1, "batch_size": 16, "out": str(tmp_path / "run")}


def stopped(stage: str, **options: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        liftune.tune(listeners=[Stop(stage)], **options)


def test_a_finished_run_is_replaced_whole(options: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run"
    liftune.tune(**options, with_full=True)
    (run / ".DS_Store").touch()
    for name in FOR_READERS:  # whatever was made of the run for its readers goes with it
        if not (run / name).exists():
            (run / name).write_text("{}")
    with pytest.raises(ArtifactError, match="holds a finished run") as caught:
        liftune.tune(**options)
    assert "replace it with overwrite=True" in (caught.value.hint or "")
    before = files_of(run)

    for wrong in ({"text": "no such column"}, {"model": str(tmp_path / "none")}, {"method": "loora"}):
        with pytest.raises(LiftuneError):
            liftune.tune(**options | wrong, overwrite=True)
        assert files_of(run) == before
    stopped("model", **options, overwrite=True)
    assert files_of(run) == before
    found: Any = liftune.tune(**options, overwrite=True, dry_run=True)
    assert found.would_run
    assert files_of(run) == before

    record = liftune.tune(**options, overwrite=True, lr=1e-2)
    assert record.run == str(run)
    assert not (run / "contenders" / "full").exists()
    assert not list(run.rglob("checkpoint*"))
    assert liftune.load(run)
    assert (run / ".DS_Store").exists()


@pytest.mark.slow
def test_an_unfinished_run_is_replaced_and_the_new_one_can_be_gone_on_with(
    options: dict[str, Any], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    stopped("data diagnosis", **options)
    with pytest.raises(ArtifactError, match="asked otherwise") as caught:
        liftune.tune(**options, lr=1e-2)
    assert "overwrite=True" in (caught.value.hint or "")
    assert "resume" in (caught.value.hint or "")
    stopped("data diagnosis", **options, lr=1e-2, overwrite=True)
    liftune.tune(resume=run)
    assert liftune.load(run)
    assert RunFolder(run).spec().train.lr == 1e-2
    assert not (run / "checkpoint").exists()


def test_a_folder_without_a_run_is_taken_or_refused_as_ever(options: dict[str, Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    (run / "spec.json").write_text('{"openapi": "3.0"}')
    (run / "README.md").write_text("My project.")
    before = files_of(run)
    with pytest.raises(ArtifactError, match="exists and holds"):
        liftune.tune(**options, overwrite=True)
    assert files_of(run) == before
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="is a file"):
        liftune.tune(**options | {"out": tmp_path / "file"}, overwrite=True)


def test_other_files_and_what_the_new_run_reads_are_not_removed(options: dict[str, Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    stopped("data diagnosis", **options)
    before = files_of(run)
    with pytest.raises(ArtifactError, match=r"test\.jsonl lies in the run"):
        liftune.tune(**options | {"data": str(run / "rows" / "test.jsonl")}, overwrite=True)
    with pytest.raises(ArtifactError, match="lies in the run"):
        liftune.tune(**options | {"test": os.path.relpath(run / "rows" / "test.jsonl")}, overwrite=True)
    assert files_of(run) == before
    (run / "notes.txt").write_text("mine")
    with pytest.raises(ArtifactError, match=r"other files, which are not removed: notes\.txt"):
        liftune.tune(**options, overwrite=True)
    (run / "notes.txt").unlink()
    assert files_of(run) == before


@pytest.mark.parametrize(
    ("argv", "said"), [((), "nothing names the run to replace"), (("--resume", "run"), "--resume goes on with a run")]
)
def test_what_can_mean_nothing_is_refused(argv: tuple[str, ...], said: str, capsys: Any) -> None:
    assert main(["tune", "sample:emotions", "--overwrite", *argv]) == 2
    assert said in capsys.readouterr().err


# Killed in between ----------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """What nothing handles: the process has gone."""


def die() -> None:
    raise Killed


def kill_at(number: int, patch: pytest.MonkeyPatch) -> None:
    """Die at the so-manieth change of the disk."""
    done: list[str] = []
    for name in ("unlink", "remove", "rmdir", "rename", "replace"):
        real = getattr(os, name)

        def change(*given: Any, _name: str = name, _real: Any = real, **more: Any) -> Any:
            if len(done) == number:
                raise Killed
            done.append(f"{_name} {given[0]}")
            return _real(*given, **more)

        patch.setattr(os, name, change)


def replaced_run(place: Path, *, finished: bool) -> tuple[Path, RunSpec]:
    """A run, and another one that waits for its place."""
    run = made_run(place / "run", rows=12).path
    (run / "adapter").mkdir()
    (run / "adapter" / "liftune.json").write_text("{}")
    (run / "report.html").write_text("page")
    old, new = (RunSpec.of(data="rows.csv", epochs=each, out=str(run)) for each in (2, 7))
    if not finished:
        (run / "record.json").unlink()
        Request.of(old, "rows").save(Unfinished(run))
    Request.of(new, "rows").save(staged(run))
    return run, new


@pytest.mark.parametrize("finished", [True, False])
def test_whoever_is_killed_while_the_old_run_goes_leaves_one_that_is_whole(
    finished: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At every change of the disk: the old run with all of its files, or the new one, which goes on."""
    seen = set()
    for number in range(100):
        run, new = replaced_run(tmp_path / str(number), finished=finished)
        before = files_of(run)
        ended = False
        with monkeypatch.context() as patch, contextlib.suppress(Killed):
            kill_at(number, patch)
            take_place(run)
            ended = True
        if is_decided(run) or ended:
            assert Unfinished(run).can_go_on
            assert "--resume" in refusal(run, "run")[1] or (run / "record.json").is_file()
            assert spec_of_unfinished(str(run)) == new
            assert sorted(each.name for each in run.iterdir()) == ["checkpoint"]
            seen.add("new")
        else:
            now = files_of(run)
            assert {name: now[name] for name in before} == before
            assert not finished or RunFolder.open(run).record()
            seen.add("old")
        if ended:
            break
    assert ended
    assert seen == {"old", "new"}
    assert number > 8


@pytest.mark.parametrize(("number", "overwrite"), [(4, False), pytest.param(1, True, marks=pytest.mark.slow)])
def test_the_same_command_ends_well_after_a_kill(
    number: int, overwrite: bool, options: dict[str, Any], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    stopped("data diagnosis", **options)
    with pytest.MonkeyPatch.context() as patch:
        left = iter(range(number - 1))
        real = replacing._remove
        patch.setattr(
            replacing,
            "_remove",
            lambda path, left=left, real=real: real(path) if next(left, None) is not None else die(),
        )
        with pytest.raises(Killed):
            liftune.tune(**options, overwrite=True, lr=1e-2)
    assert is_decided(run)
    assert liftune.tune(**options, overwrite=overwrite, lr=1e-2).run == str(run)
    assert RunFolder(run).spec().train.lr == 1e-2
    assert not list(run.rglob("checkpoint*"))
