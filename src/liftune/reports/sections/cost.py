"""What tuning cost, and what gain the test set could have detected.

In: a TuneRecord.  Out: Sections.  Not here: speed and plan (training.py).
"""

from __future__ import annotations

from liftune.formatting import gain, seconds, size
from liftune.option_values import CONTRASTIVE
from liftune.records.run import Contender, TuneRecord
from liftune.reports.base import SECTIONS, ReportTable, Section
from liftune.reports.sections.comparisons import several

#: Contenders whose cost is worth a comparison.
_COMPARED = ("probe", CONTRASTIVE, "tuned", "full")


@SECTIONS.entry("detectable", summary="What gain the test set could have detected.", chapter="data")
def detectable(record: TuneRecord) -> Section | None:
    """The smallest gain that would be detected, and the rows that the observed one needs."""
    known = [each for each in record.comparisons if each.smallest_detectable_gain is not None]
    if not known:
        return None
    rows = []
    for each in known:
        needed = each.rows_needed or each.units_needed
        of = "" if each.units is None else f" {several(each.unit)}"
        undecided = f"{needed:,}{of}" if needed else "-"
        wanted = undecided if each.verdict == "undecided" else "decided"
        shown = gain(each.metric, each.smallest_detectable_gain)
        rows.append((f"{each.b} over {each.a}", f"{each.units or each.rows or record.rows.test:,}{of}", shown, wanted))
    headings = ("gain", "test examples", "smallest detectable", "examples needed")
    said = (
        "Smallest detectable: the smallest true gain that this many test examples detect with 80% power at 0.05; a "
        "smaller one is more likely to be missed. Examples needed: how many would detect the observed gain with the "
        "same power, if it were the true one.",
    )
    return Section("What this test set could detect", said, (ReportTable(headings, tuple(rows), frozenset({1, 2, 3})),))


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
        "size: the saved weights; (~) for a model that is not kept, four bytes per parameter. Times and memory are one "
        "measurement on this machine, so without intervals, and include the effect of whatever else ran there.",
        "peak: the most memory the process had used by the end of that model, in the order of the table, so it never "
        "falls.",
    ]
    if not any(each.name == "full" for each in compared):
        said.append("Full fine-tuning was not run; --with-full adds it.")
    return Section("Cost", tuple(said), (ReportTable(headings, rows, frozenset(range(1, 6))),))


def _saved(contender: Contender) -> str:
    if contender.saved_bytes is not None:
        return size(contender.saved_bytes)
    return f"~ {size(4 * contender.trainable_parameters)}"
