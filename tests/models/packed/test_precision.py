"""The packed encoder in bfloat16, and weights that change underneath it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from packed_models import (
    BATCHES,
    FAMILIES_PACKED,
    GRID,
    ROWS,
    TARGET_MODULES,
    adapted,
    alignment,
    assert_alike,
    attached,
    backbone_of,
    called,
    installed,
    learnt,
)

from liftune.hardware.plan import Plan
from liftune.models.attach import restore_full_precision
from liftune.models.packed.install import PACKED

#: Drawn at random its wavelets are so large that rounding alone, without any acceleration, turns the tiny head about.
ROUNDED_AWAY = {("waveft", "distilbert")}


@pytest.mark.parametrize(
    ("method", "family"),
    [pair for pair in GRID if pair[1] in ("bert", "distilbert") and pair not in ROUNDED_AWAY],
)
def test_every_method_learns_in_bfloat16(method: str, family: str, still: Callable[[str], Path]) -> None:
    """What is held in bfloat16 and what in float32 must meet, forward and back."""
    exact = attached(still(family), method, Plan())
    packed = attached(still(family), method, Plan(dtype="bfloat16", accelerations=frozenset(PACKED)))
    assert alignment(learnt(packed), learnt(exact)) > 0.9  # some rectified state always falls to the other side


@pytest.mark.parametrize("role", ["query", "key"])
def test_a_layer_may_answer_in_another_precision_than_its_neighbours(role: str, still: Callable[[str], Path]) -> None:
    exact = attached(still("bert"), "lora", Plan())
    packed = attached(still("bert"), "lora", Plan(dtype="bfloat16", accelerations=frozenset({"packing", "last-layer"})))
    for name, module in packed.backbone.model.named_modules():
        if name.endswith(f"self.{role}"):
            module.register_forward_hook(lambda module, inputs, output: output.float())
    assert alignment(learnt(packed), learnt(exact)) > 0.99


@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_in_bfloat16_fused_modular_and_plain_answers_agree(family: str, still: Callable[[str], Path]) -> None:
    exact, plain, modular, fused = (
        attached(still(family), "lora", Plan(dtype=dtype, accelerations=frozenset(on))).logits(ROWS)
        for dtype, on in (("float32", ()), ("bfloat16", ()), ("bfloat16", ("packing",)), ("bfloat16", PACKED))
    )
    for found in (plain, modular, fused):
        assert np.abs(found - exact).max() <= 0.04 * np.abs(exact).max()


@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_after_training_in_bfloat16_the_exact_weights_answer(family: str, still: Callable[[str], Path]) -> None:
    plan = Plan(dtype="bfloat16", inference_dtype="float32", accelerations=frozenset(PACKED))
    tuned = attached(still(family), "lora", plan)
    optimizer = torch.optim.AdamW([p for _, p in tuned.trainable()], lr=1e-2)
    for step in range(3):
        learnt(tuned, seed=step)
        optimizer.step()
    rounded = tuned.logits(ROWS)
    restore_full_precision(tuned, backbone_of(still(family)))
    plain = attached(still(family), "lora", Plan())
    plain.restore(tuned.snapshot())
    exact = plain.logits(ROWS)
    assert np.abs(tuned.logits(ROWS) - exact).max() <= 1e-5 * max(1.0, np.abs(exact).max())
    assert np.abs(rounded - exact).max() > 1e-4


def test_weights_that_are_replaced_or_written_over_are_seen_whatever_memory_they_land_in() -> None:
    model, encoder = adapted("bert", TARGET_MODULES["all"])
    packed = installed(encoder, fused=True)
    names = [name for name, _ in model.named_parameters() if name.endswith("base_layer.weight")]
    for turn in range(12):
        for name in names:
            weight = model.get_parameter(name)
            fresh = weight.detach() + 0.01 * torch.randn_like(weight)
            if turn % 2:
                weight.data = fresh
            else:
                weight.data.copy_(fresh)
            del fresh
        found = called(model, BATCHES["mixed"])
        packed.remove()
        assert_alike(found, called(model, BATCHES["mixed"]), 1e-9)
        packed.install()


def test_weights_that_are_written_to_in_bfloat16_are_put_in_order_again(still: Callable[[str], Path]) -> None:
    answers = []
    for on in (("packing",), PACKED):
        tuned = attached(still("bert"), "lora", Plan(dtype="bfloat16", accelerations=frozenset(on)))
        before = tuned.logits(ROWS)
        with torch.no_grad():
            for name, weight in tuned.model.named_parameters():
                if name.endswith("base_layer.weight"):
                    weight.mul_(1.5)
        answers.append(tuned.logits(ROWS))
        assert np.abs(answers[-1] - before).max() > 0.2 * np.abs(before).max()
    assert np.abs(answers[1] - answers[0]).max() <= 0.04 * np.abs(answers[0]).max()
