"""Cross-validation: all contenders are fitted once a fold, and their test logits are put together row by row.

In: a RunContext with Folds.  Out: contenders scored on all rows; each on disk, fitted on all rows.
Not here: the contenders (baselines.py, finetune.py), assigning rows to folds (data/folds.py).

The scores are of the procedure, fitting as requested: the saved contenders are none of the models that were scored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from liftune.data.folds import Folds
from liftune.data.splits import Splits
from liftune.evaluation.ladder import ContenderLogits, ContenderResult, Ladder
from liftune.models.classifier import Classifier
from liftune.option_values import CONTRASTIVE
from liftune.workflows.baselines import fit_and_keep_baselines, run_base_and_probe, run_baselines, with_soft_labels
from liftune.workflows.context import RunContext, log_contender, recipe_for
from liftune.workflows.contrastive import fit_contrastive, run_contrastive
from liftune.workflows.finetune import (
    FinetuneResult,
    add_tuned,
    keep_fully_tuned,
    run_full_finetuning,
    tune_and_save,
    tune_fully,
    tune_seeds,
)
from liftune.workflows.long_texts import choose_long
from liftune.workflows.side_by_side import beside_each_other


def run_cross_validation(context: RunContext, folds: Folds, ladder: Ladder, base: Classifier) -> FinetuneResult:
    """Score contenders on every row, by models fitted without the row's fold; then fit and keep each on all rows.

    Args:
        ladder: of all rows.
        base: the model as it is; every fold needs it, and so it stays in memory.
    """
    ladders = []
    if context.jobs > 1:
        beside_each_other(context, run_one_fold, [f"fold {number}" for number in range(1, len(folds.parts) + 1)])
    one_by_one = replace(context, jobs=1)
    for number in range(1, len(folds.parts) + 1):
        context.events.note(f"fold {number} of {len(folds.parts)}")
        ladders.append(run_fold(_of_fold(one_by_one, folds, number), base))
    context.events.note("all folds together")
    for name in in_every_fold(context, ladders):
        add_combined(context, ladder, name, [each.results[name] for each in ladders], folds)
    context.events.note("the models that are kept, on all rows")
    final = replace(context, splits=folds.final, memo=context.memo.within("all rows"))
    final, long = choose_long(final, base)
    fits, base_logits = fit_and_keep_baselines(final, base)
    if CONTRASTIVE in ladder.results:
        fit_contrastive(final, ladder_of(folds.final, context.metric), keep=True)
    final = with_soft_labels(final, fits)
    _, tuned = tune_and_save(final, ladder_of(folds.final, context.metric), base_logits)
    if context.spec.evaluation.with_full:
        keep_fully_tuned(final, tune_fully(final), base_logits)
    return replace(tuned, long=long)


def _of_fold(context: RunContext, folds: Folds, number: int) -> RunContext:
    return replace(context, splits=folds.parts[number - 1], memo=context.memo.within(f"fold {number}"))


def run_one_fold(context: RunContext, number: int) -> None:
    """Work out one fold, and have it kept; its models are not kept.

    Args:
        number: counts from 0.
    """
    folds = context.folds
    assert folds is not None
    context = replace(context, jobs=1)
    base = context.crew.make(recipe_for(context, context.spec.train.seeds[0], plan=context.plan.for_inference))
    run_fold(_of_fold(context, folds, number + 1), base)


def run_fold(context: RunContext, base: Classifier) -> Ladder:
    """The ladder of one fold; its models are not kept."""
    ladder = ladder_of(context.splits, context.metric)
    context, _ = choose_long(context, base)
    fits = [run_baselines(context, ladder), run_base_and_probe(context, ladder, base)]
    run_contrastive(context, ladder)
    context = with_soft_labels(context, fits)
    runs = []
    for seed, tuned in tune_seeds(context):
        runs.append(tuned.run)
        context.memo.forget(f"seed {seed}")
    add_tuned(context, ladder, runs)
    if context.spec.evaluation.with_full:
        run_full_finetuning(context, ladder)
        context.memo.forget("full")
    return ladder


def in_every_fold(context: RunContext, ladders: Sequence[Ladder]) -> list[str]:
    """The contenders that every fold has: whether an encoder starts from pairs of rows is decided in each fold."""
    names = list(dict.fromkeys(name for each in ladders for name in each.results))
    for name in names:
        having = sum(name in each.results for each in ladders)
        if having < len(ladders):
            context.events.note(f"  {name} was fitted in {having} of {len(ladders)} folds: it is not scored")
    return [name for name in names if all(name in each.results for each in ladders)]


def ladder_of(splits: Splits, metric: str) -> Ladder:
    """A ladder whose logits are not written: they are part of a whole, or of no test row."""
    return Ladder(splits, metric, lambda name, logits: None)


def add_combined(
    context: RunContext, ladder: Ladder, name: str, results: Sequence[ContenderResult], folds: Folds
) -> None:
    """Score one contender on all rows, from its logits in all folds, seed by seed."""
    attempts = [
        combine(each, folds, context.metric) for each in zip(*(result.attempts for result in results), strict=True)
    ]
    notes: dict[str, list[str]] = {}
    for number, result in enumerate(results, 1):
        for note in result.contender.notes:
            notes.setdefault(note, []).append(str(number))
    contender = ladder.add(
        name,
        attempts,
        head=results[0].contender.head,
        trainable_parameters=round(float(np.mean([result.contender.trainable_parameters for result in results]))),
        max_length=results[0].max_length,
        total_parameters=results[0].contender.total_parameters,
        notes=tuple(f"fold {', '.join(numbers)}: {note}" for note, numbers in notes.items()),
    )
    log_contender(context, contender)


def combine(parts: Sequence[ContenderLogits], folds: Folds, metric: str) -> ContenderLogits:
    """The logits of one seed in every fold as logits of all rows: test in the order of the file."""
    train = [each.train_seconds for each in parts if each.train_seconds is not None]
    return ContenderLogits(
        np.concatenate([each.validation for each in parts]),
        np.concatenate([each.test for each in parts])[folds.order],
        sum(each.evaluate_seconds for each in parts),
        sum(train) if train else None,
        parts[0].seed,
    ).with_thresholds(folds.whole, metric)
