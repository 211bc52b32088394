"""Options that the saved model has no use for are refused, not passed over: --base above all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tiny_adapters import save_tuned
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import LiftuneError, SpecError
from liftune.inference.contenders import refuse_torch_options
from liftune.models import moved_bases
from liftune.server.server import ServeOptions, check_models


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter and a whole model of one base, which is at its place and at another; another base; a bundle; data."""
    place = tmp_path_factory.mktemp("bases")
    save_tiny("bert", place / "base")
    save_tiny("bert", place / "other", seed=5)
    save_tuned(place / "base", place / "adapter")
    save_tuned(place / "base", place / "whole", method="full")
    shutil.copytree(place / "base", place / "moved")
    for name, text in (("bundle/bundle.json", "{}"), ("words/contender.json", json.dumps(WORDS))):
        (place / name).parent.mkdir()
        (place / name).write_text(text, encoding="utf-8")
    (place / "rows.jsonl").write_text('{"text": "a", "label": "label0"}\n', encoding="utf-8")
    return place


WORDS = {
    "schema": 3,
    "liftune": "0.1.0",
    "name": "majority",
    "task": "single_label",
    "labels": ["a", "b"],
    "pairs": False,
}


@pytest.fixture(autouse=True)
def _here(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setattr(moved_bases, "_PLACES", {})


@pytest.mark.parametrize(
    ("path", "base", "said"),
    [
        ("bundle", "base", "is a bundle"),
        ("whole", "base", "is a whole model"),
        ("words", "base", "reads words alone"),
        ("adapter", "other", "other has other weights"),
    ],
)
def test_a_base_that_the_model_does_not_need_is_refused_by_every_command(
    path: str, base: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It was passed over in silence."""
    given = ["--base", base]
    for arguments in (
        ["predict", path, "some text", *given],
        ["export", path, "--to", "out", *given],
        ["evaluate", "rows.jsonl", "--model", path, *given],
    ):
        assert main(arguments) == 2
        message = capsys.readouterr().err
        assert said in message
        assert "where: --base" in message
    with pytest.raises(SpecError, match=said):
        liftune.load(path, base=base)
    with pytest.raises(SpecError, match=said):
        liftune.evaluate("rows.jsonl", model=path, base=base)


def test_a_pretrained_model_has_no_base() -> None:
    with pytest.raises(SpecError, match="a pretrained model itself"):
        liftune.evaluate("rows.jsonl", model="other", base="base")


def test_a_base_that_the_model_was_tuned_on_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "adapter", "some text", "--base", "moved"]) == 0
    liftune.load("whole", base="moved", with_base=True)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (ServeOptions(["adapter"], bases=["other"]), "other has other weights"),
        (ServeOptions(["bundle"], device="cuda"), "a bundle runs on the CPU"),
        (ServeOptions(["one=bundle"], precision="bfloat16"), "precision was fixed"),
        (ServeOptions(["bundle"], bases=["base"]), "is a bundle"),
        (ServeOptions(["nowhere"]), "there is no run folder nowhere"),
    ],
)
def test_a_server_refuses_what_none_of_its_models_follows(options: ServeOptions, said: str) -> None:
    with pytest.raises(LiftuneError, match=said):
        check_models(options)


def test_a_server_of_several_models_takes_the_base_of_one() -> None:
    check_models(ServeOptions(["a=adapter", "bundle"], bases=["moved"], device="cpu"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["predict", "adapter", "some text", "--text", "body"], "--text names a column"),
        (["predict", "adapter", "--in", "-", "--text-pair", "body"], "--text-pair names a column"),
        (["predict", "adapter", "--in", "rows.jsonl", "--text-pair", "label"], "single texts"),
        (["evaluate", "rows.jsonl", "--model", "bundle", "--device", "cuda"], "cuda"),
        (["evaluate", "rows.jsonl", "--model", "words", "--device", "cpu"], "majority reads words"),
    ],
)
def test_other_options_without_a_meaning_are_refused_too(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert said in capsys.readouterr().err


def test_a_model_that_nobody_named_is_explained_where_it_has_no_base() -> None:
    """`load(run, with_base=True)` spoke of tf-idf where the verdict, not the caller, had chosen it."""
    note = "using tfidf: on the test rows the tuned model is worse; --use tuned takes tuned"
    with pytest.raises(SpecError, match=r"the tuned model is worse.*tfidf reads words") as refused:
        refuse_torch_options("tfidf", note, with_base=True)
    assert refused.value.where == "--with-base"
