"""What makes it possible to repeat a step in smaller passes: all that it may have changed is put back.

In: a classifier before a step; a step that memory was too short for.  Out: the same again; a plan of smaller passes.
Not here: the step (epoch.py), how rows are cut into passes (micro_batches.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from liftune.errors import OutOfMemory
from liftune.hardware.memory import short_of_memory
from liftune.hardware.plan import Plan
from liftune.hardware.workers import Workers
from liftune.models.classifier import Classifier
from liftune.training.state import random_states, restore_random


def hold_step(classifier: Classifier, workers: Workers) -> Callable[[], None]:
    """What puts back generators, pools of dropout masks and means of batches as they are now; not gradients."""
    device, encoder = classifier.plan.device, classifier.packed_encoder
    random, of_workers = random_states(device), workers.random_states()
    put_back_masks = encoder.hold_masks() if encoder else None
    norms = [module for module in classifier.model.modules() if isinstance(module, _BatchNorm)]
    means = [(buffer, buffer.clone()) for module in norms for buffer in module.buffers()]

    def put_back() -> None:
        restore_random(random, device)
        workers.restore_random(of_workers)
        if put_back_masks:
            put_back_masks()
        with torch.no_grad():
            for buffer, before in means:
                buffer.copy_(before)

    return put_back


def smaller_passes(plan: Plan, shares: list[list[list[int]]], lengths: Sequence[int], error: Exception) -> Plan:
    """The plan with passes of half the tokens of the largest that failed.

    Args:
        shares: the failed step's rows, by worker and pass.
        lengths: tokens of each row.

    Raises:
        OutOfMemory: every pass has one row.
    """
    several = [rows for share in shares for rows in share if len(rows) > 1]
    if not several:
        raise _refused(max(lengths[row] for share in shares for rows in share for row in rows), error) from None
    largest = max(_tokens(rows, lengths, plan) for rows in several)
    return plan.in_passes_of(max(1, largest // 2), f"memory ran short in a pass of {largest:,} tokens")


def largest_pass(shares: list[list[list[int]]], lengths: Sequence[int], plan: Plan) -> int:
    """Tokens of the largest pass of a step.

    Args:
        shares: the step's rows, by worker and pass.
        lengths: tokens of each row.
    """
    return max(_tokens(rows, lengths, plan) for share in shares for rows in share)


def _tokens(rows: Sequence[int], lengths: Sequence[int], plan: Plan) -> int:
    """Of a pass, with its padding where it has any."""
    sizes = [lengths[row] for row in rows]
    return sum(sizes) if "packing" in plan.accelerations else len(sizes) * max(sizes)


def _refused(longest: int, error: Exception) -> OutOfMemory:
    hint = f"cut rows shorter: --max-length {max(8, longest // 2)}; or take a smaller model, or close other programs"
    return short_of_memory(error, f"training on one row of {longest:,} tokens", hint)
