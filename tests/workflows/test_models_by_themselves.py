"""A model without its run, here or on the hub, is checked, reported and compared with a run, or refused in words."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fake_hub import FakeHub, fake_hub
from made_runs import made_run
from peft_adapters import KINDS, save_plain
from tiny_adapters import save_tuned
from tiny_models import save_tiny

import liftune
from liftune.cli.main import main
from liftune.errors import ArtifactError, LiftuneError, SpecError
from liftune.models import hub as reading
from liftune.run_folder import RunFolder

LABELS = ("label0", "label1", "label2")
BASE, MINE = "someone/base", "someone/mine"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a base that the hub has, with its adapter; a plain adapter of the same base, and a Trainer's folder."""
    place = tmp_path_factory.mktemp("made")
    base = save_tiny("distilbert", place / "base")
    made_run(place / "run", labels=LABELS, base_model=BASE, base_license="mit", rows=30)
    save_tuned(base, place / "run" / "adapter")
    save_plain(base, place / "plain", KINDS["dora"]())
    save_tiny("distilbert", place / "trainer" / "checkpoint-50", head=LABELS)
    return place


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    run = RunFolder.open("run")
    run.save_record(run.record())
    return tmp_path


@pytest.fixture
def hub(here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """With the run's adapter, pushed."""
    monkeypatch.setattr(reading, "_FETCHED", {})
    with fake_hub(monkeypatch, here / "cache") as server:
        server.add(BASE, here / "base")
        card = here / "run" / "adapter" / "liftune.json"
        values = json.loads(card.read_text(encoding="utf-8"))
        from liftune.records.training import AdapterCard

        record = AdapterCard.model_validate({name: each for name, each in values.items() if name != "seal"})
        card.write_text(json.dumps(record.model_copy(update={"base": BASE}).to_json()), encoding="utf-8")
        run = RunFolder.open("run")
        run.save_record(run.record())
        liftune.push("run", MINE)
        yield server


def test_a_pushed_adapter_is_checked_reported_and_compared(
    hub: FakeHub, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", MINE]) == 0
    shown = capsys.readouterr().out
    assert "adapter_model.safetensors" in shown
    assert "as they were written" in shown
    assert main(["report", MINE]) == 0
    shown = capsys.readouterr().out
    score = RunFolder.open("run").record().contenders[-1].metrics["accuracy"]
    assert f"{score.value:.3f}" in shown
    assert "Not there: test rows" in " ".join(shown.split())
    assert f"liftune evaluate DATA --model {MINE}" in shown
    assert main(["compare", "run", MINE, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    assert [each["name"] for each in compared["contenders"]] == ["run", "mine"]
    assert compared["model"] == MINE


def test_a_pushed_adapter_answers_to_python_alike(hub: FakeHub, here: Path) -> None:
    assert not liftune.check(MINE).damaged
    text = liftune.report(MINE)
    assert "Not there: test rows" in text
    assert json.loads(liftune.report(MINE, format="json"))["scores"][0]["metric"] == "accuracy"
    assert Path(liftune.report(MINE, out="mine.html")).read_text(encoding="utf-8").startswith("<!doctype html>")
    for verb in (liftune.read, lambda path: liftune.compare(path, path)):
        with pytest.raises(ArtifactError) as refused:
            verb(MINE)
        assert "test rows" in refused.value.message
        assert f"liftune evaluate DATA --model {MINE}" in str(refused.value.hint)
    with pytest.raises(SpecError) as unnamed:
        liftune.workflows.report.write_report_of(MINE, "html", None)  # type: ignore[attr-defined]
    assert "--out report.html" in str(unnamed.value.hint)


def test_damage_to_what_was_pushed_is_named(hub: FakeHub, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    repository = hub.repositories[MINE]
    weights = repository.files["adapter_model.safetensors"]
    repository.commit({**repository.files, "adapter_model.safetensors": weights[:-1] + b"\x7f"})
    assert main(["check", MINE]) == 2
    assert "adapter_model.safetensors" in capsys.readouterr().err
    assert main(["check", MINE, "--seal"]) == 2
    assert "changed by its owner alone" in capsys.readouterr().err
    for command in (["report", MINE], ["compare", "run", MINE]):
        assert main(command) in (0, 2)
        assert "Traceback" not in capsys.readouterr().err


def test_a_name_that_the_hub_does_not_have_is_said_by_every_verb(
    hub: FakeHub, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for command in (["check", "someone/no"], ["report", "someone/no"], ["compare", "run", "someone/no"]):
        assert main(command) == 2
        assert "no repository of that name on the hub" in capsys.readouterr().err
    assert main(["report", BASE]) == 2
    assert "is a pretrained model, not a run" in capsys.readouterr().err


@pytest.mark.parametrize("model", ["plain", "trainer"])
def test_a_model_of_others_is_reported_and_compared(model: str, here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", model]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "not by liftune" in shown
    assert "unsealed" in shown
    named = ["--label-names", ",".join(LABELS)] if model == "plain" else []
    assert main(["compare", "run", model, *named]) == 0
    assert main(["compare", model, "run", *named]) == 0
    assert main(["compare", model, model]) == 2
    assert "models by themselves" in capsys.readouterr().err


def test_a_plain_adapter_without_named_labels_is_refused_with_a_hint_that_works(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compare", "run", "plain"]) == 2
    told = capsys.readouterr().err
    assert "--label-names NAME_0,NAME_1,NAME_2" in told  # the run's order need not be that of the adapter's outputs
    assert main(["compare", "run", "plain", "--label-names", "label0,label1,label2"]) == 0
    assert main(["compare", "run", "run", "--label-names", "label0,label1,label2"]) == 2
    config = here / "plain" / "adapter_config.json"
    values = json.loads(config.read_text(encoding="utf-8"))
    config.write_text(json.dumps({**values, "base_model_name_or_path": str(here / "gone")}), encoding="utf-8")
    (here / "base").rename("moved")
    assert main(["report", "plain"]) == 0
    assert "cannot be opened as it is" in " ".join(capsys.readouterr().out.split())
    assert main(["compare", "run", "plain", "--label-names", "label0,label1,label2", "--base", "moved"]) == 0


def test_labels_in_another_order_are_the_same_labels(here: Path) -> None:
    """What a head calls its outputs decides, not where they stand."""
    turned = ("label2", "label0", "label1")
    one = liftune.compare("run", "plain", label_names=LABELS)
    (here / "run2").mkdir()
    made_run(here / "run2", labels=turned, rows=30)
    other = liftune.compare("run2", "plain", label_names=LABELS)
    assert one.contenders[1].metrics["accuracy"].value is not None
    rows = RunFolder.open("run2").split("test")
    said = liftune.load("plain", label_names=list(LABELS)).predict(list(rows.rows))
    right = np.mean([each.label == target for each, target in zip(said, rows.targets, strict=True)])
    assert other.contenders[1].metrics["accuracy"].value == pytest.approx(right)


def test_scores_in_any_card_are_read_or_passed_over() -> None:
    from liftune.workflows.saved_report import scores_in

    assert list(scores_in("no metadata")) == []
    assert list(scores_in("---\n{[\n---\n")) == []
    assert list(scores_in("---\nmodel-index: 5\n---\n")) == []
    metrics = [{"type": "accuracy", "value": each} for each in (0.5, "high", None, float("nan"), True)]
    results = [{"task": {"type": "x"}, "dataset": {"name": "d", "type": "d"}, "metrics": metrics}]
    card = f"---\n{json.dumps({'model-index': [{'name': 'n', 'results': results}]})}\n---\n"
    assert [each.score.value for each in scores_in(card)] == [0.5]


def test_a_part_of_a_run_is_refused_for_the_run(here: Path) -> None:
    for verb in (liftune.report, lambda path: liftune.compare("run", path)):
        with pytest.raises(LiftuneError) as refused:
            verb("run/adapter")
        assert refused.value.hint == "give the run: run"
