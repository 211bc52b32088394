"""Few rows a label: a classifier whose encoder starts from pairs of rows, where that helps.

In: a RunContext, a classifier that has not been trained.  Out: the same, started; what was found and taken.
Not here: the start itself (training/contrast.py), tuning (finetune.py), whether it can be had (few_wanted.py).

Whether it helps is asked of train alone: in folds, a linear head is fitted to what the model's own head reads, of the
encoder as it is and of one that starts from pairs, and both answer the rows that they have not seen. Validation and
test have no part in it. Of so few rows that such a trial could hardly tell, the start is taken without one.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from liftune.baselines.linear_models import fit_linear, judge
from liftune.baselines.linear_probe import Scale
from liftune.data.folds import folds_for_fitting
from liftune.data.splits import Splits
from liftune.errors import SpecError, lacks_memory
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation
from liftune.metrics.registry import METRICS
from liftune.models import families
from liftune.models.classifier import Classifier
from liftune.models.methods.registry import Method
from liftune.records.base import Interval
from liftune.records.training import PairStart, TrainLog
from liftune.reports.sections.training import pairs_sentence
from liftune.training.contrast import Learned, contrast, settings_for
from liftune.training.schedule import Schedule, rate_of
from liftune.types import FloatArray, IntArray
from liftune.workflows.context import RunContext, recipe_for
from liftune.workflows.few_wanted import LEAST_VALIDATION, UNTRIED_ROWS, is_tried, is_untried, keeps_start
from liftune.workflows.memo import Outcome

#: Folds of train in which it is tried. Where the run itself is cross-validated, and all of this is done in each of its
#: folds, one of them is enough.
FOLDS = 3
#: A trial ends before its last fold where the p-value of the gain, on the rows answered so far, is below this: each
#: fold takes as long as the start. Three looks at .01 are wrong in at most .03 of trials without a gain (Bonferroni).
DECIDED = 0.01
#: Inverse strengths of the heads that are compared; each side has its best.
STRENGTHS = (1e-3, 1e-2, 1e-1)
NO_BODY = "the model does not tell its body from its head"
#: Of the method's rate, where tuning goes on from a start from pairs: at the whole rate it takes away what the start
#: gave (docs/log.md).
RATE_AFTER_PAIRS = 0.2
#: Of a start from pairs, for an estimate of its time: the mean of 28 runs, which had one to four (docs/log.md).
USUAL_ROUNDS = 2


def wanted(context: RunContext, method: Method) -> PairStart | None:
    """Whether the encoder is to start from pairs of rows, and how that was decided; None where it was not asked.

    Raises:
        SpecError: it was asked for, and --shard divides the model.
    """
    few, splits = context.spec.train.few, context.splits
    if few == "off" or method is not context.method:
        return None
    if few == "on":
        if context.crew.shard:
            raise SpecError("pairs of rows are read in one process, and --shard divides the model", where="--few on")
        return PairStart(asked="on", taken=True, rows=len(splits.train), labels=len(splits.labels))
    if not is_tried(context.spec, splits, method, context.options):
        return None
    if context.crew.shard:
        reason = "pairs are read in one process, and --shard divides the model"
        return PairStart(asked="auto", taken=False, rows=len(splits.train), labels=len(splits.labels), reason=reason)
    if is_untried(splits):
        reason = f"up to {UNTRIED_ROWS} rows are too few for a trial to tell"
        found = PairStart(asked="auto", taken=True, rows=len(splits.train), labels=len(splits.labels), reason=reason)
        context.events.note_once(f"  {pairs_sentence(found)}")
        return found
    found = context.memo.once(
        _name_of(context),
        lambda: _try(context),
        lambda found: Outcome(found.model_dump(mode="json")),
        lambda kept: PairStart.model_validate(kept.values),
    )
    context.events.note_once(f"  {pairs_sentence(found)}")
    return found


def _name_of(context: RunContext) -> str:
    """What the trial's outcome is kept under: all cells of a sweep keep theirs in one place."""
    asked = [context.method.name, repr(context.options), context.spec.train.model_dump(mode="json")]
    return f"pairs tried {hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]}"


def start(
    context: RunContext, classifier: Classifier, seed: int, found: PairStart | None, *, name: str
) -> PairStart | None:
    """Start a classifier's encoder from pairs of rows, if that is taken; the same again where an earlier process did.

    Args:
        classifier: newly attached by the context's method.
        name: of what is kept.

    Returns:
        what was found, with the seconds that the start took.
    """
    if found is None or not found.taken:
        return found
    kept = context.memo.get(f"{name} pairs")
    if kept is None:
        began, before = time.perf_counter(), classifier.snapshot()
        learned = _started(context, classifier, seed, found)
        if isinstance(learned, str):
            classifier.restore(before)
            context.events.note_once(f"  no start from pairs: {learned}")
            return found.model_copy(update={"taken": False, "reason": learned})
        weights = {key: each.cpu().numpy() for key, each in classifier.snapshot().items()}
        how = {"seconds": time.perf_counter() - began, "visits": learned.visits, "loss": learned.loss}
        kept = Outcome(how, weights)
        context.memo.put(f"{name} pairs", kept)
    else:
        classifier.restore({key: torch.from_numpy(np.asarray(each)) for key, each in kept.arrays.items()})
    if keeps_start(context.spec, context.splits):
        rows = len(context.splits.validation)
        context.events.note_once(
            f"  the start and its fitted head are kept: {rows:,} validation rows are too few to see whether tuning "
            f"improves them (fewer than {LEAST_VALIDATION}); --epochs tunes all the same"
        )
    return found.model_copy(update=kept.values)


def keep_final_inputs(context: RunContext, inputs: Mapping[str, FloatArray], seconds: float, *, name: str) -> None:
    """Keep what a started model's own head reads of the rows that are scored, where nothing is tuned after the start.

    Args:
        inputs: part -> (N, D) of an encoder as it predicts.
        seconds: of reading test.
        name: as of `start`.
    """
    if keeps_start(context.spec, context.splits):
        context.memo.put(f"{name} final inputs", Outcome(seconds, inputs))


def logits_at_start(
    context: RunContext, classifier: Classifier, log: TrainLog, *, name: str
) -> tuple[NDArray[np.float32], NDArray[np.float32], float] | None:
    """(M, C) of validation, (N, C) of test, and the seconds of the latter, by what was kept of the same encoder.

    Args:
        log: of a training without a step the encoder is that of the start.

    Returns:
        None where the rows are to be read: of the greatest logit of several windows their mean tells nothing.
    """
    known = log.pairs and log.pairs.taken and not log.steps and classifier.long.pooling == "mean"
    kept = context.memo.get(f"{name} final inputs") if known else None
    if kept is None:
        return None
    weight, bias = classifier.final_weights()
    validation, test = (np.asarray(kept[part] @ weight.T + bias, dtype=np.float32) for part in ("validation", "test"))
    return validation, test, kept.values


def _started(context: RunContext, classifier: Classifier, seed: int, found: PairStart) -> Learned | str:
    """Train on pairs of all of train; in words why that could not be done, where nobody asked for it."""
    untried = found.asked == "auto" and found.gain is None
    if untried and not families.base_name(classifier.backbone.model):
        return NO_BODY
    try:
        return _train_on(context, classifier, np.arange(len(context.splits.train)), seed)
    except Exception as error:
        if not untried or not lacks_memory(error):
            raise
        return "memory ran short"


def lead(context: RunContext, found: PairStart | None) -> float:
    """By how much an epoch of tuning must beat a start from pairs on validation to be kept: a standard error.

    The start's head is fitted already, and tuning on few rows took more away than it gave, where validation was too
    small to see it (docs/log.md). This is the one-standard-error rule of Breiman, Friedman, Olshen and Stone (1984),
    with the largest error that a share of so many rows can have. Of metrics that are no shares any gain counts.

    Returns:
        infinity where nothing is tuned after the start: validation could not see a gain, and nobody asked for epochs.
    """
    if found is None or not found.taken:
        return 0.0
    if keeps_start(context.spec, context.splits):
        return math.inf
    if METRICS[context.metric].bounds != (0.0, 1.0):
        return 0.0
    return float(0.5 / np.sqrt(max(1, len(context.splits.validation))))


def slower(schedule: Schedule, context: RunContext, found: PairStart | None) -> Schedule:
    """The schedule of tuning after a start from pairs: at a fifth of the rate, unless one was asked for."""
    if found is None or not found.taken or context.spec.train.lr:
        return schedule
    return replace(schedule, learning_rate=schedule.learning_rate * RATE_AFTER_PAIRS)


def steps_of_pairs(context: RunContext, splits: Splits) -> float:
    """Optimizer steps of 16 rows that trial and start take as long as, about."""
    if context.spec.train.few == "off":
        return 0.0
    tried = is_tried(context.spec, splits, context.method, context.options)
    if not tried and context.spec.train.few != "on":
        return 0.0
    rows = len(splits.train)
    trials = (FOLDS - 1) / (FOLDS if context.folds else 1) if tried and not is_untried(splits) else 0.0
    return (1 + trials) * USUAL_ROUNDS * settings_for(rows, context.row_tokens, 1.0).visits * rows / 16


def _try(context: RunContext) -> PairStart:
    """Cross-validation on train, unless it cannot be had; nothing of it stays but what it found."""
    started, splits = time.perf_counter(), context.splits
    about: dict[str, Any] = {"asked": "auto", "rows": len(splits.train), "labels": len(splits.labels)}
    folds = folds_for_fitting(splits.train, splits.task, most=FOLDS, near=splits.audit.near_duplicates or 0.0)
    targets = splits.encoded(splits.train)
    if folds is None or any(len(np.unique(targets[folds != fold])) < 2 for fold in np.unique(folds)):
        return PairStart(**about, taken=False, reason="there are too few different texts for folds")
    try:
        sides = _out_of_fold(context, folds)
    except Exception as error:
        if not lacks_memory(error):
            raise
        return PairStart(**about, taken=False, reason="memory ran short")
    if sides is None:
        return PairStart(**about, taken=False, reason=NO_BODY)
    metric = METRICS[context.metric]
    scores = [judge(each.logits, each.targets, splits.task, metric) for each in sides]
    found = compare(*sides, context.metric)
    return PairStart(
        **about,
        taken=scores[1] > scores[0],
        judged=len(sides[0]),
        metric=metric.name,
        without=sides[0].score(metric),
        with_pairs=sides[1].score(metric),
        gain=Interval(value=found.gain, low=found.low, high=found.high),
        p_value=found.p_value,
        tried_seconds=time.perf_counter() - started,
    )


def _out_of_fold(context: RunContext, folds: IntArray) -> tuple[Evaluation, Evaluation] | None:
    """Train's rows, answered by heads that have not seen them: on the encoder as it is, and started from pairs.

    Fold by fold, until it is decided.
    """
    splits, seed = context.splits, context.spec.train.seeds[0]
    classifier = context.crew.make(recipe_for(context, seed, context.method, context.options))
    if not families.base_name(classifier.backbone.model):
        return None
    before, rows = classifier.snapshot(), classifier.encode(splits.train.rows)
    as_it_is = classifier.final_inputs(rows)
    started = {}
    every = _tried(context, folds)
    for number, fold in enumerate(every, 1):
        classifier.restore(before)
        trial = f"trying a start from pairs of rows, fold {number} of {len(every)}"
        _train_on(context, classifier, np.flatnonzero(folds != fold), seed, trial=trial)
        started[fold] = classifier.final_inputs(rows)
        without = _answered(context, "without", folds, dict.fromkeys(started, as_it_is))
        sides = without, _answered(context, "with", folds, started)
        if (p_value := compare(*sides, context.metric).p_value) is not None and p_value < DECIDED:
            break
    return sides


def _answered(context: RunContext, name: str, folds: IntArray, inputs: dict[int, FloatArray]) -> Evaluation:
    """The rows of the folds whose inputs of the head are there."""
    splits = context.splits
    every = Evaluation.of(name, _best_logits(context, folds, inputs), splits, splits.train)
    return every.take(np.flatnonzero(np.isin(folds, list(inputs))))


def _tried(context: RunContext, folds: IntArray) -> list[int]:
    every: list[int] = np.unique(folds).tolist()
    return every if context.folds is None else every[:1]


def _best_logits(context: RunContext, folds: IntArray, inputs: dict[int, FloatArray]) -> FloatArray:
    """(N, C) out of fold, at the strength whose log-loss is least; zeros in folds that were not tried."""
    splits, task = context.splits, context.splits.task
    targets, metric = splits.encoded(splits.train), METRICS["log_loss"]
    every, tried = [], np.isin(folds, list(inputs))
    for strength in STRENGTHS:
        logits = np.zeros((len(targets), splits.outputs), dtype=np.float32)
        for fold, of_fold in inputs.items():
            inside, outside = folds == fold, folds != fold
            scale = Scale.learn("none", of_fold[outside])
            head = fit_linear(scale(of_fold[outside]), targets[outside], splits.outputs, task, strength)
            logits[inside] = head.logits(scale(of_fold[inside]))
        every.append(logits)
    return max(every, key=lambda logits: judge(logits[tried], targets[tried], task, metric))


def _train_on(
    context: RunContext, classifier: Classifier, positions: IntArray, seed: int, *, trial: str = ""
) -> Learned:
    """Pairs of some of train's rows."""
    splits = context.splits
    train = splits.train.take(positions.tolist())
    rows = classifier.encode(train.rows)
    rate = context.spec.train.lr or rate_of(context.method, context.width)
    settings = settings_for(len(train), float(rows.lengths.mean()), rate)
    labels = np.asarray(splits.encoded(train), dtype=np.int64)
    return contrast(classifier, rows, labels, settings, seed=seed, events=context.events, trial=trial)
