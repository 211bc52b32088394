"""The epoch that is kept: the best by validation, the start being one of them.

In: scores on validation, epoch by epoch.  Out: the weights of the best, a log, why training ended.
Not here: training (train.py), how scores are made (evidence/).
"""

from __future__ import annotations

import math
from typing import Any

from liftune.errors import LiftuneError
from liftune.events import EpochEnded
from liftune.metrics.registry import METRICS
from liftune.models.classifier import Classifier
from liftune.records.training import Epoch


class BestCheckpoint:
    """The best epoch so far, by validation, the start counting as epoch 0; says when to stop."""

    def __init__(self, metric: str, patience: int, epochs: int) -> None:
        self.metric, self.patience, self.epochs = metric, patience, epochs
        self.sign = 1.0 if METRICS[metric].higher_is_better else -1.0
        self.log: list[Epoch] = []
        self.before: dict[str, float | None] | None = None
        self.score = self.latest = -math.inf
        self.epoch = 0
        self.state: Any = None
        self.stopped = ""

    def start(self, found: dict[str, float | None], classifier: Classifier) -> None:
        """Take in what there is before the first step: no epoch that is worse will be kept."""
        self.before = found
        self.score, self.state = self._signed(found), classifier.snapshot()

    def see(
        self, epoch: int, found: dict[str, float | None], loss: float, seconds: float, rows: int, classifier: Classifier
    ) -> None:
        """Take an epoch in; keep its weights if it is the best. A tie goes to the later epoch."""
        self.log.append(
            Epoch(epoch=epoch, train_loss=loss, validation=found, seconds=seconds, rows_per_second=rows / seconds)
        )
        self.latest = self._signed(found)
        if self.latest >= self.score or self.state is None:
            self.score, self.epoch, self.state = self.latest, epoch, classifier.snapshot()
        elif epoch - max(self.epoch, 1) >= self.patience and epoch < self.epochs:
            self.stopped = f"validation {self.metric} did not improve for {self.patience} epochs"

    def _signed(self, found: dict[str, float | None]) -> float:
        value = found.get(self.metric)
        return -math.inf if value is None else self.sign * value

    def diverged(self, epoch: int, learning_rate: float) -> None:
        """The loss is not a number: keep the best epoch, or give up where there is none."""
        self.stopped = f"the loss stopped being a number in epoch {epoch}"
        if not self.log:
            raise LiftuneError(
                f"{self.stopped}, at a learning rate of {learning_rate:g}",
                where="--lr",
                hint=f"try --lr {learning_rate / 5:g}",
            )

    def newest(self) -> EpochEnded:
        """The newest evaluation, for listeners."""
        if not self.log:
            return EpochEnded(0, self.epochs, self.metric, self.before or {}, best=True)
        last = self.log[-1]
        return EpochEnded(
            last.epoch,
            self.epochs,
            self.metric,
            last.validation,
            loss=last.train_loss,
            rows_per_second=last.rows_per_second,
            best=self.epoch == last.epoch,
        )
