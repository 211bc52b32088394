"""Predictions by row, label, confidence and length: where tuning changed them, and how far they can be trusted.

In: a TuneRecord and its Details.  Out: Sections.  Not here: how the numbers are found (evaluation/error_analysis.py).
"""

from __future__ import annotations

from collections.abc import Callable

from liftune.errors import first_of
from liftune.formatting import clipped, interval, unbracketed
from liftune.records.base import Interval
from liftune.records.details import Details, Flip, Flips
from liftune.records.run import TuneRecord
from liftune.reports.base import SECTIONS, ReportTable, Section, is_random
from liftune.reports.charts import Chart, Columns, Dots, Grid, Lines, Points, Series
from liftune.reports.sections.flip_words import MOST_CHARACTERS, flip_kinds, flip_text, words_that_mattered
from liftune.reports.sections.long_texts import reading
from liftune.tasks import task_of

#: Flips of each kind in a page; flips.jsonl has everything.
MOST_FLIPS = 1_000
#: The most labels whose F1 is drawn; the table has all of them.
MOST_IN_CHART = 30


_ONE_BY_ONE = "An example's labels count as independent; intervals may be too narrow."


def _by_group(record: TuneRecord) -> str:
    """What the intervals are where examples come in groups; nothing where they do not."""
    return f"Intervals are bootstraps of whole groups of {record.audit.group!r}." if record.audit.group else ""


@SECTIONS.entry(
    "flips", summary="Predictions that tuning fixed or broke.", chapter="answers", of_details=True, opened=True
)
def flips(record: TuneRecord, details: Details) -> Section:
    """The most confident first; then those against each contender that the run did not fit."""
    numbers = not task_of(record.task).outputs_labels
    if numbers:
        order = "the change of the error, in the target's unit"
    else:
        order = "the tuned model's probability of its prediction"
        if task_of(record.task).shape == "labels":
            order += " (of its least certain label); a prediction is right if all of its labels are"
    every = (details.flips, *details.other_flips)
    left = sum(max(len(each.fixed) - MOST_FLIPS, 0) + max(len(each.broken) - MOST_FLIPS, 0) for each in every)
    sentences = [
        _flips_said(details.flips, record, "tuning"),
        f"The comparison is with {details.against}, {details.why}. Sorted by {order}.",
        *(_flips_said(each, record, "the tuned model") for each in details.other_flips),
        "The full list is in flips.jsonl in the run folder" + (f"; {left:,} are left out here." if left else "."),
    ]
    tables = tuple(table for each in every for table in _flip_tables(each, numbers, several=len(every) > 1))
    said, why = words_that_mattered(details, numbers=numbers)
    return Section("Flips", (*sentences, *said), (*tables, *why))


def _flips_said(changed: Flips, record: TuneRecord, what: str) -> str:
    """How many there are each way."""
    fixed, broken, every = len(changed.fixed), len(changed.broken), record.rows.test
    if not task_of(record.task).outputs_labels:
        return (
            f"Compared with {changed.against}, {what} brought {fixed:,} of {every:,} predictions closer to the truth "
            f"and moved {broken:,} away from it."
        )
    return f"Compared with {changed.against}, {what} fixed {fixed:,} of {every:,} predictions and broke {broken:,}."


def _flip_tables(changed: Flips, numbers: bool, *, several: bool) -> list[ReportTable]:
    """Those that are better now, and those that are worse."""
    headings = ("error change" if numbers else "confidence", "text", "truth", changed.against, "tuned", "row")
    against = f", against {changed.against}" if several else ""
    return [
        ReportTable(headings, tuple(map(_cells, each[:MOST_FLIPS])), frozenset({0}), caption=title + against, long=True)
        for title, each in zip(flip_kinds(numbers=numbers), (changed.fixed, changed.broken), strict=True)
        if each
    ]


def _cells(flip: Flip) -> tuple[str, ...]:
    return (
        f"{flip.confidence:.3f}",
        clipped(flip_text(flip), MOST_CHARACTERS),
        flip.target,
        flip.before,
        flip.after,
        flip.id,
    )


@SECTIONS.entry("classes", summary="Precision, recall and F1 of each label.", chapter="answers", of_details=True)
def classes(record: TuneRecord, details: Details) -> Section | None:
    """The tuned model's, and the F1 of the model that it is compared with."""
    if not details.classes:
        return None
    before, after = details.classes[details.against], details.classes["tuned"]
    rows = tuple(
        (
            now.label,
            f"{now.rows:,}",
            *(interval(each) for each in (now.precision, now.recall, now.f1, was.f1)),
        )
        for was, now in zip(before, after, strict=True)
    )
    headings = ("label", "examples", "precision", "recall", "F1", f"F1 of {details.against}")
    how = "Precision and recall have Clopper-Pearson intervals, F1 bootstrap intervals (BCa)."
    said = (
        f"Of the tuned model, with the F1 of {details.against} for comparison. {_by_group(record) or how} Each "
        "interval is valid for its label alone, not for all labels at once."
    )
    never = [each.label for each in after if each.precision.value is None]
    notes: tuple[str, ...] = unbracketed(each.f1 for each in (*after, *before))
    if never:
        notes = (
            f"Precision is undefined for labels that the tuned model never predicts: {first_of(never, 8)}.",
            *notes,
        )
    charts: tuple[Chart, ...] = ()
    if len(after) <= MOST_IN_CHART:
        f1 = {details.against: tuple(each.f1 for each in before), "tuned": tuple(each.f1 for each in after)}
        charts = (
            Dots(
                "F1 of each label, with 95% confidence intervals",
                "F1 of each label: " + _named([each.label for each in after], f1["tuned"]),
                tuple(each.label for each in after),
                f1,
                "F1",
                strong="tuned",
            ),
        )
    return Section(
        "Labels",
        (said, *notes),
        (ReportTable(headings, rows, frozenset(range(1, 6)), long=len(rows) > MOST_IN_CHART),),
        charts,
    )


def _named(names: list[str], values: tuple[Interval, ...]) -> str:
    return ", ".join(f"{name} {interval(value)}" for name, value in zip(names, values, strict=True))


@SECTIONS.entry("confusions", summary="Which label is taken for which.", chapter="answers", of_details=True)
def confusions(record: TuneRecord, details: Details) -> Section | None:
    """Matrices where there are few labels; always the most common confusions of the tuned model."""
    if not details.confusions:
        return None
    labels = tuple(each.label for each in details.classes["tuned"])
    guessing = {each.name for each in record.contenders if is_random(each)}
    charts = tuple(
        Grid(
            name,
            f"confusion matrix of {name}: {sum(row[i] for i, row in enumerate(each.counts)):,} of "
            f"{sum(map(sum, each.counts)):,} examples are on the diagonal; its most common confusions are in the table",
            labels,
            each.counts,
        )
        for name, each in details.confusions.items()
        if each.counts and name not in guessing
    )
    rows = tuple(
        (each.truth, each.answer, f"{each.rows:,}", interval(each.share)) for each in details.confusions["tuned"].worst
    )
    said = ["The tuned model's most common confusions; share: of the examples with the true label."]
    if not rows:
        said = ["The tuned model confuses no labels on these examples."]
    if left := [name for name in details.confusions if name in guessing]:
        said.append(f"No confusion matrix of {left[0]} is drawn: its head is random, so it only guesses.")
    tables = (ReportTable(("truth", "predicted", "examples", "share"), rows, frozenset({2, 3})),) if rows else ()
    return Section("Confusions", tuple(said), tables, charts)


@SECTIONS.entry(
    "reliability",
    summary="Whether probabilities come true.",
    chapter="answers",
    of_details=True,
)
def reliability(record: TuneRecord, details: Details) -> Section | None:
    """A diagram and a table of bins for each contender looked at; the table of the last."""
    if not details.reliability:
        return None
    task = task_of(record.task)
    what = task.reliability_names
    charts = tuple(
        Lines(
            name,
            f"reliability of {name}: "
            + ", ".join(f"predicted {each.confidence:.2f}, observed {interval(each.right)}" for each in bins),
            (_intervals(name, [each.confidence for each in bins], [each.right for each in bins]),),
            *what,
            diagonal=True,
            unit=True,
            strong=name if name.startswith("tuned") else "tuned",
        )
        for name, bins in details.reliability.items()
    )
    name, bins = list(details.reliability.items())[-1]
    rows = tuple(
        (f"{each.low:.1f} to {each.high:.1f}", f"{each.rows:,}", f"{each.confidence:.3f}", interval(each.right))
        for each in bins
    )
    outside = [each for each in bins if not (each.right.low or 0.0) <= each.confidence <= (each.right.high or 1.0)]
    said = (
        f"Probabilities of {name}: in {len(outside)} of {len(bins)} bins their mean is outside the 95% confidence "
        f"interval of the {what[1]}.",
        "Where the observed value is below the predicted probability, the probabilities are too high."
        + ("" if task.shape == "label" or record.audit.group else f" {_ONE_BY_ONE}"),
        *filter(None, (_by_group(record),)),
    )
    headings = (f"{what[0]}, {name}", "predictions", "mean predicted", what[1])
    return Section("Reliability", said, (ReportTable(headings, rows, frozenset({1, 2, 3})),), charts)


def _intervals(name: str, x: list[float], scores: list[Interval]) -> Series:
    known = [(at, each) for at, each in zip(x, scores, strict=True) if each.value is not None]
    return Series(
        name,
        tuple(at for at, _ in known),
        tuple(each.value or 0.0 for _, each in known),
        *(tuple(_end(each, pick) for _, each in known) for pick in (lambda each: each.low, lambda each: each.high)),
    )


def _end(score: Interval, pick: Callable[[Interval], float | None]) -> float:
    """An end of the interval, the value itself where there is none."""
    end = pick(score)
    return end if end is not None else score.value or 0.0


@SECTIONS.entry("coverage", summary="The score on the most confident predictions.", chapter="answers", of_details=True)
def coverage(record: TuneRecord, details: Details) -> Section | None:
    """Score against coverage, the share of examples for which the model does not abstain."""
    if not details.coverage:
        return None
    tuned, other = details.coverage["tuned"], details.coverage[details.against]
    series = tuple(
        _intervals(name, [each.share for each in points], [each.score for each in points])
        for name, points in ((details.against, other), ("tuned", tuned))
    )
    rows = tuple(
        (f"{now.share:.0%}", f"{now.rows:,}", f"{now.least:.3f}", interval(now.score), interval(was.score))
        for was, now in zip(other, tuned, strict=True)
    )
    headings = (
        "coverage",
        "examples",
        "lowest confidence",
        f"{details.metric}, tuned",
        f"{details.metric}, {details.against}",
    )
    alt = "tuned: " + ", ".join(f"{each.share:.0%} covered {interval(each.score)}" for each in tuned)
    said = "The score on the most confident predictions only: the model abstains on all other examples."
    chart = Lines(
        f"{details.metric} of the most confident predictions", alt, series, "coverage", details.metric, strong="tuned"
    )
    lone = unbracketed(each.score for each in (*tuned, *other))
    return Section("Selective prediction", (said, *lone), (ReportTable(headings, rows, frozenset(range(5))),), (chart,))


@SECTIONS.entry("lengths", summary="The score by length of the text.", chapter="answers", of_details=True)
def lengths(record: TuneRecord, details: Details) -> Section | None:
    """Groups of about the same size; a single group says nothing."""
    if len(details.lengths) < 2:
        return None
    names = tuple(f"{each.low} to {each.high}" if each.high > each.low else f"{each.low}" for each in details.lengths)
    contenders = (details.against, "tuned")
    rows = tuple(
        (name, f"{each.rows:,}", *(interval(each.scores[one]) for one in reversed(contenders)))
        for name, each in zip(names, details.lengths, strict=True)
    )
    series = {one: tuple(each.scores[one] for each in details.lengths) for one in contenders}
    chart = Dots(
        f"{details.metric} by number of words",
        f"{details.metric} of tuned by number of words: " + _named(list(names), series["tuned"]),
        names,
        series,
        details.metric,
        strong="tuned",
    )
    headings = ("words", "examples", f"{details.metric}, tuned", f"{details.metric}, {details.against}")
    said = f"Groups of about the same size. The model reads {reading(record.max_length, record.long, 'of a text')}."
    lone = unbracketed(score for each in details.lengths for score in each.scores.values())
    return Section("Length", (said, *lone), (ReportTable(headings, rows, frozenset({1, 2, 3})),), (chart,))


@SECTIONS.entry("values", summary="Predicted against true values, and residuals.", chapter="answers", of_details=True)
def values(record: TuneRecord, details: Details) -> Section | None:
    """Regression only."""
    if not details.clouds:
        return None
    charts: list[Chart] = []
    for name, each in details.clouds.items():
        shown = "" if len(each.truth) == record.rows.test else f", {len(each.truth):,} of {record.rows.test:,} examples"
        charts.append(
            Points(
                f"{name}: prediction against truth{shown}",
                f"predictions of {name} against the truth",
                each.truth,
                each.answers,
                "truth",
                "prediction",
            )
        )
    for name, each in details.clouds.items():
        charts.append(
            Columns(
                f"{name}: residuals",
                f"residuals of {name} from {each.edges[0]:.2f} to {each.edges[-1]:.2f}, mean {interval(each.bias)}",
                each.edges,
                each.counts,
                "prediction minus truth",
                "examples",
            )
        )
    rows = tuple((name, interval(each.bias)) for name, each in details.clouds.items())
    table = ReportTable(("contender", "mean residual"), rows, frozenset({1}))
    how = "the interval is a bootstrap of whole groups." if record.audit.group else "the interval is Student's t."
    said = f"A residual is the prediction minus the truth; {how}"
    return Section("Values", (said,), (table,), tuple(charts))
