"""Whether a new model can be much worse than the old one, and which labels lost rows: `compare --max-harm`.

In: a ComparisonRecord.  Out: a Section.
Not here: how it is decided (evaluation/harm.py).
"""

from __future__ import annotations

from collections.abc import Sequence

from liftune.evaluation.clean_rows import NEAR
from liftune.formatting import gain, interval
from liftune.metrics.registry import is_proportion
from liftune.records.base import Comparison
from liftune.records.harm import LabelHarm
from liftune.records.run import ComparisonRecord
from liftune.reports.base import SECTIONS, ReportTable, Section
from liftune.reports.sections.comparisons import margin_of, several

#: Labels in the table; --json has all.
_MOST_LABELS = 20


@SECTIONS.entry("harm", summary="Whether the new model may be worse.", chapter="verdict", of=ComparisonRecord)
def harm(record: ComparisonRecord) -> Section | None:
    """Only with --max-harm."""
    found = record.harm
    if found is None:
        return None
    comparison = record.comparisons[0]
    said = [harm_sentence(record)]
    if record.notes[1:]:
        said.append(f"What was compared: {'; '.join(record.notes[1:])}.")
    if found.lost is None or found.lost_share is None:
        return Section("Harm", tuple(said))
    rows = comparison.rows or record.rows.test
    said.append(
        f"{comparison.b} has wrong {found.lost:,} of {rows:,} rows that {comparison.a} has right "
        f"({interval(found.lost_share)} of all), and right {found.won:,} that {comparison.a} has wrong."
    )
    left = len(found.labels) - _MOST_LABELS
    if left > 0:
        said.append(f"The {_MOST_LABELS} labels that lost the greatest share; {left:,} more are in --json.")
    if len(found.labels) > 1:
        said.append("Each label's interval stands by itself: of twenty, one may miss by chance.")
    return Section("Harm", tuple(said), (label_table(found.labels),))


def label_table(labels: Sequence[LabelHarm]) -> ReportTable:
    """The first labels, before and after."""
    return ReportTable(
        ("label", "rows", "right before", "right after", "lost", "won", "lost share"),
        tuple(
            (
                each.label,
                f"{each.rows:,}",
                interval(each.before),
                interval(each.after),
                f"{each.lost:,}",
                f"{each.won:,}",
                interval(each.lost_share),
            )
            for each in labels[:_MOST_LABELS]
        ),
        frozenset(range(1, 7)),
    )


def harm_sentence(record: ComparisonRecord) -> str:
    """The decision in words, and what would change it; empty without --max-harm."""
    found, comparison = record.harm, record.comparisons[0]
    if found is None:
        return ""
    amount = margin_of(comparison.metric, found.most)
    difference = gain(comparison.metric, comparison.gain, comparison.low, comparison.high)
    of = f"{comparison.b} against {comparison.a}: {difference}"
    if found.ruled_out:
        return f"Harm of more than {amount} is ruled out: the interval reaches {_end(comparison)}. {of}."
    because = found.because
    if comparison.low is not None and comparison.low < -found.most:
        because = f"the interval reaches {_end(comparison)}"
    elif because == NEAR:
        because = "without near duplicates of train examples the interval reaches below it"
    text = f"Harm of more than {amount} cannot be ruled out: {because}. {of}."
    if comparison.gain is not None and comparison.high is not None and comparison.high < -found.most:
        text += " The whole interval lies below it: the new model is worse by more than was allowed."
    elif found.rows_needed:
        text += (
            f" If the two are equally good, about {found.rows_needed:,} {several(comparison.unit)} would rule it out "
            "80% of the time."
        )
    return text


def _end(comparison: Comparison) -> str:
    """The lower end of the gain's interval, in points for a proportion."""
    low = comparison.low or 0.0
    return f"{100.0 * low:+.1f}" if is_proportion(comparison.metric) else f"{low:+.3f}"
