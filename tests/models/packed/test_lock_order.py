"""Which passes may not run side by side: two threads that take two locks in two orders wait for ever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from liftune.models.packed.lock_order import may_wait_for_each_other


def checked(weight: Tensor) -> Tensor:
    """As VB-LoRA does: an entry is looked at, and dropped."""
    assert not weight[0, 0].isinf().any()
    return weight.topk(2).values


USES: dict[str, tuple[Callable[[Tensor], Any], bool]] = {
    "an entry is looked at first": (checked, True),
    "transposed first": (lambda weight: weight.T.sum() + weight.sum(), True),
    "used first": (lambda weight: weight.sum() + weight[0, 0], False),
    "indexed alone": (lambda weight: weight[0] + weight[:, 0], False),
    "its shape is looked at": (lambda weight: weight[0] * weight.shape[0] * weight.dim() * weight.numel(), False),
    "made float32, which it is": (lambda weight: weight.to(torch.float32)[0], False),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("trained", [True, False])
def test_a_parameter_that_is_indexed_before_it_is_used(use: str, trained: bool) -> None:
    run, crossed = USES[use]
    layer = nn.Linear(3, 3)
    layer.requires_grad_(trained)
    assert may_wait_for_each_other(layer, lambda: run(layer.weight)) is (crossed and trained)


def test_what_a_layer_does_in_training_alone_counts_and_nothing_is_drawn() -> None:
    class Layer(nn.Module, BaseTunerLayer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.entries, self.dropout = nn.Parameter(torch.ones(3, 3)), nn.Dropout(0.5)

        def forward(self) -> Tensor:
            return checked(self.entries) if self.training else self.dropout(self.entries.sum())

    layer = Layer().eval()
    before = torch.get_rng_state()
    assert may_wait_for_each_other(layer, layer)
    assert not layer.training
    assert torch.equal(before, torch.get_rng_state())
