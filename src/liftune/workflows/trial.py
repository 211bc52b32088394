"""A few passes and steps of a run, timed: the ground for an estimate of the whole.

In: a RunContext and the base model.  Out: seconds of a row and of a step; memory; the bytes of an adapter.
Not here: what follows for the whole run (estimate.py). Nothing is left on the disk.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from liftune.baselines.linear_probe import fit_linear_probe
from liftune.baselines.soft_labels import make_soft_labels
from liftune.baselines.tfidf import tfidf
from liftune.data.sampling import sample
from liftune.data.splits import Split, Splits
from liftune.diagnostics.label_errors import find_label_errors
from liftune.diagnostics.shift import shift
from liftune.errors import DataError
from liftune.hardware.measure import peak_mib, restart_peak
from liftune.hardware.memory import Room, room
from liftune.models.adapter_io import save_adapter, verify_saved_adapter
from liftune.models.attach import attach, restore_full_precision
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import Method
from liftune.training.epoch import Loop
from liftune.training.head_init import init_head
from liftune.training.state import Place
from liftune.workflows.baselines import standardised, timed
from liftune.workflows.context import RunContext, load_for

Value = TypeVar("Value")
#: Rows that are tried, at most, and seconds that reading them may take, about.
MOST_ROWS, READING_SECONDS = 400, 5.0
#: Steps that are timed, after one of the longest rows.
STEPS = 3


@dataclass(frozen=True)
class BaseTimes:
    """Of what comes before tuning, each on `rows` train rows."""

    rows: int
    words: float
    """tf-idf, fitted."""
    read: float
    """The base model's pass."""
    probe: float
    soft_labels: float
    diagnosis: float


@dataclass(frozen=True)
class TuningTimes:
    """Of one method."""

    load: float
    """Loading the base and attaching the method, once; loading it again for its exact weights is as long."""
    head_row: float
    """A row of fitting the head; 0 where it is not fitted."""
    step: float
    row: float
    """A row of validation, between epochs."""
    answer_row: float
    """A row of the tuned model's answers."""
    save: float
    """Saving the adapter, and reading it again."""
    saved_bytes: int
    trainable_parameters: int
    step_mib: float | None
    room: Room | None


def time_base(context: RunContext, base: Classifier, splits: Splits) -> BaseTimes:
    """Fit and read on a sample of train.

    Raises:
        LiftuneError: what the run would raise.
    """
    tried = splits.train.take(_sample(splits, len(splits.train)))
    some = tried.rows[:16]
    base.read(some[:4])  # the first pass is slower than the others
    _, seconds = timed(lambda: base.read(some))
    size = int(min(MOST_ROWS, max(2 * len(splits.labels) + 32, READING_SECONDS * len(some) / max(seconds, 1e-6))))
    train = splits.train.take(_sample(splits, size))
    validation = splits.validation.take(range(min(len(splits.validation), max(8, size // 4))))
    small = replace(
        splits, train=train, validation=validation, test=splits.test.take(range(min(100, len(splits.test))))
    )
    (_, features), read = timed(lambda: base.read(train.rows))
    choosing = base.features(validation.rows)
    words, words_seconds = _timed(lambda: tfidf(small, context.metric))
    probe, probe_seconds = _timed(lambda: fit_linear_probe(features, choosing, small, context.metric))
    soft = 0.0
    if words and probe and context.spec.train.teacher_share:
        fits = [words.baseline_fit(train.rows), probe.baseline_fit(features)]
        _, soft = _timed(lambda: make_soft_labels(fits, small, seed=0))
    diagnosis = _timed(lambda: (find_label_errors(train, splits.task, standardised(features)), shift(small)))[1]
    return BaseTimes(len(train), words_seconds, read, probe_seconds, soft, diagnosis)


def _timed(compute: Callable[[], Value]) -> tuple[Value | None, float]:
    """A fit on few rows, which may be too few for it, and enough all the same in the run."""
    try:
        return timed(compute)
    except (DataError, ValueError):
        return None, 0.0


def _sample(splits: Splits, size: int) -> list[int]:
    size = min(size, MOST_ROWS)
    return sample(splits.train, size, splits.task, 0, name="dry run", every_class=True)


def time_tuning(context: RunContext, method: Method, options: Any, splits: Splits) -> TuningTimes:
    """Some steps of a method, the first on the longest rows; save the adapter to a folder that goes away, and read it.

    Raises:
        LiftuneError: what the run would raise.
    """
    seed, train_spec = context.spec.train.seeds[0], context.spec.train
    held, free = restart_peak(), room()
    if method is not context.method:
        train_spec = train_spec.model_copy(update={"lr": None})
    plan = context.plan if method is context.method else replace(context.plan, requested=frozenset())
    schedule = context.schedule(train_spec, method, len(splits.train))
    started = time.perf_counter()
    classifier = attach(load_for(context, seed), method, options, plan=plan, seed=seed, total_steps=schedule.steps)
    load = time.perf_counter() - started
    small = _steps_of(splits, schedule.batch_size)
    head = _timed(lambda: init_head(classifier, small, seed=seed))[1] if train_spec.head == "fitted" else 0.0
    loop = Loop.of(classifier, small, train_spec, schedule)
    place, ends = Place(), [0.0]
    rows = len(small.train)
    losses = loop.epoch(place, np.arange(rows), context.events, lambda workers: ends.append(place.seconds))
    del losses
    peak = peak_mib()
    steps = np.diff(ends)
    step = float(np.mean(steps[1:] if len(steps) > 1 else steps))
    check = small.validation.rows
    _, scoring = timed(lambda: classifier.logits(check))
    parameters = classifier.trainable_parameters()
    classifier.fold_target_scale()
    restore_full_precision(classifier, load_for(context, seed))
    classifier.logits(check[:4])
    _, answering = timed(lambda: classifier.logits(check))
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="liftune-dry-run-") as place_on_disk:
        folder = Path(place_on_disk) / "adapter"
        save_adapter(classifier, folder, pairs=splits.pairs)
        verify_saved_adapter(classifier, folder, check)
        saved = sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())
    return TuningTimes(
        load=load,
        head_row=head / rows,
        step=step,
        row=scoring / len(check),
        answer_row=answering / len(check),
        save=time.perf_counter() - started,
        saved_bytes=saved,
        trainable_parameters=parameters,
        step_mib=None if held is None or peak is None else max(0.0, peak - held),
        room=free,
    )


def _steps_of(splits: Splits, batch_size: int) -> Splits:
    """Train rows of a few steps, the longest first; some of validation."""
    train = splits.train
    by_length = sorted(range(len(train)), key=lambda i: -_characters(train, i))
    longest = by_length[:batch_size]
    others = [i for i in _drawn(len(train)) if i not in set(longest)][: STEPS * batch_size]
    validation = splits.validation
    return replace(
        splits,
        train=train.take([*longest, *others]),
        validation=validation.take(list(_drawn(len(validation)))[: max(16, STEPS * batch_size)]),
    )


def _characters(split: Split, position: int) -> int:
    row = split.rows[position]
    return len(row) if isinstance(row, str) else sum(map(len, row))


def _drawn(count: int) -> Sequence[int]:
    return [int(i) for i in np.random.default_rng(0).permutation(count)]
