"""Contenders that the run did not fit: answers that were made elsewhere.

In: a RunContext, the ladder.  Out: the same ladder, each of them scored on it.
Not here: reading answers (data/answers.py), as logits (evaluation/outside.py).
"""

from __future__ import annotations

from liftune.data.answers import coverage_notes
from liftune.evaluation.ladder import Ladder
from liftune.evaluation.outside import given_by
from liftune.workflows.context import RunContext, log_contender

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
