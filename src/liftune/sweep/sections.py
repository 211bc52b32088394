"""A sweep as sections: one table, who is chosen, what did not run.

In: a SweepRecord.  Out: Sections.  Not here: how they look (report/text.py), the picture (picture.py).
"""

from __future__ import annotations

from liftune.formatting import count, interval, size
from liftune.records.base import Interval
from liftune.records.sweep import CellRecord, LeaderboardRow, SweepRecord
from liftune.report.base import ReportTable, Section
from liftune.sweep.leaderboard import COSTS

#: How a table names the fronts.
FRONTS = {"seconds": "time", "memory": "memory", "size": "size"}


def sweep_sections(record: SweepRecord) -> list[Section]:
    """The leaderboard, and what is to be said of it."""
    found = [leaderboard_section(record), not_run(record)]
    if record.notes:
        found.append(Section("Notes", record.notes))
    return [section for section in found if section is not None]


def leaderboard_section(record: SweepRecord) -> Section:
    """One row a contender, best first."""
    several = len(record.rungs) > 1
    headings = ("rank", *(["model"] if several else []), "contender", record.metric, "seed sd", "validation")
    headings += ("fit s", "own MiB", "params", "adapter", "front")
    rows = tuple(_row(each, several=several) for each in record.standings)
    left = {2, 3} if several else {1, 2}
    right = frozenset({0, *range(min(left) + 1, len(headings) - 1)})
    return Section("Leaderboard", leaderboard_sentences(record), (ReportTable(headings, rows, right),))


def leaderboard_sentences(record: SweepRecord) -> tuple[str, ...]:
    """How to read the table."""
    counts = record.rows
    seeds = max((each.seeds for each in record.standings if each.tuned), default=0)
    told = (
        f"Scores are means over {seeds} seeds; brackets hold 95 % intervals that allow for other rows and other seeds."
        if seeds > 1
        else "One seed: brackets hold 95 % intervals for other rows; how much another seed would change is unknown."
    )
    said = [
        f"{counts.test:,} test rows, the same for all; {counts.train:,} train, {counts.validation:,} validation.",
        told,
        "A rank is shared by all that these rows and seeds cannot tell from the best of them, all pairs corrected by "
        "Holm at 0.05.",
        "own MiB: the peak of memory less what the process held before.",
        "front: nothing else is both cheaper (in training time, own memory or adapter size) and better.",
    ]
    if record.chosen:
        said.append(f"Validation would choose {record.chosen}; the order above is that of the test rows.")
    if record.partial:
        said.append("partial: a sample of the rows was used, so every number speaks of that sample's size.")
    return tuple(said)


def _row(each: LeaderboardRow, *, several: bool) -> tuple[str, ...]:
    return (
        str(each.rank),
        *([each.model] if several else []),
        each.contender,
        interval(each.score),
        "-" if each.spread is None else f"{each.spread:.3f}",
        "-" if each.validation is None else interval(Interval(value=each.validation)),
        "-" if each.train_seconds is None else f"{each.train_seconds:,.1f}",
        "-" if each.memory_mib is None else f"{each.memory_mib:,.0f}",
        count(each.trainable_parameters),
        size(each.adapter_bytes),
        ", ".join(FRONTS[cost] for cost in COSTS if cost in each.fronts),
    )


def not_run(record: SweepRecord) -> Section | None:
    """Cells without a score, with the reason; those of a method that does not fit stand once a model."""
    reasons: dict[tuple[str, str, str, str], list[CellRecord]] = {}
    for cell in record.cells:
        if cell.state != "done":
            key = (cell.model, cell.method, cell.state, (cell.reason or "").splitlines()[0])
            reasons.setdefault(key, []).append(cell)
    if not reasons:
        return None
    rows = tuple(
        (model, method, ", ".join(str(cell.seed) for cell in cells), state, reason)
        for (model, method, state, reason), cells in reasons.items()
    )
    said = "A rerun of the same command tries the failed cells again."
    failed = any(state == "failed" for _, _, state, _ in reasons)
    return Section(
        "Without a score",
        (said,) if failed else (),
        (ReportTable(("model", "method", "seeds", "state", "reason"), rows),),
    )
