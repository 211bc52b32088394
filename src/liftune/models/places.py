"""The part of a PEFT config that says where the model is changed.

In: options and a model's shape.  Out: names of modules and facts about them, as PEFT wants them.
Not here: finding them (targets.py).
"""

from __future__ import annotations

from typing import Any

from liftune.models import options, targets
from liftune.models.method import BackboneShape


def linear(chosen: options.Targeted, shape: BackboneShape) -> list[str]:
    """Whole names of the linear layers that were asked for."""
    return targets.linear_targets(shape.model, shape.head_modules, chosen.target_modules)


def places(names: list[str], shape: BackboneShape, *, conv1d: bool = True) -> dict[str, Any]:
    """The part of a config that says where."""
    facts: dict[str, Any] = {"task_type": "SEQ_CLS", "target_modules": targets.short_names(names, shape.model)}
    if conv1d:
        facts["fan_in_fan_out"] = targets.uses_conv1d(shape.model, names)
    return facts
