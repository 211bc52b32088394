"""What training does where its numbers stop being finite: it goes back, once, and goes on more slowly.

In: a classifier in training, the best epoch so far.  Out: the same, as it was then, at a fifth of the rate.
Not here: which epoch is the best, and the error where it happens again (early_stopping.py).
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from liftune.events import Events
from liftune.models.classifier import Classifier
from liftune.training.early_stopping import SLOWER, BestCheckpoint
from liftune.training.schedule import Schedule
from liftune.training.state import Place


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
        """To the best epoch so far, or to the start; the epoch in which it happened is run again."""
        step, classifier = place.steps + len(place.losses), self._classifier
        classifier.restore(self._start if best.state is None else best.state)
        method = classifier.method
        if method and method.restore_state and self._method_state is not None:
            method.restore_state(classifier.model, copy.deepcopy(self._method_state))
        with torch.no_grad():
            for buffer, before in self._means:
                buffer.copy_(before)
        self._slow_down(place.steps)
        rate = self._schedule.learning_rate
        where = f"epoch {best.epoch}" if best.epoch else "the start"
        place.slowed = (
            f"the loss stopped being a number at step {step:,}, in epoch {place.epoch}, at a learning rate of "
            f"{rate:g}: training went back to {where} and on at {rate / SLOWER:g}"
        )
        self._events.note(f"  {place.slowed}")
        place.losses, place.seconds, place.workers = [], 0.0, []

    def _slow_down(self, steps: int) -> None:
        optimizer, scheduler = self._optimizer, self._scheduler
        optimizer.zero_grad()
        optimizer.state.clear()
        scheduler.base_lrs = [rate / SLOWER for rate in scheduler.base_lrs]
        scheduler.last_epoch = steps
        rates = [rate * self._schedule.factor(steps) for rate in scheduler.base_lrs]
        for group, base, rate in zip(optimizer.param_groups, scheduler.base_lrs, rates, strict=True):
            group["initial_lr"], group["lr"] = base, rate
        scheduler._last_lr = rates
