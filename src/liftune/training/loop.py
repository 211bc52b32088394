"""The training loop, readable top to bottom.

In: a Classifier, the rows, a Schedule.  Out: the same Classifier at its best epoch, and a TrainLog.
Not here: how many steps (schedule.py), the gradients of one (gradients.py), which epoch is kept (early_stopping.py),
which parameters are trained (models/), the loss (loss.py), what a run does around it (workflows/).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from accelerate.utils import set_seed

from liftune.baselines.soft_labels import SoftLabels
from liftune.data.splits import Splits
from liftune.evaluation.evaluate import Evaluation, selection_scores
from liftune.events import EpochStarted, Events, Step
from liftune.hardware.pass_notes import NO_NOTE, PassNote
from liftune.hardware.workers import Workers, open_workers
from liftune.launch import RankLost
from liftune.models.classifier import Classifier
from liftune.models.tokens.collator import Tokens
from liftune.records.training import TrainLog
from liftune.spec import TrainSpec
from liftune.training.checkpoint import PASSES, Checkpoints, fits, open_keeper
from liftune.training.crew_steps import shared
from liftune.training.divergence import FIRST_STEPS, HALVINGS, Retreat, is_finite, jumps
from liftune.training.early_stopping import SLOWER, BestCheckpoint
from liftune.training.gradients import NOBODY_LISTENS, StepGradients
from liftune.training.head_init import init_head
from liftune.training.loss import Objective
from liftune.training.micro_batches import batches
from liftune.training.new_labels import fit_new_labels
from liftune.training.optimizer import make_optimizer
from liftune.training.schedule import Schedule, default_patience
from liftune.training.state import Place, TrainingState
from liftune.training.train_log import train_log
from liftune.types import IntArray


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
    order = np.random.default_rng(seed)
    place = Place(with_soft_labels=bool(soft_labels), order=dict(order.bit_generator.state))
    state = TrainingState(classifier, loop.optimizer, loop.scheduler, best, place)
    retreat = Retreat(classifier, loop.optimizer, loop.scheduler, schedule, events)
    saved = keeper.newest() if keeper else None
    if saved and checkpoints:
        fits(checkpoints.folder, lambda: state.restore(saved))
        place, order.bit_generator.state = state.place, state.place.order
        events.note(f"  going on after step {place.steps + len(place.losses):,} of {schedule.steps:,}")
        if soft_labels and not place.with_soft_labels:
            loop = loop.on_labels_alone(splits)
    else:
        _begin(loop, splits, best, events, seed)
    _heed(note, classifier, events)

    def save(workers: Workers, lost: RankLost | None = None) -> None:
        """Between two steps, where it is time to; or at once."""
        if keeper:
            step = place.steps + len(place.losses)
            keeper.offer(lambda: state.read(workers.random_states()), step=step, lost=lost)

    while place.epoch <= schedule.epochs and not best.stopped:
        done_rows = min(len(place.losses) * schedule.batch_size, len(loop.rows))
        events.send(EpochStarted(place.epoch, schedule.epochs, len(loop.rows), done_rows))
        losses = loop.epoch(place, order.permutation(len(loop.rows)), events, save)
        if loop.jumped(place):
            retreat.halve(place, best)
            order.bit_generator.state = place.order
            continue
        if not math.isfinite(losses[-1]) or not is_finite(classifier):
            if not place.slowed:
                retreat.go_back(place, best)
                order.bit_generator.state = place.order
                continue
            best.diverged(place.epoch, place.steps + len(losses), schedule.learning_rate * place.rate_share * SLOWER)
            place.next_epoch({})
            break
        scores = scored(classifier, splits)
        best.update(place.epoch, scores, float(np.mean(losses)), place.seconds, len(loop.rows), classifier)
        events.send(best.summary())
        place.next_epoch(dict(order.bit_generator.state))
        if best.stopped:
            break
        if soft_labels and loop.with_soft_labels and best.latest >= soft_labels.score:
            loop, place.with_soft_labels = loop.on_labels_alone(splits), False
        if keeper and place.epoch <= schedule.epochs:
            keeper.offer(state.read, step=place.steps, epoch_ended=True)
    classifier.restore(best.state)
    classifier.fold_target_scale()
    log = train_log(best, place, schedule, spec, loop.rows, soft_labels, seed)
    if keeper:
        keeper.finish(lambda: {"log": log.model_dump(), **state.trained()})
    return log


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
