"""From facts about the machine to decisions, each with its reason. Pure: tested on any laptop.

In: Facts (probe.py), what was asked.  Out: a Plan.  Not here: looking at the machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from liftune.record import Choice


@dataclass(frozen=True)
class Plan:
    """How to compute: handed to models/ and train.py, printed by the report."""

    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of frozen weights and of matrix products; trained weights and the optimizer are always float32."""
    attention: Literal["eager", "sdpa"] = "eager"
    choices: tuple[Choice, ...] = ()
