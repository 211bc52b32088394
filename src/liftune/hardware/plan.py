"""From facts about the machine to decisions, each with its reason. Pure: tested on any laptop.

In: facts (measure.py), what was asked for.  Out: a Plan.
Not here: looking at the machine, and when each acceleration is wanted (accelerations.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from liftune.errors import SpecError
from liftune.hardware.accelerations import (
    ACCELERATIONS,
    PACKED_PASS,
    WORKERS,
    check_accelerations,
    measured_attention,
    passes,
)
from liftune.records.base import Choice

if TYPE_CHECKING:  # measure.py brings torch, which a plan does not need
    from liftune.hardware.measure import MachineFacts

Precision = Literal["float32", "bfloat16"]
#: The one list of precisions that weights and products may have.
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
#: As many rows or tokens as there are.
UNCUT = sys.maxsize
#: The choice that says that memory ran short.
PASS_SIZE = "pass size"
#: The choice that says that a pass is computed twice, since there is no room to keep it.
RECOMPUTE = "gradient checkpointing"


@dataclass(frozen=True)
class Plan:
    """How to compute: handed to models/ and training/loop.py, printed by the report."""

    device: str = "cpu"
    dtype: Precision = "float32"
    """Of frozen weights and of matrix products in training; trained weights and the optimizer are always float32."""
    inference_dtype: Precision = "float32"
    """The same, when a tuned model predicts. An adapter that was tuned on rounded weights predicts best, and as plain
    PEFT does, on exact ones; large logits show bfloat16's rounding in the second digit of a log-probability."""
    attention: Literal["eager", "sdpa"] = "eager"
    micro_batch_rows: int = 8
    """Most rows in one forward pass of training; an optimizer step is cut into such passes by length."""
    micro_batch_tokens: int = 1024
    """Most tokens, padding included, in one forward pass of training."""
    most_tokens: int = UNCUT
    """Most tokens of any pass of training, since memory ran short in a larger one."""
    recompute: bool = False
    """Keep only each block's input of a pass in training, and compute the block again on the way back (gradient
    checkpointing): the numbers are the same, for one more forward pass and a fraction of the memory."""
    choices: tuple[Choice, ...] = ()
    accelerations: frozenset[str] = frozenset()
    """Names of those that are on."""
    requested: frozenset[str] = frozenset()
    """Those that were asked for by name: where one does not fit a model, that is an error."""

    @property
    def pass_limits(self) -> tuple[int, int]:
        """Most rows and most tokens of one forward pass of training; of packed rows, which have no padding, more."""
        if "packing" in self.accelerations and "length-batches" in self.accelerations:
            rows, tokens = PACKED_PASS
        else:
            rows, tokens = self.micro_batch_rows, self.micro_batch_tokens
        return rows, min(tokens, self.most_tokens)

    def in_passes_of(self, tokens: int, reason: str) -> Plan:
        """The plan with no pass of more tokens than these; the choices say why."""
        choice = Choice(choice=PASS_SIZE, value=f"at most {tokens:,} tokens", reason=reason)
        others = tuple(each for each in self.choices if each.choice != PASS_SIZE)
        return replace(self, most_tokens=tokens, choices=(*others, choice))

    def on(self, engine: Choice) -> Plan:
        """The plan, which says what carries it out."""
        return replace(self, choices=(*(each for each in self.choices if each.choice != engine.choice), engine))

    def recomputing(self, reason: str) -> Plan:
        """The plan with blocks computed again on the way back; the choices say why."""
        choice = Choice(choice=RECOMPUTE, value="on", reason=reason)
        return replace(self, recompute=True, choices=(*self.choices, choice))

    @property
    def computing(self) -> tuple[object, ...]:
        """All but the size of a pass, and what is there to be read."""
        return self.device, self.dtype, self.inference_dtype, self.attention, self.accelerations

    @property
    def workers(self) -> int:
        """How many passes run side by side."""
        return WORKERS if "parallel-passes" in self.accelerations else 1

    @property
    def keeps_four_bits(self) -> bool:
        """Whether a model that was tuned on weights in four bits also predicts with them: where memory is what counts.

        Elsewhere the same rounded numbers are held in the plan's precision, which is faster.
        """
        return self.device != "cpu" and self.dtype == "bfloat16"

    @property
    def for_inference(self) -> Plan:
        """The plan by which a tuned model predicts."""
        return replace(self, dtype=self.inference_dtype, recompute=False)

    def to_json(self) -> dict[str, Any]:
        """All of it, as JSON holds it."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["choices"] = [choice.model_dump() for choice in self.choices]
        return values | {name: sorted(values[name]) for name in ("accelerations", "requested")}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Plan:
        """What `to_json` was made of: a plan that was made once is not measured again.

        >>> Plan.from_json(Plan(accelerations=frozenset({"packing"})).to_json()).accelerations
        frozenset({'packing'})
        """
        sets = {name: frozenset(values[name]) for name in ("accelerations", "requested")}
        choices = tuple(Choice.model_validate(choice) for choice in values["choices"])
        return cls(**{**values, **sets, "choices": choices})

    def without(self, unfit: Mapping[str, str]) -> Plan:
        """The plan with some accelerations off, as they do not fit a model; the choices say so.

        Args:
            unfit: name -> why it does not fit. Those that are off already stay as they are.
        """
        off = self.accelerations & set(unfit)
        choices = tuple(
            choice.model_copy(update={"value": "off", "reason": unfit[choice.choice]})
            if choice.choice in off
            else choice
            for choice in self.choices
        )
        return replace(self, accelerations=self.accelerations - off, choices=choices)


def make_plan(facts: MachineFacts, *, device: str | None = None, accelerations: Iterable[str] | None = None) -> Plan:
    """Decide device, precision, attention, the cut of a step, and what else is done to be fast.

    Args:
        facts: what measure.py measured.
        device: asked for by the user, such as "cpu" or "cuda:1"; None takes the best there is.
        accelerations: names, of which exactly these are on; None takes those that are wanted on this machine.

    Raises:
        SpecError: the device asked for is not here, or an acceleration is unknown, or impossible on the device. Nothing
            that was asked for is quietly replaced.
    """
    requested = None if accelerations is None else check_accelerations(accelerations)
    kind = _kind(facts, device)
    on, choices = _accelerations(facts, kind, requested)
    dtype: Precision = "bfloat16" if "bfloat16" in on else "float32"
    inference_dtype, why = _inference_dtype(kind, dtype)
    settled = (
        Choice(choice="device", value=device or kind, reason="asked for" if device else "the best one here"),
        Choice(choice="answers", value=inference_dtype, reason=why),
    )
    rows, tokens = passes(kind) if "length-batches" in on else (UNCUT, UNCUT)
    return Plan(
        device=device or kind,
        dtype=dtype,
        inference_dtype=inference_dtype,
        attention=measured_attention(facts, kind, dtype)[0] if "attention-kernel" in on else "sdpa",
        micro_batch_rows=rows,
        micro_batch_tokens=tokens,
        choices=(*settled, *choices),
        accelerations=on,
        requested=requested or frozenset(),
    )


def _kind(facts: MachineFacts, device: str | None) -> str:
    """The device's kind, if it is here."""
    kind, _, number = (device or facts.devices[0]).partition(":")
    # Only cuda has several: "mps:1" and "cpu:1" are slips.
    numbered = not number or (kind == "cuda" and number.isdecimal() and int(number) < facts.accelerators)
    if kind not in facts.devices or (device or "").endswith(":") or not numbered:
        raise SpecError(
            f"device {device!r} is not on this machine",
            where="--device",
            hint=f"choose one of: {', '.join(facts.devices)}",
        )
    return kind


def _inference_dtype(kind: str, dtype: Precision) -> tuple[Precision, str]:
    """In what precision a tuned model predicts, and why."""
    if kind == "cpu":
        return "float32", "a tuned model predicts here as it does in plain PEFT"
    return dtype, "as in training: the device has little memory for both"


def _accelerations(
    facts: MachineFacts, kind: str, requested: frozenset[str] | None
) -> tuple[frozenset[str], tuple[Choice, ...]]:
    """Which are on, and every one's choice with its reason, in order of registration: the precision comes first."""
    lacking = {each.name: each.lacks(facts, kind) for each in ACCELERATIONS.entries() if each.name in (requested or ())}
    impossible = [f"{name} is impossible on {kind}: {lacks}" for name, lacks in lacking.items() if lacks]
    if impossible:
        raise SpecError(
            "\n".join(impossible),
            where="--accelerations",
            hint="leave it out, or leave --accelerations out: the plan takes what suits the machine",
        )
    on: set[str] = set()
    choices = []
    for each in ACCELERATIONS.entries():
        wanted, reason = each.decide(facts, kind, "bfloat16" if "bfloat16" in on else "float32")
        if requested is not None:
            wanted, reason = (
                each.name in requested,
                f"asked for; {reason}" if each.name in requested else "not asked for",
            )
        if wanted:
            on.add(each.name)
        choices.append(Choice(choice=each.name, value="on" if wanted else "off", reason=reason))
    return frozenset(on), tuple(choices)
