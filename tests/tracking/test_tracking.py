"""Trackers hear of a run, and never fail it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from settled_records import FAST
from tiny_models import save_tiny

import liftune
from liftune.errors import MissingExtra, SpecError
from liftune.tracking import TRACKERS, Tracker, Tracking, tracking


class Kept:
    """A GeneralTracker of Accelerate's that keeps what it is sent."""

    def __init__(self, fails: str = "") -> None:
        self.calls: list[str] = []
        self.settings: dict[str, Any] = {}
        self.logged: list[tuple[dict[str, float], int | None]] = []
        self.reports: list[Path] = []
        self._fails = fails

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if name == self._fails:
            raise ConnectionError("nobody answers\nat all")

    def start(self) -> None:
        print("a word on standard output")
        self._called("start")

    def store_init_configuration(self, values: dict[str, Any]) -> None:
        self._called("store_init_configuration")
        self.settings = values

    def log(self, values: dict[str, float], step: int | None = None) -> None:
        self._called("log")
        self.logged.append((values, step))

    def finish(self) -> None:
        self._called("finish")


def listener(kept: Kept, lines: list[str]) -> Tracking:
    entry = Tracker("kept", "", lambda run: kept, ("json",), lambda tracker, report: tracker.reports.append(report))
    return Tracking(entry, lines.append)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


def test_settings_epochs_contenders_and_the_report_are_sent(
    model: str, kept_emotions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept, lines, run = Kept(), [], tmp_path / "run"
    record = liftune.tune(kept_emotions, model=model, out=run, seeds=[3, 4], listeners=[listener(kept, lines)], **FAST)
    assert lines == []
    assert capsys.readouterr().out == ""
    assert kept.calls[:2] == ["start", "store_init_configuration"]
    assert kept.calls[-1] == "finish"
    assert kept.settings["epochs"] == FAST["epochs"]
    assert kept.settings["seeds"] == "(3, 4)"
    names = {name for values, _ in kept.logged for name in values}
    assert {"validation/accuracy", "train/loss", "training2/train/loss", "test/tuned/accuracy.low"} <= names
    scores = {name: value for values, _ in kept.logged for name, value in values.items()}
    assert all(isinstance(value, float) for value in scores.values())
    probe = next(each for each in record.contenders if each.name == "probe")
    assert scores["test/probe/accuracy"] == probe.metrics["accuracy"].value
    assert [step for values, step in kept.logged if "train/loss" in values] == [1]
    assert kept.reports == [run / "report.html"]


@pytest.mark.parametrize("fails", ["start", "store_init_configuration", "log", "finish"])
def test_a_tracker_that_fails_is_left_out_and_the_run_goes_on(fails: str, tmp_path: Path) -> None:
    from liftune.events import EpochEnded, Events

    kept, lines = Kept(fails), []
    events = Events([listener(kept, lines)])
    with events.run(str(tmp_path / "run"), {"epochs": 2}):
        for epoch in (1, 2):
            events.send(EpochEnded(epoch, 2, "accuracy", {"accuracy": 0.5}, loss=0.7))
    assert len(lines) == 1
    assert "ConnectionError: nobody answers" in lines[0]
    assert kept.calls.count(fails) == 1


def test_a_run_that_is_interrupted_is_ended_without_a_report(tmp_path: Path) -> None:
    from liftune.events import Events

    kept = Kept()
    (tmp_path / "report.html").write_text("of an earlier run")
    with pytest.raises(KeyboardInterrupt), Events([listener(kept, [])]).run(str(tmp_path), {}):
        raise KeyboardInterrupt
    assert kept.calls[-1] == "finish"
    assert kept.reports == []


def test_unknown_trackers_and_missing_ones_are_refused_before_anything_is_computed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from liftune.cli.main import main

    with pytest.raises(SpecError, match="wandbb"):
        tracking(["wandbb"], print)
    monkeypatch.setattr("liftune.errors.importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as refused:
        tracking(["mlflow"], print)
    assert refused.value.hint == "pip install 'liftune[mlflow]'"
    monkeypatch.undo()
    assert main(["tune", "nowhere.csv", "--track", "nothing"]) == 2
    assert "trackio" in capsys.readouterr().err
    assert set(TRACKERS) >= {"mlflow", "tensorboard", "trackio"}


def test_several_trackers_are_a_list_and_a_wrong_one_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("liftune.tracking.need", lambda *_: None)
    assert len(tracking(["mlflow, tensorboard", "mlflow"], print)) == 2
    with pytest.raises(SpecError, match="wandb") as refused:
        tracking(["tensorboard,wandb"], print)
    assert refused.value.where == "--track"


@pytest.mark.parametrize("goes_on", [False, True])
def test_curves_of_a_run_that_is_replaced_are_set_aside(goes_on: bool, tmp_path: Path) -> None:
    from dataclasses import replace

    from liftune.events import Events

    run, kept, lines = tmp_path / "run", Kept(), []
    place = tmp_path / "tensorboard" / "run"
    entry = replace(TRACKERS["tensorboard"], build=lambda _: kept, keep_report=lambda *_: None)
    for earlier in range(2):
        place.mkdir(parents=True, exist_ok=True)
        (place / "events.out.tfevents.1").write_text(str(earlier))
        with Events([Tracking(entry, lines.append)]).run(str(run), {}, goes_on=goes_on):
            pass
    if goes_on:
        assert lines == []
        assert (place / "events.out.tfevents.1").exists()
    else:
        assert not place.exists()
        assert [(place.with_name(f"run.{i}") / "events.out.tfevents.1").read_text() for i in (1, 2)] == ["0", "1"]
        assert [str(place.with_name(f"run.{i}")) in line for i, line in enumerate(lines, 1)] == [True, True]


def test_a_server_of_mlflow_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "")  # so that it is put back
    monkeypatch.delenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "99")
    monkeypatch.setattr("accelerate.tracking.MLflowTracker", lambda **_: Kept(), raising=False)
    TRACKERS["mlflow"].build(Path("run"))
    assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "99", "what the user says counts"
