"""The contender `contrastive`: an encoder that learned from pairs of rows, a linear model on the mean of its states.

In: a RunContext whose encoder is to start from pairs of rows.  Out: a contender on the ladder; its files.
Not here: whether it starts so (few.py), the start itself (training/contrast.py), the tuned model, which goes on from
the same start with the model's own head (finetune.py).

The start compares means of states, as sentence encoders do. The head of a BERT reads the first token instead, which
comes along only partly (docs/log.md), so that this contender reads the means: it is what SetFit fits (Tunstall et al.
2022). It is no plain adapter of the model, which has no such head.
"""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass

import numpy as np

from liftune.baselines.linear_probe import LinearProbe, fit_linear_probe
from liftune.evaluation.ladder import ContenderLogits, Ladder
from liftune.models.classifier import Classifier
from liftune.models.families import total_parameters
from liftune.option_values import CONTRASTIVE
from liftune.records.training import PairStart
from liftune.workflows import few
from liftune.workflows import memo_forms as forms
from liftune.workflows.contenders import keep_contrastive
from liftune.workflows.context import RunContext, load_for, log_contender, note_passes, recipe_for
from liftune.workflows.memo import Outcome

#: What the linear model reads: the encoder is trained on it.
POOLING = "mean"


@dataclass(frozen=True)
class Fitted:
    """The outcome of one seed, without the model."""

    probe: LinearProbe
    logits: ContenderLogits
    trainable_parameters: int
    total_parameters: int | None
    max_length: int


def run_contrastive(context: RunContext, ladder: Ladder, *, keep: bool = False) -> None:
    """Score it, once a seed, where the encoder starts from pairs of rows; nothing else.

    Args:
        keep: save the best on validation.
    """
    attempts = fit_contrastive(context, ladder, keep=keep)
    if not attempts:
        return
    last = attempts[-1]
    best = ladder.best([each.logits for each in attempts])
    probe = next(each.probe for each in attempts if each.logits is best)
    contender = ladder.add(
        CONTRASTIVE,
        [each.logits for each in attempts],
        trainable_parameters=last.trainable_parameters,
        max_length=last.max_length,
        saved_bytes=context.folder.saved_bytes(CONTRASTIVE) if keep else None,
        total_parameters=last.total_parameters,
        notes=(f"{POOLING} pooling of an encoder that learned from pairs of rows, C = {probe.strength:g}",),
    )
    log_contender(context, contender)


def fit_contrastive(context: RunContext, ladder: Ladder, *, keep: bool) -> list[Fitted]:
    """One a seed; none where the encoder does not start from pairs of rows, or that failed."""
    attempts: list[Fitted] = []
    for seed in context.spec.train.seeds:
        found = _fit(context, seed)
        if found is None:
            if attempts and keep:  # that of an earlier seed is of no contender
                shutil.rmtree(context.folder.contender(CONTRASTIVE), ignore_errors=True)
            return []
        fitted, classifier = found
        attempts.append(fitted)
        if keep and ladder.best([each.logits for each in attempts]) is fitted.logits:
            _keep(context, seed, fitted, classifier)
    return attempts


def _fit(context: RunContext, seed: int) -> tuple[Fitted, Classifier | None] | None:
    """Of this process, or of an earlier one, which needs no model."""
    name = f"{CONTRASTIVE} {seed}"
    kept = context.memo.get(name)
    if kept is not None:
        return _unpacked(context, kept, seed), None
    began = _started(context, seed)
    if began is None:
        return None
    classifier, pairs = began
    fitted = _fit_on(context, classifier, seed, pairs.seconds)
    context.memo.put(name, _packed(fitted))
    return fitted, classifier


def _started(context: RunContext, seed: int) -> tuple[Classifier, PairStart] | None:
    """An encoder that started from pairs of rows, as it predicts, and how; None where it does not start so."""
    pairs = few.wanted(context, context.method)
    if pairs is None or not pairs.taken:
        return None
    classifier = context.crew.make(recipe_for(context, seed, context.method, context.options))
    note_passes(context.memo.within(CONTRASTIVE), classifier, context.events)
    pairs = few.start(context, classifier, seed, pairs, name=f"seed {seed}")
    if pairs is None or not pairs.taken:
        return None
    context.crew.restore_full_precision(classifier, lambda: load_for(context, seed))
    return classifier, pairs


def _fit_on(context: RunContext, classifier: Classifier, seed: int, start_seconds: float) -> Fitted:
    splits, metric = context.splits, context.metric
    started = time.perf_counter()
    advance = context.events.rows(CONTRASTIVE, len(splits.train) + len(splits.validation) + len(splits.test))

    read = {"train": classifier.means_and_final_inputs(splits.train.rows, advance)}
    read["validation"] = classifier.means_and_final_inputs(splits.validation.rows, advance)
    train, validation = ({POOLING: read[name][0]} for name in ("train", "validation"))
    probe = fit_linear_probe(train, validation, splits, metric, scalings=("none",), seed=seed)
    fitted, before_test = start_seconds + time.perf_counter() - started, time.perf_counter()
    if len(splits.test):  # there is none where all rows are train, and folds have been scored
        read["test"] = classifier.means_and_final_inputs(splits.test.rows, advance)
        test, seconds = probe.logits_of({POOLING: read["test"][0]}), time.perf_counter() - before_test
        inputs = {name: read[name][1] for name in ("validation", "test")}
        few.keep_final_inputs(context, inputs, seconds, name=f"seed {seed}")
    else:
        test, seconds = np.zeros((0, splits.outputs), dtype=np.float32), 0.0
    logits = ContenderLogits(probe.logits_of(validation), test, seconds, fitted, seed)
    trained = probe.trainable_parameters + classifier.trainable_in_encoder()
    size = total_parameters(classifier.model)
    return Fitted(probe, logits.with_thresholds(splits, metric), trained, size, classifier.max_length)


def _keep(context: RunContext, seed: int, fitted: Fitted, classifier: Classifier | None) -> None:
    """Save it, unless an earlier process did."""
    name = f"{CONTRASTIVE} {seed} kept"
    if context.memo.get(name) is not None and CONTRASTIVE in context.folder.saved_contenders:
        return
    if (model := classifier) is None:
        began = _started(context, seed)
        assert began is not None  # it was, when its fit was kept
        model = began[0]
    keep_contrastive(context, model, fitted.probe, fitted.logits)
    context.memo.put(name, Outcome())


def _packed(fitted: Fitted) -> Outcome:
    """The written form."""
    probe, logits = forms.pack_probe((fitted.probe, 0.0)), fitted.logits
    values = {
        "probe": probe.values,
        "seconds": [logits.evaluate_seconds, logits.train_seconds],
        "model": [fitted.trainable_parameters, fitted.total_parameters, fitted.max_length],
    }
    return Outcome(values, {**probe.arrays, "validation": logits.validation, "test": logits.test})


def _unpacked(context: RunContext, kept: Outcome, seed: int) -> Fitted:
    """The same again."""
    probe, _ = forms.unpack_probe(Outcome(kept.values["probe"], kept.arrays))
    evaluate_seconds, train_seconds = kept.values["seconds"]
    logits = ContenderLogits(kept["validation"], kept["test"], evaluate_seconds, train_seconds, seed)
    return Fitted(probe, logits.with_thresholds(context.splits, context.metric), *kept.values["model"])
