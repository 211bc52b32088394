"""Small trainings, made anew each time whatever the state of the generators; and whether two are the same.

In: a tiny model's folder, a method, a plan.  Out: what training left.
Not here: tests.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import HIDDEN
from torch import Tensor

from liftune.baselines.soft_labels import SoftLabels
from liftune.data.splits import Split, Splits
from liftune.errors import Stopped
from liftune.events import Events, Listener, Note
from liftune.hardware.plan import Plan
from liftune.models.attach import attach
from liftune.models.backbone import load_backbone
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import METHODS, parse_options
from liftune.models.packed.install import PACKED
from liftune.records.data import Audit
from liftune.records.training import TrainLog
from liftune.spec import ModelSpec, TrainSpec
from liftune.tasks import TaskKind
from liftune.training.checkpoint import Checkpoints
from liftune.training.loop import train
from liftune.training.schedule import Schedule

BATCH, EPOCHS, STEPS = 4, 2, 3
ROWS = BATCH * STEPS - 1
PLAIN = Plan()
FAST = Plan(accelerations=frozenset(PACKED))
ALONE = Plan(accelerations=frozenset(PACKED) - {"parallel-passes"})


def with_dropout(config: Any) -> None:
    """As published models have it, which the tiny ones of some families lack; and few layers, for speed."""
    for name in ("num_hidden_layers", "n_layers"):
        if hasattr(config, name):
            setattr(config, name, 1)
    for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
        if hasattr(config, name):
            setattr(config, name, 0.1)


def splits_of(task: TaskKind = TaskKind.SINGLE_LABEL) -> Splits:
    words = {"joy": ("sunny", "laugh"), "anger": ("shout", "slam")}
    labels = tuple(sorted(words))
    names = [labels[i % 2] for i in range(ROWS)]
    rows = tuple(f"{i} {words[name][i % 2]} {'and so on ' * (i % 3)}" for i, name in enumerate(names))
    targets: tuple[Any, ...] = tuple(names)
    if task is TaskKind.REGRESSION:
        labels, targets = (), tuple(float(7 + i % 5) for i in range(ROWS))
    split = Split(tuple(f"rows:{i}" for i in range(ROWS)), rows, targets)
    return Splits(task, labels, (), split, split.take(range(6)), split, Audit(), False, False, "same")


@dataclass
class Trained:
    """What a training left."""

    weights: dict[str, Tensor]
    """Of everything in the model."""
    logits: Any
    log: TrainLog
    drawn: list[float]
    """The next number of torch's and of numpy's generator."""
    notes: list[str]
    pattern: Any = None
    """AdaLoRA's ranks."""


class Notes(Listener):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def on_note(self, event: Note) -> None:
        self.texts.append(event.text)


@dataclass(frozen=True)
class Work:
    """One training, made anew each time it is asked for, whatever the generators' state."""

    model: Path
    method: str = "lora"
    plan: Plan = PLAIN
    options: tuple[tuple[str, Any], ...] = ()
    task: TaskKind = TaskKind.SINGLE_LABEL
    soft: float | None = None
    epochs: int = EPOCHS
    lr: float | None = None
    patience: int = 5
    seed: int = 3
    head: str = "fitted"
    batch_norm: bool = False
    """Before the last layer; its running means are buffers."""

    def classifier(self, splits: Splits, schedule: Schedule) -> Classifier:
        method = METHODS[self.method]
        spec = ModelSpec(name=str(self.model))
        backbone = load_backbone(spec, task=splits.task, labels=splits.labels, seed=self.seed, plan=self.plan)
        if self.batch_norm:
            body: Any = backbone.model
            body.dropout = torch.nn.BatchNorm1d(HIDDEN)
        options = parse_options(method, dict(self.options))
        return attach(backbone, method, options, plan=self.plan, seed=self.seed, total_steps=schedule.steps)

    def run(self, checkpoints: Checkpoints | None = None) -> Trained:
        scramble()
        splits, notes = splits_of(self.task), Notes()
        asked = TrainSpec(
            epochs=self.epochs, batch_size=BATCH, lr=self.lr, patience=self.patience, teacher_share=0.5, head=self.head
        )
        schedule = Schedule.of(asked, rows=ROWS, learning_rate=METHODS[self.method].learning_rate)
        classifier = self.classifier(splits, schedule)
        scramble()
        soft = None
        if self.soft is not None:
            shares = np.full((ROWS, splits.outputs), 1 / splits.outputs, dtype=np.float32)
            soft = SoftLabels("probe", shares, self.soft)
        metric = "rmse" if self.task is TaskKind.REGRESSION else "accuracy"
        log = train(
            classifier,
            splits,
            asked,
            schedule,
            metric=metric,
            seed=self.seed,
            events=Events([notes]),
            soft_labels=soft,
            checkpoints=checkpoints,
        )
        drawn = [float(torch.rand(())), float(np.random.random())]
        return Trained(
            {name: each.detach().clone() for name, each in classifier.model.state_dict().items()},
            classifier.logits(splits.test.rows),
            log,
            drawn,
            notes.texts,
            getattr(getattr(classifier.model, "peft_config", {}).get("default"), "rank_pattern", None),
        )

    def stopped(self, folder: Path, *steps: int) -> Trained:
        """The same, stopped after each of these steps, and then run to its end."""
        for step in steps:
            with pytest.raises(Stopped):
                self.run(Checkpoints(folder, stop_wanted=after(step)))
        return self.run(Checkpoints(folder))


def scramble() -> None:
    """As another process would find the generators."""
    torch.seed()
    np.random.seed(None)
    random.seed()


def after(steps: int) -> Callable[[], bool]:
    """A stop is wanted once it was asked so often: after each step, and after each epoch."""
    asked = 0

    def wanted() -> bool:
        nonlocal asked
        asked += 1
        return asked >= steps

    return wanted


def assert_same(one: Trained, other: Trained) -> None:
    assert set(one.weights) == set(other.weights)
    assert [name for name, each in one.weights.items() if not torch.equal(each, other.weights[name])] == []
    assert np.array_equal(one.logits, other.logits)
    assert timeless(one.log) == timeless(other.log)
    assert one.drawn == other.drawn
    assert one.pattern == other.pattern


def timeless(log: TrainLog) -> TrainLog:
    epochs = tuple(epoch.model_copy(update={"seconds": 0, "rows_per_second": 0}) for epoch in log.epochs)
    return log.model_copy(update={"seconds": 0, "epochs": epochs})
