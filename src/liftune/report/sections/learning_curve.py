"""What is said of a learning curve over training size.

In: a Curve.  Out: a Section.  Not here: the law behind it (evidence/powerlaw.py).
"""

from __future__ import annotations

from liftune.formatting import interval
from liftune.records.learning_curve import Curve
from liftune.records.run import TuneRecord
from liftune.report.base import SECTIONS, ReportTable, Section
from liftune.report.charts import Lines, Series

#: Where the tuned model's curve is no basis for a law.
NO_OUTLOOK = (
    "This curve cannot say whether more data or a bigger base is the next step: a law needs four sizes at which the "
    "tuned model stands above the majority's guess, and an error that is left."
)


def curve_sentences(found: Curve) -> tuple[str, ...]:
    """The outlook of each contender, then the next step."""
    said = ["Scored on all validation rows, one seed a size; the test rows have no part in it."]
    for each in found.outlooks:
        law = f"error = {each.scale:.3g} n^-{each.exponent:.2f} + {each.floor:.3g}"
        said.append(
            f"{each.contender}: with {each.rows:,} rows an error of {interval(each.error)} is predicted ({law}); the "
            "brackets span two forms of the law."
        )
    tuned = next((each for each in found.outlooks if each.contender == "tuned"), None)
    if tuned is None:
        return (*said, NO_OUTLOOK)
    share = " to ".join(f"{100 * (end or 0.0):.0f} %" for end in (tuned.saved.low, tuned.saved.high))
    saved = f"twice the rows would take away {share} of the tuned model's errors"
    step = {
        "data": f"More data is the next step: {saved}.",
        "base": f"A bigger or nearer base is the next step: {saved}, which is not worth their labels.",
        "undecided": f"More data or a bigger base: this curve cannot tell; {saved}.",
    }
    return (*said, step[found.next_step])


def curve_section(found: Curve) -> Section:
    """One row a size, one column a contender; the next step in words."""
    names = list(dict.fromkeys(point.contender for point in found.points))
    scores = {(point.contender, point.rows): point.score for point in found.points}
    sizes = sorted({point.rows for point in found.points})
    rows = tuple((f"{size:,}", *(interval(scores[name, size]) for name in names)) for size in sizes)
    headings = ("train rows", *(f"{name}, validation {found.metric}" for name in names))
    table = ReportTable(headings, rows, frozenset(range(len(headings))))
    return Section("Learning curve", curve_sentences(found), (table,), charts=_lines(found, names, sizes))


def _lines(found: Curve, names: list[str], sizes: list[int]) -> tuple[Lines, ...]:
    if len(sizes) < 2:
        return ()
    series = []
    for name in names:
        points = [
            (float(each.rows), each.score.value)
            for each in sorted(found.points, key=lambda each: each.rows)
            if each.contender == name and each.score.value is not None
        ]
        series.append(Series(name, tuple(rows for rows, _ in points), tuple(score for _, score in points)))
    what = f"validation {found.metric}"
    ends = "; ".join(f"{each.name} from {each.y[0]:.3f} to {each.y[-1]:.3f}" for each in series if each.y)
    return (Lines("Score by training rows", f"{what} by train rows: {ends}", tuple(series), "train rows", what),)


@SECTIONS.entry("curve", summary="Scores against training rows, and what more of them would bring.", chapter="data")
def curve(record: TuneRecord) -> Section | None:
    """One row a size, one column a contender; the next step in words."""
    return curve_section(record.curve) if record.curve else None
