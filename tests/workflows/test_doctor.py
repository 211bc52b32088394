"""What the doctor says of a machine, a model and data; no time is asserted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.hardware.accelerations import ACCELERATIONS
from liftune.hardware.measure import MachineFacts
from liftune.workflows import doctor as doctoring

LAPTOP = MachineFacts(("cpu",), "a laptop", 2, bfloat16_speedup=0.7, eager_speedup={"float32": 0.5, "bfloat16": 4.0})


@pytest.fixture(autouse=True)
def measured(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """A machine whose facts are known; returns whether each look measured again."""
    looks: list[bool] = []

    def probe(*, remeasure: bool = False) -> MachineFacts:
        looks.append(remeasure)
        return LAPTOP

    monkeypatch.setattr(doctoring, "measure_machine", probe)
    monkeypatch.setattr(doctoring, "gemm_rate", lambda *_, remeasure, **__: looks.append(remeasure) or 1e9)
    return looks


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


def test_the_machine_alone_has_its_measurements_and_the_plan(measured: list[bool]) -> None:
    found = liftune.doctor()
    assert (found.processor, found.device, found.model, found.epoch) == ("a laptop", "cpu", None, None)
    assert found.gemm_rates == {"float32": 1e9, "bfloat16": 1e9}
    assert {choice.choice for choice in found.plan} >= set(ACCELERATIONS)
    assert measured == [False, False, False]


def test_remeasure_passes_by_the_cache(measured: list[bool]) -> None:
    liftune.doctor(remeasure=True)
    assert measured == [True, True, True]


def test_a_model_says_which_accelerations_fit_it(model: str) -> None:
    found = liftune.doctor(model=model)
    assert found.model is not None
    assert found.model.family == "distilbert"
    assert found.model.unfit == {}
    assert ("packing", "on") in {(choice.choice, choice.value) for choice in found.plan}
    assert found.gemm_of == model
    assert found.epoch is None


def test_a_model_says_which_accelerations_do_not_fit_it_and_why(tmp_path: Path) -> None:
    """The doctor asks as a run does: by attaching to the model."""
    found = liftune.doctor(model=str(save_tiny("gpt2", tmp_path / "gpt2")))
    assert found.model is not None
    assert set(found.model.unfit) == {"packing", "fused-lora", "last-layer", "pooled-dropout", "parallel-passes"}
    reasons = {choice.choice: (choice.value, choice.reason) for choice in found.plan}
    for name, reason in found.model.unfit.items():
        assert reason
        assert reasons[name] == ("off", reason)


def test_data_say_how_long_an_epoch_takes_at_least(model: str, emotions: Path) -> None:
    found = liftune.doctor(str(emotions), model=model, batch_size=10)
    assert found.epoch is not None
    assert (found.epoch.rows, found.epoch.steps) == (48, 5)
    assert found.epoch.tokens > 48 * 3
    assert found.model is not None
    assert found.epoch.least_seconds is not None
    assert found.epoch.least_seconds > 4 * found.model.linear_weights * found.epoch.tokens / 1e9


def test_what_cannot_be_counted_has_no_least_time(emotions: Path, tmp_path: Path) -> None:
    found = liftune.doctor(str(emotions), model=save_tiny("albert", tmp_path / "albert"))
    assert found.epoch is not None
    assert found.epoch.least_seconds is None
    assert found.model is not None
    assert "share" in (found.model.note or "")


def test_the_command_prints_every_line_with_its_reason(
    model: str, emotions: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", str(emotions), "--model", model, "--accelerations", "packing,token-cache"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for part in ("a laptop", "0.7x", "GFLOP/s", "not asked for", "plan fits it", "adapter tuning takes at least"):
        assert part in said
    assert main(["doctor", "--model", str(save_tiny("gpt2", tmp_path / "gpt2"))]) == 0
    assert "packing does not fit it: " in " ".join(capsys.readouterr().out.split())


def test_an_acceleration_that_was_asked_for_and_does_not_fit_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gpt2 = str(save_tiny("gpt2", tmp_path / "gpt2"))
    assert main(["doctor", "--model", gpt2, "--accelerations", "packing"]) == 2
    assert "packing does not fit" in capsys.readouterr().err


def test_the_commands_json_is_the_record(model: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--model", model, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == liftune.doctor(model=model).to_json()


@pytest.mark.parametrize("wrong", [["--device", "cuda"], ["--accelerations", "paking"], ["missing.csv"]])
def test_what_tune_would_refuse_the_doctor_refuses(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", *wrong]) == 2
    assert "hint:" in capsys.readouterr().err
