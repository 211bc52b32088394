"""Which modules are changed: found by walking the model, for every family."""

import pytest
import torch
from tiny_models import FAMILIES
from tiny_tuning import HEADS, attach, shape_of, tiny_classifier
from torch import nn

from liftune.errors import MethodError
from liftune.models.methods.registry import METHODS
from liftune.models.methods.targets import linear_targets, norm_targets, rescaling_targets, short_names

#: What stands in adapter_config.json: attention and feed-forward of each family, by the names its authors gave.
EXPECTED = {
    "distilbert": {"q_lin", "k_lin", "v_lin", "out_lin", "lin1", "lin2"},
    "bert": {"query", "key", "value", "intermediate.dense", "output.dense"},
    "roberta": {"query", "key", "value", "intermediate.dense", "output.dense"},
    "deberta-v2": {"query_proj", "key_proj", "value_proj", "intermediate.dense", "output.dense"},
    "modernbert": {"Wqkv", "Wo", "Wi"},
    "albert": {"query", "key", "value", "dense", "ffn", "ffn_output"},
    "electra": {"query", "key", "value", "intermediate.dense", "output.dense"},
    # XLNet's attention is made of bare parameters, which no adapter wraps.
    "xlnet": {"layer_1", "layer_2"},
    "bart": {"q_proj", "k_proj", "v_proj", "self_attn.out_proj", "encoder_attn.out_proj", "fc1", "fc2"},
    "t5": {"q", "k", "v", "o", "wi", "wo"},
    "mpnet": {"q", "k", "v", "o", "intermediate.dense", "output.dense"},
    "gpt2": {"c_attn", "c_proj", "c_fc"},
    "llama": {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    "qwen2": {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
    "qwen3": {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"},
}


@pytest.mark.parametrize("family", FAMILIES)
def test_all_linear_is_attention_and_feed_forward_in_short_names(family):
    model = tiny_classifier(family)
    targets = linear_targets(model, shape_of(model).head_modules)
    assert set(short_names(targets, model)) == EXPECTED[family]


@pytest.mark.parametrize("family", FAMILIES)
def test_peft_changes_exactly_the_modules_that_were_found(family):
    """Short names must not match anything else: PEFT compares ends of names."""
    model = tiny_classifier(family)
    targets = linear_targets(model, shape_of(model).head_modules)
    tuned = attach(METHODS["lora"], model)
    assert set(tuned.base_model.targeted_module_names) == set(targets)
    assert not any(part in HEADS for name in targets for part in name.split("."))


@pytest.mark.parametrize("family", FAMILIES)
def test_every_layer_norm_outside_the_head_is_found(family):
    model = tiny_classifier(family)
    norms = norm_targets(model, shape_of(model).head_modules)
    assert len(norms) >= model.config.num_hidden_layers if family != "albert" else norms
    tuned = attach(METHODS["ln_tuning"], model)
    assert set(tuned.base_model.targeted_module_names) == set(norms)


@pytest.mark.parametrize("family", FAMILIES)
def test_ia3_rescales_keys_values_and_the_inner_feed_forward(family):
    model = tiny_classifier(family)
    scaled, narrowing = rescaling_targets(model, linear_targets(model, shape_of(model).head_modules))
    assert narrowing
    assert not any("att" in name.lower() for name in narrowing)
    assert all("att" in name.lower() for name in scaled)
    assert bool(scaled) is (family != "xlnet")


def test_ia3_takes_an_attention_output_that_narrows_for_no_feed_forward():
    """Gemma's heads are together wider than the model."""
    block = nn.ModuleDict({"attn": nn.ModuleDict({"k_proj": nn.Linear(4, 8), "o_proj": nn.Linear(8, 4)})})
    block["down_proj"] = nn.Linear(16, 4)
    model = nn.ModuleDict({"layers": nn.ModuleList([block])})
    assert rescaling_targets(model, linear_targets(model, ())) == (
        ["layers.0.attn.k_proj"],
        ["layers.0.down_proj"],
    )


def test_named_targets_are_taken_from_the_body_alone():
    """RoBERTa's head holds a `dense` too, which is trained in full already."""
    model = tiny_classifier("roberta")
    targets = linear_targets(model, ("classifier",), ["dense"])
    assert targets
    assert not any(name.startswith("classifier") for name in targets)


def test_a_name_that_fits_no_layer_is_refused_with_the_nearest():
    model = tiny_classifier("distilbert")
    with pytest.raises(MethodError, match="did you mean q_lin") as refused:
        linear_targets(model, ("pre_classifier", "classifier"), ["q_lni"])
    assert "all-linear" in refused.value.hint
    with pytest.raises(MethodError, match="names no layer norm"):
        norm_targets(model, (), ["q_lin"])


def test_a_layer_outside_the_blocks_is_changed_when_it_is_named():
    model = tiny_classifier("electra")
    assert linear_targets(model, ("classifier",), ["embeddings_project"]) == ["electra.embeddings_project"]


def test_a_model_without_a_list_of_blocks_is_all_body():
    model = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert linear_targets(model, ("2",)) == ["0"]


def test_a_pooler_that_was_loaded_with_the_body_is_changed_and_a_fresh_one_is_not():
    """A fresh pooler is part of the head, and trained in full."""
    model = tiny_classifier("bert")
    assert "bert.pooler.dense" in linear_targets(model, ("classifier",))
    assert "bert.pooler.dense" not in linear_targets(model, ("bert.pooler", "classifier"))
    assert short_names(linear_targets(model, ("classifier",)), model) == ["query", "key", "value", "dense"]


def test_an_ambiguous_end_is_lengthened_until_it_is_not():
    inner = nn.ModuleDict({"dense": nn.Linear(2, 2)})
    model = nn.ModuleDict({"layer": nn.ModuleList([inner]), "head": nn.ModuleDict({"dense": nn.Linear(2, 2)})})
    assert short_names(["layer.0.dense"], model) == ["layer.0.dense"]


@pytest.mark.parametrize(("method", "size"), [("oft", 32), ("boft", 8)])
def test_the_block_size_divides_every_input_width(method, size):
    model = tiny_classifier("bert")
    config = METHODS[method].build(METHODS[method].options(), shape_of(model))
    assert (config.oft_block_size if method == "oft" else config.boft_block_size) == size


def test_a_block_size_that_divides_no_width_is_refused_with_those_that_do():
    with pytest.raises(MethodError, match="5 does not divide") as refused:
        attach(METHODS["boft"], tiny_classifier("bert"), {"block_size": 5})
    assert "2, 4, 8, 16, 32" in refused.value.hint


def test_more_frequencies_than_a_weight_has_entries_are_refused():
    with pytest.raises(MethodError, match="more than the smallest target layer"):
        attach(METHODS["fourierft"], tiny_classifier("bert"), {"frequencies": 32 * 32 + 1})


def test_a_prompt_is_as_wide_as_the_embeddings_not_the_layers():
    """ALBERT and ELECTRA embed into fewer dimensions than they compute in."""
    model = tiny_classifier("albert")
    tuned = attach(METHODS["prompt"], model)
    assert tuned.get_prompt(batch_size=1).shape == torch.Size([1, 4, 16])
