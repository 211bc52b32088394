"""The training loop, readable top to bottom.

In: a Classifier, the rows, a Schedule.  Out: the same Classifier at its best epoch, and a TrainLog.
Not here: which parameters are trained (models/), what a run does around it (run.py).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import set_seed
from torch import Tensor
from torch.nn import functional as F

from liftune.data.rows import Splits
from liftune.errors import LiftuneError, SpecError
from liftune.evidence.evaluate import validation_scores
from liftune.hardware.plan import Plan
from liftune.metrics import METRICS
from liftune.models.classifier import Classifier
from liftune.record import Epoch, TrainLog
from liftune.report.progress import Progress
from liftune.seam import IntArray
from liftune.spec import TrainSpec
from liftune.task import TaskKind

#: Without --epochs: as many as make LEAST_ROW_VISITS (400 steps of 16), within EPOCHS; fewer, but at least two, where
#: they would make more than MOST_ROW_VISITS.
LEAST_ROW_VISITS, MOST_ROW_VISITS = 6_400, 64_000
EPOCHS = (4, 30)


@dataclass(frozen=True)
class Schedule:
    """How many steps, how large, how fast."""

    epochs: int
    batch_size: int
    steps: int
    learning_rate: float
    warmup_steps: int

    @classmethod
    def of(cls, spec: TrainSpec, *, rows: int, learning_rate: float) -> Schedule:
        """Fill in what was not asked for; `rows` are train's, `learning_rate` is the method's own."""
        epochs = spec.epochs or default_epochs(rows)
        steps = epochs * math.ceil(rows / spec.batch_size)
        warmup_steps = math.ceil(spec.warmup_fraction * steps)
        return cls(epochs, spec.batch_size, steps, spec.lr or learning_rate, warmup_steps)

    def factor(self, step: int) -> float:
        """Share of the peak learning rate at a step (0-based): linear warm-up, then linear decay to zero.

        >>> [Schedule(1, 1, 4, 1e-3, 2).factor(step) for step in range(5)]
        [0.5, 1.0, 1.0, 0.5, 0.0]
        """
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        return max(0.0, (self.steps - step) / max(1, self.steps - self.warmup_steps))


def default_epochs(rows: int) -> int:
    """Few rows are seen often, many rows seldom.

    >>> [default_epochs(rows) for rows in (100, 500, 1_080, 5_000, 16_000, 25_000, 100_000)]
    [30, 13, 6, 4, 4, 3, 2]
    """
    epochs = min(max(math.ceil(LEAST_ROW_VISITS / rows), EPOCHS[0]), EPOCHS[1])
    return min(epochs, max(2, math.ceil(MOST_ROW_VISITS / rows)))


def train(
    classifier: Classifier,
    splits: Splits,
    spec: TrainSpec,
    schedule: Schedule,
    *,
    metric: str,
    seed: int,
    progress: Progress,
) -> TrainLog:
    """Tune the classifier on train; leave it at the epoch that validation likes best.

    Args:
        metric: chooses the epoch.
        seed: of row order and dropout. Same seed, same machine, same result.

    Raises:
        LiftuneError: the loss stopped being a number before an epoch was finished.
    """
    set_seed(seed)
    order = np.random.default_rng(seed)
    accelerator = Accelerator(cpu=classifier.plan.device == "cpu")
    objective = Objective.of(classifier, splits, class_weights=spec.class_weights)
    optimizer = make_optimizer(classifier, schedule.learning_rate, spec.weight_decay)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, schedule.factor)
    optimizer = accelerator.prepare(optimizer)
    parameters = [parameter for _, parameter in classifier.trainable()]
    rows = classifier.encode(splits.train.rows)
    lengths = [len(row) for row in rows]
    best = Best(metric, spec.patience, schedule.epochs)
    steps = 0
    for epoch in range(1, schedule.epochs + 1):
        started, losses = time.perf_counter(), []
        classifier.model.train()
        with progress.bar(f"epoch {epoch} of {schedule.epochs}", len(rows)) as advance:
            for batch in batches(order.permutation(len(rows)), schedule.batch_size):
                cuts = micro_batches(batch, lengths, classifier.plan)
                losses.append(backward(classifier, objective, accelerator, rows, cuts))
                if not math.isfinite(losses[-1]):
                    break
                accelerator.clip_grad_norm_(parameters, spec.max_grad_norm)
                optimizer.step()
                scheduler.step()
                steps += 1
                if classifier.method and classifier.method.after_step:
                    classifier.method.after_step(classifier.model, steps)
                optimizer.zero_grad()
                advance(len(batch), note=f"loss {losses[-1]:.3f}")
        seconds = time.perf_counter() - started
        classifier.model.eval()
        if not math.isfinite(losses[-1]):
            best.diverged(epoch, schedule.learning_rate)
            break
        found = validation_scores(
            classifier.logits(splits.validation.rows), splits.encoded(splits.validation), splits.task
        )
        best.see(epoch, found, float(np.mean(losses)), seconds, len(rows), classifier)
        progress.say(best.line())
        if best.stopped:
            break
    classifier.restore(best.state)
    classifier.fold_target_scale()
    return TrainLog(
        seed=seed,
        learning_rate=schedule.learning_rate,
        batch_size=schedule.batch_size,
        steps=steps,
        best_epoch=best.epoch,
        epochs=tuple(best.log),
        seconds=sum(epoch.seconds for epoch in best.log),
        stopped=best.stopped or "all epochs ran",
    )


def make_optimizer(classifier: Classifier, learning_rate: float, weight_decay: float) -> torch.optim.Optimizer:
    """The method's own optimizer, or AdamW with no decay on biases and norms."""
    method = classifier.method
    if method and method.optimizer:
        return method.optimizer(classifier.model, classifier.options, learning_rate, weight_decay)
    matrices = [parameter for _, parameter in classifier.trainable() if parameter.ndim > 1]
    vectors = [parameter for _, parameter in classifier.trainable() if parameter.ndim <= 1]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate)


def batches(order: IntArray, size: int) -> Iterator[IntArray]:
    """The rows of each optimizer step."""
    for start in range(0, len(order), size):
        yield order[start : start + size]


def micro_batches(batch: IntArray, lengths: Sequence[int], plan: Plan) -> list[list[int]]:
    """One step's rows, sorted by length and cut so that little of each forward pass is padding.

    The step's gradient is a sum over its rows, so neither order nor cut changes what is optimised.

    >>> micro_batches(np.array([0, 1, 2, 3]), [9, 1, 8, 2], Plan(micro_batch_rows=2))
    [[1, 3], [2, 0]]
    """
    cuts: list[list[int]] = [[]]
    for row in sorted(batch.tolist(), key=lambda row: lengths[row]):
        full = len(cuts[-1]) >= plan.micro_batch_rows or lengths[row] * (len(cuts[-1]) + 1) > plan.micro_batch_tokens
        if cuts[-1] and full:
            cuts.append([])
        cuts[-1].append(row)
    return cuts


def backward(
    classifier: Classifier, objective: Objective, accelerator: Accelerator, rows: Sequence[Any], cuts: list[list[int]]
) -> float:
    """Gradients of one step's mean loss, gathered over its micro-batches; returns that loss."""
    weight = objective.weight([row for cut in cuts for row in cut])
    total = 0.0
    for cut in cuts:
        logits = classifier.forward(classifier.collate([rows[i] for i in cut]))
        loss = objective.loss(logits, cut) / weight
        if classifier.method and classifier.method.penalty:
            loss = loss + classifier.method.penalty(classifier.model) / len(cuts)
        accelerator.backward(loss)
        total += float(loss.detach())
    return total


@dataclass(frozen=True)
class Objective:
    """The loss of each task, summed over rows.

    Single-label: cross-entropy. Multi-label: binary cross-entropy, mean over labels. Regression: squared error of the
    target scaled to mean 0 and variance 1, so that one learning rate suits every unit.
    """

    task: TaskKind
    targets: Tensor
    """(N,) label index, (N, C) zeros and ones, or (N,) scaled value, on the CPU."""
    weights: Tensor | None
    """(C,) of each label, or of each label's positives for multi-label."""

    @classmethod
    def of(cls, classifier: Classifier, splits: Splits, *, class_weights: bool) -> Objective:
        """The objective of train's rows; tells the classifier the scale of a regression's targets.

        Args:
            class_weights: weigh labels by the inverse of their frequency.
        """
        targets = splits.encoded(splits.train)
        if splits.task is TaskKind.REGRESSION:
            if class_weights:
                raise SpecError("a regression has no classes to weigh", where="--class-weights", mend="leave it out")
            mean, std = 0.0, 1.0
            if classifier.backbone.head == "fresh":  # a trained head already answers in the target's unit
                mean, std = classifier.set_target_scale(float(targets.mean()), float(targets.std()) or 1.0)
            return cls(splits.task, torch.tensor((targets - mean) / std, dtype=torch.float32), None)
        weights = None
        single = splits.task is TaskKind.SINGLE_LABEL
        targets = targets if single else targets[:, : len(splits.labels)]
        if class_weights:
            counts = np.bincount(targets, minlength=len(splits.labels)) if single else targets.sum(axis=0)
            counts = np.maximum(counts, 1)
            balance = len(targets) / (len(counts) * counts) if single else (len(targets) - counts) / counts
            weights = torch.tensor(np.clip(balance, 0.01, 100), dtype=torch.float32)
        return cls(splits.task, torch.tensor(targets, dtype=torch.int64 if single else torch.float32), weights)

    def weight(self, rows: Sequence[int]) -> float:
        """What a step's summed loss is divided by: its rows, each at its class's weight."""
        if self.task is TaskKind.SINGLE_LABEL and self.weights is not None:
            return float(self.weights[self.targets[rows]].sum())
        return float(len(rows))

    def loss(self, logits: Tensor, rows: Sequence[int]) -> Tensor:
        """Summed loss of (n, C) logits for these rows."""
        targets = self.targets[list(rows)].to(logits.device)
        weights = None if self.weights is None else self.weights.to(logits.device)
        if self.task is TaskKind.SINGLE_LABEL:
            return F.cross_entropy(logits, targets, weight=weights, reduction="sum")
        if self.task is TaskKind.MULTI_LABEL:
            each = F.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights, reduction="none")
            return each.mean(dim=1).sum()
        return F.mse_loss(logits[:, 0], targets, reduction="sum")


class Best:
    """The best epoch so far, by validation; says when to stop."""

    def __init__(self, metric: str, patience: int, epochs: int) -> None:
        self.metric, self.patience, self.epochs = metric, patience, epochs
        self.sign = 1.0 if METRICS[metric].higher_is_better else -1.0
        self.log: list[Epoch] = []
        self.score = -math.inf
        self.epoch = 0
        self.state: Any = None
        self.stopped = ""

    def see(
        self, epoch: int, found: dict[str, float | None], loss: float, seconds: float, rows: int, classifier: Classifier
    ) -> None:
        """Take an epoch in; keep its weights if it is the best. A tie goes to the later epoch."""
        self.log.append(
            Epoch(epoch=epoch, train_loss=loss, validation=found, seconds=seconds, rows_per_second=rows / seconds)
        )
        value = found.get(self.metric)
        score = -math.inf if value is None else self.sign * value
        if score >= self.score or self.epoch == 0:
            self.score, self.epoch, self.state = score, epoch, classifier.snapshot()
        elif epoch - self.epoch >= self.patience and epoch < self.epochs:
            self.stopped = f"validation {self.metric} did not improve for {self.patience} epochs"

    def diverged(self, epoch: int, learning_rate: float) -> None:
        """The loss is not a number: keep the best epoch, or give up where there is none."""
        self.stopped = f"the loss stopped being a number in epoch {epoch}"
        if self.epoch == 0:
            raise LiftuneError(
                f"{self.stopped}, at a learning rate of {learning_rate:g}",
                where="--lr",
                mend=f"try --lr {learning_rate / 5:g}",
            )

    def line(self) -> str:
        """The newest epoch in a line."""
        last = self.log[-1]
        value = last.validation.get(self.metric)
        shown = "undefined" if value is None else f"{value:.4f}"
        mark = "  best so far" if self.epoch == last.epoch else ""
        return (
            f"  epoch {last.epoch} of {self.epochs}: loss {last.train_loss:.4f}, validation {self.metric} {shown}, "
            f"{last.rows_per_second:,.0f} rows/s{mark}"
        )
