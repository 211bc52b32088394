"""A sweep as sections: one table, what validation would choose, what did not run.

In: a SweepRecord.  Out: Sections.  Not here: how they look (reports/render/text.py), the plot (plot.py).
"""

from __future__ import annotations

from liftune.formatting import count, interval, size
from liftune.metrics.registry import METRICS
from liftune.records.base import Interval
from liftune.records.sweep import CellRecord, LeaderboardRow, SearchRecord, SweepRecord
from liftune.reports.base import ReportTable, Section
from liftune.sweeps.leaderboard import COSTS
from liftune.sweeps.trials import options_text

#: Trials of a search that the table shows.
_SHOWN = 10
#: How a table names the fronts.
FRONTS = {"seconds": "time", "memory": "memory", "size": "size"}


def sweep_sections(record: SweepRecord) -> list[Section]:
    """The leaderboard, what has no score, and notes."""
    sections = [leaderboard_section(record), search_section(record), not_run(record)]
    if record.notes:
        sections.append(Section("Notes", record.notes))
    return [section for section in sections if section is not None]


def leaderboard_section(record: SweepRecord) -> Section:
    """One row a contender, best first."""
    several = len(record.baselines) > 1
    headings = ("rank", *(["model"] if several else []), "contender", record.metric, "letters", "seed sd", "validation")
    headings += ("fit s", "own MiB", "params", "adapter", "front")
    rows = tuple(_row(each, several=several) for each in record.leaderboard)
    left = {"model", "contender", "letters", "front"}
    right = frozenset(i for i, heading in enumerate(headings) if heading not in left)
    return Section("Leaderboard", leaderboard_sentences(record), (ReportTable(headings, rows, right),))


def leaderboard_sentences(record: SweepRecord) -> tuple[str, ...]:
    """How to read the table."""
    counts = record.rows
    seeds = max((each.seeds for each in record.leaderboard if each.tuned), default=0)
    intervals = (
        f"Scores are means over {seeds} seeds. Brackets: 95% confidence intervals, for other rows and other seeds."
        if seeds > 1
        else "One seed: how much another would change is unknown. Brackets: 95% confidence intervals, for other rows."
    )
    sentences = [
        f"{counts.test:,} test rows, the same for all; {counts.train:,} train, {counts.validation:,} validation.",
        intervals,
        _how_to_read(record),
        "own MiB: peak memory less what the process held before.",
        "front: nothing else is both cheaper (in training time, own memory or adapter size) and better (Pareto front).",
    ]
    if record.chosen:
        sentences.append(f"Validation would choose {record.chosen}; the order above is that of the test rows.")
    if record.partial:
        sentences.append("partial: a sample of the rows was used, so every number is about that sample's size.")
    return tuple(sentences)


def _how_to_read(record: SweepRecord) -> str:
    """What the ranks and letters mean."""
    tests = "all pairs tested, Holm-corrected at 0.05"
    if any(each.letters for each in record.leaderboard):
        return (
            "rank: by score alone. letters: contenders that share a letter are not told apart by these rows and seeds, "
            f"those that share none are ({tests})."
        )
    return f"rank: by score alone. letters: an `a` where these rows and seeds do not tell it from the best ({tests})."


def _row(each: LeaderboardRow, *, several: bool) -> tuple[str, ...]:
    return (
        str(each.rank),
        *([each.model] if several else []),
        each.contender,
        interval(each.score),
        each.letters or ("a" if each.as_best else "-"),
        "-" if each.spread is None else f"{each.spread:.3f}",
        "-" if each.validation is None else interval(Interval(value=each.validation)),
        "-" if each.train_seconds is None else f"{each.train_seconds:,.1f}",
        "-" if each.memory_mib is None else f"{each.memory_mib:,.0f}",
        count(each.trainable_parameters),
        size(each.adapter_bytes),
        ", ".join(FRONTS[cost] for cost in COSTS if cost in each.fronts),
    )


def search_section(record: SweepRecord) -> Section | None:
    """Of a search: the best trials on validation, and how much their choice flatters."""
    search = record.search
    if search is None:
        return None
    sign = METRICS[record.metric].sign
    done = [each for each in search.trials if each.state == "done"]
    done.sort(key=lambda each: (-sign * (each.validation or 0.0), each.number))
    others = [each for each in search.trials if each.state != "done"]
    shown = [*done[:_SHOWN], *(each for each in others if each.state == "failed")]
    several = len({each.model for each in search.trials}) > 1
    rows = tuple(
        (
            str(each.number),
            *([each.model] if several else []),
            each.method,
            options_text(each.options) + (f" (as trial {each.same_as})" if each.same_as is not None else ""),
            "-" if each.validation is None else f"{each.validation:.3f}",
            each.state if each.reason is None else f"{each.state}: {each.reason.splitlines()[0]}",
        )
        for each in shown
    )
    headings = ("trial", *(["model"] if several else []), "method", "options", "validation", "state")
    counts = {state: sum(each.state == state for each in search.trials) for state in ("done", "pruned", "failed")}
    said = f"{len(search.trials)} trials: " + ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    others_won = ", ".join(map(str, search.earlier_winners))
    looked = f"it, and by what won before there were as many: {others_won}" if others_won else "it alone"
    sentences = (
        f"{said}. Trial {search.winner} has the best validation score; test was looked at by {looked}.",
        *_curse(record, search),
    )
    right = frozenset(i for i, heading in enumerate(headings) if heading in ("trial", "validation"))
    more = (
        (f"The {len(shown)} best and those that failed; sweep.json has all.",)
        if len(search.trials) > len(shown)
        else ()
    )
    return Section("Search", (*sentences, *more), (ReportTable(headings, rows, right),))


def _curse(record: SweepRecord, search: SearchRecord) -> tuple[str, ...]:
    """What is said of the winner's curse."""
    found = search.optimism
    if found is None:
        return ("How much the choice flatters is unknown: too few trials or validation rows.",)
    return (
        f"Winner's curse: what was chosen on one half of validation was {found.value:.3f} {record.metric} better there "
        f"than on the other half (95% of {found.halvings} halvings: {found.low:.3f} to {found.high:.3f}). "
        f"{found.again:.0%} of the halves chose the same trial as all rows do. The trials' validation scores flatter "
        "by up to about as much; those of test do not.",
    )


def not_run(record: SweepRecord) -> Section | None:
    """Cells without a score, with the reason; a method that does not fit is listed once a model."""
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
    rerun = "A rerun of the same command tries the failed cells again."
    failed = any(state == "failed" for _, _, state, _ in reasons)
    return Section(
        "Without a score",
        (rerun,) if failed else (),
        (ReportTable(("model", "method", "seeds", "state", "reason"), rows),),
    )
