"""Which epoch is kept: the best on validation, epoch 0 included.

In: scores on validation, epoch by epoch.  Out: the weights of the best, a log, why training ended.
Not here: training (loop.py), how scores are computed (evaluation/).
"""

from __future__ import annotations

import math
from typing import Any

from liftune.errors import LiftuneError
from liftune.events import EpochEnded
from liftune.metrics.registry import METRICS
from liftune.models.classifier import Classifier
from liftune.records.training import Epoch

#: Where the loss stops being a number, training goes on once at a rate divided by this.
SLOWER = 5
#: Why training ended at a start that it cannot be seen to improve.
UNSEEN = "validation has too few rows to see whether tuning improves the start, which is kept"


class BestCheckpoint:
    """The best epoch on validation so far, the start counting as epoch 0; says when to stop.

    Args:
        lead: by more than this an epoch must score better than the start to be kept; 0 where equal is enough. Where it
            is infinite, training ends before its first step.
    """

    def __init__(self, metric: str, patience: int, epochs: int, lead: float = 0.0) -> None:
        self.metric, self.patience, self.epochs, self.lead = metric, patience, epochs, lead
        self.sign = METRICS[metric].sign
        self.log: list[Epoch] = []
        self.before: dict[str, float | None] | None = None
        self.score = self.latest = -math.inf
        self.epoch = 0
        self.gained, self.most = 0, (-math.inf, -math.inf)
        """The epoch in which validation last gained, and its score and minus its log-loss there."""
        self.state: Any = None
        self.stopped = ""

    def set_baseline(self, scores: dict[str, float | None], classifier: Classifier) -> None:
        """Set the scores and weights before the first step: no worse epoch is kept.

        Args:
            scores: on validation, by metric.
        """
        self.before = scores
        self.score, self.state = self._signed(scores), classifier.snapshot()
        if math.isinf(self.lead):
            self.stopped = UNSEEN

    def update(
        self,
        epoch: int,
        scores: dict[str, float | None],
        loss: float,
        seconds: float,
        rows: int,
        classifier: Classifier,
    ) -> None:
        """Log an epoch; keep its weights if it is the best. A tie goes to the later epoch, but is no gain.

        Validation gains by a better score, or at the same score by a lower log-loss; training stops once it has not
        for as many epochs as patience says, unless the last epoch has come. Few rows often score the same again and
        again: if that were a gain, nothing would end before all epochs ran.

        Args:
            scores: on validation, by metric.
            loss: mean over the steps of the epoch.
            rows: trained on in the epoch.
        """
        self.log.append(
            Epoch(epoch=epoch, train_loss=loss, validation=scores, seconds=seconds, rows_per_second=rows / seconds)
        )
        self.latest = self._signed(scores)
        if self._beats() or self.state is None:
            self.score, self.epoch, self.state = self.latest, epoch, classifier.snapshot()
        now = (self.latest, -(scores.get("log_loss") or 0.0))
        if now > self.most or not self.gained:
            self.gained, self.most = epoch, now
        elif epoch - self.gained >= self.patience and epoch < self.epochs and not self.stopped:
            self.stopped = f"validation {self.metric} did not improve for {self.patience} epochs"

        if not self.epoch and not self._can_beat_the_start() and epoch < self.epochs:
            self.stopped = f"no epoch's validation {self.metric} could be better than the start's by more than chance"

    def _beats(self) -> bool:
        """Whether the latest epoch is to be kept; before one is, it must lead the start."""
        if self.lead and not self.epoch:
            return self.latest > self.score + self.lead
        return self.latest >= self.score

    def _can_beat_the_start(self) -> bool:
        low, high = METRICS[self.metric].bounds
        return not self.lead or self.score + self.lead < max(self.sign * low, self.sign * high)

    def saved(self) -> dict[str, Any]:
        """All of it but what it was made with, as tensors and what JSON holds."""
        values = {
            name: getattr(self, name) for name in ("before", "score", "latest", "epoch", "gained", "state", "stopped")
        }
        return values | {"most": list(self.most), "log": [epoch.model_dump() for epoch in self.log]}

    def restore(self, saved: dict[str, Any]) -> None:
        """Go on from what `saved` gave."""
        values = {
            **saved,
            "most": tuple(saved.get("most", self.most)),
            "log": [Epoch.model_validate(epoch) for epoch in saved["log"]],
        }
        for name, value in values.items():
            setattr(self, name, value)

    def _signed(self, scores: dict[str, float | None]) -> float:
        value = scores.get(self.metric)
        return -math.inf if value is None else self.sign * value

    def diverged(self, epoch: int, step: int, learning_rate: float) -> None:
        """The loss is not a finite number, at a fifth of the rate too: keep the best epoch.

        Args:
            step: over all epochs.
            learning_rate: the peak that was asked for.

        Raises:
            LiftuneError: no epoch was finished.
        """
        slower = learning_rate / SLOWER
        self.stopped = f"the loss stopped being a number in epoch {epoch}, at a learning rate of {slower:g} too"
        if not self.log:
            raise LiftuneError(
                f"{self.stopped}, after {learning_rate:g}",
                where=f"step {step:,}",
                hint=f"try --lr {slower / SLOWER:g}, a smaller --max-grad-norm, or --accelerations none",
            )

    def summary(self) -> EpochEnded:
        """The latest evaluation, for listeners."""
        if not self.log:
            return EpochEnded(0, 0 if self.stopped else self.epochs, self.metric, self.before or {}, best=True)
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
