"""A frozen matrix in the order in which oneDNN multiplies by it, so that it is not put in order at every product.

In: a matrix on a processor.  Out: products by it and by its transpose.
Not here: which matrices (fused.py), LoRA beside them (linear.py).

Torch's own products reorder a bfloat16 weight each time they meet it. Ready-made, the products of a small encoder were
measured at 1.03 (2,048 rows) to 1.3 (32 rows) times the rate. In float32 it was 1.09 to 1.16 times (1,000 rows, one
thread), at the price of a second copy: it is taken where no LoRA stands beside, as in merged models that answer.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_MKLDNN: Any = torch.ops.mkldnn


class Reordered:
    """One matrix (outputs, inputs); each of its two orders is made when it is first used."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight
        self._forward: Tensor | None = None
        self._backward: Tensor | None = None

    @staticmethod
    def fits(weight: Tensor, *, alone: bool = False) -> bool:
        """Whether this torch can do it, and it pays.

        Args:
            alone: no LoRA stands beside the matrix.
        """
        there = torch._C._has_mkldnn and hasattr(_MKLDNN, "_linear_pointwise")
        kinds = (torch.bfloat16, torch.float32) if alone else (torch.bfloat16,)
        return bool(there and weight.dtype in kinds and weight.device.type == "cpu")

    def forward(self, rows: Tensor, bias: Tensor | None) -> Tensor:
        """(T, outputs): rows W' + bias."""
        if self._forward is None:
            self._forward = _in_order(self._weight)
        return _times(rows, self._forward, bias)

    def backward(self, gradient: Tensor) -> Tensor:
        """(T, inputs): gradient W."""
        if self._backward is None:
            self._backward = _in_order(self._weight.t())
        return _times(gradient, self._backward, None)


def _in_order(matrix: Tensor) -> Tensor:
    # Also where answers are being given: the order is kept for training.
    with torch.inference_mode(False), torch.no_grad():
        made = _MKLDNN._reorder_linear_weight(matrix.detach().clone(memory_format=torch.contiguous_format))
    assert isinstance(made, Tensor)
    return made


def _times(rows: Tensor, ordered: Tensor, bias: Tensor | None) -> Tensor:
    found = _MKLDNN._linear_pointwise(rows, ordered, bias, "none", [], "")
    assert isinstance(found, Tensor)
    return found
