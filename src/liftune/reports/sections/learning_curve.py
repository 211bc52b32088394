"""The learning curve over training size, and what more data would bring.

In: a Curve.  Out: a Section.  Not here: the power law behind it (evaluation/statistics/power_law.py).
"""

from __future__ import annotations

from liftune.formatting import interval
from liftune.records.learning_curve import Curve
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
        law = f"error = {each.scale:.3g} n^-{each.exponent:.2f} + {each.floor:.3g}"
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


def curve_section(learning: Curve) -> Section:
    """One row a size, one column a contender; the next step in words."""
    names = list(dict.fromkeys(point.contender for point in learning.points))
    scores = {(point.contender, point.rows): point.score for point in learning.points}
    sizes = sorted({point.rows for point in learning.points})
    rows = tuple((f"{size:,}", *(interval(scores[name, size]) for name in names)) for size in sizes)
    headings = ("train examples", *(f"{name}, validation {learning.metric}" for name in names))
    table = ReportTable(headings, rows, frozenset(range(len(headings))))
    return Section("Learning curve", curve_sentences(learning), (table,), charts=_lines(learning, names, sizes))


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
