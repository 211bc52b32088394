"""Ours: liftune's own pieces, by its Python modules.

In: Work.  Out: a Result. With a goal, liftune's own defaults until validation reaches it; else the adapter, rate,
batch and epochs of the opponents, and the seconds that liftune itself counts as optimisation.
"""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from transformers import AutoConfig

from benchmarks.layers import TARGETS, known
from benchmarks.measure import parameters
from benchmarks.work import Result, Work
from liftune.events import EpochEnded, EpochStarted, Events, Listener
from liftune.hardware.measure import cache_folder
from liftune.models.classifier import Classifier
from liftune.spec import RunSpec
from liftune.training.throughput import speed_of
from liftune.workflows import tune as tune_workflow
from liftune.workflows.context import RunContext
from liftune.workflows.finetune import tune_once
from liftune.workflows.preparing import prepare
from liftune.workflows.request import check_request

#: Two equal shares of rows may differ by this much in their last digits.
ROUNDING = 1e-6


def run(work: Work) -> Result:
    """Tune, timed."""
    with cold_tokens():
        return same_work(work) if work.goal is None else until_goal(work)


@contextmanager
def cold_tokens() -> Iterator[None]:
    """Know the machine from before, if it was measured, but no rows: every run tokenises, as the opponents do."""
    known_before, before = cache_folder(), os.environ.get("LIFTUNE_CACHE")
    with tempfile.TemporaryDirectory() as folder:
        copy_files(known_before, Path(folder))
        os.environ["LIFTUNE_CACHE"] = folder
        try:
            yield
        finally:
            os.environ.pop("LIFTUNE_CACHE")
            if before is not None:
                os.environ["LIFTUNE_CACHE"] = before
        copy_files(Path(folder), known_before)


def copy_files(source: Path, target: Path) -> None:
    """The files of a folder, without its folders."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir() if source.is_dir() else ():
        if path.is_file():
            shutil.copy2(path, target)


def same_work(work: Work) -> Result:
    """What the opponents do: the same adapter, rows, steps and rate."""
    with tempfile.TemporaryDirectory() as folder:
        context, base = prepare(check_request(specified(work, folder)), Events())
    del base  # as a run does: its memory is wanted for tuning
    context = with_rows(context, work.rows)
    if work.warmup_steps:
        tune_once(
            with_rows(context, work.warmup_steps * work.batch_size),
            context.method,
            context.options,
            work.seed,
            name="warm-up",
        )
        gc.collect()
    classifier, plan, log = tune_once(context, context.method, context.options, work.seed, name="timed")
    encoded = classifier.encode(context.splits.train.rows)
    lora, trainable = parameters(classifier.model)
    correct = answer(classifier, context, work.score) if work.score else ()
    speed = speed_of([log], len(encoded), shapes=context.shapes, method=context.method, plan=plan)
    epochs = len(log.epochs)
    return Result(
        name=work.contender,
        rows=epochs * len(encoded),
        steps=log.steps,
        tokens=epochs * encoded.total,
        token_sum=epochs * sum(int(np.sum(row.ids)) for row in encoded),
        train_seconds=log.seconds,
        lora_parameters=lora,
        trainable_parameters=trainable,
        accuracy=sum(correct) / len(correct) if correct else None,
        correct=correct,
        plan=tuple(f"{each.choice}: {each.value}" for each in plan.choices),
        gemm_fraction=speed.gemm_fraction if speed else None,
    )


def answer(classifier: Classifier, context: RunContext, part: str) -> tuple[int, ...]:
    """1 or 0 for each row of a part, in file order."""
    split = getattr(context.splits, part)
    answers = classifier.logits(split.rows).argmax(axis=1)
    return tuple(int(right) for right in answers == context.splits.encoded(split))


def specified(work: Work, folder: str) -> RunSpec:
    """What the opponents do, as options of liftune."""
    kind = known(AutoConfig.from_pretrained(work.model).model_type)
    return RunSpec.of(
        data=work.data,
        model=work.model,
        max_length=work.max_length,
        method="lora",
        set={"rank": work.rank, "alpha": work.alpha, "target_modules": TARGETS[kind]},
        epochs=work.epochs,
        patience=work.epochs,
        batch_size=work.batch_size,
        lr=work.learning_rate,
        seeds=[work.seed],
        accelerations=work.accelerations,
        few="off",  # no opponent starts from pairs of rows,
        long="cut",  # or reads more than the beginning
        out=str(Path(folder) / "run"),
    )


def with_rows(context: RunContext, rows: int) -> RunContext:
    """The same context on the first rows of train."""
    train = context.splits.train
    return replace(context, splits=replace(context.splits, train=train.take(range(min(rows, len(train))))))


class Reached(Exception):  # noqa: N818 - no error: the goal
    """Validation is as good as the goal."""


class StopAtGoal(Listener):
    """Keeps the validation accuracy of each epoch; stops the run once the goal is reached."""

    def __init__(self, goal: float) -> None:
        self.goal = goal
        self.started = time.perf_counter()
        self.curve: list[tuple[float, float]] = []

    def on_epoch(self, event: EpochStarted | EpochEnded) -> None:
        """An epoch, once it is scored."""
        if isinstance(event, EpochEnded):
            accuracy = event.validation["accuracy"]
            assert accuracy is not None
            self.curve.append((time.perf_counter() - self.started, accuracy))
            if accuracy >= self.goal - ROUNDING:
                raise Reached


def until_goal(work: Work) -> Result:
    """Liftune as it comes: nothing is set but data and model."""
    assert work.goal is not None
    watch = StopAtGoal(work.goal)
    notes: tuple[str, ...] = (f"validation accuracy never reached {work.goal:.4f}",)
    with tempfile.TemporaryDirectory() as folder:
        given = {"accelerations": work.accelerations, "seeds": [work.seed], "out": str(Path(folder) / "run")}
        spec = RunSpec.of(data=work.data, model=work.model, max_length=work.max_length, **given)
        try:
            tune_workflow.tune(spec, listeners=[watch]) if work.ladder else tune_only(spec, watch)
        except Reached:
            notes = ()
    best = max((accuracy for _, accuracy in watch.curve), default=None)
    return Result(name=work.contender, accuracy=best, curve=tuple(watch.curve), notes=notes)


def tune_only(spec: RunSpec, listener: Listener) -> Any:
    """The tuned model without the baselines."""
    context, base = prepare(check_request(spec), Events([listener]))
    del base
    return tune_once(context, context.method, context.options, spec.train.seeds[0], name="timed")
