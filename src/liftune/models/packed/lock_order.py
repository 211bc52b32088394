"""Whether two passes at once could wait for each other for ever, by what a pass does with the parameters it trains.

In: a model, a forward pass over a few rows.  Out: yes or no.
Not here: what follows from it (install.py), the threads (hardware/workers.py).

Torch (2.13) takes a lock of a parameter when a pass first uses it, and while it holds that it asks for the
interpreter's. Nearly all of its functions have let go of the interpreter's before. Indexing and `.T` have not: a thread
that indexes a parameter, and drops what it got, waits for the parameter's lock with the interpreter's held; another
that then uses the parameter first waits the other way round. PEFT's VB-LoRA does both in every layer. Where the first
use is any other, or what was indexed is gone on with, the parameter's lock asks for nothing any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

#: What keeps the interpreter's lock while it takes the parameter's.
_KEEPING: tuple[Any, ...] = (
    Tensor.__getitem__,
    *(getattr(Tensor, name).__get__ for name in ("T", "mT", "H", "mH", "real", "imag")),
)


def may_wait_for_each_other(model: nn.Module, forward: Callable[[], object]) -> bool:
    """Whether a pass of training indexes or transposes a trained parameter before anything else uses it.

    Nothing is drawn: only PEFT's layers themselves take it for training, as some of them look at their parameters then.
    """
    layers = [module for module in model.modules() if isinstance(module, BaseTunerLayer) and not module.training]
    for layer in layers:
        layer.training = True
    try:
        with torch.no_grad(), _Uses() as uses:
            forward()
    finally:
        for layer in layers:
            layer.training = False
    return bool(uses.crossed)


class _Uses(TorchFunctionMode):
    """Watches what is done to trained parameters, in this thread."""

    def __init__(self) -> None:
        super().__init__()
        self._first_kept = dict[int, bool]()
        self.crossed: bool = False

    def __torch_function__(
        self, func: Any, types: Any, args: Iterable[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Do it, and note whose lock it takes."""
        result = func(*args, **(kwargs or {}))
        for each in args:
            trained = isinstance(each, Tensor) and each.is_leaf and each.requires_grad
            if trained and result is not each and _gives_tensors(result):
                keeps = func in _KEEPING
                self.crossed |= self._first_kept.setdefault(id(each), keeps) and not keeps
        return result


def _gives_tensors(result: Any) -> bool:
    """Whether it computed anything, and did not only look at a shape."""
    return isinstance(result, Tensor) or (
        isinstance(result, tuple) and any(isinstance(each, Tensor) for each in result)
    )
