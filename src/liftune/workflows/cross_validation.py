"""Evidence out of fold: the ladder is climbed once a fold, and the answers are put together row by row.

In: a Job with Folds.  Out: rungs on all rows; the adapter on disk, tuned on all rows.
Not here: the rungs themselves (climb.py), cutting the folds (data/folds.py).

What is judged is the procedure, tuning as asked for: the saved adapter is none of the models that answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from liftune.data.folds import Folds
from liftune.data.splits import Splits
from liftune.evaluation.ladder import ContenderLogits, ContenderResult, Ladder
from liftune.models.classifier import Classifier
from liftune.workflows.baselines import fit_baselines, run_base_and_probe, run_baselines, with_soft_labels
from liftune.workflows.context import RunContext, log_contender
from liftune.workflows.finetune import FinetuneResult, add_tuned, run_full_finetuning, tune_and_save, tune_seeds


def run_cross_validation(context: RunContext, folds: Folds, ladder: Ladder, base: Classifier) -> FinetuneResult:
    """Every rung on every row, each row answered by what was fitted without its fold; then the adapter, on all rows.

    Args:
        ladder: of all rows.
        base: the model as it is; it answers in every fold, and so stays in memory.
    """
    climbed = []
    for number, splits in enumerate(folds.parts, 1):
        context.events.note(f"fold {number} of {len(folds.parts)}")
        climbed.append(run_fold(replace(context, splits=splits), base))
    context.events.note("all folds together")
    for name in climbed[0].results:
        add_together(context, ladder, name, [each.results[name] for each in climbed], folds)
    context.events.note("the adapter, on all rows")
    final = replace(context, splits=folds.final)
    final = with_soft_labels(final, fit_baselines(final, base))
    _, tuned = tune_and_save(final, ladder_of(folds.final, context.metric))
    return tuned


def run_fold(context: RunContext, base: Classifier) -> Ladder:
    """One fold's ladder; its models are not kept."""
    ladder = ladder_of(context.splits, context.metric)
    context = with_soft_labels(context, [run_baselines(context, ladder), run_base_and_probe(context, ladder, base)])
    add_tuned(context, ladder, [attempt for _, attempt in tune_seeds(context)])
    if context.spec.evaluation.with_full:
        run_full_finetuning(context, ladder)
    return ladder


def ladder_of(splits: Splits, metric: str) -> Ladder:
    """A ladder whose answers are not written: they are part of a whole, or of no test row."""
    return Ladder(splits, metric, lambda name, answers: None)


def add_together(
    context: RunContext, ladder: Ladder, name: str, rungs: Sequence[ContenderResult], folds: Folds
) -> None:
    """One contender's answers of all folds, seed by seed, as a rung of the ladder on all rows."""
    attempts = [together(each, folds, context.metric) for each in zip(*(rung.attempts for rung in rungs), strict=True)]
    notes: dict[str, list[str]] = {}
    for number, rung in enumerate(rungs, 1):
        for note in rung.contender.notes:
            notes.setdefault(note, []).append(str(number))
    contender = ladder.add(
        name,
        attempts,
        head=rungs[0].contender.head,
        trainable_parameters=round(float(np.mean([rung.contender.trainable_parameters for rung in rungs]))),
        max_length=rungs[0].max_length,
        notes=tuple(f"fold {', '.join(numbers)}: {note}" for note, numbers in notes.items()),
    )
    log_contender(context, contender)


def together(parts: Sequence[ContenderLogits], folds: Folds, metric: str) -> ContenderLogits:
    """The answers of one seed in every fold, as answers to the whole: test in the order of the file."""
    train = [each.train_seconds for each in parts if each.train_seconds is not None]
    return ContenderLogits(
        np.concatenate([each.validation for each in parts]),
        np.concatenate([each.test for each in parts])[folds.order],
        sum(each.evaluate_seconds for each in parts),
        sum(train) if train else None,
        parts[0].seed,
    ).with_thresholds(folds.whole, metric)
