"""A dry run finds every fault at once, says what the run would take, and leaves nothing behind."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.data.load import load_data
from liftune.errors import LiftuneError
from liftune.events import Events
from liftune.records.dry_run import DiskNeed
from liftune.spec import DataSpec, RunSpec
from liftune.workflows import preparing, request, trial
from liftune.workflows.estimate import _tuning
from liftune.workflows.preparing import prepare
from liftune.workflows.request import check_request
from liftune.workflows.trial import TuningTimes

FAST: dict[str, Any] = {"epochs": 1, "batch_size": 8}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("models") / "tiny"))


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command is given and temporary files lie: nothing may stay in it."""
    place = tmp_path / "empty"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


def test_it_says_what_the_run_would_be_and_leaves_nothing(emotions: Path, model: str, empty: Path) -> None:
    found: Any = liftune.tune(emotions, model=model, dry_run=True, with_full=True, curve=True, out="run", **FAST)
    assert found.would_run
    assert found.faults == ()
    assert (found.data.columns.text, found.data.labels) == ("text", ("anger", "joy"))
    assert found.rows.train == len(load_data(DataSpec(source=str(emotions))).train)
    names = [each.stage for each in found.stages]
    assert names[-4:] == ["fine-tuning", "full fine-tuning", "learning curve", "record and report"]
    assert all(each.seconds > 0 for each in found.stages if each.stage not in ("data diagnosis", "soft labels"))
    assert found.seconds == pytest.approx(sum(each.seconds for each in found.stages))
    assert 0 < found.disk.kept_bytes < found.disk.peak_bytes < found.disk.free_bytes
    assert found.memory.training_bytes == 16 * found.memory.trainable_parameters > 0
    assert found.plan
    assert list(empty.iterdir()) == []


def test_rows_in_memory_and_folds_are_tried_too(emotions: Path, model: str, empty: Path) -> None:
    rows = load_data(DataSpec(source=str(emotions)))
    found: Any = liftune.tune(rows, model=model, dry_run=True, folds=3, **FAST)
    assert (found.would_run, found.folds, found.data) == (True, 3, None)
    tuning = next(each for each in found.stages if each.stage == "fine-tuning")
    assert tuning.counts == "1 epochs x 1 seeds x (3 folds and all rows)"
    assert list(empty.iterdir()) == []


def test_folds_are_spoken_of_where_the_run_chooses_them(tmp_path: Path, model: str, empty: Path) -> None:
    """Not where the command says how many, or none."""
    rows = [f"{word} {i},{label}" for i in range(20) for word, label in (("sunny", "joy"), ("slam", "anger"))]
    (tmp_path / "rows.csv").write_text("text,label\n" + "\n".join(rows), encoding="utf-8")
    for folds, said in (("auto", True), ("none", False), (3, False)):
        found: Any = liftune.tune(str(tmp_path / "rows.csv"), model=model, dry_run=True, folds=folds, **FAST)
        assert any("so that every row is tested" in note for note in found.data.notes) == said


def test_all_faults_are_found_at_once(
    emotions: Path, model: str, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A bad row, a metric of another task, an option out of range, a device and a folder: five stages, one answer."""
    with (emotions / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"text": "", "label": "joy"}\n')
    (empty.parent / "busy").write_text("mine")
    argv = ["tune", str(emotions), "--model", model, "--dry-run", "--quiet", "--epochs", "1", "--batch-size", "8"]
    faulty = ["--metric", "rmse", "--set", "rank=-3", "--device", "cuda:7", "--accelerations", "nope"]
    assert main([*argv, *faulty, "--out", str(empty.parent / "busy"), "--json"]) == 2
    found = json.loads(capsys.readouterr().out)
    assert {each["where"].partition(",")[0] for each in found["faults"]} == {
        "--out", str(emotions / "train.jsonl"), "--metric", "--set", "--device", "--accelerations",
    }  # fmt: skip
    assert all(each["hint"] for each in found["faults"])
    assert (found["would_run"], found["stages"], found["seconds"]) == (False, [], None)
    assert (empty.parent / "busy").read_text() == "mine"
    assert main([*argv, *faulty, "--skip-bad-rows"]) == 2
    said = capsys.readouterr().out
    assert "It would not run" in said
    assert "4 faults" in said
    assert list(empty.iterdir()) == []


def test_values_of_the_wrong_type_or_range_are_faults_beside_the_others(
    emotions: Path, model: str, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They stopped it before anything else was looked at."""
    argv = ["tune", str(emotions), "--model", model, "--dry-run", "--quiet", "--json", "--batch-size", "8"]
    assert main([*argv, "--epochs", "x", "--folds", "1", "--metric", "rmse", "--set", "rank=1000000"]) == 2
    wheres = [each["where"] for each in json.loads(capsys.readouterr().out)["faults"]]
    assert wheres == ["--epochs", "--folds", "--metric", "--set rank=1000000"]
    found: Any = liftune.tune(emotions, model=model, dry_run=True, epochs=-1, seeds="0,0", batch_size=8)
    assert [each.where for each in found.faults] == ["--epochs", "--seeds"]
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"answers": {"gpt": "nope.csv"}}, "no such file or folder: nope.csv"),
        ({"answers": {"gpt": [{"text": "a", "answer": "b"}]}, "cost": {"gtp": 1}}, "a cost is given for 'gtp'"),
        ({"zero_shot": "minilm", "describe": "nope.json"}, "there is no file nope.json"),
        ({"describe": "nope.json"}, "labels are described for no model"),
    ],
)
def test_a_file_that_is_missing_is_said_before_anything_is_read_or_timed(
    options: dict[str, Any], said: str, emotions: Path, model: str, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "time_base", lambda *given: pytest.fail("passes were timed"))
    found: Any = liftune.tune(emotions, model=model, dry_run=True, **FAST, **options)
    assert any(said in each.message for each in found.faults)
    assert not found.would_run
    monkeypatch.setattr(request, "read_for_tuning", lambda *given: pytest.fail("rows were read"))
    with pytest.raises(LiftuneError, match=said):
        liftune.tune(emotions, model=model, out=empty / "run", **FAST, **options)
    assert list(empty.iterdir()) == []


def test_without_rows_the_model_is_looked_at_all_the_same(empty: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tune", "nowhere.csv", "--model", str(empty / "no-model"), "--dry-run", "--quiet", "--json"]) == 2
    assert [each["stage"] for each in json.loads(capsys.readouterr().out)["faults"]] == ["data", "model"]


@pytest.mark.slow
def test_a_disk_that_is_too_small_and_a_step_without_memory_are_faults(
    emotions: Path, model: str, empty: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = DiskNeed(kept_bytes=10, peak_bytes=2**36, free_bytes=2**30)
    monkeypatch.setattr(preparing, "disk_need", lambda *given, **named: small)
    found: Any = liftune.tune(emotions, model=model, dry_run=True, **FAST)
    assert [each.stage for each in found.faults] == ["disk"]
    assert found.faults[0].message.startswith("the run needs about 64 GiB on the disk, 1 GiB are free: 10 B stay")

    def short(*given: Any, pairs: bool) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(trial, "save_adapter", short)
    found = liftune.tune(emotions, model=model, dry_run=True, **FAST)
    assert [each.stage for each in found.faults] == ["fine-tuning"]
    assert "memory ran short" in found.faults[0].message
    assert list(empty.iterdir()) == []


def test_tuning_is_as_long_as_its_steps_and_passes(emotions: Path, model: str) -> None:
    spec = RunSpec.of(data=str(emotions), model=model, epochs=3, batch_size=8)
    context, _ = prepare(check_request(spec), Events())
    times = TuningTimes(
        load=1.0, head_row=0.5, step=10.0, row=2.0, answer_row=3.0, save=7.0, saved_bytes=1, trainable_parameters=1,
        step_mib=None, room=None,
    )  # fmt: skip
    counts = context.splits.counts
    steps = 3 * -(-counts.train // 8)
    passes = 2.0 * (3 + 1) * counts.validation + 3.0 * (counts.validation + counts.test)
    assert _tuning(context, context.splits, times) == 2 + 0.5 * counts.train + 10 * steps + passes + 7


def test_faults_beside_the_options_of_the_run_are_found_with_the_others(
    emotions: Path, model: str, empty: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each used to end the dry run by itself."""
    (empty.parent / "wrong.toml").write_text("[train]\nepochs = 'many'\n")
    config = str(empty.parent / "wrong.toml")
    beside = ["--checkpoint-minutes", "soon", "--track", "nothing", "--resume", "none", "--overwrite"]
    options = ["--config", config, "--batch-size", "x", "--method", "lroa", "--label", "no such"]
    assert main(["tune", str(emotions), "--model", model, "--dry-run", "--json", *beside, *options]) == 2
    found = json.loads(capsys.readouterr().out)
    said = " ".join(f"{each['where']} {each['message']}" for each in found["faults"])
    wanted = ("'soon' is no number of minutes", "'nothing'", "none", "--overwrite replaces", "many", "--batch-size")
    for each in (*wanted, "lroa", "no such"):
        assert each in said, each
    more: Any = {"checkpoint_minutes": "soon", "track": "nothing", "resume": "none", "overwrite": True}
    again: Any = liftune.tune(
        emotions, model=model, dry_run=True, config=config, batch_size="x", method="lroa", label="no such", **more
    )
    assert {each.message for each in again.faults} == {each["message"] for each in found["faults"]}
    assert list(empty.iterdir()) == []


@pytest.mark.parametrize("minutes", ["soon", "-1", "nan", "inf", ""])
def test_a_wrong_number_of_minutes_is_refused_in_words(
    minutes: str, emotions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", str(emotions), "--checkpoint-minutes", minutes]) == 2
    told = capsys.readouterr().err
    assert "is no number of minutes" in told
    assert "where: --checkpoint-minutes" in told
