"""Whether weights are numbers: what is not finite gives answers that are none.

In: tensors, or files of safetensors.  Out: nothing, or the name of the first that is not finite.
Not here: logits (inference/prediction.py), training that diverges (training/).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from liftune.files import damaged

#: Of a probe: what a feature is divided by, infinity where it is the same in every row.
_MAY_BE_INFINITE = ("spread",)


def first_not_finite(tensors: Iterable[tuple[str, Tensor]]) -> str | None:
    """The name of the first tensor that holds a NaN or an infinity; None where none does."""

    def broken(name: str, values: Tensor) -> bool:
        fine = ~torch.isnan(values) if name in _MAY_BE_INFINITE else torch.isfinite(values)
        return values.is_floating_point() and not bool(fine.all())

    return next((name for name, each in tensors if broken(name, each)), None)


def first_not_finite_in(path: Path) -> str | None:
    """The same of a file of weights.

    Raises:
        OSError, SafetensorError: it cannot be read.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return first_not_finite((key, file.get_tensor(key)) for key in file.keys())  # noqa: SIM118 - no mapping


def check_finite(folder: Path) -> None:
    """Refuse weights in a folder that are not finite.

    Raises:
        ArtifactError: naming the file.
        OSError, SafetensorError: a file cannot be read.
    """
    for path in sorted(folder.glob("*.safetensors")):
        name = first_not_finite_in(path)
        if name is not None:
            raise damaged(path, f"{name} is not finite", hint="restore the file, or tune again")
