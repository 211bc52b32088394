"""A model that does not say which part of it is the body: what needs the body is refused or left out, and said."""

from __future__ import annotations

from pathlib import Path

import pytest
import transformers.dynamic_module_utils
from own_code import save_without_body

from liftune.cli.main import main
from liftune.workflows import few_wanted


@pytest.fixture
def family() -> str:
    return "bert"


@pytest.fixture
def asked(family: str, emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(few_wanted, "MOST_ROWS_A_LABEL", 64)
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    model = save_without_body(tmp_path / "model", ["joy", "anger"], family=family)
    where = ["--model", str(model), "--trust-remote-code", "--out", str(tmp_path / "run")]
    return ["tune", str(emotions), *where, "--epochs", "1"]


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_start_from_pairs_is_refused(
    dry: tuple[str, ...], asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It trains the encoder by the mean of its states, which nothing else gives."""
    assert main([*asked, "--few", "on", *dry]) == 2
    said = "".join(capsys.readouterr())
    assert "does not tell its body from its head" in said
    assert "--few on" in said
    assert "--few off" in said
    assert not (tmp_path / "run").exists()


def test_it_is_tuned_where_nobody_asked_for_it(
    asked: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked) == 0
    assert "no start from pairs: the model does not tell its body from its head" in capsys.readouterr().err
    assert (tmp_path / "run" / "record.json").is_file()


def test_a_dry_run_times_it(asked: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Label errors are looked for by what the head reads, as there is no mean over tokens."""
    assert main([*asked, "--dry-run"]) == 0
    assert "It would run" in capsys.readouterr().out


@pytest.mark.parametrize("family", ["distilbert"])
@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_layer_that_peft_takes_for_the_head_is_refused(
    dry: tuple[str, ...], asked: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of this model's last two layers the first is none of the head, and its name ends in the other's."""
    assert main([*asked, *dry]) == 2
    said = "".join(capsys.readouterr())
    assert "PEFT takes pre_classifier for the head" in said
    assert "--method full" in said
