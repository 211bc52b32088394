"""The trackers themselves, read back offline: `make test-trackers`, as their pins clash with the others'."""

from __future__ import annotations

from pathlib import Path

import pytest
from settled_records import FAST
from tiny_models import save_tiny

import liftune
from liftune.records.run import TuneRecord


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    return tmp_path


def tracked(name: str, place: Path, emotions: Path) -> TuneRecord:
    model = save_tiny("distilbert", place / "model")
    return liftune.tune(emotions, model=str(model), out=place / "runs" / "mine", track=name, quiet=False, **FAST)


def test_mlflow_has_the_scores_the_settings_and_the_report(
    place: Path, emotions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mlflow = pytest.importorskip("mlflow")
    record = tracked("mlflow", place, emotions)
    assert "failed" not in capsys.readouterr().err
    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name("liftune")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "mine"
    assert run.data.params["epochs"] == str(FAST["epochs"])
    tuned = next(each for each in record.contenders if each.name == "tuned")
    assert run.data.metrics["test/tuned/accuracy"] == pytest.approx(tuned.metrics["accuracy"].value)
    assert [each.path for each in client.list_artifacts(run.info.run_id)] == ["report.html"]


def test_tensorboard_has_the_scores_and_the_report(
    place: Path, emotions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    record = tracked("tensorboard", place, emotions)
    assert "failed" not in capsys.readouterr().err
    log = EventAccumulator(str(place / "runs" / "tensorboard" / "mine"))
    log.Reload()
    tuned = next(each for each in record.contenders if each.name == "tuned")
    assert log.Scalars("test/tuned/accuracy")[0].value == pytest.approx(tuned.metrics["accuracy"].value, abs=1e-6)
    assert any("report" in tag for tag in log.Tags()["tensors"])


def test_trackio_has_the_scores_the_settings_and_the_report(
    place: Path, emotions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("trackio")
    record = tracked("trackio", place, emotions)
    assert "failed" not in capsys.readouterr().err
    tuned = next(each for each in record.contenders if each.name == "tuned")
    from trackio.sqlite_storage import SQLiteStorage

    values = {name: value for row in SQLiteStorage.get_logs("liftune", "mine") for name, value in row.items()}
    assert values["test/tuned/accuracy"] == pytest.approx(tuned.metrics["accuracy"].value)
    assert SQLiteStorage.get_run_config("liftune", "mine")["epochs"] == FAST["epochs"]
    assert [each["name"] for each in SQLiteStorage.get_artifacts("liftune")] == ["mine-report"]
