"""The training loop, readable top to bottom.

In: a Classifier, the rows, a Schedule.  Out: the same Classifier at its best epoch, and a TrainLog.
Not here: the steps of an epoch (epoch.py), how many there are (schedule.py), which epoch is kept (early_stopping.py),
which parameters are trained (models/), the loss (loss.py), what a run does around it (workflows/).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from accelerate.utils import set_seed

from liftune.baselines.soft_labels import SoftLabels
from liftune.data.splits import Splits
from liftune.evaluation.evaluate import Evaluation, selection_scores
from liftune.events import EpochStarted, Events
from liftune.hardware.pass_notes import NO_NOTE, PassNote
from liftune.hardware.workers import Workers
from liftune.launch import RankLost
from liftune.models.classifier import Classifier
from liftune.records.training import TrainLog
from liftune.spec import TrainSpec
from liftune.training.checkpoint import PASSES, Checkpoints, Keeper, fits, open_keeper
from liftune.training.divergence import Retreat, is_finite
from liftune.training.early_stopping import SLOWER, BestCheckpoint
from liftune.training.epoch import Loop
from liftune.training.gradients import NOBODY_LISTENS
from liftune.training.head_init import init_head
from liftune.training.nested import Nested
from liftune.training.new_labels import fit_new_labels
from liftune.training.schedule import Schedule, default_patience
from liftune.training.state import Place, TrainingState
from liftune.training.train_log import train_log


def train(
    classifier: Classifier,
    splits: Splits,
    spec: TrainSpec,
    schedule: Schedule,
    *,
    metric: str,
    seed: int,
    events: Events = NOBODY_LISTENS,
    soft_labels: SoftLabels | None = None,
    checkpoints: Checkpoints | None = None,
    lead: float = 0.0,
) -> TrainLog:
    """Tune the classifier on train; leave it at the best epoch on validation, epoch 0 included.

    Args:
        classifier: newly attached.
        metric: chooses the epoch.
        seed: of row order and dropout. Same seed, same machine, same result.
        events: are sent each epoch and step.
        soft_labels: of train's rows, in their order; None learns from the labels alone. They have their share of the
            targets until the classifier is as good on validation as the baseline they come from: later they would hold
            it back.
        checkpoints: where training is saved, and gone on from where an earlier process ended; the result is the same
            to the last bit, but for the seconds.
        lead: see `BestCheckpoint`.

    Raises:
        LiftuneError: the loss stopped being a number before an epoch was finished, at a fifth of the rate too.
        Stopped: checkpoints say that a stop is wanted, and training is saved.
    """
    set_seed(seed)
    asked = (classifier, splits, spec, schedule, soft_labels)
    keeper = open_keeper(checkpoints, *asked, metric=metric, seed=seed, events=events) if checkpoints else None
    before = keeper.finished_before(classifier) if keeper else None
    if before:
        return before
    note = PassNote(checkpoints.folder / PASSES) if checkpoints else NO_NOTE
    loop = Loop.of(*asked, note=note, seed=seed)
    best = BestCheckpoint(metric, spec.patience or default_patience(schedule.epochs), schedule.epochs, lead)
    training = Training.of(loop, splits, schedule, best, keeper, events, soft_labels, seed=seed)
    saved = keeper.newest() if keeper else None
    if saved and checkpoints:
        training.go_on_from(saved, checkpoints.folder)
    else:
        _begin(loop, splits, best, events, seed)
    _heed(note, classifier, events)
    training.run()
    classifier.restore(best.state)
    classifier.fold_target_scale()
    log = train_log(best, training.place, schedule, spec, loop.rows, soft_labels, seed)
    if keeper:
        keeper.finish(lambda: {"log": log.model_dump(), **training.state.trained()})
    return log


@dataclass
class Training:
    """A training between two epochs: what it works with, and what changes."""

    loop: Loop
    splits: Splits
    schedule: Schedule
    soft_labels: SoftLabels | None
    state: TrainingState
    retreat: Retreat
    order: np.random.Generator
    """Draws the order of the rows in each epoch."""
    keeper: Keeper | None
    events: Events

    @classmethod
    def of(
        cls,
        loop: Loop,
        splits: Splits,
        schedule: Schedule,
        best: BestCheckpoint,
        keeper: Keeper | None,
        events: Events,
        soft_labels: SoftLabels | None,
        *,
        seed: int,
    ) -> Training:
        """Before the first step."""
        order = np.random.default_rng(seed)
        place = Place(with_soft_labels=bool(soft_labels), order=dict(order.bit_generator.state))
        state = TrainingState(loop.classifier, loop.optimizer, loop.scheduler, best, place)
        retreat = Retreat(loop.classifier, loop.optimizer, loop.scheduler, schedule, events)
        return cls(loop, splits, schedule, soft_labels, state, retreat, order, keeper, events)

    @property
    def place(self) -> Place:
        """How far it is."""
        return self.state.place

    @property
    def best(self) -> BestCheckpoint:
        """The best epoch so far."""
        return self.state.best

    def go_on_from(self, saved: Nested, folder: Path) -> None:
        """Put a saved state back.

        Raises:
            ArtifactError: it does not fit; naming the folder.
        """
        fits(folder, lambda: self.state.restore(saved))
        self.order.bit_generator.state = self.place.order
        self.events.note(f"  going on after step {self._step:,} of {self.schedule.steps:,}")
        if self.soft_labels and not self.place.with_soft_labels:
            self.loop = self.loop.on_labels_alone(self.splits)

    def run(self) -> None:
        """All epochs that are left, or as many as still help; one whose rate was too high is run again."""
        while self.place.epoch <= self.schedule.epochs and not self.best.stopped:
            losses = self._epoch()
            if self.loop.jumped(self.place):
                self._again_after(self.retreat.halve)
            elif math.isfinite(losses[-1]) and is_finite(self.loop.classifier):
                self._score(losses)
            elif not self.place.slowed:
                self._again_after(self.retreat.go_back)
            else:
                rate = self.schedule.learning_rate * self.place.rate_share * SLOWER
                self.best.diverged(self.place.epoch, self.place.steps + len(losses), rate)
                self.place.next_epoch({})
                return

    @property
    def _step(self) -> int:
        """The last one taken, over all epochs."""
        return self.place.steps + len(self.place.losses)

    def _epoch(self) -> list[float]:
        """The losses of one pass over train, or of what is left of it."""
        rows, place = len(self.loop.rows), self.place
        done_rows = min(len(place.losses) * self.schedule.batch_size, rows)
        self.events.send(EpochStarted(place.epoch, self.schedule.epochs, rows, done_rows))
        return self.loop.epoch(place, self.order.permutation(rows), self.events, self._save)

    def _save(self, workers: Workers, lost: RankLost | None = None) -> None:
        """Between two steps, where it is time to; or at once."""
        if self.keeper:
            self.keeper.offer(lambda: self.state.read(workers.random_states()), step=self._step, lost=lost)

    def _again_after(self, go_back: Callable[[Place, BestCheckpoint], None]) -> None:
        """Go back, and visit the rows of the epoch in the same order."""
        go_back(self.place, self.best)
        self.order.bit_generator.state = self.place.order

    def _score(self, losses: Sequence[float]) -> None:
        """The epoch on validation, and what follows from that for the next one."""
        classifier, place, best = self.loop.classifier, self.place, self.best
        scores = scored(classifier, self.splits)
        best.update(place.epoch, scores, float(np.mean(losses)), place.seconds, len(self.loop.rows), classifier)
        self.events.send(best.summary())
        place.next_epoch(dict(self.order.bit_generator.state))
        if best.stopped:
            return
        if self.soft_labels and self.loop.with_soft_labels and best.latest >= self.soft_labels.score:
            self.loop, place.with_soft_labels = self.loop.on_labels_alone(self.splits), False
        if self.keeper and place.epoch <= self.schedule.epochs:
            self.keeper.offer(self.state.read, step=place.steps, epoch_ended=True)


def _begin(loop: Loop, splits: Splits, best: BestCheckpoint, events: Events, seed: int) -> None:
    """What comes before the first step: a fitted head, and how good the start is."""
    classifier = loop.classifier
    if loop.spec.head == "fitted":
        init_head(classifier, splits, seed=seed)
    if loop.spec.head == "fitted" and classifier.backbone.added_labels:
        fit_new_labels(classifier, splits, seed=seed)
    if classifier.backbone.head == "trained" or loop.spec.head == "fitted":  # a random head has nothing to lose
        best.set_baseline(scored(classifier, splits), classifier)
        events.send(best.summary())


def _heed(note: PassNote, classifier: Classifier, events: Events) -> None:
    """Compute in smaller passes where an earlier process died in a larger one."""
    if note.most is None or note.most >= classifier.plan.most_tokens:
        return
    classifier.plan = classifier.plan.in_passes_of(note.most, note.said or "a process died in a larger pass")
    events.note(
        f"  {note.said}" if note.said else f"  {note.most:,} tokens a pass at most: a process died in a larger one"
    )


def scored(classifier: Classifier, splits: Splits) -> dict[str, float | None]:
    """Every metric of the task on validation."""
    logits = classifier.logits(splits.validation.rows)
    return selection_scores(Evaluation.of("validation", logits, splits, splits.validation))
