"""The whole story on a tiny random model: what stands in the folder, what the record says, what repeats exactly."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from peft import PeftModel
from tiny_models import save_tiny
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import liftune
from liftune.errors import ModelError
from liftune.hardware.measure import MachineFacts
from liftune.records.run import TuneRecord
from liftune.run_folder import RunFolder
from liftune.spec import RunSpec
from liftune.workflows import preparing
from liftune.workflows.tune import tune

FAST = {"epochs": 2, "batch_size": 8, "lr": 1e-2}

FAST_IN_BFLOAT16 = MachineFacts(
    ("cpu",), "any", 1, bfloat16_speedup=3.0, eager_speedup={"float32": 1.0, "bfloat16": 4.0}
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny("distilbert", tmp_path_factory.mktemp("model")))


@pytest.fixture(scope="module")
def ran(model: str, kept_emotions: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[TuneRecord, Path]:
    """A run by LoRA, that tests read and leave as it is."""
    run = tmp_path_factory.mktemp("ran") / "run"
    return tune(RunSpec.of(data=str(kept_emotions), model=model, out=str(run), **FAST)), run


def test_a_run_holds_the_spec_the_rows_the_logits_the_adapter_and_the_record(ran: tuple[TuneRecord, Path]) -> None:
    record, run = ran
    folder = RunFolder.open(run)
    assert folder.record() == record
    assert folder.spec().train.epochs == 2
    assert len(folder.split("test")) == record.rows.test == 20
    for contender in record.contenders:
        assert folder.logits(contender.name).shape == (20, 2)
    assert (folder.adapter / "adapter_config.json").is_file()
    assert json.loads((folder.adapter / "liftune.json").read_text())["labels"] == ["anger", "joy"]
    assert [each.name for each in record.contenders] == ["majority", "tfidf", "base", "probe", "tuned"]


def test_a_run_ends_with_a_page_its_flips_and_a_card(ran: tuple[TuneRecord, Path]) -> None:
    """The card replaces PEFT's own, which names folders of this disk and knows no score."""
    record, run = ran
    assert (run / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert (run / "flips.jsonl").is_file()
    card = (run / "adapter" / "README.md").read_text(encoding="utf-8")
    assert "`lora` adapter for" in card
    assert str(run.parent) not in card
    tuned = record.contenders[-1]
    assert tuned.saved_bytes == (run / "adapter" / "adapter_model.safetensors").stat().st_size
    assert all(each.saved_bytes for each in record.contenders)  # each is kept: any may be recommended
    peaks = [each.peak_mib or 0 for each in record.contenders]
    assert peaks == sorted(peaks)
    assert liftune.report(run, format="html") == (run / "report.html").read_text(encoding="utf-8")


def test_a_run_says_which_share_of_the_parameters_it_trained(ran: tuple[TuneRecord, Path], model: str) -> None:
    """Of the base's encoder, the adapter and one head: PEFT itself counts the head that its copy replaces, too."""
    record, run = ran
    base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2)
    frozen = sum(each.numel() for each in base.distilbert.parameters())
    tuned = record["tuned"]
    assert tuned.total_parameters == frozen + tuned.trainable_parameters
    assert tuned.trained_share == pytest.approx(tuned.trainable_parameters / tuned.total_parameters)
    assert record["probe"].trained_share is None
    assert RunFolder.open(run).record()["tuned"] == tuned


def test_a_run_is_whole_without_what_the_page_is_drawn_with(
    model: str, emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *more: None if name == "jinja2" else found(name, *more)
    )
    tune(RunSpec.of(data=str(emotions), model=model, out=str(tmp_path / "run"), **FAST))
    assert RunFolder.open(tmp_path / "run").record()
    assert (tmp_path / "run" / "adapter" / "README.md").is_file()
    assert not (tmp_path / "run" / "report.html").exists()


def test_the_record_tells_fresh_heads_counts_seconds_and_proof(model: str, emotions: Path, tmp_path: Path) -> None:
    record = tune(RunSpec.of(data=str(emotions), model=model, out=str(tmp_path / "run"), with_full=True, **FAST))
    found = {each.name: each for each in record.contenders}
    assert found["base"].head == "fresh"
    assert found["majority"].head is None
    assert found["full"].trained_share == 1
    assert found["full"].trainable_parameters > found["tuned"].trainable_parameters > 0
    assert found["tuned"].seconds.train
    assert found["tuned"].seconds.evaluate
    assert record.integrity is not None
    assert record.integrity.largest_gap <= record.integrity.tolerance
    assert [(each.a, each.b) for each in record.comparisons] == [
        ("base", "tuned"),
        (record.strongest, "tuned"),
    ]
    assert record.strongest in {"majority", "tfidf", "probe", "full"}
    assert record.labels == ("anger", "joy")
    assert not record.partial


def test_what_was_asked_of_the_method_is_not_asked_of_full_fine_tuning(
    model: str, emotions: Path, tmp_path: Path
) -> None:
    """Full fine-tuning trains the very weights that LoRA is fused with: it comes last, and must not end the run."""
    asked = {"accelerations": "packing,fused-lora", "with_full": True}
    record = tune(RunSpec.of(data=str(emotions), model=model, out=str(tmp_path / "run"), **asked, **FAST))
    assert [each.name for each in record.contenders][-2:] == ["tuned", "full"]
    assert {each.choice for each in record.plan if each.value == "on"} == {"packing", "fused-lora"}


def test_a_trained_head_gives_the_labels_their_order(emotions: Path, tmp_path: Path) -> None:
    headed = save_tiny("distilbert", tmp_path / "headed", head=["JOY", "ANGER"])
    record = tune(RunSpec.of(data=str(emotions), model=str(headed), out=str(tmp_path / "run"), **FAST))
    assert record.labels == ("joy", "anger")
    assert next(each for each in record.contenders if each.name == "base").head == "trained"


def test_two_seeds_and_one_test_row_end_in_a_comparison_without_interval(
    model: str, emotions: Path, tmp_path: Path
) -> None:
    """Once a ZeroDivisionError after all was tuned."""
    asked = {"seeds": (0, 1), "test_rows": 1, "epochs": 1}
    record = tune(RunSpec.of(data=str(emotions), model=model, out=str(tmp_path / "run"), **asked))
    assert record.rows.test == 1
    assert [(each.verdict, each.low) for each in record.method_comparisons] == [("undecided", None)] * 2
    assert all("one test row" in (each.note or "") for each in record.method_comparisons)
    assert "one test row" in liftune.report(tmp_path / "run")


def test_the_same_command_gives_the_same_numbers(
    ran: tuple[TuneRecord, Path], model: str, kept_emotions: Path, tmp_path: Path
) -> None:
    runs = [ran[0], tune(RunSpec.of(data=str(kept_emotions), model=model, out=str(tmp_path / "again"), **FAST))]
    assert runs[0].comparisons == runs[1].comparisons
    assert [each.metrics for each in runs[0].contenders] == [each.metrics for each in runs[1].contenders]


def test_what_predict_answers_is_what_the_run_recorded(ran: tuple[TuneRecord, Path]) -> None:
    folder = RunFolder.open(ran[1])
    predictor = liftune.load(ran[1], use="tuned")
    again = predictor.logits(folder.split("test").rows)
    assert np.abs(again - folder.logits("tuned")).max() < 1e-4
    answer = predictor.predict(["sunny laugh"])[0]
    assert answer.label in ("anger", "joy")
    assert sum((answer.probabilities or {}).values()) == pytest.approx(1)


@pytest.mark.parametrize(
    "method", ["lora", "adalora", *(pytest.param(name, marks=pytest.mark.slow) for name in ("pissa", "vera"))]
)
def test_what_was_tuned_in_bfloat16_answers_exactly_as_plain_peft_does(
    model: str, emotions: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Rounding shows in the second digit of a confident answer: the run, predict and plain PEFT must be one."""
    monkeypatch.setattr(preparing, "measure_machine", lambda: FAST_IN_BFLOAT16)
    tune(RunSpec.of(data=str(emotions), model=model, method=method, out=str(tmp_path / "run"), **FAST))
    folder = RunFolder.open(tmp_path / "run")
    assert json.loads((folder.adapter / "liftune.json").read_text())["dtype"] == "bfloat16"
    assert ("bfloat16", "on") in {(choice.choice, choice.value) for choice in folder.record().plan}
    rows = folder.split("test").rows
    base = AutoModelForSequenceClassification.from_pretrained(model, num_labels=2, dtype=torch.float32)
    plain = PeftModel.from_pretrained(base, folder.adapter).eval()
    tokens = AutoTokenizer.from_pretrained(model)(list(rows), padding=True, return_tensors="pt")
    with torch.no_grad():
        expected = plain(**tokens).logits.numpy()
    assert np.abs(folder.logits("tuned") - expected).max() < 1e-5
    assert np.abs(liftune.load(tmp_path / "run", use="tuned").logits(rows) - expected).max() < 1e-5


def test_a_method_with_virtual_tokens_reads_rows_cut_as_all_contenders_do(emotions: Path, tmp_path: Path) -> None:
    """Else the comparison with the base would be refused: they would have read different rows."""
    decoder = save_tiny("gpt2", tmp_path / "gpt2")
    spec = RunSpec.of(data=str(emotions), model=str(decoder), method="prompt", out=str(tmp_path / "run"), **FAST)
    record = tune(spec)
    assert {each.verdict for each in record.comparisons} <= {"better", "worse", "undecided"}


def test_full_fine_tuning_saves_a_model_folder_that_predicts(model: str, emotions: Path, tmp_path: Path) -> None:
    spec = RunSpec.of(data=str(emotions), model=model, method="full", out=str(tmp_path / "run"), epochs=1)
    tune(spec)
    assert (tmp_path / "run" / "adapter" / "model.safetensors").is_file()
    assert liftune.load(tmp_path / "run").predict(["sunny"])[0].label in ("anger", "joy")


def test_the_record_survives_json(ran: tuple[TuneRecord, Path]) -> None:
    record, _ = ran
    values = json.loads(json.dumps(record.to_json()))
    assert next(iter(values)) == "schema"
    del values["seal"]  # checked and taken off where a record is read
    assert TuneRecord.model_validate(values) == record


@pytest.mark.parametrize("options", [{"model": "./nothing"}, {"zero_shot": "./nothing"}])
def test_a_model_that_is_not_there_is_refused_before_any_row_is_read(options: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model folder") as caught:
        liftune.tune(tmp_path / "no such rows.csv", out=tmp_path / "run", **options)
    assert caught.value.where.replace("_", "-").endswith(next(iter(options)).replace("_", "-"))
    assert not (tmp_path / "run").exists()
