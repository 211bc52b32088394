"""Dropout of packed rows: where the model has it, at its rate, with the right gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from packed_models import BATCHES, FAMILIES_PACKED, TARGET_MODULES, adapted, assert_alike, called, installed
from tiny_tuning import tiny_classifier
from torch import Tensor, nn

from liftune.models.packed import dropout
from liftune.models.packed.attention import TILED
from liftune.models.packed.dropout import draw_mask
from liftune.models.packed.encoder import PackedEncoder
from liftune.models.packed.layouts import EncoderModules, find_encoder
from liftune.models.packed.packing import Packing
from liftune.models.packed.unfused_layer import PackedAttention


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_fused_layers_drop_what_their_modules_drop(family: str, pooled: bool) -> None:
    """The same seed draws the same masks, so that autograd through the modules checks the backward by hand."""
    for first_only in (False, True):
        found = []
        for fused in (False, True):
            model, encoder = adapted(family, TARGET_MODULES["all"])
            installed(encoder, fused=fused, first_only=first_only, pooled=pooled)
            model.train()
            found.append(called(model, BATCHES["short beside long"], seed=5))
        assert_alike(found[1], found[0], 1e-9)
        model.eval()
        assert not torch.allclose(called(model, BATCHES["short beside long"])["logits"], found[1]["logits"])


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize("family", FAMILIES_PACKED)
def test_dropout_falls_where_the_model_has_it(family: str, pooled: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every dropout is made to take the same columns, in the model's own modules and in the masks that replace them."""

    def columns(count: int) -> Tensor:
        return (torch.arange(count) % 3 > 0).double() * 1.5

    def drop(self: nn.Dropout, states: Tensor) -> Tensor:
        return states * columns(states.shape[-1]) if self.training and self.p else states

    def mask(self: PackedEncoder, rate: float, rows: int, count: int, dtype: torch.dtype) -> Tensor:
        return columns(count).expand(rows, count)

    monkeypatch.setattr(nn.Dropout, "forward", drop)
    monkeypatch.setattr(PackedEncoder, "_mask", mask)
    model, _ = adapted(family, TARGET_MODULES["all"])
    for name, module in model.named_modules():  # the attention weights' own are drawn without a module
        if isinstance(module, nn.Dropout) and name.endswith(("self.dropout", "attention.dropout")):
            module.p = 0.0
    encoder = find_encoder(model.base_model.model)
    assert isinstance(encoder, EncoderModules)
    still = called(model, BATCHES["mixed"])
    model.train()
    expected = called(model, BATCHES["mixed"])
    assert not torch.allclose(expected["logits"], still["logits"])
    for fused in (False, True):
        packed = installed(encoder, fused=fused, first_only=True, pooled=pooled)
        assert_alike(called(model, BATCHES["mixed"]), expected, 1e-9)
        packed.remove()


@pytest.mark.parametrize("first_only", [False, True])
def test_attention_with_dropout_has_the_gradient_of_what_it_computes(first_only: bool) -> None:
    packing, heads, size, width = Packing.of([3, 2, 3], 3), 2, 8, 3
    torch.manual_seed(0)
    given = torch.randn(8, 3 * size, dtype=torch.float64)
    cared = torch.randn(3 if first_only else 8, size, dtype=torch.float64)

    def by_hand(projected: Tensor) -> Tensor:
        torch.manual_seed(1)
        padded = packing.pad(projected).view(3, width, 3, heads, size // heads).permute(2, 0, 3, 1, 4)
        query, key, value = padded.reshape(3, 3 * heads, width, -1)
        query = query[:, :1] if first_only else query
        scores = query @ key.transpose(1, 2) / (size // heads) ** 0.5
        scores = scores.masked_fill(
            (torch.arange(3 * heads) // heads == 1)[:, None, None] & (torch.arange(3) == 2), -1e9
        )
        kept = draw_mask(0.3, scores.shape[0] * scores.shape[1], scores.shape[2], scores.dtype).view_as(scores)
        context = (scores.softmax(-1) * kept @ value).view(3, heads, -1, size // heads).transpose(1, 2)
        return context.reshape(3, size) if first_only else packing.pack(context.reshape(3, width, size))

    def packed(projected: Tensor) -> Any:
        torch.manual_seed(1)
        first = projected[packing.first_tokens, :size] if first_only else None
        sides = projected[:, size:] if first_only else projected
        return PackedAttention.apply(sides, first, packing, heads, TILED, partial(draw_mask, 0.3))

    found = []
    for attention in (packed, by_hand):
        projected = given.clone().requires_grad_()
        output = attention(projected)
        output.backward(cared)
        assert projected.grad is not None
        found.append((output.detach(), projected.grad))
    assert torch.allclose(found[0][0], found[1][0], atol=1e-12)
    assert torch.allclose(found[0][1], found[1][1], atol=1e-12)


def test_masks_have_their_rate_and_scale_and_differ() -> None:
    torch.manual_seed(0)
    pool = dropout.MaskPool(0.2, torch.float32)
    first, second = pool.mask(400, 500), pool.mask(400, 500)
    for mask in (first, second, dropout.draw_mask(0.2, 400, 500, torch.float32)):
        assert sorted(set(mask.flatten().tolist())) == [0.0, 1.25]
        assert abs(float((mask == 0).float().mean()) - 0.2) < 0.01
    assert not torch.equal(first, second)


def test_a_pool_serves_masks_larger_than_itself_and_is_drawn_anew_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropout, "POOL_SIZE", 64)
    monkeypatch.setattr(dropout, "MAX_USES", 3)
    pool = dropout.MaskPool(0.5, torch.bfloat16)
    assert pool.mask(4, 4).shape == (4, 4)
    large = pool.mask(40, 50)
    assert large.shape == (40, 50)
    assert large.dtype == torch.bfloat16
    assert set(large.flatten().tolist()) == {0.0, 2.0}
    drawn = {pool.mask(40, 50).untyped_storage().data_ptr() for _ in range(3)}
    assert len(drawn) == 2


def test_the_embeddings_dropout_is_taken_over_only_where_the_layers_read_it_and_given_back() -> None:
    for family, at_rest in (("bert", 0.0), ("distilbert", 0.0), ("electra", 0.1)):
        plain = tiny_classifier(family)
        encoder = find_encoder(plain)
        assert isinstance(encoder, EncoderModules)
        found = encoder.body.get_submodule("embeddings.dropout")
        packed = installed(encoder, fused=False, pooled=True)
        assert found.p == at_rest  # ELECTRA projects its embeddings after their dropout
        packed.remove()
        packed.remove()
        assert found.p == 0.1
