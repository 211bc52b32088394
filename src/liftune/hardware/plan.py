"""From facts about the machine to decisions, each with its reason. Pure: tested on any laptop.

In: facts (probe.py), what was asked.  Out: a Plan.  Not here: looking at the machine.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from liftune.errors import SpecError
from liftune.record import Choice

if TYPE_CHECKING:  # probe.py brings torch, which a plan does not need
    from liftune.hardware.probe import Facts

#: bfloat16 must be at least this much faster to be worth its rounding.
WORTHWHILE = 1.3


@dataclass(frozen=True)
class Plan:
    """How to compute: handed to models/ and train.py, printed by the report."""

    device: str = "cpu"
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Of frozen weights and of matrix products in training; trained weights and the optimizer are always float32."""
    answers: Literal["float32", "bfloat16"] = "float32"
    """The same, when a tuned model answers. An adapter that was tuned on rounded weights answers best, and as plain
    PEFT does, on exact ones; large logits show bfloat16's rounding in the second digit of a log-probability."""
    attention: Literal["eager", "sdpa"] = "eager"
    micro_batch_rows: int = 8
    """Most rows in one forward pass of training; an optimizer step is cut into such passes by length."""
    micro_batch_tokens: int = 1024
    """Most tokens, padding included, in one forward pass of training."""
    choices: tuple[Choice, ...] = ()

    @property
    def answering(self) -> Plan:
        """The plan by which a tuned model answers."""
        return replace(self, dtype=self.answers)


def make_plan(facts: Facts, *, device: str | None = None) -> Plan:
    """Decide device, precision, attention and the cut of a step.

    Args:
        facts: what probe.py found.
        device: asked for by the user, such as "cpu" or "cuda:1"; None takes the best there is.

    Raises:
        SpecError: the device asked for is not here. It is never quietly replaced.
    """
    kind, _, number = (device or facts.devices[0]).partition(":")
    # Only cuda has several: "mps:1" and "cpu:1" are slips.
    numbered = not number or (kind == "cuda" and number.isdecimal() and int(number) < facts.accelerators)
    if kind not in facts.devices or (device or "").endswith(":") or not numbered:
        raise SpecError(
            f"device {device!r} is not on this machine",
            where="--device",
            mend=f"choose one of: {', '.join(facts.devices)}",
        )
    choices = [Choice(choice="device", value=device or kind, reason="asked for" if device else "the best one here")]
    if kind != "cpu":
        dtype: Literal["float32", "bfloat16"] = "bfloat16" if facts.accelerator_bfloat16 else "float32"
        attention: Literal["eager", "sdpa"] = "sdpa"
        reason = "the device computes it natively" if dtype == "bfloat16" else "the device has no native bfloat16"
        choices += [
            Choice(choice="precision", value=dtype, reason=reason),
            Choice(choice="answers", value=dtype, reason="as in training: the device has little memory for both"),
            Choice(choice="attention", value=attention, reason="fused kernels are made for this device"),
            Choice(choice="micro-batch", value="64 rows or 32768 tokens", reason="few, large passes suit this device"),
        ]
        return Plan(device or kind, dtype, dtype, attention, 64, 32768, tuple(choices))
    dtype = "bfloat16" if facts.bfloat16_speedup >= WORTHWHILE else "float32"
    ratio = facts.eager_speedup[dtype]
    attention = "eager" if ratio >= 1 else "sdpa"
    times = ratio if ratio >= 1 else 1 / ratio
    choices += [
        Choice(
            choice="precision",
            value=dtype,
            reason=f"a bfloat16 product was measured at {facts.bfloat16_speedup:.1f}x float32's speed",
        ),
        Choice(choice="answers", value="float32", reason="a tuned model answers here as it does in plain PEFT"),
        Choice(choice="attention", value=attention, reason=f"measured {times:.1f}x as fast as the other in {dtype}"),
        Choice(
            choice="micro-batch", value="8 rows or 1024 tokens", reason="short rows apart from long ones: less padding"
        ),
    ]
    return Plan("cpu", dtype, "float32", attention, 8, 1024, tuple(choices))
