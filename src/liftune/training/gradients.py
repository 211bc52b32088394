"""The gradients of one optimizer step: its passes, whatever memory allows, side by side where there are workers.

In: a Classifier, the rows of a step.  Out: a gradient in every parameter that is trained, and the step's loss.
Not here: the optimizer and the epochs (epoch.py, loop.py), which rows go together (micro_batches.py), several processes
(crew_steps.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import torch
from torch import Tensor

from liftune.errors import lacks_memory
from liftune.events import Events
from liftune.hardware.measure import release_memory
from liftune.hardware.pass_notes import NO_NOTE, PassNote
from liftune.hardware.workers import ONE_WORKER, Workers
from liftune.models.classifier import Classifier
from liftune.models.tokens.collator import Tokens
from liftune.training.loss import Objective
from liftune.training.micro_batches import assign_to_workers
from liftune.training.smaller_passes import hold_step, largest_pass, smaller_passes
from liftune.types import IntArray

#: For callers who have no listeners.
NOBODY_LISTENS = Events()


@dataclass(frozen=True)
class Step:
    """What a part of a step must know of the whole."""

    rows: Sequence[int]
    """All of them: the loss is their mean."""
    ranks: int
    """Processes that compute some of them: each has as large a share of the method's penalty."""
    passes: int = 0
    """That every process computes, where they go through each layer together; 0 where they do not."""


@dataclass(frozen=True)
class StepGradients:
    """What the gradients of every step need."""

    classifier: Classifier
    objective: Objective
    rows: Tokens
    note: PassNote = NO_NOTE
    """What a process knows that goes on after one that died in a pass."""

    @cached_property
    def parameters(self) -> list[torch.nn.Parameter]:
        """Those that training changes."""
        return [parameter for _, parameter in self.classifier.trainable()]

    def taken(self) -> tuple[list[Tensor], list[bool]]:
        """Each parameter's gradient, zeros where it has none; and which have one."""
        has = [parameter.grad is not None for parameter in self.parameters]
        return [torch.zeros_like(each) if each.grad is None else each.grad for each in self.parameters], has

    def clear(self) -> None:
        """No parameter has a gradient."""
        for parameter in self.parameters:
            parameter.grad = None

    def gradients(
        self,
        batch: IntArray,
        lengths: Sequence[int],
        workers: Workers = ONE_WORKER,
        events: Events = NOBODY_LISTENS,
        of: Step | None = None,
    ) -> float:
        """Those of one step's mean loss; returns that loss. Where memory is short, in passes of half the size.

        The plan keeps the size that fitted. The step draws what it would have drawn in such passes.

        Args:
            of: the step, where `batch` is a part of it.

        Raises:
            OutOfMemory: there is not enough for passes of one row.
        """
        if of and of.passes:
            return self.backward(assign_to_workers(batch, lengths, self.classifier.plan), workers, of)
        if not len(batch):
            return 0.0
        put_back = hold_step(self.classifier, workers)
        while True:
            plan = self.classifier.plan
            shares = assign_to_workers(batch, lengths, plan)
            try:
                with self.note.trying(largest_pass(shares, lengths, plan)):
                    return self.backward(shares, workers, of)
            except Exception as error:
                if not lacks_memory(error):
                    raise
                plan = smaller_passes(plan, shares, lengths, error)
            # Out of the handler: the error holds frames that hold the memory.
            self.clear()
            put_back()
            release_memory()
            self.classifier.plan = plan
            events.note(f"  memory ran short in a pass: from here on, {plan.most_tokens:,} tokens a pass at most")

    def backward(self, shares: list[list[list[int]]], workers: Workers = ONE_WORKER, of: Step | None = None) -> float:
        """Gradients of one step's mean loss, summed over its passes; returns that loss.

        Args:
            shares: rows, by worker and pass.
            of: the step, where these are a part of it.
        """
        passes = [rows for share in shares for rows in share]
        weight = self.objective.weight([row for rows in passes for row in rows] if of is None else of.rows)
        count = len(passes) * (1 if of is None else of.ranks)
        if len(workers) == 1:
            total = 0.0
            for rows in passes:
                loss = self.loss(rows, weight, count)
                torch.autograd.backward(loss)
                total += float(loss.detach())
            if of:
                for _ in range(of.passes - len(passes)):  # the others compute one more
                    torch.autograd.backward(self.loss(list(of.rows[:1]), weight, 1) * 0.0)
            return total

        def gradients(share: list[list[int]]) -> tuple[float, list[Tensor | None]]:
            total = 0.0
            summed: list[Tensor | None] = [None] * len(self.parameters)
            for rows in share:
                loss = self.loss(rows, weight, count)
                summed = list(map(_sum, summed, torch.autograd.grad(loss, self.parameters, allow_unused=True)))
                total += float(loss.detach())
            return total, summed

        # Added up here, not as each worker ends: the order, and with it the rounding, would be random.
        done = workers.map(gradients, shares)
        for parameter, each in zip(self.parameters, zip(*(summed for _, summed in done), strict=True), strict=True):
            gradient = reduce(_sum, each)
            shared = gradient is not None and any(gradient is one for one in each)
            # Autograd may give one tensor to two parameters; what is clipped in place must be the parameter's own.
            parameter.grad = gradient.clone() if shared else gradient
        return sum(loss for loss, _ in done)

    def loss(self, rows: list[int], weight: float, passes: int) -> Tensor:
        """One pass's part of the step's mean loss.

        Args:
            weight: of all of the step's rows.
            passes: of the step: each has as large a share of the method's penalty.
        """
        logits = self.classifier.forward(self.classifier.collate([self.rows[i] for i in rows]))
        loss = self.objective.loss(logits, rows) / weight
        method = self.classifier.method
        if method and method.penalty:
            loss = loss + method.penalty(self.classifier.model) / passes
        return loss


def _sum(one: Tensor | None, other: Tensor | None) -> Tensor | None:
    """Of two gradients; None is none."""
    if one is None or other is None:
        return other if one is None else one
    return one + other
