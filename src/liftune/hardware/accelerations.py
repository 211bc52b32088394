"""What makes tuning fast, by name: each with when the machine wants it, and when it cannot have it.

In: facts about the machine, a device, the precision settled so far.  Out: yes or no with a reason. Pure.
Not here: applying them (models/, training/loop.py), the plan as a whole (plan.py), whether a model fits (checked when
a method is attached).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from liftune.errors import SpecError, nearest
from liftune.registry import Registry

if TYPE_CHECKING:  # measure.py brings torch, which a decision does not need
    from liftune.hardware.measure import MachineFacts

#: bfloat16 must be at least this much faster to be worth its rounding.
WORTHWHILE = 1.3
FOR_CPUS = "made for CPUs"
#: Most rows and tokens of a pass of packed rows, which have no padding: on IMDb's no more was gained beyond.
PACKED_PASS = (64, 2048)
#: How many passes run at once. Python's lock lets one worker at a time prepare a product: more were not tried.
WORKERS = 2

Decision: TypeAlias = tuple[bool, str]
"""Whether the plan wants it on this machine, and why."""
Decide: TypeAlias = "Callable[[MachineFacts, str, str], Decision]"
"""(facts, device, dtype) -> a Decision; the device is one of facts.devices, the dtype that of the products."""
Attention: TypeAlias = Literal["eager", "sdpa"]


def _nothing_lacks(facts: MachineFacts, device: str) -> str:
    return ""


def _not_a_cpu(facts: MachineFacts, device: str) -> str:
    return "" if device == "cpu" else FOR_CPUS


def _no_kernel(facts: MachineFacts, device: str) -> str:
    there = facts.prebuilt or facts.compiler
    return _not_a_cpu(facts, device) or ("" if there else "there is no C compiler (cc, gcc or clang)")


def _no_bfloat16(facts: MachineFacts, device: str) -> str:
    return "" if device == "cpu" or facts.accelerator_bfloat16 else "the device has no native bfloat16"


@dataclass(frozen=True)
class Acceleration:
    """One way to be faster, which can be left out by name.

    Args:
        decide: whether the plan wants it.
        lacks: (facts, device) -> why it is impossible there, or "": what `--accelerations` cannot force.
    """

    name: str
    summary: str
    decide: Decide = field(repr=False)
    lacks: Callable[[MachineFacts, str], str] = field(default=_nothing_lacks, repr=False)


def _acceleration(
    *, name: str, summary: str, build: Decide, lacks: Callable[[MachineFacts, str], str] = _nothing_lacks
) -> Acceleration:
    """A registry calls the decorated function `build`; here it decides."""
    return Acceleration(name, summary, build, lacks)


ACCELERATIONS: Registry[Acceleration] = Registry("acceleration", _acceleration, option="accelerations")


def check_accelerations(names: Iterable[str]) -> frozenset[str]:
    """The names, each known.

    Raises:
        SpecError: one that is not, with the nearest that is.
    """
    names = tuple(names)
    unknown = [
        f"unknown acceleration {name!r}{nearest(name, ACCELERATIONS)}" for name in names if name not in ACCELERATIONS
    ]
    if unknown:
        raise SpecError(
            "\n".join(unknown), where="--accelerations", hint=f"give none, or some of: {', '.join(ACCELERATIONS)}"
        )
    return frozenset(names)


def measured_attention(facts: MachineFacts, device: str, dtype: str) -> tuple[Attention, str]:
    """The faster attention, and by how much: eager is plain products and a softmax, sdpa is torch's fused kernel."""
    if device != "cpu":
        return "sdpa", "fused kernels are made for this device"
    ratio = facts.eager_speedup[dtype]
    faster: Attention = "eager" if ratio >= 1 else "sdpa"
    return faster, f"{faster}, measured {max(ratio, 1 / ratio):.1f}x as fast as the other in {dtype}"


@ACCELERATIONS.entry("bfloat16", summary="Frozen weights and products in bfloat16.", lacks=_no_bfloat16)
def bfloat16(facts: MachineFacts, device: str, dtype: str) -> Decision:
    """By the time of a product in either precision; a GPU either has it or not."""
    if device != "cpu":
        return facts.accelerator_bfloat16, _no_bfloat16(facts, device) or "the device computes it natively"
    faster = facts.bfloat16_speedup
    return faster >= WORTHWHILE, f"a bfloat16 product was measured at {faster:.1f}x float32's speed"


@ACCELERATIONS.entry("length-batches", summary="An optimizer step is cut into passes of rows alike in length.")
def length_batches(facts: MachineFacts, device: str, dtype: str) -> Decision:
    """Everywhere: only the size of a pass differs."""
    rows, tokens = passes(device)
    if device != "cpu":
        return True, f"few, large passes suit this device: at most {rows} rows or {tokens} tokens a pass"
    packed_rows, packed_tokens = PACKED_PASS
    return True, (
        f"short rows apart from long ones: at most {rows} rows or {tokens} tokens a pass, "
        f"of packed rows {packed_rows} or {packed_tokens}"
    )


def passes(device: str) -> tuple[int, int]:
    """Most rows, and most tokens with their padding, of one forward pass of training."""
    return (8, 1024) if device == "cpu" else (64, 32768)


@ACCELERATIONS.entry("packing", summary="No padding; the model's layers by hand, forward and back.", lacks=_not_a_cpu)
def packing(facts: MachineFacts, device: str, dtype: str) -> Decision:
    """On CPUs, where products of few rows are already as fast as those of many."""
    return _on_cpus(device, "no time goes into padding, nor into what stands between a model's products")


@ACCELERATIONS.entry("fused-lora", summary="LoRA in one product with its frozen weight.", lacks=_not_a_cpu)
def fused_lora(facts: MachineFacts, device: str, dtype: str) -> Decision:
    """On CPUs, whose rate on LoRA's thin products is a fraction of that on whole ones."""
    return _on_cpus(device, "thin products run far below the rate of whole ones")


@ACCELERATIONS.entry("last-layer", summary="The last layer only where the head reads it.", lacks=_not_a_cpu)
def last_layer(facts: MachineFacts, device: str, dtype: str) -> Decision:
    """On CPUs, whose time is that of the products that are left out."""
    return _on_cpus(device, "the head reads one state of a row, so the others need no last layer")


@ACCELERATIONS.entry("pooled-dropout", summary="Dropout masks cut from a pool.", lacks=_not_a_cpu)
def pooled_dropout(facts: MachineFacts, device: str, dtype: str) -> Decision:
    """On CPUs, where drawing random numbers takes a visible share of a step."""
    return _on_cpus(device, "random numbers for each mask would cost more than what they mask")


@ACCELERATIONS.entry(
    "compiled-attention", summary="An attention kernel that is compiled for this processor.", lacks=_no_kernel
)
def compiled_attention(facts: MachineFacts, device: str, dtype: str) -> Decision:
    """Where the wheel brought it or a C compiler is; whether it is faster is measured where a model is at hand."""
    lacks = _no_kernel(facts, device)
    made = f"built for {facts.prebuilt}" if facts.prebuilt else f"compiled once by {facts.compiler}"
    return (False, lacks) if lacks else (True, f"{made}: no attention weight leaves the cache")


@ACCELERATIONS.entry(
    "parallel-passes", summary="Passes side by side, each on its share of the cores.", lacks=_not_a_cpu
)
def parallel_passes(facts: MachineFacts, device: str, dtype: str) -> Decision:
    """On CPUs with more than one core, whose cores would else wait for each other inside every product."""
    if device == "cpu" and facts.threads < 2:
        return False, "one core has nothing to share"
    return _on_cpus(device, f"{WORKERS} passes at once need no core to wait for another inside a product")


@ACCELERATIONS.entry("token-cache", summary="Token ids kept on disk.")
def token_cache(facts: MachineFacts, device: str, dtype: str) -> Decision:
    """Everywhere."""
    return True, "rows are tokenised once, and read as they are needed"


@ACCELERATIONS.entry("attention-kernel", summary="The attention that was measured as faster.")
def attention_kernel(facts: MachineFacts, device: str, dtype: str) -> Decision:
    """Everywhere; what is faster depends on precision."""
    return True, measured_attention(facts, device, dtype)[1]


def _on_cpus(device: str, reason: str) -> Decision:
    return (True, reason) if device == "cpu" else (False, FOR_CPUS)
