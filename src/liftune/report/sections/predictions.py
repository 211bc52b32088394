"""Sections of single rows and labels: where the answers changed, and how far they can be trusted.

In: a TuneRecord and its Details.  Out: Sections.  Not here: how the numbers are found (evidence/details.py).
"""

from __future__ import annotations

from collections.abc import Callable

from liftune.formatting import clipped, interval, unbracketed
from liftune.records.base import Interval
from liftune.records.details import Details, Flip
from liftune.records.run import TuneRecord
from liftune.report.base import SECTIONS, ReportTable, Section
from liftune.report.charts import Chart, Columns, Dots, Grid, Lines, Points, Series
from liftune.tasks import task_of

#: Flips of each way that a page holds, and characters of each text; flips.jsonl has all of all.
MOST_FLIPS = 1_000
MOST_CHARACTERS = 400
#: Labels whose F1 is drawn; the table has all of them.
MOST_IN_CHART = 30


@SECTIONS.entry("flips", summary="Rows that tuning fixed, and rows it broke.", chapter="answers", of_details=True)
def flips(record: TuneRecord, details: Details) -> Section:
    """The most confident first."""
    found, numbers = details.flips, not task_of(record.task).outputs_labels
    many = record.rows.test
    fixed, broken = len(found.fixed), len(found.broken)
    if numbers:
        said = (
            f"Against {found.against}, tuning brought {fixed:,} of {many:,} answers nearer to the truth and moved "
            f"{broken:,} away."
        )
        order = "change of the error, in the target's unit"
    else:
        said = f"Against {found.against}, tuning fixed {fixed:,} of {many:,} rows and broke {broken:,}."
        order = "the tuned model's probability of its answer" + (
            ", of its least sure label; a row is right with all of its labels"
            if task_of(record.task).shape == "labels"
            else ""
        )
    left = max(fixed - MOST_FLIPS, 0) + max(broken - MOST_FLIPS, 0)
    sentences = [said, f"It is set against {found.against}, {details.why}. Sorted by {order}."]
    sentences.append(
        "All of them, uncut, stand in flips.jsonl of the run folder"
        + (f"; {left:,} are left out here." if left else ".")
    )
    headings = ("error change" if numbers else "confidence", "text", "truth", found.against, "tuned", "row")
    titles = ("nearer", "further away") if numbers else ("fixed", "broken")
    tables = tuple(
        ReportTable(headings, tuple(map(_cells, each[:MOST_FLIPS])), frozenset({0}), caption=title, long=True)
        for title, each in zip(titles, (found.fixed, found.broken), strict=True)
        if each
    )
    return Section("Flips", tuple(sentences), tables)


def _cells(flip: Flip) -> tuple[str, ...]:
    text = flip.text if flip.text_pair is None else f"{flip.text} | {flip.text_pair}"
    return f"{flip.confidence:.3f}", clipped(text, MOST_CHARACTERS), flip.target, flip.before, flip.after, flip.id


@SECTIONS.entry("classes", summary="Precision, recall and F1 of each label.", chapter="answers", of_details=True)
def classes(record: TuneRecord, details: Details) -> Section | None:
    """The tuned model's, with F1 of what it is set against."""
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
    headings = ("label", "rows", "precision", "recall", "F1", f"F1 of {details.against}")
    said = (
        f"Of the tuned model, and F1 of {details.against} beside it. Precision and recall have Clopper-Pearson "
        "intervals, F1 a bootstrap's (BCa); each holds for its label alone, not for all at once."
    )
    never = [each.label for each in after if each.precision.value is None]
    notes: tuple[str, ...] = unbracketed(each.f1 for each in (*after, *before))
    if never:
        notes = (f"Precision is undefined for labels that the tuned model never gives: {_listed(never)}.", *notes)
    charts: tuple[Chart, ...] = ()
    if len(after) <= MOST_IN_CHART:
        f1 = {details.against: tuple(each.f1 for each in before), "tuned": tuple(each.f1 for each in after)}
        charts = (
            Dots(
                "F1 of each label, with 95 % intervals",
                "F1 of each label: " + _told([each.label for each in after], f1["tuned"]),
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


def _listed(names: list[str], most: int = 8) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _told(names: list[str], values: tuple[Interval, ...]) -> str:
    return ", ".join(f"{name} {interval(value)}" for name, value in zip(names, values, strict=True))


@SECTIONS.entry("confusions", summary="Which label is taken for which.", chapter="answers", of_details=True)
def confusions(record: TuneRecord, details: Details) -> Section | None:
    """Matrices where there are few labels; always the commonest confusions of the tuned model."""
    if not details.confusions:
        return None
    labels = tuple(each.label for each in details.classes["tuned"])
    charts = tuple(
        Grid(
            _title(name, record),
            f"confusion matrix of {name}: {sum(row[i] for i, row in enumerate(each.counts)):,} of "
            f"{sum(map(sum, each.counts)):,} rows are on the diagonal; its commonest confusions are in the table",
            labels,
            each.counts,
        )
        for name, each in details.confusions.items()
        if each.counts
    )
    rows = tuple(
        (each.truth, each.answer, f"{each.rows:,}", interval(each.share)) for each in details.confusions["tuned"].worst
    )
    said = ["The tuned model's commonest confusions; the share is of the truth's rows."]
    if not rows:
        said = ["The tuned model confuses no labels on these rows."]
    tables = (ReportTable(("truth", "answered", "rows", "share"), rows, frozenset({2, 3})),) if rows else ()
    return Section("Confusions", tuple(said), tables, charts)


def _title(name: str, record: TuneRecord) -> str:
    fresh = any(each.name == name == "base" and each.head == "fresh" for each in record.contenders)
    return f"{name}, fresh head: chance" if fresh else name


@SECTIONS.entry("reliability", summary="What probabilities promise and keep.", chapter="answers", of_details=True)
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
            + ", ".join(f"promised {each.confidence:.2f}, kept {interval(each.right)}" for each in bins),
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
        f"Probabilities of {name}: in {len(outside)} of {len(bins)} bins their mean lies outside the interval of what "
        "was kept.",
        "Where less is kept than was promised, answers are surer than they should be."
        + (
            ""
            if task.shape == "label"
            else " A row's labels are taken for independent, so intervals may be too narrow."
        ),
    )
    headings = (f"{what[0]}, {name}", "answers", "promised", "kept")
    return Section("Reliability", said, (ReportTable(headings, rows, frozenset({1, 2, 3})),), charts)


def _intervals(name: str, x: list[float], found: list[Interval]) -> Series:
    known = [(at, each) for at, each in zip(x, found, strict=True) if each.value is not None]
    return Series(
        name,
        tuple(at for at, _ in known),
        tuple(each.value or 0.0 for _, each in known),
        *(tuple(_end(each, pick) for _, each in known) for pick in (lambda each: each.low, lambda each: each.high)),
    )


def _end(found: Interval, pick: Callable[[Interval], float | None]) -> float:
    """An end of the interval, the value itself where there is none."""
    end = pick(found)
    return end if end is not None else found.value or 0.0


@SECTIONS.entry("coverage", summary="The score on the most confident rows.", chapter="answers", of_details=True)
def coverage(record: TuneRecord, details: Details) -> Section | None:
    """Score against the share of rows that is answered."""
    if not details.coverage:
        return None
    tuned, other = details.coverage["tuned"], details.coverage[details.against]
    series = tuple(
        _intervals(name, [each.share for each in found], [each.score for each in found])
        for name, found in ((details.against, other), ("tuned", tuned))
    )
    rows = tuple(
        (f"{now.share:.0%}", f"{now.rows:,}", f"{now.least:.3f}", interval(now.score), interval(was.score))
        for was, now in zip(other, tuned, strict=True)
    )
    headings = (
        "answered",
        "rows",
        "least confidence",
        f"{details.metric}, tuned",
        f"{details.metric}, {details.against}",
    )
    alt = "tuned: " + ", ".join(f"{each.share:.0%} answered {interval(each.score)}" for each in tuned)
    said = "What the answers score where only the rows are answered of which a model is surest."
    chart = Lines(
        f"{details.metric} of the answered rows", alt, series, "share answered", details.metric, strong="tuned"
    )
    lone = unbracketed(each.score for each in (*tuned, *other))
    return Section("Abstaining", (said, *lone), (ReportTable(headings, rows, frozenset(range(5))),), (chart,))


@SECTIONS.entry("lengths", summary="The score by length of the text.", chapter="answers", of_details=True)
def lengths(record: TuneRecord, details: Details) -> Section | None:
    """Groups of about as many rows each; one group says nothing."""
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
        f"{details.metric} by words of the text",
        f"{details.metric} of tuned by words: " + _told(list(names), series["tuned"]),
        names,
        series,
        details.metric,
        strong="tuned",
    )
    headings = ("words", "rows", f"{details.metric}, tuned", f"{details.metric}, {details.against}")
    said = f"Groups of about as many rows each; the model read at most {record.max_length} tokens of a row."
    lone = unbracketed(score for each in details.lengths for score in each.scores.values())
    return Section("Length", (said, *lone), (ReportTable(headings, rows, frozenset({1, 2, 3})),), (chart,))


@SECTIONS.entry("values", summary="Predicted against true values, and residuals.", chapter="answers", of_details=True)
def values(record: TuneRecord, details: Details) -> Section | None:
    """Regression only."""
    if not details.clouds:
        return None
    charts: list[Chart] = []
    for name, each in details.clouds.items():
        shown = "" if len(each.truth) == record.rows.test else f", {len(each.truth):,} of {record.rows.test:,} rows"
        charts.append(
            Points(
                f"{name}: answer against truth{shown}",
                f"answers of {name} over the truth",
                each.truth,
                each.answers,
                "truth",
                "answer",
            )
        )
    for name, each in details.clouds.items():
        charts.append(
            Columns(
                f"{name}: residuals",
                f"residuals of {name} from {each.edges[0]:.2f} to {each.edges[-1]:.2f}, mean {interval(each.bias)}",
                each.edges,
                each.counts,
                "answer less truth",
                "rows",
            )
        )
    rows = tuple((name, interval(each.bias)) for name, each in details.clouds.items())
    table = ReportTable(("contender", "mean residual"), rows, frozenset({1}))
    return Section(
        "Values", ("A residual is the answer less the truth; the interval is Student's.",), (table,), tuple(charts)
    )
