"""How long a run takes, from what a trial took.

In: a RunContext, times of a trial.  Out: seconds by stage.
Not here: the trial (trial.py), bytes on the disk (disk_needs.py), what is said
(dry_run_sections.py).
"""

from __future__ import annotations

import math

from liftune.data.splits import Splits
from liftune.records.dry_run import StageTime
from liftune.training.head_init import MOST_ROWS as MOST_HEAD_ROWS
from liftune.workflows.context import RunContext
from liftune.workflows.few import steps_of_pairs
from liftune.workflows.few_wanted import skips_tuning
from liftune.workflows.learning_curve import nested
from liftune.workflows.trial import BaseTimes, TuningTimes

#: Seconds of scoring, of the record and of the page with its charts, about.
REPORT_SECONDS = 6.0


def stage_times(
    context: RunContext, load: float, base: BaseTimes, tuning: TuningTimes, full: TuningTimes | None
) -> tuple[StageTime, ...]:
    """Every stage of the run, in its order, if no training stops early.

    Args:
        load: seconds of loading the model.
        full: None where full fine-tuning is not wanted.
    """
    folds = context.folds
    parts = [*folds.parts, folds.final] if folds else [context.splits]
    seeds = len(context.spec.train.seeds)
    fits = sum(_share(each, base) for each in parts)
    read = sum(_rows(each) for each in parts) * base.read / base.rows
    epochs = context.schedule(context.spec.train, context.method, len(parts[-1].train)).epochs
    what = f"{epochs} epochs x {seeds} seeds" + (f" x ({len(parts) - 1} folds and all rows)" if folds else "")
    stages = [
        StageTime(stage="model", seconds=load),
        StageTime(stage="baselines", seconds=fits * base.words, counts="tf-idf"),
        StageTime(stage="base model", seconds=read + fits * base.probe, counts="reads train, validation, test; probe"),
        StageTime(stage="data diagnosis", seconds=_share(context.splits, base, folds=bool(folds)) * base.diagnosis),
        StageTime(stage="soft labels", seconds=fits * base.soft_labels),
        StageTime(
            stage="fine-tuning", seconds=sum(seeds * _tuning(context, each, tuning) for each in parts), counts=what
        ),
    ]
    if full:
        seconds = sum(_tuning(context, each, full, pairs=False) for each in parts)
        stages.append(StageTime(stage="full fine-tuning", seconds=seconds, counts=f"{epochs} epochs, one seed"))
    if context.spec.evaluation.curve:
        stages.append(_curve(context, base, tuning))
    stages.append(StageTime(stage="record and report", seconds=REPORT_SECONDS))
    return tuple(stages)


def _rows(splits: Splits) -> int:
    return len(splits.train) + len(splits.validation) + len(splits.test)


def _share(splits: Splits, base: BaseTimes, *, folds: bool = False) -> float:
    """How much longer a fit takes on all of train than on the rows that were tried."""
    return (len(splits.test) if folds else len(splits.train)) / base.rows


def _tuning(context: RunContext, splits: Splits, times: TuningTimes, *, pairs: bool = True) -> float:
    """Tuning once: a start from pairs of rows where one is tried, the head, every epoch, the answers, the adapter."""
    schedule = context.schedule(context.spec.train, context.method, len(splits.train))
    head = min(len(splits.train), MOST_HEAD_ROWS) * times.head_row
    validation = len(splits.validation) * times.row
    answers = (len(splits.validation) + len(splits.test)) * times.answer_row
    of_pairs = steps_of_pairs(context, splits) if pairs else 0.0
    untuned = pairs and skips_tuning(context.spec, splits, context.method, context.options)
    steps, epochs = (0, 0) if untuned else (schedule.steps, schedule.epochs)
    return 2 * times.load + head + (of_pairs + steps) * times.step + (epochs + 1) * validation + answers + times.save


def _curve(context: RunContext, base: BaseTimes, tuning: TuningTimes) -> StageTime:
    splits = context.folds.final if context.folds else context.splits
    parts = [each.splits for each in nested(splits, context.spec.data.seed)]
    parts += [splits] if context.folds else []
    seconds = (len(splits.train) + len(splits.validation)) * base.read / base.rows
    for part in parts:
        seconds += _share(part, base) * (base.words + base.probe + base.soft_labels) + _tuning(context, part, tuning)
    return StageTime(stage="learning curve", seconds=seconds, counts=f"{len(parts)} sizes")


def in_words(seconds: float) -> str:
    """A time that is known to a factor.

    >>> in_words(4.2), in_words(75), in_words(8000)
    ('4 s', '1 min 15 s', '2 h 13 min')
    """
    whole = max(1, math.ceil(seconds) if seconds < 1 else round(seconds))
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"
