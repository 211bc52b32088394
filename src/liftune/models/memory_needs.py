"""Whether tuning fits into memory, worked out before anything is computed.

In: a Backbone, a method, its options, what memory is free.  Out: nothing, or an OutOfMemory that says what would fit.
Not here: how much is free (hardware/memory.py), memory that runs short later (training/smaller_passes.py).

The model with its method is built on torch's meta device, where tensors have shapes and no numbers.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import torch

from liftune.errors import MethodError, OutOfMemory, lacks_memory
from liftune.hardware.flops import Shapes
from liftune.hardware.memory import ADDRESS_SPACE, MIB, Room
from liftune.hardware.plan import Plan
from liftune.models.backbone import Backbone
from liftune.models.methods.options import Options
from liftune.models.methods.registry import BackboneShape, Method
from liftune.models.pretrained import quiet
from liftune.models.quantised import BYTES, in_four_bits

#: Bytes of a number in float32, as all that is trained is.
FLOAT = 4
#: Of each trained number: its gradient, and AdamW's two moments; its weight is the model's.
TRAINING = 3 * FLOAT
#: Bytes that a layer keeps of a token for the way back, by its width, at least (Korthikanti et al. 2022, "Reducing
#: Activation Recomputation in Large Transformer Models", without attention's products).
KEPT = 34


#: Under `ulimit -v` threads and allocators reserve so much address space that they never use.
RESERVED = 900 * MIB


@dataclass(frozen=True)
class Size:
    """Numbers in a model with a method attached."""

    numbers: int
    trained: int
    in_four_bits: int = 0
    """Of the numbers."""
    recomputes: bool = False
    """Whether the model's blocks can be computed again on the way back."""

    @property
    def bytes(self) -> int:
        """That training takes beside its passes."""
        held = FLOAT * (self.numbers - self.in_four_bits) + int(BYTES * self.in_four_bits)
        return held + TRAINING * self.trained


def size_of(backbone: Backbone, method: Method, options: Options) -> Size | None:
    """Of the model with the method; None where it cannot be built without numbers, as few methods cannot."""
    try:
        with quiet(), warnings.catch_warnings(), torch.device("meta"):
            warnings.simplefilter("ignore")
            model: Any = type(backbone.model)(backbone.model.config)
            if method.kind != "full":
                model.requires_grad_(False)
                model = _with_method(model, backbone, method, options)
        tensors = [*model.parameters(), *model.buffers()]
    except Exception as error:  # whatever a method's own set-up makes of tensors without numbers: training will tell
        if lacks_memory(error):
            raise
        return None
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    return Size(
        sum(each.numel() for each in tensors), trained, in_four_bits(backbone.model), _can_recompute(backbone, method)
    )


def _with_method(model: Any, backbone: Backbone, method: Method, options: Options) -> Any:
    from peft import get_peft_model

    config: Any = method.build(options, BackboneShape(backbone.family, model, backbone.head_modules, total_steps=100))
    if config is None:
        for name in backbone.head_modules:
            model.get_submodule(name).requires_grad_(True)
        return model
    config.modules_to_save = list(backbone.head_modules)
    attached = get_peft_model(model, config)
    if method.after_attach is not None:
        method.after_attach(attached)
    return attached


def check_rank(backbone: Backbone, method: Method, options: Options) -> None:
    """Refuse a rank that is none, before the adapter is built: it could take minutes and gigabytes, and gain nothing.

    Raises:
        MethodError: the rank is above every matrix's, and the method trains more than the whole model has.
    """
    ranks = {name: value for name, value in options if name.endswith("rank") and isinstance(value, int)}
    most = max((min(each.shape) for each in backbone.model.parameters() if each.ndim == 2), default=0)
    name = max(ranks, key=lambda each: ranks[each], default="")
    if not name or ranks[name] <= most:
        return
    size = size_of(backbone, method, options)
    whole = sum(each.numel() for each in backbone.model.parameters())
    if size is None or size.trained <= whole:
        return
    raise MethodError(
        f"{name}={ranks[name]:,} trains {size.trained:,} parameters, the whole model has {whole:,}: "
        f"no matrix in it has a rank above {most:,}",
        where=f"--set {name}={ranks[name]}",
        hint=f"give a rank of at most {most}, such as --set {name}={min(16, most)}; or train all of it: --method full",
    )


def check_memory(
    backbone: Backbone, method: Method, options: Options, shapes: Shapes, room: Room | None
) -> Size | None:
    """Hold what training takes at least, in passes of one row, against what is free.

    Returns:
        the size of the model with its method, where it is known.

    Raises:
        OutOfMemory: it is more; the message has the sum, the hint the largest rank that would fit.
    """
    size = size_of(backbone, method, options)
    if size is None or room is None:
        return size
    reserved = RESERVED if room.limit.endswith(ADDRESS_SPACE) else 0
    # Recomputed, where that can be: fit_passes sees to it.
    one_row = pass_bytes(shapes, backbone.max_length, recompute=size.recomputes) + reserved
    if size.bytes + one_row <= room.bytes:
        return size
    frozen, four = size.numbers - size.trained - size.in_four_bits, size.in_four_bits
    parts = [f"{size.trained:,} trained parameters x (weight, gradient, two moments)"]
    parts += [f"{frozen:,} others"] if frozen else []
    parts += [f"{four:,} in four bits"] if four else []
    raise OutOfMemory(
        f"tuning by {method.name} needs {(size.bytes + one_row) / MIB:,.0f} MiB: {', '.join(parts)}, "
        f"a pass of one row, threads and libraries; there are {room}",
        where="--method",
        hint=_what_fits(backbone, method, options, room.bytes - one_row, room.limit),
    )


def _what_fits(backbone: Backbone, method: Method, options: Options, free: int, limit: str) -> str:
    """The largest rank that would fit, where the method has one and any would."""
    ranks = {name: value for name, value in options if name.endswith("rank") and isinstance(value, int)}
    if ranks:
        name = max(ranks, key=lambda each: ranks[each])

        def fits(rank: int) -> bool:
            size = size_of(backbone, method, options.model_copy(update={name: rank}))
            return (
                size is not None and 2 * size.bytes <= free
            )  # of the best epoch and of each worker there are more copies

        low, high = 0, ranks[name]  # in even steps: some methods take no others
        while high - low > 2:
            middle = (low + high) // 4 * 2
            low, high = (middle, high) if fits(middle) else (low, middle)
        if low:
            return f"the largest that fits well is about --set {name}={low}"
    less = (
        "take a method that trains less, such as --method lora, or a smaller --model" if method.kind == "full" else ""
    )
    more = "free some memory" if limit.endswith("machine") else f"raise the limit, {limit.removeprefix('left of ')}"
    return f"{less}, or {more}" if less else f"{more}, or take a smaller --model"


def pass_bytes(shapes: Shapes, tokens: int, *, recompute: bool = False) -> int:
    """That the layers keep of a pass of so many tokens, at least; 0 where the model's shapes are unknown.

    Args:
        recompute: each layer keeps its input alone, and one at a time all the rest.
    """
    if not shapes.layers:
        return 0
    kept = FLOAT * shapes.layers + KEPT if recompute else KEPT * shapes.layers
    return kept * shapes.width * tokens


def _can_recompute(backbone: Backbone, method: Method) -> bool:
    """Whether the model's blocks can be computed again on the way back."""
    return method.recomputes and bool(getattr(backbone.model, "supports_gradient_checkpointing", False))


def fit_passes(plan: Plan, shapes: Shapes, size: Size | None, room: Room | None, *, most: int, longest: int) -> Plan:
    """The plan, in passes for which there is room beside the model.

    Args:
        size: of the model with its method.
        most: tokens of an optimizer step.
        longest: tokens of a row; where there is no room for a pass of one, what it computes is not kept, but computed
            again, as far as the model can.
    """
    a_token = plan.workers * pass_bytes(shapes, 1)
    if room is None or size is None or not a_token:
        return plan
    free = room.bytes - size.bytes
    if size.recomputes and free < pass_bytes(shapes, min(longest, most)):
        plan = plan.recomputing(f"a row of {longest:,} tokens would not fit beside the model: there are {room}")
        a_token = pass_bytes(shapes, 1, recompute=True)
    tokens = max(1, int(free // a_token))
    if tokens >= min(plan.pass_limits[1], most):
        return plan
    return plan.in_passes_of(tokens, f"larger ones would not fit beside the model: there are {room}")
