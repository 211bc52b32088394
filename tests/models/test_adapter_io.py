"""A saved adapter describes itself, and is refused where it is damaged or its base is another."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tiny_models import save_tiny

import liftune
from liftune.errors import ArtifactError, MethodError, ModelError
from liftune.hardware.plan import Plan
from liftune.inference.opening import load_predictor
from liftune.models import moved_bases
from liftune.models.adapter_io import open_adapter, read_card, save_adapter, verify_saved_adapter
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.merge import open_merged
from liftune.models.methods.registry import METHODS
from liftune.models.moved_bases import look_in
from liftune.records.reading import write_sealed
from liftune.seals import with_seal
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

ROWS = ["ok", "a longer row of text", ("a premise", "what follows")]


def tuned(base: Path, method: str = "lora", *, task: str = "single_label", plan: Plan | None = None) -> Classifier:
    """A classifier whose trainable numbers are no longer those of its initialisation."""
    labels = () if task == "regression" else ("cold", "hot", "mild")
    backbone = load_backbone(ModelSpec(name=str(base)), task=TaskKind(task), labels=labels, seed=0, plan=plan)
    classifier = attach(backbone, METHODS[method], plan=plan, seed=0)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for _, parameter in classifier.trainable():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return classifier


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_tiny("bert", tmp_path / "base")


@pytest.fixture
def folder(base: Path, tmp_path: Path) -> Path:
    save_adapter(tuned(base), tmp_path / "adapter")
    return tmp_path / "adapter"


def test_the_card_says_all_that_predicting_needs(base: Path, folder: Path) -> None:
    card = read_card(folder)
    assert (card.task, card.labels, card.method, card.family) == (
        "single_label",
        ("cold", "hot", "mild"),
        "lora",
        "bert",
    )
    assert (card.base, card.head, card.max_length, card.pad_token_id) == (str(base), "fresh", 128, 0)
    assert len(card.base_sha256) == 64
    config = json.loads((folder / "adapter_config.json").read_text())
    assert config["modules_to_save"] == ["bert.pooler", "classifier"]
    assert config["task_type"] == "SEQ_CLS"
    assert config["base_model_name_or_path"] == str(base)


@pytest.mark.parametrize("task", ["single_label", "multi_label", "regression"])
@pytest.mark.parametrize("method", ["lora", "probe", "full"])
def test_what_is_opened_answers_as_what_was_saved(method: str, task: str, base: Path, tmp_path: Path) -> None:
    classifier = tuned(base, method, task=task)
    classifier.set_target_scale(3.0, 2.0)
    classifier.fold_target_scale()
    save_adapter(classifier, tmp_path / "adapter")
    found = verify_saved_adapter(classifier, tmp_path / "adapter", ROWS)
    assert found.rows == 3
    assert found.largest_gap <= 1e-5 * max(1.0, float(np.abs(classifier.logits(ROWS)).max()))
    opened = open_adapter(tmp_path / "adapter")
    assert (opened.labels, opened.task, opened.max_length) == (classifier.labels, task, classifier.max_length)


@pytest.mark.parametrize("method", ["lora", "pissa", "full"])
def test_what_was_tuned_in_bfloat16_answers_alike_when_opened(method: str, base: Path, tmp_path: Path) -> None:
    classifier = tuned(base, method, plan=Plan(dtype="bfloat16"))
    save_adapter(classifier, tmp_path / "adapter")
    verify_saved_adapter(classifier, tmp_path / "adapter", ROWS)


def test_the_proof_fails_where_a_trained_part_is_not_in_the_folder(base: Path, folder: Path) -> None:
    """What PEFT alone would do to T5 and BART: the head of another run in the file."""
    path = folder / "adapter_model.safetensors"
    weights = load_file(path)
    weights["base_model.model.classifier.weight"] += 0.01
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match=r"adapter_model\.safetensors is damaged"):
        verify_saved_adapter(tuned(base), folder, ROWS)
    write_sealed(folder / "liftune.json", read_card(folder))  # as if it had been saved so
    with pytest.raises(ArtifactError, match="does not predict what the trained model does"):
        verify_saved_adapter(tuned(base), folder, ROWS)


def test_a_base_that_changed_is_refused(base: Path, folder: Path) -> None:
    path = base / "model.safetensors"
    weights = load_file(path)
    weights["embeddings.word_embeddings.weight"][5] += 1
    save_file(weights, path, metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match="base model has changed"):
        open_adapter(folder)


def test_a_base_that_is_gone_is_named(base: Path, folder: Path) -> None:
    shutil.rmtree(base)
    with pytest.raises(ModelError, match="no model folder"):
        open_adapter(folder)


def test_a_missing_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="holds no adapter"):
        open_adapter(tmp_path / "nothing")


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGE = {
    "card cut short": lambda folder: _cut(folder / "liftune.json"),
    "card of another schema": lambda folder: (folder / "liftune.json").write_text('{"schema": 99}'),
    "weights cut short": lambda folder: _cut(folder / "adapter_model.safetensors"),
    "weights gone": lambda folder: (folder / "adapter_model.safetensors").unlink(),
    "config cut short": lambda folder: _cut(folder / "adapter_config.json"),
    "config gone": lambda folder: (folder / "adapter_config.json").unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_adapter_is_refused(damage: str, folder: Path) -> None:
    DAMAGE[damage](folder)
    with pytest.raises(ArtifactError) as refusal:
        open_adapter(folder)
    assert refusal.value.hint


def test_a_card_of_an_unknown_method_is_refused(folder: Path) -> None:
    card = json.loads((folder / "liftune.json").read_text())
    (folder / "liftune.json").write_text(json.dumps(with_seal({**card, "method": "a-plugin's"})))
    with pytest.raises(ArtifactError, match="a-plugin's"):
        open_adapter(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"rank_pattern": {"[": 3}},
        {"alpha_pattern": 5},
        {"modules_to_save": {"a": 1}},
        {"bias": 5},
        {"init_lora_weights": [1]},
        {"target_modules": ["query", 0.5]},
    ],
)
def test_a_config_that_peft_stumbles_over_is_damage(values: dict[str, object], folder: Path) -> None:
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, **values}))
    write_sealed(folder / "liftune.json", read_card(folder))  # whoever wrote it may have sealed it
    with pytest.raises(ArtifactError, match="the adapter is damaged"):
        open_adapter(folder)


@pytest.mark.parametrize("values", [{"r": 2**31}, {"rank_pattern": {"q": 2**31}}, {"r": 100_000}])
@pytest.mark.parametrize("others", [False, True])
def test_a_rank_that_no_saved_matrix_has_is_not_built(values: dict[str, object], others: bool, folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    write_sealed(folder / "liftune.json", read_card(folder))
    if others:
        (folder / "liftune.json").unlink()
    with pytest.raises(ArtifactError, match="no matrix saved beside it is larger"):
        liftune.load(folder, label_names=["cold", "hot", "mild"] if others else None)


def test_a_variant_that_peft_cannot_merge_is_used_as_it_is(base: Path, folder: Path) -> None:
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "alora_invocation_tokens": [1]}))
    write_sealed(folder / "liftune.json", read_card(folder))
    with pytest.raises(MethodError, match="cannot be merged into its model's weights: aLoRA"):
        open_merged(folder, plan=Plan())
    assert load_predictor(folder, device="cpu").logits(["ab"]).shape == (1, 3)


def test_more_layers_than_the_weights_can_be_of_are_not_built(base: Path) -> None:
    path = base / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "num_hidden_layers": 10**9}))
    with pytest.raises(ModelError, match="num_hidden_layers = 1,000,000,000, and the weights have"):
        load_backbone(ModelSpec(name=str(base)), task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0)


def test_a_tokenizer_that_panics_is_damage(base: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class PanicException(BaseException):  # what pyo3 raises for a panic in Rust
        pass

    def panic(*_: object) -> object:
        raise PanicException("no entry found for key")

    predictor = load_predictor(folder)
    monkeypatch.setattr("liftune.models.backbone.tokenizer_identity", panic)
    with pytest.raises(ModelError, match="no entry found for key"):
        load_backbone(ModelSpec(name=str(base)), task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0)
    monkeypatch.setattr("tokenizers.Tokenizer.encode_batch_fast", panic, raising=False)
    monkeypatch.setattr("transformers.PreTrainedTokenizerFast._encode_plus", panic)
    with pytest.raises(ArtifactError, match="the tokenizer is damaged: no entry"):
        predictor.predict(["ab"])


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "config.json"])
@pytest.mark.parametrize("text", ["null", "[]", "5", '"a"', "", '{"model": null}'])
def test_a_base_whose_files_hold_something_else_is_refused(name: str, text: str, base: Path) -> None:
    (base / name).write_text(text)
    with pytest.raises(ModelError, match=r"cannot load model|config"):
        load_backbone(ModelSpec(name=str(base)), task=TaskKind.SINGLE_LABEL, labels=("a", "b"), seed=0)


def test_a_target_scale_that_is_not_folded_is_not_saved(base: Path, tmp_path: Path) -> None:
    classifier = tuned(base, task="regression")
    classifier.set_target_scale(3.0, 2.0)
    with pytest.raises(ValueError, match="fold_target_scale"):
        save_adapter(classifier, tmp_path / "adapter")
    assert not (tmp_path / "adapter").exists()


def test_a_disk_that_refuses_keeps_what_was_saved_before(
    base: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*args: object, **kwargs: object) -> None:
        raise SafetensorError("I/O error: No space left on device (os error 28)")

    before = (folder / "liftune.json").read_bytes()
    monkeypatch.setattr("peft.peft_model.safe_save_file", full_disk)
    with pytest.raises(ArtifactError, match="No space left"):
        save_adapter(tuned(base, "probe"), folder)
    assert (folder / "liftune.json").read_bytes() == before
    assert [path.name for path in folder.parent.iterdir() if "partial" in path.name] == []


def test_saving_and_opening_say_nothing_on_their_own(
    base: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    save_adapter(tuned(base), tmp_path / "adapter")
    open_adapter(tmp_path / "adapter").logits(ROWS)
    assert capfd.readouterr() == ("", "")


def _swap_two_ids(base: Path) -> None:
    path = base / "tokenizer.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = values["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    path.write_text(json.dumps(values), encoding="utf-8")


def _lower_case_no_more(base: Path) -> None:
    path = base / "tokenizer.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    values["normalizer"] = {"type": "Replace", "pattern": {"String": "e"}, "content": "a"}
    path.write_text(json.dumps(values), encoding="utf-8")


def _config(**changes: object) -> Callable[[Path], None]:
    def change(base: Path) -> None:
        path = base / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text(encoding="utf-8")), **changes}), encoding="utf-8")

    return change


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_swap_two_ids, "its tokenizer reads texts otherwise"),
        (_lower_case_no_more, "its tokenizer reads texts otherwise"),
        (_config(activation="relu"), "activation was 'gelu' and is 'relu'"),
        (_config(transformers_version="9.9", dropout=0.5, sinusoidal_pos_embds=False, use_cache=False), None),
    ],
    ids=["vocabulary", "normaliser", "activation", "nothing that matters"],
)
def test_a_base_that_answers_otherwise_is_refused_by_what_changed(
    change: Callable[[Path], None], named: str | None, tmp_path: Path
) -> None:
    base = save_tiny("distilbert", tmp_path / "base")
    save_adapter(tuned(base), tmp_path / "adapter")
    before = open_adapter(tmp_path / "adapter").logits(["ab ba"])
    change(base)
    if named is None:
        np.testing.assert_array_equal(open_adapter(tmp_path / "adapter").logits(["ab ba"]), before)
    else:
        with pytest.raises(ArtifactError, match=named):
            open_adapter(tmp_path / "adapter")


def test_a_base_that_moved_is_found_where_the_user_says(
    base: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moved_bases, "_PLACES", {})
    before = open_adapter(folder).logits(ROWS)
    moved = base.rename(base.with_name("elsewhere"))
    with pytest.raises(ModelError, match="the base model of the adapter is not at hand") as error:
        open_adapter(folder)
    assert "--base PATH" in str(error.value.hint)
    other = save_tiny("bert", base.with_name("other"), seed=5)
    look_in(str(other))
    with pytest.raises(ModelError, match="what --base names has other weights"):
        open_adapter(folder)
    look_in(str(moved))
    np.testing.assert_array_equal(open_adapter(folder).logits(ROWS), before)
    with pytest.raises(ModelError) as error:
        look_in(str(base))
    assert error.value.where == "--base"
