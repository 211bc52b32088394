"""The contenders that are not tuned: majority class, tf-idf, the base model as it is, the linear probe.

In: a RunContext.  Out: contenders on the ladder, and the fits that may give soft labels; label errors and shift.
Not here: the models themselves (liftune.baselines), fine-tuning (finetune.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_probe import fit_linear_probe as fit_probe
from liftune.baselines.soft_labels import BaselineFit, make_soft_labels
from liftune.baselines.tfidf import Majority, Tfidf, majority, tfidf
from liftune.diagnostics.label_errors import find_label_errors
from liftune.diagnostics.shift import shift
from liftune.evaluation.ladder import ContenderLogits, Ladder
from liftune.models.classifier import Classifier
from liftune.records.data import LabelErrorSummary, Shift
from liftune.workflows.context import RunContext, log_contender


def run_baselines(context: RunContext, ladder: Ladder) -> BaselineFit:
    """What needs no pretrained model: the majority class, and tf-idf with a linear model, which may teach."""
    fits: dict[str, Callable[[], Majority | Tfidf]] = {
        "majority": lambda: majority(context.splits),
        "tfidf": lambda: tfidf(context.splits, context.metric),
    }
    for name, fit in fits.items():
        started = time.perf_counter()
        scorer = fit()
        answers = ContenderLogits.of(
            scorer, context.splits, context.metric, train_seconds=time.perf_counter() - started
        )
        log_contender(context, ladder.add(name, [answers], trainable_parameters=scorer.trainable_parameters))
    assert isinstance(scorer, Tfidf)
    return scorer.pupil(context.splits.train.rows)


def run_base_and_probe(context: RunContext, ladder: Ladder, base: Classifier) -> BaselineFit:
    """The model as it is, and a linear model on its frozen features, which may teach: from one pass over each part.

    A fresh head is flagged: the base's score is then chance by construction.
    """
    splits = context.splits
    parts = {}
    took = {}
    for name, split in (("validation", splits.validation), ("test", splits.test), ("train", splits.train)):
        started = time.perf_counter()
        parts[name] = base.read(split.rows, context.events.rows(f"base reads {name}", len(split)))
        took[name] = time.perf_counter() - started
        if name == "test":
            answers = ContenderLogits(parts["validation"][0], parts["test"][0], took["test"])
            answers = answers.with_thresholds(splits, context.metric)
            log_contender(context, ladder.add("base", [answers], head=base.backbone.head, max_length=base.max_length))
    started = time.perf_counter()
    fitted = fit_probe(parts["train"][1], parts["validation"][1], splits, context.metric)
    train_seconds = took["train"] + time.perf_counter() - started
    validation, test = (fitted.logits_of(parts[name][1]) for name in ("validation", "test"))
    contender = ladder.add(
        "probe",
        [ContenderLogits(validation, test, took["test"], train_seconds).with_thresholds(splits, context.metric)],
        trainable_parameters=fitted.trainable_parameters,
        max_length=base.max_length,
        notes=(f"{fitted.pooling} pooling, {fitted.scaling} scaling, C = {fitted.strength:g}, chosen on validation",),
    )
    log_contender(context, contender)
    return fitted.pupil(parts["train"][1])


def fit_baselines(context: RunContext, base: Classifier) -> list[BaselineFit]:
    """The rungs that may teach, fitted without taking part in a ladder."""
    splits = context.splits
    train, validation = base.features(splits.train.rows), base.features(splits.validation.rows)
    fitted = fit_probe(train, validation, splits, context.metric)
    return [tfidf(splits, context.metric).pupil(splits.train.rows), fitted.pupil(train)]


def with_soft_labels(context: RunContext, pupils: Sequence[BaselineFit]) -> RunContext:
    """The context with the stronger of the cheap rungs, to learn from beside the labels, where that is wanted."""
    wanted = bool(context.spec.train.teacher_share)
    return replace(
        context, teacher=make_soft_labels(pupils, context.splits, seed=context.spec.data.seed) if wanted else None
    )


def diagnose_data(context: RunContext, features: NDArray[np.float32]) -> tuple[LabelErrorSummary | None, Shift | None]:
    """What to doubt of the rows themselves, told by linear models: labels of train, and that test is drawn alike.

    Args:
        features: (N, D) of the train rows.
    """
    splits = context.splits
    doubts = find_label_errors(splits.train, splits.task, features)
    if doubts is None:
        return None, shift(splits)
    context.folder.save_suspects(doubts.listed)
    return doubts.found, shift(splits)
