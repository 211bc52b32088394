"""One trial of a search: tuned, and looked at on validation alone; given up where it is behind others at its epoch.

In: a RunContext, a Cell of a trial.  Out: a CellRecord without test figures; validation's logits on disk.
Not here: what is proposed, and what a trial must reach (search.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from liftune.data.splits import Splits
from liftune.evaluation.evaluate import Evaluation, selection_scores
from liftune.evaluation.ladder import ContenderLogits
from liftune.events import EpochEnded, EpochStarted, Events, Listener
from liftune.metrics.registry import METRICS
from liftune.records.sweep import CellRecord
from liftune.sweeps.grid import Cell, Trial, record_of
from liftune.workflows.context import RunContext
from liftune.workflows.finetune import tune_once


class Behind(Exception):  # noqa: N818 - what it says of a trial
    """A trial is given up."""


class Watch(Listener):
    """Follows a trial's epochs, and gives it up where its best score so far does not reach what it must."""

    def __init__(self, trial: Trial, sign: float) -> None:
        self._bars, self._sign = trial.bars, sign
        self.curve: list[float | None] = []

    def on_epoch(self, event: EpochStarted | EpochEnded) -> None:
        """Take the score of an epoch.

        Raises:
            Behind: it is not good enough.
        """
        if not isinstance(event, EpochEnded) or event.epoch < 1:
            return
        self.curve = [*self.curve[: event.epoch - 1], event.value]
        bar = self._bars[event.epoch - 1] if event.epoch <= len(self._bars) else None
        known = [self._sign * each for each in self.curve if each is not None]
        if bar is not None and max(known, default=-np.inf) < self._sign * bar:
            raise Behind(f"behind the median of earlier trials after epoch {event.epoch}")


def try_out(context: RunContext, cell: Cell, trial: Trial) -> CellRecord:
    """Tune it, and score it on validation, uncalibrated: its order among the others is all that is asked."""
    watch = Watch(trial, METRICS[context.metric].sign)
    watched = RunContext(**{**vars(context), "events": Events((*context.events.listeners, watch))})
    try:
        classifier, _, log = tune_once(watched, context.method, context.options, cell.seed, name=cell.name)
    except Behind as behind:
        return record_of(cell, state="pruned", reason=str(behind), curve=tuple(watch.curve))
    splits = context.splits
    found = classifier.logits(splits.validation.rows)
    nothing = np.zeros((0, found.shape[1]), dtype=np.float32)
    context.folder.save_logits(cell.name, test=nothing, validation=found)
    return record_of(
        cell,
        state="done",
        validation=selection_scores(on_validation(found, splits, context.metric)),
        train_seconds=log.seconds,
        trainable_parameters=classifier.trainable_parameters(),
        curve=tuple(each.validation.get(context.metric) for each in log.epochs),
        log=log,
    )


def on_validation(logits: Any, splits: Splits, metric: str) -> Evaluation:
    """(M, C) logits of the validation rows, decided by thresholds that were chosen without the row."""
    nothing = np.zeros((0, logits.shape[1]), dtype=np.float32)
    thresholds = ContenderLogits(logits, nothing, 0.0).with_thresholds(splits, metric).thresholds
    return Evaluation.of(
        "validation", logits, splits, splits.validation, thresholds=thresholds.out_of_fold if thresholds else None
    )


def options_text(options: Mapping[str, Any]) -> str:
    """What was proposed, in words.

    >>> options_text({"lora.lr": 0.00123456, "batch_size": 16})
    'lora.lr 0.00123, batch_size 16'
    """
    return ", ".join(
        f"{name} {f'{value:.3g}' if isinstance(value, float) else value}" for name, value in options.items()
    )


def trial_line(cell: CellRecord, metric: str) -> str:
    """What became of a trial under a seed."""
    what = f"  trial {cell.trial}: {cell.model} {cell.method} seed {cell.seed}, {options_text(cell.options)}"
    if cell.state != "done":
        return f"{what}: {cell.state}: {(cell.reason or '').splitlines()[0]}"
    value = cell.validation.get(metric)
    return f"{what}: validation {metric} {'undefined' if value is None else f'{value:.3f}'}"
