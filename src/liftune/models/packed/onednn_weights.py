"""A frozen weight in the memory order that oneDNN multiplies by, so that it is not reordered at every product.

In: a weight on the CPU.  Out: products by it and by its transpose.
Not here: which weights (fused_weights.py), LoRA (lora_linear.py).

Torch's own products reorder a bfloat16 weight at each call. Reordered once, the products of a small encoder were
measured at 1.03 (2,048 rows) to 1.3 (32 rows) times the rate. In float32 it was 1.09 to 1.16 times (1,000 rows, one
thread), at the price of a second copy: it is used where the layer has no LoRA, as in merged models at inference.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

_MKLDNN: Any = torch.ops.mkldnn


class ReorderedWeight:
    """One weight (outputs, inputs); each of its two reordered copies is made when it is first used."""

    def __init__(self, weight: Tensor) -> None:
        self._weight = weight
        self._forward: Tensor | None = None
        self._backward: Tensor | None = None

    @staticmethod
    def pays_off(weight: Tensor, *, has_lora: bool) -> bool:
        """Whether this torch can do it, and it is worth it."""
        available = torch._C._has_mkldnn and hasattr(_MKLDNN, "_linear_pointwise")
        dtypes = (torch.bfloat16,) if has_lora else (torch.bfloat16, torch.float32)
        return bool(available and weight.dtype in dtypes and weight.device.type == "cpu")

    def forward(self, x: Tensor, bias: Tensor | None) -> Tensor:
        """(tokens, outputs): x W' + b."""
        if self._forward is None:
            self._forward = _reorder(self._weight)
        return _linear(x, self._forward, bias)

    def backward(self, grad_output: Tensor) -> Tensor:
        """(tokens, inputs): dy W."""
        if self._backward is None:
            self._backward = _reorder(self._weight.t())
        return _linear(grad_output, self._backward, None)


def _reorder(weight: Tensor) -> Tensor:
    # Also within inference mode: the copy is kept for training.
    with torch.inference_mode(False), torch.no_grad():
        reordered = _MKLDNN._reorder_linear_weight(weight.detach().clone(memory_format=torch.contiguous_format))
    assert isinstance(reordered, Tensor)
    return reordered


def _linear(x: Tensor, reordered: Tensor, bias: Tensor | None) -> Tensor:
    y = _MKLDNN._linear_pointwise(x, reordered, bias, "none", [], "")
    assert isinstance(y, Tensor)
    return y
