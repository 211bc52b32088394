"""`--long auto`: whether long texts are cut, read by their first and last part, or in windows, as validation shows it.

In: a RunContext and the base model.  Out: the same with a rule, and a LongChoice where there was something to choose.
Not here: the rules (data/long_rows.py), the words (reports/sections/long_texts.py).

A linear model on the untuned model's features is fitted for each rule, on the same sample of train, and scored on the
same rows: validation, or, where that is small, train rows by fits that left them out. Test is never looked at. Only
rows that are too long are read more than once. Windows take more time in all that follows: they are taken only where
they are better by the paired test, or cost little.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from liftune.baselines.linear_models import out_of_fold
from liftune.baselines.linear_probe import fit_linear_probe
from liftune.data.folds import FOLDS, folds_for_fitting
from liftune.data.sampling import sample
from liftune.data.splits import Split, Splits
from liftune.evaluation.compare import compare
from liftune.evaluation.evaluate import Evaluation
from liftune.evaluation.statistics.intervals import ALPHA
from liftune.evaluation.statistics.multiple_tests import holm
from liftune.metrics.registry import METRICS
from liftune.models.classifier import Classifier
from liftune.models.over_rows import Progress
from liftune.records.long_texts import LongChoice, LongContrast, LongTried
from liftune.reports.sections.long_texts import long_sentences
from liftune.training.schedule import default_patience
from liftune.types import LongRule, Row
from liftune.workflows.context import RunContext
from liftune.workflows.memo import Outcome
from liftune.workflows.reach import FEW, may_be_longer

#: Pooling -> (N, D).
Features: TypeAlias = dict[str, NDArray[np.float32]]
#: The choice may read this share of the tokens that the run reads at least.
MOST_COST = 0.3
#: Train rows that the linear models are fitted on: enough to tell rules apart, and few of a large set.
MOST_ROWS, LEAST_ROWS = 2_000, 100
#: With fewer validation rows, train is judged by fits that left its rows out.
LEAST_JUDGED = 200
#: What a row of training costs, in passes that only read it: forward, and about as much on the way back.
TRAINING = 2
#: A rule that reads more than this, by the tokens of cut, must be better by the test.
CHEAP = 1.3
RULES: tuple[LongRule, ...] = ("cut", "head-tail", "windows")
#: Train rows that tell, about, whether there may be something to choose.
LOOKED_AT = 2_000
#: Name of the outcome.
NAME = "long texts"


@dataclass(frozen=True)
class LongRows:
    """Train rows that are too long, and what each rule reads of all."""

    longer: int
    total: int
    tokens: Mapping[LongRule, int]
    short: int = 0
    """Tokens of the rows that are not too long."""

    @property
    def share(self) -> float:
        """Of train."""
        return self.longer / max(1, self.total)


def long_rows(base: Classifier, rows: Sequence[Row]) -> LongRows:
    """Count them. Only rows that may be too long are tokenised."""
    may_be = may_be_longer(rows, base.max_length)
    if not may_be:
        return LongRows(0, len(rows), {})
    with base.reading("windows"):
        windows = [(len(each), len(each.windows)) for each in base.encode(may_be)]
    longer = sum(count > 0 for _, count in windows)
    short = sum(size for size, count in windows if not count)
    rest = len(rows) - len(may_be)
    usual = short / max(1, len(may_be) - longer) if len(may_be) > longer else base.max_length / 2
    others = short + int(rest * min(usual, base.max_length / 2))
    cut = others + longer * base.max_length
    return LongRows(
        longer,
        len(rows),
        {"cut": cut, "head-tail": cut, "windows": others + sum(size for size, count in windows if count)},
        others,
    )


def is_open(context: RunContext) -> bool:
    """Whether a rule is still to be chosen."""
    return context.spec.model.long in (None, "auto")


def with_choice(context: RunContext, base: Classifier) -> RunContext:
    """The context, which knows whether there is a rule to choose; with folds each chooses for itself."""
    if not is_open(context) or context.folds is not None:
        return context
    rows = context.splits.train.rows
    some = rows[:: max(1, len(rows) // LOOKED_AT)]  # choose_long counts all
    enough = FEW if len(some) == len(rows) else FEW / 2
    return replace(context, chooses_long=long_rows(base, some).share > enough)


def choose_long(context: RunContext, base: Classifier) -> tuple[RunContext, LongChoice | None]:
    """The context with the rule that reads long texts best, by which the base reads from here on.

    Returns:
        what was chosen, and why; None where there was nothing to choose.
    """
    if not is_open(context):
        return context, None
    base.read_long_texts("cut")  # another fold may have chosen before
    choice = context.memo.once(NAME, lambda: _chosen(context, base), _pack, _unpack)
    if choice is None:
        return context, None
    base.read_long_texts(choice.rule)
    model = context.spec.model.model_copy(update={"long": choice.rule})
    said = long_sentences(choice)
    for line in said:
        context.events.note(f"  {line}")
    spec = context.spec.model_copy(update={"model": model})
    tokens = next(each.tokens for each in choice.tried if each.rule == choice.rule)
    row_tokens = tokens / max(1, len(context.splits.train))
    return replace(context, spec=spec, notes=(*context.notes, *said), row_tokens=row_tokens), choice


def _pack(choice: LongChoice | None) -> Outcome:
    return Outcome(None if choice is None else choice.model_dump(mode="json"))


def _unpack(kept: Outcome) -> LongChoice | None:
    return None if kept.values is None else LongChoice.model_validate(kept.values)


def _chosen(context: RunContext, base: Classifier) -> LongChoice | None:
    started = time.perf_counter()
    splits = context.splits
    rows = long_rows(base, splits.train.rows)
    if rows.share <= FEW:
        return None
    trial = affordable(context, rows)
    tried = _sampled(context, trial)
    judged = _judged(context, base, tried, trial.rules) if len(trial.rules) > 1 else {}
    metric = METRICS[context.metric]
    scores = {rule: each.score(metric) for rule, each in judged.items()}
    contrasts = _contrasts(judged, context.metric)
    judged_on = next(iter(judged.values()), None)
    return LongChoice(
        rule=best_rule(scores, contrasts, rows, sign=metric.sign),
        max_length=base.max_length,
        longer=rows.longer,
        share=rows.share,
        metric=context.metric,
        judged_on="train" if judged_on is not None and judged_on.ids == tried.train.ids else "validation",
        rows=0 if judged_on is None else len(judged_on),
        train_rows=trial.train,
        tried=tuple(LongTried(rule=rule, tokens=rows.tokens[rule], score=scores.get(rule)) for rule in RULES),
        contrasts=contrasts,
        seconds=time.perf_counter() - started,
        cost_share=trial.cost,
    )


@dataclass(frozen=True)
class Trial:
    """The rules to try, and on how many rows."""

    rules: tuple[LongRule, ...]
    train: int
    validation: int
    cost: float
    """Tokens, as a share of those that the run reads at least."""


def affordable(context: RunContext, rows: LongRows) -> Trial:
    """What can be tried within MOST_COST.

    Tokens stand for time. A run that cuts reads all parts once, and trains for as many epochs as it takes to stop.
    """
    splits, spec = context.splits, context.spec.train
    train, validation = len(splits.train), len(splits.validation)
    epochs = context.schedule(spec, context.method, train).epochs
    least = min(epochs, 1 + (spec.patience or default_patience(epochs)))
    every = (train + validation + len(splits.test)) / train
    run = rows.tokens["cut"] * (every + len(spec.seeds) * least * (TRAINING + validation / train))
    for rules in (RULES, RULES[:2]):
        # Of rows that are not too long, the other rules read nothing that cut has not read.
        read = sum(rows.tokens[rule] - (rows.short if rule != "cut" else 0) for rule in rules) / train
        most = int(MOST_COST * run / read)
        judged = min(validation, MOST_ROWS, max(LEAST_JUDGED, most // 3))
        size = min(train, MOST_ROWS, most - judged)
        if size >= min(LEAST_ROWS, train):
            return Trial(rules, size, judged, read * (size + judged) / run)
    return Trial(RULES[:1], 0, 0, 0.0)


def _sampled(context: RunContext, trial: Trial) -> Splits:
    """So many rows of train and validation, each label in proportion."""
    splits, seed = context.splits, context.spec.data.seed

    def some(part: Split, size: int, name: str) -> Split:
        rows = sample(part, size, splits.task, seed, name=f"long texts {name}", every_class=name == "train")
        return part.take(rows)

    train, validation = splits.train, splits.validation
    return replace(
        splits, train=some(train, trial.train, "train"), validation=some(validation, trial.validation, "validation")
    )


def _judged(
    context: RunContext, base: Classifier, splits: Splits, rules: Sequence[LongRule]
) -> dict[LongRule, Evaluation]:
    """Each rule's answers to the same rows."""
    features: dict[LongRule, tuple[Features, Features]] = {}
    parts = splits.train, splits.validation
    for rule in rules:
        advance = context.events.rows(f"base reads long texts: {rule}", sum(map(len, parts)))
        cut = features.get("cut", ({}, {}))
        with base.reading(rule):
            train, validation = (_read(base, part, before, advance) for part, before in zip(parts, cut, strict=True))
        features[rule] = train, validation
    return {rule: _answers(rule, *each, splits, context.metric) for rule, each in features.items()}


def _read(base: Classifier, part: Split, cut: Features, advance: Progress) -> Features:
    """Features of a part; of rows that are not too long those of before."""
    if not cut:
        return base.features(part.rows, advance)
    encoded = base.encode(part.rows)
    longer = [i for i, each in enumerate(encoded) if each.windows or len(each) >= base.max_length]
    found = {name: values.copy() for name, values in cut.items()}
    if longer:
        for name, values in base.features([part.rows[i] for i in longer]).items():
            found[name][longer] = values
    advance(len(part))
    return found


def _answers(
    rule: str,
    train: Features,
    validation: Features,
    splits: Splits,
    metric: str,
) -> Evaluation:
    """Of validation; where that is small, of train by fits that left each row out."""
    probe = fit_linear_probe(train, validation, splits, metric)
    folds = None
    if len(splits.validation) < LEAST_JUDGED:
        folds = folds_for_fitting(splits.train, splits.task, least=FOLDS)
    if folds is None:
        return Evaluation.of(rule, probe.logits_of(validation), splits, splits.validation)
    fit = probe.baseline_fit(train)
    targets = splits.encoded(splits.train)
    logits = out_of_fold(fit.features, targets, splits.outputs, splits.task, fit.strength, folds)
    return Evaluation.of(rule, logits, splits, splits.train)


def _contrasts(judged: Mapping[LongRule, Evaluation], metric: str) -> tuple[LongContrast, ...]:
    """Every two rules, by the paired test of the verdicts; Holm over them."""
    found = [(a, b, compare(judged[a], judged[b], metric)) for a, b in combinations(judged, 2)]
    adjusted = holm(np.array([each.p_value for *_, each in found]))
    return tuple(
        LongContrast(a=a, b=b, gain=each.gain, low=each.low, high=each.high, p_value=float(p))
        for (a, b, each), p in zip(found, adjusted, strict=True)
    )


def best_rule(
    scores: Mapping[LongRule, float | None], contrasts: Sequence[LongContrast], rows: LongRows, *, sign: float
) -> LongRule:
    """The best score; of rules that read as much the first of equals; a dear one only where the test says so."""
    known = {rule: sign * score for rule, score in scores.items() if score is not None}
    if not known:
        return "cut"
    cheap = [rule for rule in known if rows.tokens[rule] <= CHEAP * rows.tokens["cut"]]
    best = max(cheap, key=lambda rule: known[rule])
    for rule in (each for each in known if each not in cheap):
        against = next(each for each in contrasts if {each.a, each.b} == {best, rule})
        if known[rule] > known[best] and against.p_value < ALPHA:
            best = rule
    return best
