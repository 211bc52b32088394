"""What training does where its rate is too high: it goes back, and goes on more slowly.

Where its numbers stop being finite it goes on at a fifth of the rate, once; where the loss of its first steps jumps, at
half of it, HALVINGS times at most.

In: a classifier in training, the best epoch so far.  Out: the same, as it was then, at a lower rate.
Not here: which epoch is the best, and the error where it happens again (early_stopping.py).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn.modules.batchnorm import _BatchNorm

from liftune.events import Events
from liftune.models.classifier import Classifier
from liftune.training.early_stopping import SLOWER, BestCheckpoint
from liftune.training.schedule import Schedule
from liftune.training.state import Place

#: Steps that are looked at for a jump; losses whose mean is compared; how often the rate is halved at most.
FIRST_STEPS, WINDOW, HALVINGS = 64, 8, 3


def jumps(losses: Sequence[float], chance: float) -> bool:
    """Whether the loss of the first steps has jumped.

    It has where its mean over the last WINDOW steps is above that of always giving the same answer, and above that of
    the first WINDOW steps by half as much: what a too high rate does, and few rows of bad luck do not.

    Args:
        losses: of the first steps, one each.
        chance: the loss of knowing nothing.

    >>> jumps([0.3] * 8 + [0.9] * 8, 0.69), jumps([0.69] * 8 + [0.9] * 8, 0.69), jumps([0.1] * 8 + [0.6] * 8, 0.69)
    (True, False, False)
    """
    if not 2 * WINDOW <= len(losses) <= FIRST_STEPS:
        return False
    before, now = float(np.mean(losses[:WINDOW])), float(np.mean(losses[-WINDOW:]))
    return now > chance and now > before + chance / 2


def is_finite(classifier: Classifier) -> bool:
    """Whether every trained number is."""
    return all(bool(torch.isfinite(parameter).all()) for _, parameter in classifier.trainable())


class Retreat:
    """Made before the first step, of which it holds what no epoch keeps.

    Args:
        optimizer: loses its moments, which may not be finite.
    """

    def __init__(
        self,
        classifier: Classifier,
        optimizer: torch.optim.Optimizer,
        scheduler: torch.optim.lr_scheduler.LRScheduler,
        schedule: Schedule,
        events: Events,
    ) -> None:
        self._classifier, self._scheduler, self._schedule, self._events = classifier, scheduler, schedule, events
        self._optimizer: Any = getattr(optimizer, "optimizer", optimizer)  # accelerate's holds the plain one
        self._start = classifier.snapshot()
        method = classifier.method
        self._method_state = copy.deepcopy(method.state(classifier.model)) if method and method.state else None
        norms = [module for module in classifier.model.modules() if isinstance(module, _BatchNorm)]
        self._means = [(buffer, buffer.clone()) for module in norms for buffer in module.buffers()]

    def go_back(self, place: Place, best: BestCheckpoint) -> None:
        """Where numbers are not finite: on at a fifth of the rate."""
        place.slowed = self._slower(place, best, SLOWER, "the loss stopped being a number")

    def halve(self, place: Place, best: BestCheckpoint) -> None:
        """Where the loss has jumped: on at half the rate."""
        said = self._slower(place, best, 2, "the loss jumped")
        place.halved = [*place.halved, said]
        place.first = place.first[:WINDOW]  # of the same start: what follows is compared with them

    def _slower(self, place: Place, best: BestCheckpoint, divisor: int, why: str) -> str:
        """To the best epoch so far, or to the start; the epoch in which it happened is run again.

        Returns:
            what happened, which is noted.
        """
        step, classifier = place.steps + len(place.losses), self._classifier
        classifier.restore(self._start if best.state is None else best.state)
        method = classifier.method
        if method and method.restore_state and self._method_state is not None:
            method.restore_state(classifier.model, copy.deepcopy(self._method_state))
        with torch.no_grad():
            for buffer, before in self._means:
                buffer.copy_(before)
        rate = self._schedule.learning_rate * place.rate_share
        place.rate_share /= divisor
        self._slow_down(place.steps, divisor)
        where = f"epoch {best.epoch}" if best.epoch else "the start"
        said = (
            f"{why} at step {step:,}, in epoch {place.epoch}, at a learning rate of "
            f"{rate:g}: training went back to {where} and on at {rate / divisor:g}"
        )
        self._events.note(f"  {said}")
        place.losses, place.seconds, place.workers = [], 0.0, []
        return said

    def _slow_down(self, steps: int, divisor: int) -> None:
        optimizer, scheduler = self._optimizer, self._scheduler
        optimizer.zero_grad()
        optimizer.state.clear()
        scheduler.base_lrs = [rate / divisor for rate in scheduler.base_lrs]
        scheduler.last_epoch = steps
        rates = [rate * self._schedule.factor(steps) for rate in scheduler.base_lrs]
        for group, base, rate in zip(optimizer.param_groups, scheduler.base_lrs, rates, strict=True):
            group["initial_lr"], group["lr"] = base, rate
        scheduler._last_lr = rates
