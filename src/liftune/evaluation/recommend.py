"""Which contender to recommend: the one rule. `Ladder.recommended` gives it what it needs.

In: each contender's scores, the verdicts on the tuned one, evidence of validation.  Out: a Recommendation.
Not here: the verdicts (compare.py), the words (reports/sections/claims.py), which model commands use by default
(records/run.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from liftune.evaluation.contrasts import p_value_of
from liftune.evaluation.statistics.intervals import ALPHA
from liftune.metrics.metric import Metric
from liftune.records.base import Comparison
from liftune.records.run import Contender, Recommendation

#: A lead on validation counts where equals would show one as large in fewer than this share of validation parts: that
#: of a normal variable more than one standard error from its mean.
CHANCE = 0.32
#: Contenders by what they cost to run and to keep; an unknown one costs as much as the tuned one. One with another head
#: than its model's shares no batch with others of its base, and is written in fewer formats.
COSTS = {"majority": 0, "tfidf": 1, "base": 2, "probe": 3, "start": 4, "tuned": 5, "contrastive": 6, "full": 7}
#: Of a contender that the run did not fit: it is paid for row by row, or another model to run.
OUTSIDE = 8
#: Two contenders, to the two-sided p-value of their difference on validation.
PValue = Callable[[str, str], float]
#: Two contenders, to what the test rows say of the second against the first.
OnTest = Callable[[str, str], Comparison]


def recommend(
    contenders: Mapping[str, Contender],
    verdicts: Sequence[Comparison],
    metric: Metric,
    p_value: PValue,
    on_test: OnTest,
) -> Recommendation:
    """The tuned model, or one that it was compared with; none where nothing can be recommended.

    1. A contender takes part only if it has learnt something: a base with a random head does not, nor one whose score
       on test is 0.000, or no better than that of always giving one answer. This only rules out; test chooses nobody by
       it.
    2. Between the tuned model and each of the others, the verdict on test decides where there is one: it was to be
       given in any case, and its error rate is known.
    3. Where it is undecided, validation decides if it shows more than chance often does: a lead of more than one
       standard error, by the paired test of the verdicts (p at most 0.32). A lead of one row is none.
       Answers from elsewhere that lack validation rows are not judged on validation.
    4. Where validation shows no more than that, the cheaper of the two wins: nothing speaks for paying more. This is
       the one-standard-error rule of Breiman, Friedman, Olshen and Stone (1984), on paired rows.

    5. Where another than the tuned model is found so, answers from elsewhere that lack validation rows are held against
       it on test, and are preferred where they are better by all comparisons that could have been asked for
       (Bonferroni).

    Others that beat the tuned model are taken in the order of their validation scores, the cheaper first of equals.

    Args:
        contenders: by name, the tuned one among them.
        verdicts: those of tuned.
        metric: the one that decides.
        p_value: is asked for pairs that test leaves undecided.
        on_test: is asked of contenders that validation cannot compare.
    """
    found = _by_verdicts(contenders, verdicts, metric, p_value)
    return _against_elsewhere(found, contenders, verdicts, metric, on_test)


def _against_elsewhere(
    found: Recommendation,
    contenders: Mapping[str, Contender],
    verdicts: Sequence[Comparison],
    metric: Metric,
    on_test: OnTest,
) -> Recommendation:
    """The same, or answers from elsewhere that validation cannot judge and that are better on test."""
    named = found.contender
    if named is None or named == "tuned" or contenders[named].outside:
        return found
    compared = [each.a for each in verdicts]
    rivals = [
        name
        for name in compared
        if contenders[name].outside
        and metric.name not in contenders[name].validation
        and may_be_recommended(contenders, name, metric)
    ]
    own = [name for name in compared if not contenders[name].outside]
    could = len(compared) + len(own) * len(rivals)
    tested = {name: on_test(named, name) for name in rivals}
    p_values = {name: min(1.0, could * p_value_of(each)) for name, each in tested.items()}
    better = [name for name, each in tested.items() if each.verdict == "better" and p_values[name] <= ALPHA]
    if better:
        best = min(better, key=lambda name: p_values[name])
        return Recommendation(
            contender=best, decided_by="test", over=named, here=named, contrasts=could, corrected_p_value=p_values[best]
        )

    def score(name: str) -> float:
        value = contenders[name].metrics[metric.name].value
        return float("-inf") if value is None else metric.sign * value

    return found.model_copy(update={"not_told_from": tuple(each for each in rivals if score(each) > score(named))})


def _by_verdicts(
    contenders: Mapping[str, Contender], verdicts: Sequence[Comparison], metric: Metric, p_value: PValue
) -> Recommendation:
    """By the first four rules."""

    def validation(name: str) -> float:
        value = contenders[name].validation.get(metric.name)
        return float("-inf") if value is None else metric.sign * value

    def cost(name: str) -> int:
        return OUTSIDE if contenders[name].outside else COSTS.get(name, COSTS["tuned"])

    others = [each for each in verdicts if may_be_recommended(contenders, each.a, metric)]
    others.sort(key=lambda each: (-validation(each.a), cost(each.a)))
    own = [each for each in others if not contenders[each.a].outside]
    if not may_be_recommended(contenders, "tuned", metric):
        best = _without_tuned(contenders, [each.a for each in others], metric)
        kept = _without_tuned(contenders, [each.a for each in own], metric)
        return best if best == kept else best.model_copy(update={"here": kept.contender})

    def between(verdict: Comparison) -> Recommendation:
        known = not contenders[verdict.a].outside or metric.name in contenders[verdict.a].validation
        of_validation = (validation(verdict.a), validation("tuned")) if known else None
        return _between(verdict, of_validation, cost(verdict.a) - cost("tuned"), p_value)

    decided = []
    for verdict in others:
        found = between(verdict)
        if found.contender != "tuned":
            if not contenders[verdict.a].outside:
                return found
            instead = [between(each).contender for each in own]
            here = next((name for name in instead if name != "tuned"), "tuned")
            return found.model_copy(update={"here": here})
        decided.append(found)
    # Of what speaks for the tuned model, the weakest is said: the verdict on test only where all are verdicts.
    ways = ("cost", "validation", "test")
    return min(
        decided,
        key=lambda each: ways.index(each.decided_by),
        default=Recommendation(contender="tuned", decided_by="alone"),
    )


def may_be_recommended(contenders: Mapping[str, Contender], name: str, metric: Metric) -> bool:
    """Whether a contender has learnt anything, by its score on the test rows; the majority may always be named."""
    contender = contenders[name]
    value = contender.metrics[metric.name].value
    if value is None or (name == "base" and contender.head == "fresh"):
        return False
    if metric.higher_is_better and round(value, 3) <= 0:
        return False
    majority = contenders.get("majority")
    least = majority.metrics[metric.name].value if majority else None
    return name == "majority" or least is None or metric.sign * value > metric.sign * least


def _between(
    verdict: Comparison, on_validation: tuple[float, float] | None, dearer: int, p_value: PValue
) -> Recommendation:
    """The tuned model or the one that it was compared with.

    Args:
        on_validation: their signed scores, the tuned model's last; None where the other has none.
        dearer: above zero where the other one costs more.
    """
    other = verdict.a
    if verdict.verdict != "undecided":
        tuned, way = verdict.verdict == "better", "test"
        return _of("tuned" if tuned else other, way, over=other if tuned else "tuned")
    theirs, ours = on_validation or (0.0, 0.0)
    chance = None if on_validation is None else 1.0 if theirs == ours else p_value(other, "tuned")
    if chance is not None and chance <= CHANCE:
        tuned, way = ours > theirs, "validation"
    else:
        tuned, way = dearer > 0, "cost"
    return _of("tuned" if tuned else other, way, over=other if tuned else "tuned", p_value=chance)


def _of(contender: str, way: str, *, over: str, p_value: float | None = None) -> Recommendation:
    return Recommendation.model_validate(
        {"contender": contender, "decided_by": way, "over": over, "validation_p_value": p_value}
    )


def _without_tuned(contenders: Mapping[str, Contender], others: Sequence[str], metric: Metric) -> Recommendation:
    """Where the tuned model has learnt nothing: the best other, else the majority, else none."""
    models = [name for name in others if name != "majority"]
    if models:
        return Recommendation(contender=models[0], decided_by="alone", over="tuned")
    majority = "majority" in contenders and may_be_recommended(contenders, "majority", metric)
    return Recommendation(contender="majority" if majority else None, decided_by="nothing learnt")
