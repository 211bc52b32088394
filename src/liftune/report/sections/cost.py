"""Sections of what it cost and of what the test rows could show.

In: a TuneRecord, for some its Details.  Out: Sections.  Not here: speed and plan (sections.py).
"""

from __future__ import annotations

from liftune.formatting import gain, seconds, size
from liftune.records.run import Contender, TuneRecord
from liftune.report.base import SECTIONS, ReportTable, Section

#: Rungs whose cost is worth a comparison.
_COMPARED = ("probe", "tuned", "full")


@SECTIONS.entry("detectable", summary="What the test rows could show.", chapter="data")
def detectable(record: TuneRecord) -> Section | None:
    """The smallest gain that would be found, and the rows that the observed one needs."""
    known = [each for each in record.comparisons if each.smallest_detectable_gain is not None]
    if not known:
        return None
    rows = []
    for each in known:
        undecided = f"{each.rows_needed:,}" if each.rows_needed else "-"
        wanted = undecided if each.verdict == "undecided" else "decided"
        shown = gain(each.metric, each.smallest_detectable_gain)
        rows.append((f"{each.b} over {each.a}", f"{record.rows.test:,}", shown, wanted))
    headings = ("gain", "test rows", "smallest that is found", "rows to decide")
    said = (
        "The smallest true gain that this many test rows find with 80 % power at 0.05: a smaller one is more likely to "
        "be missed. Rows to decide are those at which the observed gain, were it the true one, would be found.",
    )
    return Section("What these rows could show", said, (ReportTable(headings, tuple(rows), frozenset({1, 2, 3})),))


@SECTIONS.entry("cost", summary="Time, memory, parameters and size.", chapter="tuning")
def cost(record: TuneRecord) -> Section | None:
    """Tuned beside probe and full fine-tuning; the others cost next to nothing."""
    compared = [each for each in record.contenders if each.name in _COMPARED]
    if not any(each.name == "tuned" for each in compared):
        return None
    rows = tuple(
        (
            each.name,
            f"{each.trainable_parameters:,}",
            _saved(each),
            seconds(each.seconds.train),
            seconds(each.seconds.evaluate),
            "-" if each.peak_mib is None else f"{each.peak_mib:,.0f}",
        )
        for each in compared
    )
    headings = ("contender", "trained parameters", "size", "fit s", "test s", "peak MiB")
    said = [
        "Size is of the saved weights, or for a rung that is not kept (~) four bytes a parameter. Times and memory are "
        "one measurement on this machine, so without intervals; what else ran there is in them.",
        "Peak is the most that the process had held when the rung was done, in the order of the table: it never falls.",
    ]
    if not any(each.name == "full" for each in compared):
        said.append("Full fine-tuning was not asked for: --with-full adds it.")
    return Section("Cost", tuple(said), (ReportTable(headings, rows, frozenset(range(1, 6))),))


def _saved(contender: Contender) -> str:
    if contender.saved_bytes is not None:
        return size(contender.saved_bytes)
    return f"~ {size(4 * contender.trainable_parameters)}"
