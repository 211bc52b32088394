"""A small training by one process, or by several over gloo; each process is forked from a server that has torch.

In: a Job, how many processes.  Out: what it gave in the first one.
Not here: assertions; the command line, which torchrun starts (training/test_ranks.py).
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from liftune.data.splits import Split, Splits
from liftune.errors import LiftuneError
from liftune.events import Events, Listener, Step
from liftune.hardware.plan import Plan
from liftune.hardware.ranks import Group
from liftune.launch import Launch, RankLost
from liftune.models.crew import NO_CREW, Crew
from liftune.models.helper import Helper, Recipe
from liftune.models.methods.registry import METHODS, parse_options
from liftune.records.data import Audit
from liftune.spec import ModelSpec, TrainSpec
from liftune.tasks import TaskKind
from liftune.training.checkpoint import Checkpoints
from liftune.training.gradients import StepGradients
from liftune.training.loop import train
from liftune.training.schedule import Schedule

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["together", "peft", "transformers.models.distilbert.modeling_distilbert"])
BATCH, STEPS = 8, 10
PLAIN = Plan()


def without_dropout(config: Any) -> None:
    """Each process draws masks of its own: without any the sum of gradients is one process's."""
    for name, value in config.to_dict().items():
        if "drop" in name and isinstance(value, float):
            setattr(config, name, 0.0)


class Losses(Listener):
    """Of every step."""

    def __init__(self) -> None:
        self.losses: list[float] = []

    def on_step(self, event: Step) -> None:
        self.losses.append(event.loss)


@dataclass(frozen=True)
class Job:
    """A training of 20 steps on rows of very different lengths, and what comes around it."""

    model: str
    method: str = "lora"
    plan: Plan = PLAIN
    options: tuple[tuple[str, Any], ...] = ()
    task: TaskKind = TaskKind.SINGLE_LABEL
    batch: int = BATCH
    epochs: int = 2
    folder: str | None = None
    """Of checkpoints, one after every step."""
    shard: bool = False
    head: str = "random"
    """One that is fitted to a body of random numbers has huge weights, and small roundings grow."""
    dies_at: int | None = None
    """The helper's step that kills it."""
    fails_at: int | None = None
    """The helper's step that it cannot take."""

    def run(self, crew: Crew) -> dict[str, Any]:
        splits = rows_of(self.task)
        method = METHODS[self.method]
        asked = TrainSpec(epochs=self.epochs, batch_size=self.batch, head=self.head, class_weights=self._weighed)
        schedule = Schedule.of(asked, rows=len(splits.train), learning_rate=method.learning_rate)
        spec = ModelSpec(name=self.model)
        of = (spec, self.task, splits.labels, 3, self.plan)
        divided = self.shard and crew.size > 1
        base = crew.make(Recipe(*of, shard=divided))
        logits, features = base.read(splits.test.rows)
        tuned = crew.make(Recipe(*of, method.name, parse_options(method, dict(self.options)), schedule.steps, divided))
        checkpoints = Checkpoints(Path(self.folder), minutes=0) if self.folder else None
        told = Losses()
        log = train(
            *(tuned, splits, asked, schedule),
            metric=self._metric,
            seed=3,
            checkpoints=checkpoints,
            events=Events([told]),
        )
        crew.restore_full_precision(tuned, lambda: Recipe(*of).backbone())
        weights = {name: each.detach().numpy() for name, each in tuned.trainable()}
        kinds = {name: type(each).__name__ for name, each in tuned.model.named_parameters()}
        meshes = {each.device_mesh.size() for each in tuned.model.parameters() if hasattr(each, "device_mesh")}
        answers = tuned.logits(splits.test.rows)
        return {
            "weights": weights,
            "losses": np.array(told.losses),
            "scores": [epoch.validation for epoch in log.epochs],
            "base": logits,
            "features": features,
            "logits": answers,
            "kinds": kinds,
            "meshes": meshes,
        }

    @property
    def _weighed(self) -> bool:
        return self.task is TaskKind.SINGLE_LABEL

    @property
    def _metric(self) -> str:
        return {TaskKind.REGRESSION: "rmse", TaskKind.MULTI_LABEL: "micro_f1"}.get(self.task, "accuracy")


def rows_of(task: TaskKind, count: int = BATCH * STEPS - 3) -> Splits:
    words = {"joy": ("sunny", "laugh"), "anger": ("shout", "slam"), "fear": ("dark", "run")}
    labels = tuple(sorted(words))
    names = [labels[i * i % 3] for i in range(count)]
    rows = tuple(f"{i} {words[name][i % 2]} {'and so on ' * (i % 7)}" for i, name in enumerate(names))
    targets: tuple[Any, ...] = tuple(names)
    if task is TaskKind.REGRESSION:
        labels, targets = (), tuple(float(7 + i % 5) for i in range(count))
    if task is TaskKind.MULTI_LABEL:
        targets = tuple(tuple(sorted({name, labels[i % 3]})) for i, name in enumerate(names))
    split = Split(tuple(f"rows:{i}" for i in range(count)), rows, targets)
    return Splits(task, labels, (), split, split.take(range(30)), split, Audit(), False, False, "same")


def together(job: Job, ranks: int) -> Any:
    """What a job gives in the first of so many processes; an error, if that is what it gives."""
    with tempfile.TemporaryDirectory() as folder:
        here, there = _PROCESSES.Pipe(duplex=False)
        meeting = f"{folder}/meeting"
        started = [
            _PROCESSES.Process(target=_process, args=(job, rank, ranks, meeting, there if rank == 0 else None))
            for rank in range(ranks)
        ]
        for each in started:
            each.start()
        there.close()
        try:
            return here.recv() if here.poll(120) else TimeoutError("no answer within two minutes")
        except EOFError:
            return RuntimeError("the first process ended without an answer")
        finally:
            for each in started:
                each.join(10)
                each.kill()


def _process(job: Job, rank: int, ranks: int, meeting: str, answer: Any) -> None:
    import torch.distributed as dist

    torch.set_num_threads(1)
    here = Launch(rank, ranks, rank)
    group = Group(here, dist.FileStore(meeting, ranks)) if ranks > 1 else None
    if rank:
        assert group is not None
        helper = Helper(group)
        if job.dies_at:
            _at(job.dies_at, lambda: os.kill(os.getpid(), signal.SIGKILL))
        if job.fails_at:
            _at(job.fails_at, _fail)
        try:
            helper.serve()
        except RankLost:
            sys.exit(1)
        return
    try:
        found: Any = job.run(Crew(group, shard=job.shard) if group else NO_CREW)
    except Exception as error:
        found = [type(error).__name__, str(error), list(getattr(error, "__notes__", ()))]
    if group is not None and isinstance(found, dict):
        _end(group)
    answer.send(found)


def _end(group: Group) -> None:
    from liftune.models.helper import End

    group.tell(([], End()))


def _fail() -> None:
    raise LiftuneError("no more")


def _at(step: int, happens: Callable[[], None]) -> None:
    """In a step's own part of the work, before which the weights have come."""
    real: Callable[..., Any] = StepGradients.gradients
    taken: list[int] = []

    def gradients(self: StepGradients, *given: Any, **named: Any) -> float:
        taken.append(1)
        if len(taken) == step:
            happens()
        return float(real(self, *given, **named))

    StepGradients.gradients = gradients  # type: ignore[method-assign]
