"""The part of a PEFT config that says where the model is changed.

In: options and a model's shape.  Out: names of modules and facts about them, as PEFT wants them.
Not here: finding them (targets.py).
"""

from __future__ import annotations

from math import gcd
from typing import Any

from liftune.errors import MethodError
from liftune.models.methods import options, targets
from liftune.models.methods.base import BackboneShape


def linear(chosen: options.Targeted, shape: BackboneShape) -> list[str]:
    """Whole names of the linear layers that were asked for."""
    return targets.linear_targets(shape.model, shape.head_modules, chosen.target_modules)


def peft_targets(names: list[str], shape: BackboneShape, *, conv1d: bool = True) -> dict[str, Any]:
    """The part of a config that says where."""
    facts: dict[str, Any] = {"task_type": "SEQ_CLS", "target_modules": targets.short_names(names, shape.model)}
    if conv1d:
        facts["fan_in_fan_out"] = targets.uses_conv1d(shape.model, names)
    return facts


def block_size(wanted: int | None, width: int, *, most: int, option: str = "block_size") -> int:
    """What was asked for, or the largest divisor of the width up to `most`.

    Args:
        width: that every block size must divide: the greatest common divisor of the target layers' widths.

    Raises:
        MethodError: what was asked for does not divide it.
    """
    if wanted is None:
        return max(size for size in range(1, most + 1) if width % size == 0)
    if width % wanted:
        fitting = [size for size in range(2, width + 1) if width % size == 0]
        raise MethodError(
            f"{option}: {wanted} does not divide every width of the target layers that it must",
            where=f"--set {option}",
            hint=f"choose among: {', '.join(map(str, fitting))}",
        )
    return wanted


def common_widths(shape: BackboneShape, names: list[str]) -> int:
    """The greatest common divisor of every input and every output width of the target layers."""
    return gcd(targets.common_width(shape.model, names), targets.common_output_width(shape.model, names))
