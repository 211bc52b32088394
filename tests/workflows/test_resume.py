"""A run that was interrupted goes on, and ends as one that nothing disturbed; another request is refused."""

from __future__ import annotations

import json
import random
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from killing import differences, files_of
from tiny_models import save_tiny

import liftune
from liftune import progress
from liftune.cli.main import main
from liftune.data import load_data
from liftune.errors import ArtifactError, LiftuneError
from liftune.events import Listener, StageEnded, StageStarted, Step
from liftune.run_folder import RunFolder
from liftune.spec import DataSpec
from liftune.workflows import asked

FAST = {"epochs": 1, "batch_size": 16, "lr": 1e-2}
#: Two seeds, of which the second may replace the first one's adapter.
TWO_SEEDS = {"epochs": 2, "seeds": (0, 1)}


class Interrupt(Listener):
    """Ends the run at the start of a stage, as Ctrl-C would; or after a step."""

    def __init__(self, stage: str = "", step: int = 0) -> None:
        self.stage, self.step = stage, step

    def on_stage(self, event: StageStarted | StageEnded) -> None:
        if isinstance(event, StageStarted) and event.stage == self.stage:
            raise KeyboardInterrupt

    def on_step(self, event: Step) -> None:
        self.step -= 1
        if self.step == 0:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture
def options(model: str, emotions: Path) -> dict[str, Any]:
    return {"data": str(emotions), "model": model, **FAST}


def interrupted(out: Path, stage: str = "", step: int = 0, **options: Any) -> None:
    with pytest.raises(KeyboardInterrupt):
        liftune.tune(out=out, listeners=[Interrupt(stage, step)], **options)


@pytest.mark.parametrize(
    "more",
    [{"with_full": True, "curve": True}, pytest.param({"folds": 2, "method": "adalora"}, marks=pytest.mark.slow)],
)
def test_a_run_that_was_interrupted_again_and_again_ends_as_an_undisturbed_one(
    more: dict[str, Any], options: dict[str, Any], tmp_path: Path
) -> None:
    options |= TWO_SEEDS | more
    liftune.tune(out=tmp_path / "whole", **options)
    if "folds" not in more:
        interrupted(tmp_path / "run", "data diagnosis", **options)
    for step in (8, 8, 8):  # under the second seed, in full fine-tuning, in the learning curve; or in folds
        interrupted(tmp_path / "run", step=step, checkpoint_minutes=0, **options)
    liftune.tune(out=tmp_path / "run", **options)
    assert differences(files_of(tmp_path / "whole"), files_of(tmp_path / "run")) == []


@pytest.mark.slow
def test_no_stage_depends_on_generators_that_an_earlier_one_left(options: dict[str, Any], tmp_path: Path) -> None:
    """What is read back draws nothing, so that whatever followed from the global generators would change."""

    class Scramble(Listener):
        def on_stage(self, event: StageStarted | StageEnded) -> None:
            seed = sum(map(ord, event.stage))
            torch.manual_seed(seed)
            np.random.seed(seed)
            random.seed(seed)

    options |= {"with_full": True, "curve": True}
    liftune.tune(out=tmp_path / "one", **options)
    liftune.tune(out=tmp_path / "two", listeners=[Scramble()], **options)
    assert differences(files_of(tmp_path / "one"), files_of(tmp_path / "two")) == []


def test_what_was_worked_out_is_not_computed_again(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from liftune.workflows import baselines, finetune, preparing

    interrupted(tmp_path / "run", "record", **options)
    for name in ("tfidf", "fit_linear_probe", "make_soft_labels", "find_label_errors", "shift"):
        monkeypatch.setattr(baselines, name, None)
    monkeypatch.setattr(finetune, "train", None)
    monkeypatch.setattr(preparing, "measure_machine", None)
    liftune.tune(out=tmp_path / "run", **options)
    assert not (tmp_path / "run" / "checkpoint").exists()


def test_another_request_is_refused_with_what_differs(
    options: dict[str, Any], tmp_path: Path, emotions: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted(tmp_path / "run", "fine-tuning", **options)
    before = files_of(tmp_path / "run")

    def refused(**changed: Any) -> str:
        with pytest.raises(ArtifactError) as error:
            liftune.tune(out=tmp_path / "run", **{**options, **changed})
        assert error.value.where == "out"
        assert f"liftune tune --resume {tmp_path / 'run'}" in (error.value.hint or "")
        return error.value.message

    assert "train.epochs: 1 there, 3 asked" in refused(epochs=3)
    assert "method.name: lora there, ia3 asked" in refused(method="ia3", epochs=3)
    with monkeypatch.context() as patched:
        patched.setattr(asked, "versions", lambda: {"torch": "0.1"})
        assert "torch: " in refused()
    train = emotions / "train.jsonl"
    kept = train.read_text()
    train.write_text(kept.replace("sunny", "cloudy", 1))
    assert "the rows have changed" in refused()
    train.write_text(kept)
    assert differences(before, files_of(tmp_path / "run")) == []


def test_another_base_model_under_the_same_name_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    shutil.copytree(options["model"], tmp_path / "base")
    options["model"] = str(tmp_path / "base")
    interrupted(tmp_path / "run", "fine-tuning", **options)
    shutil.rmtree(tmp_path / "base")
    save_tiny("distilbert", tmp_path / "base", seed=5)
    with pytest.raises(ArtifactError, match="base model has changed"):
        liftune.tune(out=tmp_path / "run", **options)


@pytest.mark.slow
def test_without_out_the_same_command_takes_up_what_it_left_and_another_gets_a_number(
    options: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        liftune.tune(listeners=[Interrupt("fine-tuning")], **options)
    begun = next((tmp_path / "runs").iterdir())
    other = liftune.tune(**{**options, "epochs": 2})
    assert Path(other.run).name == f"{begun.name}-2"
    assert liftune.tune(**options).run == str(Path("runs") / begun.name)


def test_a_run_without_record_is_used_by_nothing_and_the_hint_finishes_it(
    options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its adapter may be that of a seed which another one beats."""
    run = tmp_path / "run"
    interrupted(run, "record", **options)
    assert (run / "adapter" / "liftune.json").is_file()
    commands = (
        ["predict", str(run), "a"],
        ["predict", str(run / "adapter"), "a"],
        ["predict", str(run / "contenders" / "tfidf"), "a"],
        ["export", str(run), "--to", str(tmp_path / "to")],
        ["evaluate", options["data"], "--model", str(run)],
        ["serve", str(run), "--port", "0"],
        ["report", str(run)],
    )
    for command in commands:
        assert main(command) == 2
        said = capsys.readouterr().err
        assert "an unfinished run" in said
        assert f"liftune tune --resume {run}" in said
    monkeypatch.chdir(tmp_path)
    assert main(["tune", "--resume", str(run), "--quiet"]) == 0
    assert main(["predict", str(run), "a", "--quiet"]) == 0
    assert main(["tune", "--resume", str(run)]) == 2
    assert "holds a finished run" in capsys.readouterr().err


def test_resume_takes_no_other_options(
    options: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = str(tmp_path / "run")
    interrupted(tmp_path / "run", "fine-tuning", **options)
    assert main(["tune", "--resume", run, "--epochs", "5", "--out", "elsewhere"]) == 2
    said = capsys.readouterr().err
    assert "train.epochs: 1 there, 5 asked" in said
    assert "elsewhere" in said
    assert main(["tune", "--resume", run, "--epochs", "1", "--quiet"]) == 0
    assert main(["tune", "--resume", str(tmp_path / "nothing")]) == 2
    with pytest.raises(LiftuneError, match="minutes"):
        liftune.tune(out=tmp_path / "other", checkpoint_minutes=-1, **options)


@pytest.mark.parametrize(("name", "code"), [("SIGTERM", 143), pytest.param("SIGINT", 130, marks=pytest.mark.slow)])
def test_a_signal_in_training_saves_first_and_says_how_to_go_on(
    name: str,
    code: int,
    options: dict[str, Any],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Signal(Listener):
        def on_step(self, event: Step) -> None:
            if event.step == 2:
                signal.raise_signal(getattr(signal, name))

    run = tmp_path / "run"
    monkeypatch.setattr(progress, "listeners", lambda progress: [Signal()])
    command = ["tune", options["data"], "--model", options["model"], "--out", str(run), "--epochs", "1"]
    assert main(command) == code
    assert list((run / "checkpoint" / "seed 0").glob("*.safetensors"))
    said = capsys.readouterr().err
    assert f"liftune tune --resume {run}" in said
    monkeypatch.setattr(progress, "listeners", lambda progress: [])
    assert main(command) == 0
    liftune.tune(options["data"], model=options["model"], epochs=1, out=tmp_path / "whole")
    assert differences(files_of(tmp_path / "whole"), files_of(run)) == []


def test_checkpoints_stay_where_they_are_asked_to_and_left_overs_go(options: dict[str, Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    interrupted(run, "fine-tuning", **options)
    (run / ".adapter.partial").mkdir()
    (run / "logits" / "tuned.npz.new").touch()
    liftune.tune(out=run, keep_checkpoints=True, **options)
    assert (run / "checkpoint" / "request.json").is_file()
    assert not list(run.rglob("*.new"))
    assert not (run / ".adapter.partial").exists()
    with pytest.raises(ArtifactError, match="holds a finished run"):
        liftune.tune(out=run, **options)


def test_a_run_whose_report_alone_is_missing_gets_it(options: dict[str, Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    interrupted(run, "report", **options)
    record = (run / "record.json").read_bytes()
    liftune.tune(out=run, **options)
    assert (run / "record.json").read_bytes() == record
    assert (run / "report.html").is_file()
    assert not (run / "checkpoint").exists()


@pytest.mark.slow
def test_a_damaged_outcome_is_computed_again(options: dict[str, Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    interrupted(run, "record", **options)
    for path in (run / "checkpoint").glob("*.npz"):
        path.write_bytes(path.read_bytes()[:-30])
    liftune.tune(out=run, **options)
    liftune.tune(out=tmp_path / "whole", **options)
    assert differences(files_of(tmp_path / "whole"), files_of(run)) == []


@pytest.mark.slow
def test_rows_in_memory_go_on_too(options: dict[str, Any], tmp_path: Path) -> None:
    """Where they are given again: they are not on the disk."""
    rows = load_data(DataSpec(source=options.pop("data")))
    with pytest.raises(KeyboardInterrupt) as stopped:
        liftune.tune(rows, out=tmp_path / "run", listeners=[Interrupt("record")], **options)
    hint = f"liftune.tune(rows, resume={str(tmp_path / 'run')!r})"
    assert stopped.value.__notes__[-1] == f"to go on: {hint}"
    with pytest.raises(LiftuneError) as refused:
        liftune.tune(resume=tmp_path / "run")
    assert hint in (refused.value.hint or "")
    liftune.tune(rows, resume=tmp_path / "run")
    assert RunFolder(tmp_path / "run").has_record


def test_a_process_that_ended_before_it_had_begun_is_in_nobodys_way(options: dict[str, Any], tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoint").mkdir(parents=True)
    for name in (".liftune.lock", ".liftune.holder.json", "checkpoint/request.json.new"):
        (run / name).touch()
    liftune.tune(out=run, **options)
    assert not [each for each in run.iterdir() if each.name.startswith(".") or each.name == "checkpoint"]


def test_a_request_that_cannot_be_read_is_refused(options: dict[str, Any], tmp_path: Path) -> None:
    interrupted(tmp_path / "run", "fine-tuning", **options)
    request = tmp_path / "run" / "checkpoint" / "request.json"
    request.write_text(json.dumps({"spec": {}}))
    with pytest.raises(ArtifactError, match=r"request\.json is damaged|other versions"):
        liftune.tune(out=tmp_path / "run", **options)
