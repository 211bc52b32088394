"""The learning curve over training size, and what more data would bring.

In: a Curve.  Out: a Section.  Not here: the power law behind it (evaluation/statistics/power_law.py).
"""

from __future__ import annotations

from liftune.formatting import interval
from liftune.records.learning_curve import BreakEven, Curve
from liftune.records.run import TuneRecord
from liftune.reports.base import SECTIONS, ReportTable, Section
from liftune.reports.charts import Lines, Series

#: Where no law can be fitted to the tuned model's curve.
NO_OUTLOOK = (
    "This curve cannot tell whether more data or a bigger base model is the next step: a power law needs four sizes at "
    "which the tuned model beats always guessing the most common label, and some error left."
)


def curve_sentences(learning: Curve) -> tuple[str, ...]:
    """The outlook of each contender, then the next step."""
    said = ["Scored on all validation examples, one seed per size; the test set is not used."]
    for each in learning.outlooks:
        power = round(-each.exponent, 2) + 0.0  # which has no sign where it is 0
        law = f"error = {each.scale:.3g} n^{power:.2f} + {each.floor:.3g}"
        said.append(
            f"{each.contender}: with {each.rows:,} train examples the predicted error is {interval(each.error)} "
            f"({law}); the brackets span two forms of the law."
        )
    tuned = next((each for each in learning.outlooks if each.contender == "tuned"), None)
    if tuned is None:
        return (*said, NO_OUTLOOK)
    share = " to ".join(f"{100 * (end or 0.0):.0f}%" for end in (tuned.saved.low, tuned.saved.high))
    saved = f"twice the examples would remove {share} of the tuned model's errors"
    step = {
        "data": f"More data is the next step: {saved}.",
        "base": f"A bigger base model, or one closer to the task, is the next step: {saved}, which is not worth "
        "labelling them.",
        "undecided": f"More data or a bigger base model: this curve cannot tell; {saved}.",
    }
    return (*said, step[learning.next_step])


def break_even_sentence(found: BreakEven, metric: str) -> str:
    """How many labelled rows tuning needs to be as good as a contender that needs none.

    >>> made = {"contender": "gpt", "least": 16, "most": 256, "paired": True}
    >>> break_even_sentence(BreakEven(rows=None, low=200, high=None, **made), "accuracy").split(": ")[1]
    'more than 256, the most that were tried (interval from 200).'
    """
    other = "the base model as it is" if found.contender == "base" else found.contender
    fewest = ", the fewest that were tried" if found.rows is not None and found.rows <= found.least else ""
    on = "" if found.paired else f"; its {metric} is that on the test set, as it answers too few validation examples"
    return f"Labelled examples that tuning needs to be as good as {other}: {break_even_rows(found)}{fewest}{on}."


def break_even_rows(found: BreakEven) -> str:
    """The rows and their range: `about 45 (20 to 60)`, `at most 16`, `more than 256`."""
    if found.rows is None:  # more than all of them is no end of an interval
        low = "" if found.low is None else f" (interval from {_ends(found.low, found)})"
        return f"more than {found.most:,}, the most that were tried{low}"
    if found.rows <= found.least:
        said, certain = f"at most {found.least:,}", found.high is not None and found.high <= found.least
    else:
        said, certain = f"about {found.rows:,}", False
    return said if certain else f"{said} ({_ends(found.low, found)} to {_ends(found.high, found)})"


def _ends(rows: int | None, found: BreakEven) -> str:
    if rows is None:
        return f"more than {found.most:,}"
    return f"{rows:,} or fewer" if rows <= found.least else f"{rows:,}"


def _break_even(learning: Curve) -> tuple[str, ...]:
    """One sentence each, and what the ranges are."""
    if not learning.break_even:
        return ()
    said = [break_even_sentence(each, learning.metric) for each in learning.break_even]
    return (
        *said,
        "These brackets hold 95% of resamples of the examples, each without one of the sizes between the ends; they do "
        "not cover other seeds, and nothing is read off beyond the sizes of the curve.",
    )


def curve_section(learning: Curve) -> Section:
    """One row a size, one column a contender; the next step in words."""
    names = list(dict.fromkeys(point.contender for point in learning.points))
    scores = {(point.contender, point.rows): point.score for point in learning.points}
    sizes = sorted({point.rows for point in learning.points})
    rows = tuple((f"{size:,}", *(interval(scores[name, size]) for name in names)) for size in sizes)
    headings = ("train examples", *(f"{name}, validation {learning.metric}" for name in names))
    table = ReportTable(headings, rows, frozenset(range(len(headings))))
    *said, step = curve_sentences(learning)
    return Section(
        "Learning curve", (*said, *_break_even(learning), step), (table,), charts=_lines(learning, names, sizes)
    )


def _lines(learning: Curve, names: list[str], sizes: list[int]) -> tuple[Lines, ...]:
    if len(sizes) < 2:
        return ()
    series = []
    for name in names:
        points = [
            (float(each.rows), each.score.value)
            for each in sorted(learning.points, key=lambda each: each.rows)
            if each.contender == name and each.score.value is not None
        ]
        series.append(Series(name, tuple(rows for rows, _ in points), tuple(score for _, score in points)))
    what = f"validation {learning.metric}"
    ends = "; ".join(f"{each.name} from {each.y[0]:.3f} to {each.y[-1]:.3f}" for each in series if each.y)
    return (
        Lines("Score by training examples", f"{what} by train examples: {ends}", tuple(series), "train examples", what),
    )


@SECTIONS.entry("curve", summary="Scores against training rows, and what more of them would bring.", chapter="data")
def curve(record: TuneRecord) -> Section | None:
    """One row a size, one column a contender; the next step in words."""
    return curve_section(record.curve) if record.curve else None
