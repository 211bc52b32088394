"""Whether a tensor is still what it was, or the same as another process's, at the speed of memory.

In: a tensor.  Out: an integer that another value nearly always changes.
Not here: hashes that stand in files (seals.py).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.distributed.tensor import DTensor


def bits(tensor: Tensor) -> int:
    """The sum of a tensor's bytes, eight by eight, as integers: another value nearly always has another.

    Memory is read once, at its full speed; a hash that no one can forge would take ten times as long.
    """
    if isinstance(tensor, DTensor):  # of this process's part
        tensor = tensor.to_local()
    if not tensor.numel():
        return 0
    flat = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    whole = len(flat) // 8 * 8
    return int(flat[:whole].view(np.int64).sum()) + int(flat[whole:].sum())
