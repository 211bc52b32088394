"""Through `attach`: every method and model runs packed as without, or keeps its own encoder and says why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from packed_models import (
    EVERYTHING,
    FAMILIES_PACKED,
    FUSED,
    GRID,
    ROWS,
    assert_alike,
    attached,
    backbone_of,
    learnt,
    reasons,
)
from peft import PeftModel
from tiny_models import FAMILIES, save_tiny
from tiny_tuning import tiny_classifier

from liftune.errors import ModelError
from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.methods.registry import METHODS
from liftune.models.packed.install import PACKED
from liftune.models.packed.layouts import find_encoder


@pytest.mark.parametrize(("method", "family"), GRID)
def test_every_method_answers_and_learns_without_padding_as_with_it(
    method: str, family: str, still: Callable[[str], Path]
) -> None:
    plain, packed = (attached(still(family), method, plan) for plan in (Plan(), EVERYTHING))
    if method == "prefix":
        assert not packed.plan.accelerations
        assert packed.packed_encoder is None
        assert set(reasons(packed).values()) == {"prefix tuning adds keys and values that belong to no token"}
    else:
        assert packed.packed_encoder is not None
        assert packed.packed_encoder.first_only
        assert set(PACKED) - packed.plan.accelerations == set(reasons(packed))
        waits = {"parallel-passes"} if method == "vblora" else set()  # its threads could wait for each other for ever
        assert set(reasons(packed)) == (set() if method in FUSED else {"fused-lora"} | waits)
    assert_alike(learnt(packed), learnt(plain), 1e-4)
    expected = plain.logits(ROWS)
    assert np.abs(packed.logits(ROWS) - expected).max() <= 1e-5 * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("options", [{"dropout": 0.5}, {"bias": "all"}, {"bias": "lora_only"}])
def test_lora_with_more_than_a_and_b_runs_by_its_modules(options: Any, still: Callable[[str], Path]) -> None:
    plain, packed = (attached(still("bert"), "lora", plan, **options) for plan in (Plan(), EVERYTHING))
    assert set(reasons(packed)) == {"fused-lora"}
    assert np.abs(packed.logits(ROWS) - plain.logits(ROWS)).max() <= 1e-5
    if "bias" in options:
        assert_alike(learnt(packed), learnt(plain), 1e-4)


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in FAMILIES_PACKED])
def test_models_of_another_kind_keep_their_own_encoder_and_say_why(family: str, still: Callable[[str], Path]) -> None:
    plain, packed = (attached(still(family), "lora", plan) for plan in (Plan(), EVERYTHING))
    assert packed.packed_encoder is None
    assert not packed.plan.accelerations
    assert set(reasons(packed)) == set(PACKED)
    assert all(reasons(packed).values())
    assert reasons(attached(still(family), None)) == reasons(packed)
    assert np.array_equal(packed.logits(ROWS), plain.logits(ROWS))


def test_what_only_long_rows_or_a_decoder_would_show_is_refused_by_the_config() -> None:
    plain = tiny_classifier("bert")
    for name, value in (
        ("position_embedding_type", "relative_key"),
        ("attention_type", "block_sparse"),
        ("is_decoder", True),
    ):
        setattr(plain.config, name, value)
        assert isinstance(find_encoder(plain), str)
        delattr(plain.config, name)


def test_another_activation_runs_by_the_modules(tmp_path: Path) -> None:
    folder = save_tiny("bert", tmp_path, change=lambda config: setattr(config, "hidden_act", "gelu_new"))
    plain, packed = (attached(folder, "lora", plan) for plan in (Plan(), EVERYTHING))
    assert reasons(packed) == {"fused-lora": "its activation is not the exact GELU"}
    assert reasons(attached(folder, None)) == reasons(packed)
    assert np.abs(packed.logits(ROWS) - plain.logits(ROWS)).max() <= 1e-5


def test_a_head_that_reads_every_state_gets_every_state(
    still: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the head reads the first state alone is tried, not known."""
    own = transformers.BertModel.forward

    def two_pooled(self: Any, *args: Any, **kwargs: Any) -> Any:
        output = own(self, *args, **kwargs)
        output.pooler_output = self.pooler(output.last_hidden_state[:, :2].sum(1, keepdim=True))
        return output

    monkeypatch.setattr(transformers.BertModel, "forward", two_pooled)
    packed = attached(still("bert"), "lora")
    assert packed.packed_encoder is not None
    assert not packed.packed_encoder.first_only
    assert reasons(packed) == {"last-layer": "the head reads more than each row's first state"}


@pytest.mark.parametrize(
    ("family", "method", "asked", "reason"),
    [
        ("gpt2", "lora", PACKED, "packing does not fit"),
        ("bert", "prefix", ["packing"], "prefix tuning adds keys"),
        ("bert", "ia3", PACKED, "fused-lora does not fit: the method is not plain LoRA"),
        ("bert", "lora", ["fused-lora"], "needs packing"),
    ],
)
def test_what_was_asked_for_and_does_not_fit_is_an_error(
    family: str, method: str, asked: Sequence[str], reason: str, still: Callable[[str], Path]
) -> None:
    names = frozenset(asked)
    backbone = backbone_of(still(family))
    with pytest.raises(ModelError, match=reason):
        attach(backbone, METHODS[method], plan=Plan(accelerations=names, requested=names), total_steps=10)
    assert not any("forward" in vars(module) for module in backbone.model.modules())


def test_packing_alone_leaves_dropout_and_the_last_layer_as_they_are(lively: Path) -> None:
    classifier = attached(lively, "lora", Plan(accelerations=frozenset({"packing"})))
    assert classifier.packed_encoder is not None
    assert not classifier.packed_encoder.first_only
    assert classifier.plan.accelerations == {"packing"}
    assert classifier.backbone.model.get_submodule("bert.embeddings.dropout").p == 0.1


@pytest.mark.parametrize("on", [PACKED, ("packing",), ("packing", "fused-lora")])
def test_a_seed_decides_a_training_step_with_dropout(on: Sequence[str], lively: Path) -> None:
    plan = Plan(accelerations=frozenset(on))
    first, again, other = (learnt(attached(lively, "lora", plan), seed=seed) for seed in (1, 1, 2))
    assert_alike(again, first, 0.0)
    assert not torch.equal(first["logits"], other["logits"])


@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_features_of_the_base_are_those_of_its_own_encoder(family: str, still: Callable[[str], Path]) -> None:
    packed = attach(backbone_of(still(family)), None, plan=EVERYTHING)
    assert packed.packed_encoder is not None
    assert packed.packed_encoder.first_only
    answers, features = packed.read(ROWS)
    expected, wanted = attach(backbone_of(still(family)), None, plan=Plan()).read(ROWS)
    assert np.abs(answers - expected).max() <= 1e-5
    assert features.keys() == wanted.keys()
    for name, values in wanted.items():
        assert np.abs(features[name] - values).max() <= 1e-5 * np.abs(values).max(), name
    assert np.abs(packed.logits(ROWS) - expected).max() <= 1e-5


def test_a_model_may_be_attached_to_again(still: Callable[[str], Path]) -> None:
    backbone = backbone_of(still("bert"))
    base = attach(backbone, None, plan=EVERYTHING).logits(ROWS)
    tuned = attach(backbone, METHODS["lora"], plan=EVERYTHING)  # B is zero
    assert np.abs(tuned.logits(ROWS) - base).max() <= 1e-5
    plain = attach(backbone_of(still("bert")), None, plan=EVERYTHING).backbone
    assert np.array_equal(
        attach(plain, None, plan=Plan()).logits(ROWS), attached(still("bert"), None, Plan()).logits(ROWS)
    )


def test_disabling_the_adapter_gives_the_base_back(still: Callable[[str], Path]) -> None:
    base = attach(backbone_of(still("bert")), None, plan=Plan()).logits(ROWS)
    tuned = attached(still("bert"), "lora")
    changed = tuned.logits(ROWS)
    assert isinstance(tuned.model, PeftModel)
    with tuned.model.disable_adapter():
        assert np.abs(tuned.logits(ROWS) - base).max() <= 1e-5
    assert np.array_equal(tuned.logits(ROWS), changed)
    assert np.abs(changed - base).max() > 1e-2


def test_a_merged_adapter_answers_as_one_beside_its_weights(still: Callable[[str], Path]) -> None:
    tuned = attached(still("bert"), "lora")
    apart = tuned.logits(ROWS)
    assert isinstance(tuned.model, PeftModel)
    tuned.model.merge_adapter()
    assert np.abs(tuned.logits(ROWS) - apart).max() <= 1e-5
    tuned.model.unmerge_adapter()
    assert np.abs(tuned.logits(ROWS) - apart).max() <= 1e-5
