"""Packed layers give the logits and gradients of the model's own modules, in float64, whatever the rows' lengths."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from packed_models import (
    BATCHES,
    COUSINS,
    FAMILIES_PACKED,
    TARGET_MODULES,
    adapted,
    assert_alike,
    attached,
    called,
    installed,
    tokens,
)

from liftune.hardware.plan import Plan
from liftune.models.packed import encoder as encoder_module
from liftune.models.packed.fused_weights import unsupported_reason
from liftune.models.packed.install import PACKED
from liftune.models.packed.layouts import EncoderModules
from liftune.models.packed.packing import STEP, Packing

CASES = [
    *((family, targets, "lora") for family in FAMILIES_PACKED for targets in TARGET_MODULES),
    *((family, "all", "lora") for family in COUSINS),
    ("bert", "q and v", "rslora"),
]


@pytest.mark.parametrize(("family", "targets", "method"), CASES)
def test_packed_rows_give_the_logits_and_gradients_of_plain_peft(family: str, targets: str, method: str) -> None:
    model, encoder = adapted(family, TARGET_MODULES[targets], method=method)
    assert not any(map(unsupported_reason, encoder.layers))
    expected = {name: called(model, lengths) for name, lengths in BATCHES.items()}
    for fused in (False, True):
        for first_only in (False, True):
            packed = installed(encoder, fused=fused, first_only=first_only)
            for name, lengths in BATCHES.items():
                assert_alike(called(model, lengths), expected[name], 1e-9)
            packed.remove()
    assert_alike(called(model, BATCHES["mixed"]), expected["mixed"], 0.0)


@functools.cache
def _bert() -> tuple[Any, EncoderModules]:
    return adapted("bert", TARGET_MODULES["all"])


@pytest.mark.parametrize("rounded", [False, True])
@given(lengths=st.lists(st.integers(1, 127), min_size=1, max_size=12), fused=st.booleans(), first_only=st.booleans())
@settings(max_examples=40, deadline=None)
def test_any_lengths_give_the_logits_and_gradients_of_plain_peft(
    lengths: list[int], fused: bool, first_only: bool, rounded: bool
) -> None:
    model, encoder = _bert()
    expected = called(model, lengths)
    packed = installed(encoder, fused=fused, first_only=first_only)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(encoder_module, "_makes_kernels", lambda weights: rounded)
        try:
            assert_alike(called(model, lengths), expected, 1e-9)
        finally:
            packed.remove()


def test_few_numbers_of_tokens_are_met_where_a_kernel_is_made_for_each(still: Callable[[str], Path]) -> None:
    """oneDNN keeps every kernel: of passes of any length that came to gigabytes."""
    seen: set[int] = set()
    classifier = attached(still("bert"), "lora", Plan(dtype="bfloat16", accelerations=frozenset(PACKED)))
    pack = Packing.of

    def watched(*args: Any, **options: Any) -> Packing:
        packing = pack(*args, **options)
        seen.add(len(packing.positions) + packing.spare)
        return packing

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(encoder_module.Packing, "of", watched)
        for words in range(1, 40):
            classifier.logits([" ".join(["word"] * words)])
    assert all(each % STEP == 0 for each in seen)
    assert len(seen) <= 39 // 3


@given(lengths=st.lists(st.integers(1, 300), min_size=1, max_size=40), room=st.integers(0, 3))
@settings(max_examples=60, deadline=None)
def test_groups_hold_every_token_once_and_padding_comes_back_as_zeros(lengths: list[int], room: int) -> None:
    packing = Packing.of(lengths, max(lengths) + room)
    rounded = Packing.of(lengths, max(lengths) + room, round_up=True)
    assert (sum(lengths) + rounded.spare) % STEP == 0
    assert [token for group in packing.groups for token in range(group.tokens.start, group.tokens.stop)] == list(
        range(sum(lengths))
    )
    assert tuple(length for group in packing.groups for length in group.lengths) == tuple(lengths)
    packed = torch.arange(1.0, sum(lengths) + 1)[:, None]
    padded = packing.pad(packed)
    read = torch.arange(padded.shape[1])[None, :] < torch.tensor(lengths)[:, None]
    assert torch.equal(padded[..., 0] != 0, read)
    assert torch.equal(packing.pack(padded), packed)
    made_up = rounded.pack(padded)
    assert torch.equal(made_up[: len(packed)], packed)
    assert set(made_up[len(packed) :].flatten().tolist()) <= {float(packed[-1])}
    assert torch.equal(rounded.pad(made_up), padded)
    assert torch.equal(packed[packing.first_tokens], padded[:, 0])
    for group in packing.groups:
        assert group.width >= max(group.lengths)
        assert torch.equal(group.unpad(group.pad_zeros(packed)), packed[group.tokens])


@pytest.mark.parametrize(("targets", "kept"), [("all", True), ("q, k, v", False)])
def test_inputs_of_products_without_lora_are_not_kept_for_backward(targets: str, kept: bool) -> None:
    """Their memory is what the next layer computes in, and half of what a pass holds."""
    model, encoder = adapted("bert", TARGET_MODULES[targets])
    installed(encoder, fused=True)
    nodes, layers = [model(**tokens((3, 9))).logits.grad_fn], {}
    while nodes:
        node = nodes.pop()
        if type(node).__name__ == "EncoderLayerBackward":
            layers[id(node)] = node.saved
        nodes += [each for each, _ in node.next_functions if each is not None]
    assert len(layers) == len(encoder.layers)
    for saved in layers.values():
        assert saved.x is not None
        assert all((each is not None) == kept for each in (saved.context, saved.h, saved.gelu_out))
