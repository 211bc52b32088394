"""What a verdict is about, what to use, and what gain the test set could have detected.

In: a TuneRecord.  Out: sentences.
Not here: the verdicts themselves (headline.py, verdict.py), the numbers (evaluation/).
"""

from __future__ import annotations

from liftune.formatting import gain, number
from liftune.records.run import TuneRecord
from liftune.report.sections.comparisons import several
from liftune.report.sections.power import testing_all, undetectable


def claims(record: TuneRecord) -> tuple[str, ...]:
    """What the verdicts are about: two models, a method, or a procedure; nothing of runs that tuned nothing."""
    if not record.logs:
        return ()
    return (*recommendation(record), *_detectable(record), *_subject(record), *_hint(record))


#: How to get a model other than the tuned one.
_WHERE = {
    "probe": "`--method probe` tunes and keeps it",
    "full": "`--method full` tunes and keeps it",
    "tfidf": "it is not kept; scikit-learn's TfidfVectorizer and a linear model make it",
    "base": "it is the model as it came",
    "majority": "no model found anything in these texts that predicts their targets",
}


def recommendation(record: TuneRecord) -> tuple[str, ...]:
    """Which model to use, and why; nothing of runs that tuned nothing."""
    chosen = record.recommended
    if chosen is None:
        return ()
    why = "it wins on the test set"
    undecided = [each for each in record.comparisons if each.verdict == "undecided" and chosen in (each.a, each.b)]
    if undecided:
        other = undecided[-1].b if undecided[-1].a == chosen else undecided[-1].a
        scores = {each.name: each.validation.get(record.metric) for each in record.contenders}
        ahead, behind = (number(scores.get(name), 3) for name in (chosen, other))
        why = f"the test set does not decide, and on validation it scores {ahead} against {behind} for {other}"
    where = f"; {_WHERE[chosen]}" if chosen in _WHERE else ""
    return (f"Use {'the tuned model' if chosen == 'tuned' else chosen}: {why}{where}.",)


def _detectable(record: TuneRecord) -> tuple[str, ...]:
    """The least gain over the strongest other model that these rows would have shown."""
    last = record.comparisons[-1]
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
            "This result is about the procedure; the saved adapter is none of these models, it was tuned on all "
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
        "One seed: this result is about these two models only, on new examples. To compare methods, run several seeds: "
        "--seeds 0,1,2.",
    )


def _hint(record: TuneRecord) -> tuple[str, ...]:
    """Where folds would detect more: few test rows, and many more rows at hand."""
    way = "" if record.folds else testing_all(record.rows)
    return (f"{record.rows.test:,} test examples detect only large gains{way} by cross-validation.",) if way else ()
