"""The contenders that are not tuned: majority class, tf-idf, the base model as it is, the linear probe.

In: a RunContext.  Out: contenders on the ladder, and the fits that may give soft labels; label errors and shift.
Not here: the models themselves (liftune.baselines), fine-tuning (finetune.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_probe import LinearProbe, Scale, fit_linear_probe
from liftune.baselines.soft_labels import BaselineFit, make_soft_labels
from liftune.baselines.tfidf import Majority, Tfidf, majority, tfidf
from liftune.data.splits import Split
from liftune.diagnostics.label_errors import find_label_errors
from liftune.diagnostics.shift import shift
from liftune.evaluation.ladder import ContenderLogits, Ladder
from liftune.models.classifier import Classifier
from liftune.records.data import LabelErrorSummary, Shift
from liftune.types import FloatArray
from liftune.workflows import memo_forms as forms
from liftune.workflows.contenders import keep_base, keep_probe, keep_words
from liftune.workflows.context import RunContext, log_contender
from liftune.workflows.few_wanted import skips_tuning

Value = TypeVar("Value")
#: Pooling -> (N, D).
Features: TypeAlias = Mapping[str, FloatArray]

#: What a note says of the features that the probe reads.
_SCALED = {"none": "features as they are", "standardise": "standardised features", "unit": "features of unit length"}


def run_baselines(context: RunContext, ladder: Ladder, *, keep: bool = False) -> BaselineFit:
    """Score what needs no pretrained model: the majority class, and tf-idf with a linear model.

    Args:
        keep: save them.

    Returns:
        the fit of tf-idf, which may give soft labels.
    """
    fits: dict[str, Callable[[], tuple[Majority | Tfidf, float]]] = {
        "majority": lambda: timed(lambda: majority(context.splits)),
        "tfidf": lambda: fit_tfidf(context),
    }
    for name, fit in fits.items():
        scorer, seconds = fit()
        logits = ContenderLogits.of(scorer, context.splits, context.metric, train_seconds=seconds)
        if keep:
            keep_words(context, name, scorer, logits)
        contender = ladder.add(
            name,
            [logits],
            trainable_parameters=scorer.trainable_parameters,
            saved_bytes=context.folder.saved_bytes(name),
        )
        log_contender(context, contender)
    assert isinstance(scorer, Tfidf)
    return scorer.baseline_fit(context.splits.train.rows)


def timed(compute: Callable[[], Value]) -> tuple[Value, float]:
    """A value, and the seconds that it took."""
    started = time.perf_counter()
    value = compute()
    return value, time.perf_counter() - started


def fit_tfidf(context: RunContext) -> tuple[Tfidf, float]:
    """The fit and its seconds, of now or of an earlier process."""
    return context.memo.once(
        "tfidf", lambda: timed(lambda: tfidf(context.splits, context.metric)), forms.pack_tfidf, forms.unpack_tfidf
    )


def fit_probe(context: RunContext, train: Features, validation: Features) -> tuple[LinearProbe, float]:
    """The same of the probe."""
    splits, metric = context.splits, context.metric
    return context.memo.once(
        "probe",
        lambda: timed(lambda: fit_linear_probe(train, validation, splits, metric)),
        forms.pack_probe,
        forms.unpack_probe,
    )


def read_part(context: RunContext, base: Classifier, name: str, split: Split) -> forms.Pass:
    """The base model's logits and features of a split, and the seconds of its pass."""

    def read() -> forms.Pass:
        advance = context.events.rows(f"base reads {name}", len(split))
        (logits, features), seconds = timed(lambda: base.read(split.rows, advance))
        return logits, features, seconds

    return context.memo.once(f"base {name}", read, forms.pack_pass, forms.unpack_pass)


def run_base_and_probe(context: RunContext, ladder: Ladder, base: Classifier, *, keep: bool = False) -> BaselineFit:
    """Score the model as it is, and a linear model on its frozen features, from one pass over each split.

    The base model's score is just guessing where its head is randomly initialised; its contender says so.

    Args:
        keep: save them.

    Returns:
        the fit of the probe, which may give soft labels.
    """
    splits = context.splits
    passes: dict[str, tuple[NDArray[np.float32], dict[str, NDArray[np.float32]]]] = {}
    seconds: dict[str, float] = {}
    for name, split in (("validation", splits.validation), ("test", splits.test), ("train", splits.train)):
        logits_of_part, features, seconds[name] = read_part(context, base, name, split)
        passes[name] = logits_of_part, features
        if name == "test":
            as_it_is = ContenderLogits(passes["validation"][0], passes["test"][0], seconds["test"])
            as_it_is = as_it_is.with_thresholds(splits, context.metric)
            if keep:
                keep_base(context, base, as_it_is)
            contender = ladder.add(
                "base",
                [as_it_is],
                head=base.backbone.head,
                max_length=base.max_length,
                saved_bytes=context.folder.saved_bytes("base"),
            )
            log_contender(context, contender)
    probe, fit_seconds = fit_probe(context, passes["train"][1], passes["validation"][1])
    train_seconds = seconds["train"] + fit_seconds
    validation, test = (probe.logits_of(passes[name][1]) for name in ("validation", "test"))
    logits = ContenderLogits(validation, test, seconds["test"], train_seconds).with_thresholds(splits, context.metric)
    if keep:
        keep_probe(context, base, probe, as_it_is, logits)
    contender = ladder.add(
        "probe",
        [logits],
        trainable_parameters=probe.trainable_parameters,
        max_length=base.max_length,
        saved_bytes=context.folder.saved_bytes("probe"),
        notes=(f"{probe.pooling} pooling, {_SCALED[probe.scaling]}, C = {probe.strength:g}, chosen on validation",),
    )
    log_contender(context, contender)
    return probe.baseline_fit(passes["train"][1])


def fit_and_keep_baselines(context: RunContext, base: Classifier) -> tuple[list[BaselineFit], ContenderLogits]:
    """Fit and save all of them where no row is left to score them on.

    Returns:
        the fits that may give soft labels; the base model's logits on validation.
    """
    splits, metric = context.splits, context.metric
    words, constant = fit_tfidf(context)[0], majority(splits)
    keep_words(context, "majority", constant, ContenderLogits.of(constant, splits, metric))
    keep_words(context, "tfidf", words, ContenderLogits.of(words, splits, metric))
    _, train, _ = read_part(context, base, "train", splits.train)
    as_it_is, validation, _ = read_part(context, base, "validation", splits.validation)
    probe, _ = fit_probe(context, train, validation)
    base_logits, logits = (
        ContenderLogits(each, each[:0], 0.0).with_thresholds(splits, metric)
        for each in (as_it_is, probe.logits_of(validation))
    )
    keep_base(context, base, base_logits)
    keep_probe(context, base, probe, base_logits, logits)
    return [words.baseline_fit(splits.train.rows), probe.baseline_fit(train)], base_logits


def with_soft_labels(context: RunContext, fits: Sequence[BaselineFit]) -> RunContext:
    """The context with soft labels of train from the best fit, unless --teacher-share is 0, or no step is to come."""
    spec = context.spec
    unused = skips_tuning(spec, context.splits, context.method, context.options) and not spec.evaluation.with_full
    if not spec.train.teacher_share or unused:
        return replace(context, soft_labels=None)
    soft_labels = context.memo.once(
        "soft labels",
        lambda: make_soft_labels(fits, context.splits, seed=context.spec.data.seed),
        forms.pack_soft_labels,
        forms.unpack_soft_labels,
    )
    return replace(context, soft_labels=soft_labels)


def diagnose_data(context: RunContext, features: NDArray[np.float32]) -> tuple[LabelErrorSummary | None, Shift | None]:
    """Look for likely label errors in train, and for a shift between train and test, with linear models.

    Args:
        features: (N, D) of the train rows.
    """
    splits = context.splits
    found = context.memo.once("shift", lambda: shift(splits), forms.pack_shift, forms.unpack_shift)
    return find_suspects(context, splits.train, lambda: features), found


def find_suspects(
    context: RunContext, rows: Split, features: Callable[[], NDArray[np.float32]]
) -> LabelErrorSummary | None:
    """Likely label errors among rows that were trained on; the list is written to disk.

    Args:
        features: gives (N, D) of the rows, about centred and of unit scale.
    """
    errors = context.memo.once(
        "label errors",
        lambda: find_label_errors(rows, context.splits.task, features()),
        forms.pack_label_errors,
        forms.unpack_label_errors,
    )
    if errors is None:
        return None
    context.folder.save_suspects(errors.listed)
    return errors.summary


def standardised(features: Mapping[str, FloatArray]) -> NDArray[np.float32]:
    """(N, D) means over tokens, centred and of unit scale; of a model without a marked body what its head reads."""
    found = features["mean"] if "mean" in features else features["head"]
    return Scale.learn("standardise", found)(found)
