"""Optimizer steps whose rows are dealt out over several processes.

In: a step's rows.  Out: in the first process, the gradient that it would have computed alone, but for rounding.
Not here: a process's own passes (gradients.py), the optimizer (epoch.py: the first process's alone), how processes
speak (hardware/ranks.py).

Each step the first process gives the others its weights; each computes the gradient of its rows' part of the step's
mean loss; and the sum of them all comes back to the first. See docs/adr/0016.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import torch

from liftune.events import Events
from liftune.hardware.ranks import Failure
from liftune.hardware.workers import ONE_WORKER, Workers, open_workers
from liftune.launch import Launch, OutOfStep, RankLost
from liftune.models.classifier import Classifier
from liftune.models.crew import Crew, leading
from liftune.models.helper import Helper, as_failure, moving, seed_of
from liftune.training.gradients import NOBODY_LISTENS, Step, StepGradients
from liftune.training.loss import Objective
from liftune.training.micro_batches import assign_to_workers, deal_to_ranks
from liftune.training.smaller_passes import hold_step
from liftune.types import IntArray


def shared(steps: StepGradients, *, seed: int) -> StepGradients:
    """The same gradients, computed by all processes that hold the classifier; by this one where no other does.

    Args:
        seed: of what the others draw.
    """
    held = leading(steps.classifier)
    if held is None:
        return steps
    crew, key = held
    return SharedSteps(steps.classifier, steps.objective, steps.rows, steps.note, crew, key, seed)


@dataclass(frozen=True)
class SharedSteps(StepGradients):
    """In the first process."""

    crew: Crew = field(default_factory=Crew)
    key: int = 0
    """Of the classifier."""
    seed: int = 0

    def gradients(
        self,
        batch: IntArray,
        lengths: Sequence[int],
        workers: Workers = ONE_WORKER,
        events: Events = NOBODY_LISTENS,
        of: Step | None = None,
    ) -> float:
        """See `StepGradients`.

        Raises:
            RankLost: a process is gone; this one is as it was before the step.
        """
        group = self.crew.group
        assert group is not None
        put_back = hold_step(self.classifier, workers)
        mine, whole = part_of(batch, lengths, group.here, self.classifier)
        loss, failed = 0.0, None
        try:
            self.begun  # noqa: B018 - once
            with self.crew.asking(TakeStep(batch, seed_of(self.seed, batch.tobytes()))) as answers:
                group.share(moving(self.classifier))
                try:
                    loss = super().gradients(mine, lengths, workers, events, whole)
                except Exception as error:  # the others wait at the sum; it is raised after that
                    if whole.passes:
                        raise OutOfStep(error) from error
                    failed = error
                tensors, has = self.taken()
                group.sum_up(tensors)
                if failed:
                    raise failed
                theirs = answers()
        except RankLost:
            self.clear()
            put_back()
            raise
        for i, parameter in enumerate(self.parameters):
            parameter.grad = tensors[i] if has[i] or any(each[1][i] for each in theirs) else None
        return math.fsum([loss, *(each[0] for each in theirs)])

    @cached_property
    def begun(self) -> bool:
        """The helpers know what is trained, on what, and what for; another objective makes other SharedSteps."""
        self.crew.ask(Begin(self.key, self.crew.hold(self.rows), self.objective))
        return True


def part_of(batch: IntArray, lengths: Sequence[int], here: Launch, classifier: Classifier) -> tuple[IntArray, Step]:
    """This rank's rows of a step, and what it must know of the others'."""
    every = deal_to_ranks(batch, lengths, here.size)
    passes = 0
    if classifier.in_step:
        passes = max(sum(map(len, assign_to_workers(rows, lengths, classifier.plan))) for rows in every)
    return every[here.rank], Step(batch.tolist(), sum(1 for rows in every if len(rows)), passes)


@dataclass(frozen=True)
class Begin:
    """What the steps from here on are of."""

    key: int
    tokens: int
    objective: Objective

    def run(self, helper: Helper) -> None:
        """See `Command`."""
        rows = helper.tokens[self.tokens]
        helper.training = StepGradients(helper.classifiers[self.key][0], self.objective, rows)


@dataclass(frozen=True)
class TakeStep:
    """A helper's part of a step."""

    batch: IntArray
    seed: int

    def run(self, helper: Helper) -> tuple[float, list[bool]] | Failure:
        """The loss of its rows, and which parameters have a gradient; the gradients themselves are summed up."""
        steps, here = helper.training, helper.group.here
        assert isinstance(steps, StepGradients)
        classifier = steps.classifier
        helper.group.share(moving(classifier))
        torch.manual_seed(seed_of(self.seed, here.rank))
        loss, failure = 0.0, None
        classifier.model.train()
        try:
            lengths = steps.rows.lengths.tolist()
            mine, whole = part_of(self.batch, lengths, here, classifier)
            with open_workers(classifier.plan.workers, random=True) as workers:
                loss = steps.gradients(mine, lengths, workers, of=whole)
        except Exception as error:  # the others wait at the sum
            if classifier.in_step:
                raise OutOfStep(error) from error
            steps.clear()
            failure = as_failure(error)
        tensors, has = steps.taken()
        helper.group.sum_up(tensors)
        steps.clear()
        classifier.model.eval()
        return failure or (loss, has)
