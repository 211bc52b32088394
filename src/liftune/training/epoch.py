"""One epoch of training: the steps of a pass over train.

In: a Classifier, the rows, a Schedule; the order of an epoch.  Out: the loss of each step; the Classifier after them.
Not here: what comes before, between and after epochs (loop.py), the gradients of one step (gradients.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch

from liftune.baselines.soft_labels import SoftLabels
from liftune.data.splits import Splits
from liftune.events import Events, Step
from liftune.hardware.pass_notes import NO_NOTE, PassNote
from liftune.hardware.workers import Workers, open_workers
from liftune.launch import RankLost
from liftune.models.classifier import Classifier
from liftune.models.tokens.collator import Tokens
from liftune.spec import TrainSpec
from liftune.training.crew_steps import shared
from liftune.training.divergence import FIRST_STEPS, HALVINGS, jumps
from liftune.training.gradients import StepGradients
from liftune.training.loss import Objective
from liftune.training.micro_batches import batches
from liftune.training.optimizer import make_optimizer
from liftune.training.schedule import Schedule
from liftune.training.state import Place
from liftune.types import IntArray


@dataclass(frozen=True)
class Loop:
    """What every step needs."""

    steps: StepGradients
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    spec: TrainSpec
    batch_size: int
    with_soft_labels: bool = False
    """Whether soft labels have a share of the targets."""
    chance: float = math.inf
    """The loss of knowing nothing."""

    @property
    def classifier(self) -> Classifier:
        """What is trained."""
        return self.steps.classifier

    @property
    def rows(self) -> Tokens:
        """Train."""
        return self.steps.rows

    @classmethod
    def of(
        cls,
        classifier: Classifier,
        splits: Splits,
        spec: TrainSpec,
        schedule: Schedule,
        soft_labels: SoftLabels | None = None,
        *,
        note: PassNote = NO_NOTE,
        seed: int = 0,
    ) -> Loop:
        """Tokenise train, once, and make the objective and the optimizer.

        Args:
            note: what a process knows that goes on after one that died in a pass.
            seed: of what other processes draw that take part in the steps.
        """
        objective = Objective.of(
            classifier,
            splits,
            class_weights=spec.class_weights,
            soft_labels=soft_labels.targets if soft_labels else None,
            soft_share=spec.teacher_share,
        )
        optimizer = make_optimizer(classifier, schedule.learning_rate, spec.weight_decay)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.factor)
        rows = classifier.encode(splits.train.rows)
        steps = shared(StepGradients(classifier, objective, rows, note), seed=seed)
        chance = objective.chance(splits.outputs)
        soft = bool(soft_labels)
        return cls(steps, optimizer, scheduler, spec, schedule.batch_size, with_soft_labels=soft, chance=chance)

    def on_labels_alone(self, splits: Splits) -> Loop:
        """The same, without soft labels from here on."""
        objective = Objective.of(self.classifier, splits, class_weights=self.spec.class_weights)
        return replace(self, steps=replace(self.steps, objective=objective), with_soft_labels=False)

    def jumped(self, place: Place) -> bool:
        """Whether the loss has jumped in the first steps, and the rate may be halved once more."""
        return len(place.halved) < HALVINGS and jumps(place.first, self.chance)

    def epoch(self, place: Place, order: IntArray, events: Events, after_step: Callable[..., None]) -> list[float]:
        """One pass over train, or the rest of one.

        Args:
            place: where it begins; goes along with the steps.
            order: (N,) positions of the rows, as they are visited.
            after_step: is called with the workers after each step, while none works; and with the error of a process
                that was lost in one, when all is again as it was before that step.

        Returns:
            the loss of each step; the last one is not finite if training cannot go on. Where the loss has jumped, the
            last step was not taken.
        """
        self.classifier.model.train()
        lengths = self.rows.lengths.tolist()
        method = self.classifier.method
        workers_before, losses = place.workers, place.losses
        with open_workers(self.classifier.plan.workers, random=True, random_states=workers_before) as workers:
            for batch in list(batches(order, self.batch_size))[len(losses) :]:
                started = time.perf_counter()
                try:
                    losses.append(self.gradients(batch, lengths, workers, events))
                except RankLost as lost:
                    after_step(workers, lost)
                    raise
                if not math.isfinite(losses[-1]):
                    break
                if len(place.first) < FIRST_STEPS:
                    place.first.append(losses[-1])
                    if self.jumped(place):
                        break
                step = place.steps + len(losses)
                torch.nn.utils.clip_grad_norm_(self.steps.parameters, self.spec.max_grad_norm)
                rate = float(self.scheduler.get_last_lr()[0])
                self.optimizer.step()
                self.scheduler.step()
                if method and method.after_step:
                    method.after_step(self.classifier.model, step)
                self.optimizer.zero_grad()
                events.send(Step(place.epoch, step, len(batch), losses[-1], rate))
                place.seconds += time.perf_counter() - started
                after_step(workers)
        self.classifier.model.eval()
        return losses

    def gradients(self, batch: IntArray, lengths: Sequence[int], workers: Workers, events: Events) -> float:
        """Those of one step's mean loss; returns that loss."""
        return self.steps.gradients(batch, lengths, workers, events)
