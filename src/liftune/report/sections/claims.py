"""What a verdict speaks of, and what the rows could have shown: words beside the comparisons.

In: a TuneRecord.  Out: sentences.  Not here: the verdicts themselves (sections.py), the numbers (evidence/).
"""

from __future__ import annotations

from liftune.formatting import gain, number
from liftune.records.run import TuneRecord

#: With fewer test rows than this, out-of-fold evidence is worth its time: they show no gain under 4 points of accuracy,
#: and none under 6 where a tenth of the rows differ.
FEW_TEST_ROWS = 200
#: The folds that a hint names.
HINTED_FOLDS = 5


def claims(record: TuneRecord) -> tuple[str, ...]:
    """What the verdicts are about: two models, a method, or a procedure; nothing of runs that tuned nothing."""
    if not record.logs:
        return ()
    return (*recommendation(record), *_detectable(record), *_subject(record), *_hint(record))


#: Where a rung that is not tuned can be had.
_WHERE = {
    "probe": "`--method probe` tunes and keeps it",
    "full": "`--method full` tunes and keeps it",
    "tfidf": "it is not kept: scikit-learn's TfidfVectorizer and LogisticRegression make it",
    "base": "it is the model as it came",
    "majority": "these texts told nothing about their targets",
}


def recommendation(record: TuneRecord) -> tuple[str, ...]:
    """Which rung to use, and why; nothing of runs that tuned nothing."""
    chosen = record.recommended
    if chosen is None:
        return ()
    why = "test decided so"
    open_ones = [each for each in record.comparisons if each.verdict == "undecided" and chosen in (each.a, each.b)]
    if open_ones:
        other = open_ones[-1].b if open_ones[-1].a == chosen else open_ones[-1].a
        scores = {each.name: each.validation.get(record.metric) for each in record.contenders}
        ahead, behind = (number(scores.get(name), 3) for name in (chosen, other))
        why = f"test does not decide, and validation has it at {ahead} against {behind} for {other}"
    where = f"; {_WHERE[chosen]}" if chosen in _WHERE else ""
    return (f"Recommended: {chosen}, as {why}{where}.",)


def _detectable(record: TuneRecord) -> tuple[str, ...]:
    """The least gain over the strongest other rung that these rows would have shown."""
    last = record.comparisons[-1]
    if last.smallest_detectable_gain is None:
        return ()
    least = gain(last.metric, last.smallest_detectable_gain, signed=False)
    return (
        f"Differing as {last.b} and {last.a} do, {record.rows.test:,} rows show a true gain of "
        f"{least} in four cases of five, a smaller one less often.",
    )


def _subject(record: TuneRecord) -> tuple[str, ...]:
    several = len(record.logs) > 1
    if record.folds:
        said = (
            f"Every row was answered by models tuned without its fold, {record.folds} folds in all: the verdict speaks "
            "of the procedure. The saved adapter is none of these models: it was tuned on all rows afterwards.",
            "Folds share train rows, and no error rate can be promised for that (Bengio and Grandvalet 2004): near the "
            "edge, read the p-values as a little too small.",
        )
        return said if several else (*said, "One seed a fold: how much other seeds would change this is unknown.")
    if several:
        return (
            "Verdicts over seeds speak of the method, tuned anew, on new rows; the others of the model that was kept.",
        )
    return (
        "One seed: the verdict speaks of these two models on new rows. A claim about the method needs several: "
        "--seeds 0,1,2.",
    )


def _hint(record: TuneRecord) -> tuple[str, ...]:
    """Where folds would show more: few test rows, and many more rows at hand."""
    counts = record.rows
    rows = counts.train + counts.validation + counts.test
    if record.folds or counts.test >= FEW_TEST_ROWS or rows < 2 * counts.test:
        return ()
    return (
        f"{counts.test:,} test rows show little: --folds {HINTED_FOLDS} would answer all {rows:,} rows out of fold.",
    )
