"""What a Trainer leaves, and fully tuned models of others: which folder is taken, and what it answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
from peft_adapters import KINDS, LABELS, TEXTS, answers, peft_answers, save_base, save_plain
from tiny_models import save_tiny
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import liftune
from liftune.errors import ArtifactError, DataError
from liftune.inference.locate import find_model
from liftune.inference.opening import load_predictor
from liftune.models.foreign.folders import find_foreign
from liftune.models.foreign.said import Said
from liftune.tasks import TaskKind

NAMED = Said(LABELS)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def headed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny("bert", tmp_path_factory.mktemp("headed") / "headed", head=LABELS)


def checkpoints(folder: Path, *steps: int, name: str = "adapter_config.json", best: str | None = None) -> Path:
    """Folders as a Trainer names them; nothing in them is a model but by its name."""
    weights = "adapter_model.safetensors" if name == "adapter_config.json" else "model.safetensors"
    for step in steps:
        place = folder / f"checkpoint-{step}"
        place.mkdir(parents=True)
        (place / name).write_text(json.dumps({"architectures": ["BertForSequenceClassification"]}))
        (place / weights).touch()
        (place / "trainer_state.json").write_text(json.dumps({"best_model_checkpoint": best}))
    return folder


@pytest.mark.parametrize("name", ["adapter_config.json", "config.json"])
def test_the_best_of_a_trainers_checkpoints_is_taken_else_the_last(name: str, tmp_path: Path) -> None:
    found = find_foreign(checkpoints(tmp_path / "one", 500, name=name))
    assert found is not None
    assert "the only checkpoint" in found.note
    found = find_foreign(checkpoints(tmp_path / "last", 50, 500, 1000, name=name))
    assert found is not None
    assert found.folder.name == "checkpoint-1000"
    assert "the last (for another, give its folder, such as" in found.note
    assert found.note.endswith("last/checkpoint-500)")
    best = checkpoints(tmp_path / "best", 50, 500, 1000, name=name, best="/elsewhere/out/checkpoint-50")
    found = find_foreign(best)
    assert found is not None
    assert found.folder.name == "checkpoint-50"
    assert "the best by its trainer_state.json" in found.note
    (best / name).write_text(json.dumps({"architectures": ["BertForSequenceClassification"]}))
    (best / ("adapter_model.safetensors" if name == "adapter_config.json" else "model.safetensors")).touch()
    found = find_foreign(best)
    assert found is not None
    assert (found.folder, found.note) == (best, ""), "what stands beside the checkpoints is what was saved at the end"


def test_the_best_that_was_deleted_is_not_looked_for(tmp_path: Path) -> None:
    found = find_foreign(checkpoints(tmp_path, 50, 500, best="out/checkpoint-7"))
    assert found is not None
    assert found.folder.name == "checkpoint-500"


@pytest.mark.parametrize("name", ["checkpoint-x", "checkpoint-", "checkpoint", "my-checkpoint-5"])
def test_other_folders_are_no_checkpoints(name: str, tmp_path: Path) -> None:
    checkpoints(tmp_path, 5)
    (tmp_path / "checkpoint-5").rename(tmp_path / name)
    assert find_foreign(tmp_path) is None


def test_a_checkpoint_of_an_adapter_answers_as_peft_does(base: Path, tmp_path: Path) -> None:
    save_plain(base, tmp_path / "out" / "checkpoint-500", KINDS["regex"]())
    expected = peft_answers(base, tmp_path / "out" / "checkpoint-500")
    for path in (tmp_path / "out", tmp_path / "out" / "checkpoint-500"):
        assert np.abs(load_predictor(path, said=NAMED).logits(TEXTS) - expected).max() <= 1e-5


def test_a_fully_tuned_model_of_others_predicts_and_is_scored(headed: Path, tmp_path: Path) -> None:
    model = AutoModelForSequenceClassification.from_pretrained(headed).eval()
    expected = answers(model, AutoTokenizer.from_pretrained(headed))
    predictor = liftune.load(headed)
    assert np.abs(predictor.logits(TEXTS) - expected).max() <= 1e-5
    assert predictor.labels == LABELS
    rows = [{"text": text, "label": LABELS[i % 3]} for i, text in enumerate(TEXTS)]
    assert liftune.evaluate(rows, model=headed).labels == LABELS


def test_a_whole_model_without_names_is_scored_by_the_names_that_are_told(headed: Path, tmp_path: Path) -> None:
    """Its labels were LABEL_0 and so on, which no data have: a random head was scored in its place."""
    folder = shutil.copytree(headed, tmp_path / "bare")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(i): f"LABEL_{i}" for i in range(3)}
    config["label2id"] = {f"LABEL_{i}": i for i in range(3)}
    (folder / "config.json").write_text(json.dumps(config))
    rows = [{"text": text, "label": LABELS[i % 3]} for i, text in enumerate(TEXTS)]
    with pytest.raises(DataError, match="no label of the data is one of") as refused:
        liftune.evaluate(rows, model=folder)
    assert 'label_names="NAME_0,NAME_1,NAME_2"' in str(refused.value.hint)
    told = liftune.evaluate(rows, model=folder, label_names=LABELS)
    assert told.contenders[0].head == "trained"
    assert told.contenders[0].metrics == liftune.evaluate(rows, model=headed).contenders[0].metrics


def test_a_model_whose_config_promises_another_head_is_refused(headed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(headed, tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    config["id2label"]["3"] = "more"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match=r"other shapes than its config\.json says"):
        load_predictor(folder)


@pytest.mark.parametrize("task", ["regression", "multi_label"])
def test_other_kinds_of_task_are_read_from_the_config_or_told(task: str, tmp_path: Path) -> None:
    number = 1 if task == "regression" else 2
    base = save_tiny("distilbert", tmp_path / "base", head=("a", "b")[:number])
    save_plain(base, tmp_path / "plain", peft.LoraConfig(task_type="SEQ_CLS", target_modules=["q_lin"]), labels=number)
    found = find_model(tmp_path / "plain")
    assert found is not None
    assert found.card is not None
    assert found.card.task == ("regression" if task == "regression" else "single_label")
    assert "(--task says otherwise)" in found.note
    told = load_predictor(tmp_path / "plain", said=Said(task=TaskKind(task)))
    prediction = told.predict(["a"])[0]
    assert (prediction.value is not None) == (task == "regression")
    config: dict[str, Any] = json.loads((base / "config.json").read_text())
    config["problem_type"] = {"regression": "regression", "multi_label": "multi_label_classification"}[task]
    (base / "config.json").write_text(json.dumps(config))
    found = find_model(tmp_path / "plain")
    assert found is not None
    assert found.card is not None
    assert found.card.task == task


@pytest.mark.slow
def test_what_a_trainer_really_leaves_is_opened(base: Path, tmp_path: Path) -> None:
    """With its optimizer, its arguments and its random states beside the adapter, all of them pickled."""
    from datasets import Dataset
    from transformers import Trainer, TrainingArguments

    tokenizer: Any = AutoTokenizer.from_pretrained(base)
    rows = [{**tokenizer(text), "labels": i % 3} for i, text in enumerate(TEXTS * 2)]
    model = AutoModelForSequenceClassification.from_pretrained(base, num_labels=3)
    arguments = TrainingArguments(
        str(tmp_path / "out"), max_steps=4, save_steps=2, per_device_train_batch_size=2, report_to=[], use_cpu=True
    )
    trainer = Trainer(
        peft.get_peft_model(model, KINDS["dora"]()),
        arguments,
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    trainer.train()
    assert {each.suffix for each in (tmp_path / "out" / "checkpoint-4").iterdir()} >= {".bin", ".pt", ".pth"}
    found = load_predictor(tmp_path / "out", said=NAMED).logits(TEXTS)
    assert np.abs(found - peft_answers(base, tmp_path / "out" / "checkpoint-4")).max() <= 1e-5
