"""Contenders that the run did not fit: answers that were made elsewhere, a model that needs no training here.

In: a RunContext, the ladder.  Out: the same ladder, each of them scored on it.
Not here: reading answers (data/answers.py), as logits (evaluation/outside.py), the model (models/zero_shot.py).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from liftune.data.answers import coverage_notes
from liftune.data.descriptions import Descriptions, names_as_words
from liftune.evaluation.ladder import Ladder
from liftune.evaluation.outside import Given, given_by, given_here
from liftune.models.zero_shot import HYPOTHESIS, load_zero_shot
from liftune.models.zero_shot_ways import Asked
from liftune.option_values import ZERO_SHOT
from liftune.records.outside import Outside
from liftune.types import FloatArray
from liftune.workflows.baselines import timed
from liftune.workflows.context import RunContext, log_contender
from liftune.workflows.memo import Outcome

NOT_ON_VALIDATION = (
    "it answers too few validation rows to be judged on them: it is compared on the test rows alone, and where these "
    "do not decide, it is not preferred"
)


def score_answers(context: RunContext, ladder: Ladder) -> None:
    """Score the answers of each."""
    for answers in context.answers:
        given = given_by(answers, context.splits, context.spec.evaluation.cost.get(answers.name))
        notes = (*coverage_notes(answers, context.splits), *answers.notes)
        if not given.about.chosen_on_validation:
            notes += (NOT_ON_VALIDATION,)
        log_contender(context, ladder.add_given(answers.name, given, notes=notes))
        for warning in answers.warnings:
            context.events.note(f"  warning: {answers.name}: {warning}")


@dataclass(frozen=True)
class Untrained:
    """What a model that needs no training here predicts, and how."""

    given: Given
    notes: tuple[str, ...]


def predict_zero_shot(context: RunContext) -> Untrained:
    """Have the model answer validation and test. Nothing is chosen by these rows, but thresholds of several labels."""
    splits, descriptions, asked = context.splits, context.descriptions, context.spec.evaluation.zero_shot
    assert descriptions is not None
    assert asked is not None
    kept = context.memo.once("zero-shot", lambda: _answers(context, asked, descriptions), _pack, _unpack)
    about = Outside(
        kind="zero-shot",
        source=Asked.of(asked).model,
        way=f"by {kept.way}",
        answered=len(splits.test),
        validation_answered=len(splits.validation),
        chosen_on_validation=len(splits.validation) > 0,
        probabilities=True,
        cost_per_row=context.spec.evaluation.cost.get(ZERO_SHOT),
    )
    given = given_here(kept.validation, kept.test, about, kept.seconds)
    return Untrained(given, (_said(kept, asked, descriptions), *descriptions.notes))


@dataclass(frozen=True)
class _Answers:
    validation: FloatArray
    test: FloatArray
    seconds: float
    way: str
    why: str
    others: list[str]


def _answers(context: RunContext, asked: str, descriptions: Descriptions) -> _Answers:
    splits = context.splits
    names = names_as_words([each for each in splits.labels if each not in descriptions.texts]).texts
    texts = [descriptions.texts.get(label) or names[label] for label in splits.labels]
    allowed = context.spec.model.trust_remote_code
    model = load_zero_shot(asked, texts, context.plan.for_inference, trust_remote_code=allowed)
    validation = model.logits(splits.validation.rows)
    test, seconds = timed(lambda: model.logits(splits.test.rows))
    return _Answers(validation, test, seconds, model.way, model.why, [*model.others])


def _pack(found: _Answers) -> Outcome:
    values = {"seconds": found.seconds, "way": found.way, "why": found.why, "others": found.others}
    return Outcome(values, {"validation": np.asarray(found.validation), "test": np.asarray(found.test)})


def _unpack(kept: Outcome) -> _Answers:
    values = kept.values
    return _Answers(kept["validation"], kept["test"], values["seconds"], values["way"], values["why"], values["others"])


def _said(found: _Answers, asked: str, descriptions: Descriptions) -> str:
    """Which way was taken, of what, and how to say otherwise."""
    label, text = next(iter(descriptions.texts.items()))
    of = "its description" if descriptions.given else "the label's name"
    how = {
        "entailment": f"how surely a text entails {HYPOTHESIS.format('...')!r} with {of}",
        "similarity": f"the cosine of a text's vector and that of {of}",
        "likelihood": f"the mean log-probability of the tokens of {of} after the text",
    }[found.way]
    model = Asked.of(asked).model
    otherwise = " or ".join(f"--zero-shot {way}:{model}" for way in found.others)
    more = "" if descriptions.given else "; --describe FILE says what labels mean"
    more += f"; {otherwise} takes another way" if otherwise else ""
    return f"{model} answers by {found.way} ({found.why}): {how}, such as {text!r} for {label!r}{more}"


def score_outside(context: RunContext, ladder: Ladder, untrained: Untrained | None) -> None:
    """Put all of them on the ladder."""
    score_answers(context, ladder)
    if untrained is not None:
        log_contender(context, ladder.add_given(ZERO_SHOT, untrained.given, notes=untrained.notes))
