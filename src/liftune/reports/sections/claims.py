"""What a verdict is about, what to use, and what gain the test set could have detected.

In: a TuneRecord.  Out: sentences.
Not here: the verdicts themselves (headline.py, verdict.py), the numbers (evaluation/).
"""

from __future__ import annotations

from liftune.evaluation.recommend import may_be_recommended
from liftune.formatting import gain, number
from liftune.metrics.registry import METRICS
from liftune.records.run import Recommendation, TuneRecord
from liftune.reports.sections.comparisons import own, several
from liftune.reports.sections.power import testing_all, undetectable


def claims(record: TuneRecord) -> tuple[str, ...]:
    """What the verdicts are about: two models, a method, or a procedure; nothing of runs that tuned nothing."""
    if not record.logs:
        return ()
    return (*_one_correction(record), *recommendation(record), *_detectable(record), *_subject(record), *_hint(record))


def _one_correction(record: TuneRecord) -> tuple[str, ...]:
    """That all comparisons are decided together, where they are."""
    contrasts = next((each.contrasts for each in record.comparisons if each.contrasts), None)
    if contrasts is None:
        return ()
    return (
        f"All {contrasts} comparisons with the tuned model are decided together, by Holm's correction: in at most 5 of "
        "100 such runs any verdict among them is wrong.",
    )


def recommendation(record: TuneRecord) -> tuple[str, ...]:
    """Which model to use, and why; nothing of runs that tuned nothing."""
    found = record.recommendation or _earlier(record)
    if found is None:
        return ()
    if found.decided_by == "nothing learnt":
        return (_nothing_learnt(found),)
    if any(each.name == found.contender and each.damaged for each in record.contenders):
        model = _model(found.contender)
        return (
            f"By the scores {model} is the one to use, but its files are damaged now. Of it: {_why(found, record)}.",
        )
    if found.contender == "majority":
        return (f"Use no model yet, but the most frequent answer (majority): {_why(found, record)}.",)
    return (
        f"Use {_model(found.contender)}: {_why(found, record)}.",
        *_here(found, record),
        *_not_told_from(found, record),
    )


def _not_told_from(found: Recommendation, record: TuneRecord) -> tuple[str, ...]:
    """What is made elsewhere and ahead on the test set, by less than chance explains."""
    on_test = {each.name: number(each.metrics[record.metric].value, 3) for each in record.contenders}
    own = on_test.get(found.contender or "")
    return tuple(
        f"{name} has a better {record.metric} on the test set ({on_test[name]} against {own}), by no more "
        "than chance explains. It answers too few validation examples to be chosen by them: give it answers there, and "
        "it takes part."
        for name in found.not_told_from
    )


def _here(found: Recommendation, record: TuneRecord) -> tuple[str, ...]:
    """What to use where the recommended contender is none that the run holds."""
    if found.here is None:
        return ()
    about = next((each.outside for each in record.contenders if each.name == found.contender), None)
    dear = "" if about is None or about.cost_per_row is None else f", at {1000 * about.cost_per_row:g} per 1,000 rows"
    return (
        f"{found.contender} is not made here{dear}: of the contenders that this run holds, use {_model(found.here)}.",
    )


def _earlier(record: TuneRecord) -> Recommendation | None:
    """What can be said of a run whose record does not say what decided."""
    chosen = record.recommended
    if chosen is None:
        return None
    between = [each for each in record.comparisons if chosen in (each.a, each.b)]
    undecided = [each for each in between if each.verdict == "undecided"]
    if not undecided:
        return Recommendation(contender=chosen, decided_by="test")
    over = undecided[-1].b if undecided[-1].a == chosen else undecided[-1].a
    scores = [_on_validation(record, name) for name in (chosen, over)]
    return Recommendation(contender=chosen, decided_by="cost" if scores[0] == scores[1] else "validation", over=over)


def _why(found: Recommendation, record: TuneRecord) -> str:
    """What decided, with the scores that it rests on."""
    if found.decided_by == "test":
        over = f" than {_model(found.over)}" if found.over else ""
        p_value = (
            f" (p = {found.corrected_p_value:.2g}, corrected for {found.contrasts} comparisons)"
            if found.corrected_p_value is not None
            else ""
        )
        return (
            f"it is better{over} on the test set{p_value}. Its score there was used to choose it: expect a little "
            "less on new examples"
        )
    if found.decided_by == "alone":
        return _alone(found, record)
    if found.decided_by == "cost" and (elsewhere := _elsewhere(found, record)):
        return elsewhere
    ahead, behind = (number(_on_validation(record, name or ""), 3) for name in (found.contender, found.over))
    scores = f"{ahead} against {behind} for {_model(found.over)}"
    if found.decided_by == "validation":
        if found.validation_p_value is None:
            return f"the test set does not decide, and on validation it scores {scores}"
        return (
            "the test set does not decide, and on validation it leads by more than one standard error "
            f"({scores}, p = {found.validation_p_value:.2g})"
        )
    of = "" if record.folds else f" of {record.rows.validation:,} examples"
    return (
        f"neither the test set nor validation{of} tells the two apart ({scores} on validation), and it is the cheaper "
        "to run and to keep"
    )


def _alone(found: Recommendation, record: TuneRecord) -> str:
    """Why one is named to which no verdict led: no other that was compared has learnt anything, or not tuned itself."""
    compared = {each.a for each in record.comparisons}
    metric = METRICS[record.metric]
    by_name = {each.name: each for each in record.contenders}
    others = [
        name
        for name in by_name
        if name in compared - {found.contender, "majority"} and may_be_recommended(by_name, name, metric)
    ]
    if found.contender == "tuned" or not others:
        return "no other model that was compared was found to have learnt anything"
    return (
        "on the test set the tuned model is no better than always giving the most frequent answer, and of the others "
        "that are, this one has the best score on validation"
    )


def _elsewhere(found: Recommendation, record: TuneRecord) -> str:
    """Why a contender is preferred to one that the run did not make; empty where it did."""
    over = next((each for each in record.contenders if each.name == found.over), None)
    if over is None or over.outside is None:
        return ""
    neither = "neither the test set nor validation tells it from"
    if not over.outside.chosen_on_validation:
        neither = "the test set, the only one that they can be compared on, does not tell it from"
    return f"{neither} {over.name}, and it is at hand, whereas {over.name} is made elsewhere, row by row"


def _nothing_learnt(found: Recommendation) -> str:
    what = "always giving the most frequent answer" if found.contender else "giving no answer"
    return f"No model can be recommended: on the test examples none is better than {what}."


def _model(name: str | None) -> str:
    return "the tuned model" if name == "tuned" else name or "the other"


def _on_validation(record: TuneRecord, name: str) -> float | None:
    return next((each.validation.get(record.metric) for each in record.contenders if each.name == name), None)


def _detectable(record: TuneRecord) -> tuple[str, ...]:
    """The least gain over the strongest other model that these rows would have shown."""
    last = own(record.comparisons, record)[-1]
    if last.smallest_detectable_gain is None:
        return undetectable(last.rows or record.rows.test) if "McNemar" in last.test else ()
    least = gain(last.metric, last.smallest_detectable_gain, signed=False)
    of = "" if last.units is None else f" of {last.units:,} {several(last.unit)}"
    rows = last.rows or record.rows.test
    return (
        f"With {rows:,} test examples{of} on which {last.b} and {last.a} differ as they do here, a real "
        f"gain of {least} would be detected 80% of the time (smaller gains less often).",
    )


def _subject(record: TuneRecord) -> tuple[str, ...]:
    several = len(record.logs) > 1
    if record.folds:
        said = (
            f"Cross-validation: each example was predicted by models tuned without its fold ({record.folds} folds). "
            "This result is about the procedure; the saved contenders are none of these models, each was fitted on all "
            "examples afterwards.",
            "Folds share training examples, and no test can allow exactly for that (Bengio and Grandvalet 2004): if a "
            "p-value is close to 0.05, read it as a little too small.",
        )
        return said if several else (*said, "One seed per fold: how much other seeds would change this is unknown.")
    if several:
        return (
            "Comparisons over seeds are about the method, tuned again with new seeds, on new examples; the others are "
            "about the model that was kept.",
        )
    return (
        "One seed: this result is about these models only, on new examples. To compare methods, run several seeds: "
        "--seeds 0,1,2.",
    )


def _hint(record: TuneRecord) -> tuple[str, ...]:
    """Where folds would detect more: few test rows, and many more rows at hand that fill folds."""
    way = testing_all(record.rows) if record.folds_fit and not record.folds else ""
    return (f"{record.rows.test:,} test examples detect only large gains{way} by cross-validation.",) if way else ()
