"""Every method at work: it trains, it merges where it says so, its hooks do what they promise."""

import copy
import json

import pytest
import torch
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import BaseTunerLayer
from tiny_models import FAMILIES, save_tiny
from tiny_tuning import STEPS, attach, logits, padded, peft_methods, reopen, rows, shape_of, tiny_classifier, train

from liftune.errors import MethodError
from liftune.models.attach import attach as liftune_attach
from liftune.models.backbone import load_backbone
from liftune.models.methods import hooks
from liftune.models.methods.hooks import boosted_adamw
from liftune.models.methods.prompt import DECODERS, ENCODERS
from liftune.models.methods.registry import METHODS
from liftune.spec import ModelSpec
from liftune.tasks import TaskKind

#: They start from what was drawn: prompts, and the mixtures of VB-LoRA.
DRAWN = ("prompt", "p_tuning", "prefix", "vblora")
#: One encoder and one decoder stand for the rest here; the contract tests cover every pair.
PAIRS = [(name, family) for name in peft_methods() for family in ("bert", "gpt2") if family in METHODS[name].families]


@pytest.mark.parametrize(("name", "family"), PAIRS)
def test_the_adapter_alone_learns_and_comes_back_from_disk_in_plain_peft(name, family, tmp_path):
    method, base, batch = METHODS[name], tiny_classifier(family), rows(family)
    tuned = attach(method, copy.deepcopy(base))
    before = logits(tuned, batch)
    train(method, tuned, batch, head=False)
    after = logits(tuned, batch)
    assert (after - before).abs().max() > 1e-4
    if method.before_save:
        method.before_save(tuned)
    tuned.save_pretrained(tmp_path)
    assert (logits(tuned, batch) - after).abs().max() < 1e-5
    assert (logits(reopen(base, tmp_path), batch) - after).abs().max() < 1e-5


@pytest.mark.parametrize(("name", "family"), [pair for pair in PAIRS if METHODS[pair[0]].mergeable])
def test_a_method_that_says_so_merges_into_the_model(name, family):
    method, model, batch = METHODS[name], tiny_classifier(family), rows(family)
    tuned = attach(method, model)
    train(method, tuned, batch)
    if method.before_save:
        method.before_save(tuned)
    answers = logits(tuned, batch)
    # Not merge_and_unload: for most tuners PEFT's fails on a saved module without a weight of its own, as poolers are.
    tuned.merge_adapter()
    layers = [module for module in tuned.modules() if isinstance(module, BaseTunerLayer)]
    assert layers or name == "bitfit"  # the biases are the model's own
    assert all(layer.merged for layer in layers)
    assert (logits(tuned, batch) - answers).abs().max() < 1e-4


@pytest.mark.parametrize("name", [name for name in peft_methods() if name not in DRAWN])
def test_tuning_starts_from_the_model_as_it_is(name):
    model, batch = tiny_classifier("bert"), rows("bert")
    before = logits(model, batch)
    assert (logits(attach(METHODS[name], model), batch) - before).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("name", "family"),
    [(name, family) for name in ("prompt", "p_tuning", "prefix") for family in sorted(METHODS[name].families.names)],
)
def test_a_prompt_changes_the_answer_and_padding_does_not(name, family):
    model, batch = tiny_classifier(family), rows(family)
    plain = logits(model, batch)
    tuned = attach(METHODS[name], model)
    alone = logits(tuned, batch)
    assert (alone - plain).abs().max() > 1e-3
    if name == "prefix" or family in ENCODERS:
        together = logits(tuned, padded(batch, tuned.config.pad_token_id))
        assert (together[:3] - alone).abs().max() < 1e-5


@pytest.mark.parametrize("name", ["prompt", "p_tuning"])
@pytest.mark.parametrize("family", sorted({*DECODERS} & {*FAMILIES}))
def test_a_prompted_decoder_answers_a_row_the_same_beside_a_longer_one(name, family, tmp_path):
    """It reads the last position, whatever stands there, so it may see no padding."""
    spec = ModelSpec(name=str(save_tiny(family, tmp_path)))
    backbone = load_backbone(spec, task=TaskKind.SINGLE_LABEL, labels=["no", "yes"], seed=0)
    classifier = liftune_attach(backbone, METHODS[name], METHODS[name].options(virtual_tokens=4))
    together = classifier.logits(["short", "a good deal longer than that", "short too"])
    assert abs(together[0] - classifier.logits(["short"])[0]).max() < 1e-5


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_pissa_trains_the_principal_directions_and_saves_plain_lora(family, tmp_path):
    """As PEFT's own PiSSA would be saved, the adapter were right only where the base is split in the very same way."""
    method, base, batch = METHODS["pissa"], tiny_classifier(family), rows(family)
    tuned = attach(method, copy.deepcopy(base))
    assert (logits(tuned, batch) - logits(base, batch)).abs().max() < 1e-5
    layer = next(module for module in tuned.modules() if isinstance(module, LoraLayer))
    first = (layer.scaling["default"] * layer.lora_B["default"].weight @ layer.lora_A["default"].weight).detach()
    weight = layer.get_base_layer().weight.T if layer.fan_in_fan_out else layer.get_base_layer().weight
    rest = torch.linalg.svdvals(weight)[8:]
    assert torch.allclose(torch.linalg.norm(weight - first), torch.linalg.norm(rest), atol=1e-4)
    train(method, tuned, batch)
    answers = logits(tuned, batch)
    with tuned.disable_adapter():
        assert (logits(tuned, batch) - logits(base, batch)).abs().max() < 1e-5
    method.before_save(tuned)
    method.before_save(tuned)  # a second call must change nothing
    tuned.save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "adapter_config.json").read_text())
    assert (saved["r"], saved["lora_alpha"], saved["init_lora_weights"]) == (16, 32, True)
    assert (logits(reopen(base, tmp_path), batch) - answers).abs().max() < 1e-5


def test_pissa_takes_a_rank_above_the_weights_own():
    model, batch = tiny_classifier("bert"), rows("bert")
    before = logits(model, batch)
    tuned = attach(METHODS["pissa"], model, {"rank": 40})
    assert (logits(tuned, batch) - before).abs().max() < 1e-5


def test_pissa_decomposes_a_wide_weight_by_sampling(monkeypatch):
    monkeypatch.setattr(hooks, "WIDEST_EXACT", 8)
    model, batch = tiny_classifier("bert"), rows("bert")
    before = logits(model, batch)
    assert (logits(attach(METHODS["pissa"], model), batch) - before).abs().max() < 1e-5


def test_adalora_saves_the_ranks_of_the_epoch_that_is_kept(tmp_path):
    """PEFT would save the last allocation's ranks, and cut directions that the earlier weights still use."""
    method, base, batch = METHODS["adalora"], tiny_classifier("bert"), rows("bert")
    tuned = attach(method, copy.deepcopy(base))
    train(method, tuned, batch, steps=1)
    kept = {name: value.clone() for name, value in tuned.state_dict().items()}
    answers = logits(tuned, batch)
    train(method, tuned, batch, steps=STEPS)
    assert any("lora_E" in name and (value == 0).any() for name, value in tuned.state_dict().items())
    tuned.load_state_dict(kept)
    method.before_save(tuned)
    tuned.save_pretrained(tmp_path)
    assert (logits(reopen(base, tmp_path), batch) - answers).abs().max() < 1e-5


def test_adalora_prunes_to_the_mean_rank_that_was_asked_for():
    method, model, batch = METHODS["adalora"], tiny_classifier("bert"), rows("bert")
    tuned = attach(method, model, {"rank": 2, "initial_rank": 4})
    train(method, tuned, batch)
    method.before_save(tuned)
    ranks = [sum(alive) for alive in tuned.peft_config["default"].rank_pattern.values()]
    assert sum(ranks) <= 2 * len(ranks)


def test_adalora_passes_over_a_layer_that_the_model_does_not_use():
    method, batch = METHODS["adalora"], rows("bert")
    tuned = attach(method, tiny_classifier("bert"))
    tuned(**batch).logits.sum().backward()
    unused = next(value for name, value in tuned.named_parameters() if "lora_A" in name)
    unused.grad = None
    method.after_step(tuned, 1)


def test_adalora_trains_whatever_the_number_of_steps():
    for steps in (1, 2, 3, 7):
        model = tiny_classifier("bert")
        config = METHODS["adalora"].build(METHODS["adalora"].options(), shape_of(model, total_steps=steps))
        assert config.tinit < steps - config.tfinal


def test_loraplus_speeds_up_b_and_nothing_else():
    method = METHODS["loraplus"]
    tuned = attach(method, tiny_classifier("bert"))
    optimizer = method.optimizer(tuned, method.options(lr_ratio=16), 1e-3, 0.01)
    names = {id(parameter): name for name, parameter in tuned.named_parameters()}
    rates = {names[id(each)]: group["lr"] for group in optimizer.param_groups for each in group["params"]}
    assert len(rates) == sum(each.requires_grad for each in tuned.parameters())
    assert {rate for name, rate in rates.items() if "lora_B" in name} == {16e-3}
    assert {rate for name, rate in rates.items() if "lora_B" not in name} == {1e-3}


def test_biases_and_norms_do_not_decay():
    tuned = attach(METHODS["lora"], tiny_classifier("bert"))
    optimizer = boosted_adamw(tuned, "lora_B", ratio=1, lr=1e-3, weight_decay=0.01)
    decays = {group["weight_decay"]: {each.ndim for each in group["params"]} for group in optimizer.param_groups}
    assert decays == {0.01: {2}, 0.0: {1}}


@pytest.mark.parametrize("name", ["pissa", "milora", "olora"])
def test_a_start_from_the_weight_is_saved_as_plain_lora_of_twice_the_rank(name, tmp_path):
    method, model, batch = METHODS[name], tiny_classifier("bert"), rows("bert")
    tuned = attach(method, model)
    train(method, tuned, batch)
    answers = logits(tuned, batch)
    method.before_save(tuned)
    assert (logits(tuned, batch) - answers).abs().max() < 1e-5
    tuned.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["r"] == 16


def test_milora_begins_at_the_least_directions_and_olora_at_an_orthonormal_basis():
    for name in ("milora", "olora"):
        tuned = attach(METHODS[name], tiny_classifier("bert"))
        layer = next(module for module in tuned.modules() if isinstance(module, LoraLayer))
        weight, first_b = layer.get_base_layer().weight, layer.lora_B["default"].weight
        first = layer.scaling["default"] * first_b @ layer.lora_A["default"].weight
        if name == "milora":
            smallest = torch.linalg.svdvals(weight)[-8:]
            assert torch.allclose(torch.linalg.norm(first), torch.linalg.norm(smallest), atol=1e-4)
        else:
            assert torch.allclose(first_b.T @ first_b, torch.eye(8), atol=1e-5)
            assert torch.allclose(first[:, :8], weight[:, :8], atol=1e-4)  # R is a triangle: r columns are whole


def test_lorafa_trains_b_alone():
    tuned = attach(METHODS["lorafa"], tiny_classifier("bert"))
    learns = {name for name, each in tuned.named_parameters() if each.requires_grad and "modules_to_save" not in name}
    assert learns
    assert all("lora_B" in name for name in learns)


def test_bitfit_trains_every_bias_of_the_body_and_nothing_else_there():
    tuned = attach(METHODS["bitfit"], tiny_classifier("bert"))
    body = {name: each for name, each in tuned.named_parameters() if ".modules_to_save." not in name}
    learns = {name for name, each in body.items() if each.requires_grad}
    assert learns == {name for name in body if name.endswith("bias") and ".original_module." not in name}


def test_bitfit_refuses_a_model_without_biases():
    with pytest.raises(MethodError, match="no biases"):
        METHODS["bitfit"].build(METHODS["bitfit"].options(), shape_of(tiny_classifier("llama")))


def test_the_choice_of_vectors_learns_faster_than_the_vectors():
    """As the paper sets both: at one rate for all, VB-LoRA hardly moves."""
    tuned = attach(METHODS["vblora"], tiny_classifier("bert"))
    optimizer = METHODS["vblora"].optimizer(tuned, METHODS["vblora"].options(), 1e-3, 0.01)
    rates = {id(each): group["lr"] for group in optimizer.param_groups for each in group["params"]}
    for name, each in tuned.named_parameters():
        if each.requires_grad:
            assert rates[id(each)] == pytest.approx(1e-2 if "vblora_logits" in name else 1e-3)
