"""The stages of `liftune tune`, once rows and model are loaded.

In: a RunContext and the base model, as a RunState.  Out: the same with contenders, verdict and record; files.
Not here: any stage's own work, which other modules of workflows/ do; what comes before (request.py, preparing.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from liftune.baselines.soft_labels import BaselineFit
from liftune.data.audit import labels_of
from liftune.evaluation.ladder import Ladder
from liftune.metrics.registry import METRICS, margin_in_own_unit
from liftune.models.classifier import Classifier
from liftune.models.tokens.long_texts import LongTexts
from liftune.option_values import ZERO_SHOT
from liftune.records.data import LabelErrorSummary, Shift
from liftune.records.learning_curve import Curve
from liftune.records.long_texts import LongChoice
from liftune.records.run import TuneRecord
from liftune.reports.sections.long_texts import long_sentences
from liftune.run_folder import card_of
from liftune.spec import RunSpec
from liftune.tasks import task_of
from liftune.training.throughput import speed_of
from liftune.versions import versions
from liftune.workflows.answers import Untrained, predict_zero_shot, score_outside
from liftune.workflows.baselines import (
    diagnose_data,
    find_suspects,
    run_base_and_probe,
    run_baselines,
    standardised,
    with_soft_labels,
)
from liftune.workflows.clock import Clock
from liftune.workflows.context import RunContext
from liftune.workflows.contrastive import run_contrastive
from liftune.workflows.cross_validation import run_cross_validation
from liftune.workflows.few_wanted import may_start
from liftune.workflows.finetune import FinetuneResult, run_finetuning, run_full_finetuning
from liftune.workflows.learning_curve import run_learning_curve
from liftune.workflows.long_texts import choose_long
from liftune.workflows.report import CARD, FLIPS, PAGE, publish_or_say
from liftune.workflows.stages import Stage
from liftune.workflows.start_record import run_start, seen_before, start_record

#: What contenders that need no pretrained model depend on; those that need one; those that are tuned; what was asked
#: for; and all of it.
DATA = ("rows", "metric")
FROZEN = (*DATA, "model", "plan", "train.seeds")
TUNED = (*DATA, "model", "plan", "method", "train", "data.seed")
STARTED = (*FROZEN, "method")
REQUESTED = ("rows", "data", "model", "method", "train", "evaluation")
EVERYTHING = (*REQUESTED, "metric", "plan")


@dataclass(frozen=True)
class RunState:
    """What a run knows so far."""

    spec: RunSpec
    """As it was asked for."""
    clock: Clock
    """Seconds since the epoch of the system's clock."""
    context: RunContext
    ladder: Ladder
    """Grows by each contender."""
    base: Classifier | None
    """The model as it is; None once its memory is wanted for tuning."""
    fits: tuple[BaselineFit, ...] = ()
    """What may give soft labels: tf-idf, and the probe."""
    label_errors: LabelErrorSummary | None = None
    shift: Shift | None = None
    tuned: FinetuneResult | None = None
    curve: Curve | None = None
    untrained: Untrained | None = None
    """What a model answers that needs no training here."""
    long: LongChoice | None = None
    record: TuneRecord | None = None

    @classmethod
    def begin(cls, spec: RunSpec, clock: Clock, context: RunContext, base: Classifier) -> RunState:
        """Before the first stage."""
        return cls(spec, clock, context, Ladder(context.splits, context.metric, context.save_logits), base)


def stages_of(context: RunContext) -> tuple[Stage[RunState], ...]:
    """What is done, in this order, and the report, which comes last: without it the run is whole too."""
    evaluation, outside = context.spec.evaluation, _outside(context)
    if context.folds:
        contenders = _cross_validated(context)
    else:
        contenders = (
            *((Stage("long texts", choose, (), FROZEN),) if context.chooses_long else ()),
            Stage("baselines", score_baselines, outputs("majority", "tfidf"), DATA),
            Stage("base model", score_base, outputs("base", "probe"), FROZEN),
            *((Stage("start", score_start, outputs("start"), STARTED),) if context.beginning else ()),
            Stage("data diagnosis", diagnose, _suspects(context), FROZEN),
            *((Stage("start from pairs", score_contrastive, (), TUNED),) if _may_start(context) else ()),
            Stage("soft labels", add_soft_labels, (), (*FROZEN, "data.seed", "train.teacher_share")),
            Stage("fine-tuning", finetune, outputs("tuned"), TUNED),
            *((Stage("full fine-tuning", finetune_fully, outputs("full"), TUNED),) if evaluation.with_full else ()),
        )
    return (
        Stage(
            "inputs",
            save_inputs,
            ("spec.json", "rows/test.jsonl", "rows/validation.jsonl", "rows/train.hashes"),
            REQUESTED,
        ),
        *((Stage("zero-shot", answer_untrained, (), (*FROZEN, "evaluation")),) if context.descriptions else ()),
        *contenders,
        *((Stage("contenders from elsewhere", add_outside, outside, (*FROZEN, "evaluation")),) if outside else ()),
        *((Stage("learning curve", draw_curve, (), TUNED),) if evaluation.curve else ()),
        Stage("record", save_record, ("record.json",), EVERYTHING),
        Stage("report", publish_report, (PAGE, FLIPS, CARD, f"adapter/{CARD}"), EVERYTHING),
    )


def _cross_validated(context: RunContext) -> tuple[Stage[RunState], ...]:
    """One stage for all contenders: a fold's logits are part of a whole, and not on disk. Then label errors."""
    names = ("majority", "tfidf", "base", "probe", "tuned", *(("full",) if context.spec.evaluation.with_full else ()))
    return (
        Stage("cross-validation", cross_validate, outputs(*names), (*TUNED, "evaluation")),
        Stage("data diagnosis", diagnose_every_row, _suspects(context), FROZEN),
    )


def outputs(*names: str) -> tuple[str, ...]:
    """Where contenders' logits are kept, and the contenders themselves."""
    return (*(f"logits/{name}.npz" for name in names), *(card_of(name) for name in names))


def _outside(context: RunContext) -> tuple[str, ...]:
    """The logits of contenders that the run does not fit, of which no card is kept."""
    names = [each.name for each in context.answers] + ([ZERO_SHOT] if context.descriptions else [])
    return tuple(f"logits/{name}.npz" for name in names)


def _may_start(context: RunContext) -> bool:
    return may_start(context.spec, context.splits, context.method, context.options)


def _suspects(context: RunContext) -> tuple[str, ...]:
    """The list of label errors, which there is where there are labels to choose from."""
    splits = context.splits
    return ("suspects.jsonl",) if task_of(splits.task).outputs_labels and len(labels_of(splits.train)) > 1 else ()


def save_inputs(state: RunState) -> RunState:
    """The spec and the rows, on disk."""
    context = state.context
    before = seen_before(context.beginning) if context.beginning else frozenset()
    context.folder.save_inputs(state.spec, context.splits, before=before)
    return state


def choose(state: RunState) -> RunState:
    """How long texts are read from here on, by every contender that needs a pretrained model."""
    assert state.base is not None
    context, long = choose_long(state.context, state.base)
    return replace(state, context=context, long=long)


def score_baselines(state: RunState) -> RunState:
    """Contenders that need no pretrained model."""
    return replace(state, fits=(run_baselines(state.context, state.ladder, keep=True),))


def score_base(state: RunState) -> RunState:
    """The model as it is, and the probe on its features; then its memory is wanted for tuning."""
    assert state.base is not None
    fit = run_base_and_probe(state.context, state.ladder, state.base, keep=True)
    return replace(state, fits=(*state.fits, fit), base=None)


def score_start(state: RunState) -> RunState:
    """The model that is tuned further, as it was."""
    run_start(state.context, state.ladder)
    return state


def score_contrastive(state: RunState) -> RunState:
    """An encoder that learns from pairs of rows, where that is taken, with a linear model on its states."""
    run_contrastive(state.context, state.ladder, keep=True)
    return state


def diagnose(state: RunState) -> RunState:
    """Label errors, and whether test is drawn as train is."""
    label_errors, shift = diagnose_data(state.context, state.fits[1].features)
    return replace(state, label_errors=label_errors, shift=shift)


def add_soft_labels(state: RunState) -> RunState:
    """Soft labels of train, from the stronger of the fits, where they are wanted."""
    return replace(state, context=with_soft_labels(state.context, state.fits), fits=())


def finetune(state: RunState) -> RunState:
    """The tuned model, and its adapter on disk."""
    return replace(state, tuned=run_finetuning(state.context, state.ladder))


def finetune_fully(state: RunState) -> RunState:
    """Every parameter tuned, for comparison."""
    run_full_finetuning(state.context, state.ladder, keep=True)
    return state


def cross_validate(state: RunState) -> RunState:
    """All contenders, out of fold; then each, on all rows."""
    context = state.context
    assert context.folds is not None
    assert state.base is not None
    return replace(state, tuned=run_cross_validation(context, context.folds, state.ladder, state.base))


def diagnose_every_row(state: RunState) -> RunState:
    """Label errors of all rows; no part of them is test, whose rows might differ."""
    assert state.base is not None
    rows, base = state.context.splits.test, state.base
    found = find_suspects(state.context, rows, lambda: standardised(base.features(rows.rows)))
    return replace(state, label_errors=found, base=None)


def answer_untrained(state: RunState) -> RunState:
    """A model that needs no training here, before any that does: what is wrong with it shows at once."""
    return replace(state, untrained=predict_zero_shot(state.context))


def add_outside(state: RunState) -> RunState:
    """Answers that were made elsewhere, and that model's."""
    score_outside(state.context, state.ladder, state.untrained)
    return state


def draw_curve(state: RunState) -> RunState:
    """The learning curve."""
    return replace(state, curve=run_learning_curve(state.context, state.ladder))


def save_record(state: RunState) -> RunState:
    """The end of a run."""
    return replace(state, record=state.context.folder.save_record(build_record(state)))


def publish_report(state: RunState) -> RunState:
    """The adapter's card and the page; the run is whole without the page."""
    context, record = state.context, state.record
    assert record is not None
    publish_or_say(context.folder, record, context.events)
    return state


def build_record(state: RunState) -> TuneRecord:
    """Everything that the run worked out, as one record."""
    context, ladder, tuned = state.context, state.ladder, state.tuned
    assert tuned is not None
    splits, spec = context.splits, context.spec
    took = state.clock.seconds()
    chosen = state.long or tuned.long
    margin = margin_in_own_unit(spec.evaluation.margin, METRICS[context.metric])
    verdicts = ladder.verdicts(margin)
    recommendation = ladder.recommended(verdicts)
    return TuneRecord(
        run=str(context.folder.path),
        task=splits.task,
        labels=splits.labels,
        partial=splits.partial,
        rows=tuned.splits.counts.model_copy(update={"test": len(splits.test)}),
        audit=splits.audit,
        contenders=tuple(
            each.model_copy(update={"saved_bytes": context.folder.saved_bytes(each.name)}) for each in ladder.contenders
        ),
        comparisons=verdicts,
        recommended=recommendation.contender,
        recommendation=recommendation,
        pairs=splits.pairs,
        method_comparisons=ladder.method_verdicts(margin),
        folds=len(context.folds.parts) if context.folds else None,
        folds_fit=context.folds_fit,
        metric=context.metric,
        strongest=ladder.strongest(),
        data_fingerprint=splits.fingerprint,
        max_length=ladder.results["tuned"].evaluation.max_length or 0,
        long=chosen.rule if chosen else LongTexts.of(spec.model).rule,
        long_choice=chosen,
        model=spec.model.name,
        data=spec.data.source,
        base_model=context.base_model,
        base_license=context.base_license,
        method=context.method.name,
        plan=tuned.plan.choices,
        speed=speed_of(
            tuned.logs, len(tuned.splits.train), shapes=context.shapes, method=context.method, plan=tuned.plan
        ),
        logs=tuned.logs,
        integrity=tuned.integrity,
        curve=state.curve,
        notes=(*context.notes, *(long_sentences(tuned.long) if tuned.long else ())),
        slices=ladder.slices(),
        suspects=state.label_errors,
        shift=state.shift,
        start=start_record(context, ladder) if context.beginning else None,
        versions=versions(),
        started=datetime.fromtimestamp(state.clock.first, UTC).isoformat(timespec="seconds"),
        seconds=took,
    )
