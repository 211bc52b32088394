"""Rows a second, tokens a second and peak memory of every contender on the same rows, in turn.

In: arguments.  Out: one table, speed.json, speed.svg.  Not here: the contenders; accuracy over seeds (accuracy.py).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import rows, show
from benchmarks.contender import launch
from benchmarks.search import USUAL, search
from benchmarks.summary import Spread, ratios
from benchmarks.work import Result, Work

#: Train rows of contenders that are so slow that fewer must do: their rate is steady.
FEWER = {"notebook": 64, "setfit": 32}
OURS = "ours"
Launch = Callable[[Work], Result]
Results = dict[str, list[Result]]


def run(arguments: argparse.Namespace, launch: Launch = launch) -> int:
    """Measure, print, write; 1 if a contender failed."""
    with tempfile.TemporaryDirectory() as folder:
        works = make_works(arguments, Path(folder))
        works, searched = settle_stock(works, arguments, launch)
        results_of = in_turn(works, arguments.repeats, launch)
    print_table(results_of, arguments)
    everything = {name: [each.as_dict() for each in results] for name, results in results_of.items()}
    summary = {name: summarised(name, results_of) for name in results_of}
    searches = [each.as_dict() for each in searched]
    out = Path(arguments.out)
    show.write_json(
        out / "speed.json", "speed", vars(arguments), {"summary": summary, "runs": everything, "search": searches}
    )
    show.plot(out / "speed.svg", lambda axes: draw(axes, results_of), panels=2)
    return int(any(each.missing.startswith("failed") for results in results_of.values() for each in results))


def make_works(arguments: argparse.Namespace, folder: Path) -> dict[str, Work]:
    """Each contender's task, on rows written to the folder."""
    splits = rows.read(arguments.train, arguments.test, test_rows=arguments.test_rows)
    there = rows.write(splits, folder, rows=arguments.rows, validation_rows=64)
    fewer = {**FEWER, **{name: int(count) for name, count in arguments.rows_for.items()}}
    return {
        name: Work(
            contender=name,
            data=str(folder),
            model=arguments.model,
            max_length=arguments.max_length,
            rows=whole_steps(min(there, fewer.get(name, there))),
            epochs=arguments.epochs,
            warmup_steps=arguments.warmup_steps,
            score="test" if arguments.evaluate else "",
            config=USUAL if name == "stock" else "",
            python=arguments.python.get(name),
        )
        for name in arguments.contenders
    }


def whole_steps(count: int) -> int:
    """So many rows, less what would not fill an optimizer step of 16.

    >>> whole_steps(100), whole_steps(9)
    (96, 9)
    """
    return count - count % 16 if count >= 16 else count


def settle_stock(
    works: dict[str, Work], arguments: argparse.Namespace, launch: Launch
) -> tuple[dict[str, Work], list[Result]]:
    """Give best-stock the requested configuration, or the fastest; with every run of the search."""
    if "best-stock" not in works:
        return works, []
    work = works["best-stock"]
    config: str = arguments.best_stock
    searched: list[Result] = []
    if not config:
        show.say("searching the fastest stock configuration")
        few = replace(work, rows=whole_steps(min(work.rows, arguments.search_rows)), epochs=1, score="")
        config, searched = search(few, reported(launch), arguments.grid)
    show.say(f"best stock: {config}")
    return {**works, "best-stock": replace(work, config=config)}, searched


def in_turn(works: Mapping[str, Work], repeats: int, launch: Launch) -> Results:
    """A B C, A B C, ...: what slows the machine for a while slows all. What is not installed is tried once."""
    results_of: Results = {name: [] for name in works}
    for repeat in range(repeats):
        show.say(f"round {repeat + 1} of {repeats}")
        for name, work in works.items():
            gone = results_of[name][:1] and results_of[name][0].missing == "not installed"
            results_of[name].append(results_of[name][0] if gone else reported(launch)(work))
    return results_of


def reported(launch: Launch) -> Launch:
    """Launch, and say what came of it."""

    def launched(work: Work) -> Result:
        result = launch(work)
        what = result.missing or f"{show.number(result.rows_per_second)} rows/s, {result.peak_mib:,.0f} MiB"
        show.say(f"  {work.contender} {work.config}: {what}")
        return result

    return launched


def summarised(name: str, results_of: Results) -> dict[str, Any]:
    """One contender's medians and ranges."""
    ran = [each for each in results_of[name] if not each.missing]
    if not ran:
        return {"missing": results_of[name][0].missing}
    ratio = ratios(results_of[OURS], results_of[name]) if OURS in results_of and name != OURS else None
    scored = [each.accuracy for each in ran if each.accuracy is not None]
    fractions = [each.gemm_fraction for each in ran if each.gemm_fraction is not None]
    return {
        "config": ran[0].config,
        "rows": ran[0].rows,
        "steps": ran[0].steps,
        "runs": len(ran),
        "rows_per_second": asdict(Spread.of([each.rows_per_second for each in ran])),
        "tokens_per_second": asdict(Spread.of([each.tokens_per_second for each in ran])),
        "peak_mib": asdict(Spread.of([each.peak_mib for each in ran])),
        "accuracy": median(scored) if scored else None,
        "times_ours": asdict(ratio) if ratio else None,
        "gemm_fraction": median(fractions) if fractions else None,
    }


def spread(values: Mapping[str, float]) -> str:
    """A median with its range."""
    low, high = show.number(values["low"]), show.number(values["high"])
    return f"{show.number(values['median'])} [{low}, {high}]"


def print_table(results_of: Results, arguments: argparse.Namespace) -> None:
    """One line a contender, and what was timed."""
    lines, notes = [], []
    for name in results_of:
        each = summarised(name, results_of)
        if "missing" in each:
            lines.append((name, *["-"] * 6, each["missing"][:60]))
            continue
        accuracy = "-" if each["accuracy"] is None else f"{each['accuracy']:.3f}"
        speeds = [spread(each[key]) for key in ("rows_per_second", "tokens_per_second", "peak_mib")]
        times = spread(each["times_ours"]) if each["times_ours"] else "-"
        lines.append((name, f"{each['rows']:,}", f"{each['steps']:,}", *speeds, accuracy, times))
        if each["config"]:
            notes.append(f"{name}: {each['config']} (attention, rows x accumulation, weights)")
        if each["gemm_fraction"] is not None:
            notes.append(f"{name}: {100 * each['gemm_fraction']:.0f} % of the machine's own matrix-product rate")
        notes += [f"{name}: {note}" for note in results_of[name][0].notes]
    columns = ("contender", "rows", "steps", "rows/s", "tokens/s", "peak MiB", "accuracy", "ours is times")
    notes += [
        f"Medians and ranges of {arguments.repeats} runs in turn, each in a process of its own; ratios are within a "
        "round.",
        f"Timed: {arguments.epochs} epoch(s) of optimisation, after {arguments.warmup_steps} steps of warm-up by "
        "another model; no loading, tokenising or scoring.",
        "Tokens are those that are not padding. Peak MiB is the whole process's largest resident memory.",
    ]
    show.table(f"{arguments.train}, at most {arguments.max_length} tokens a row", columns, lines, notes)


def draw(axes: list[Any], results_of: Results) -> None:
    """Rows a second, on a scale of ratios, and peak memory."""
    all_summaries = {name: summarised(name, results_of) for name in results_of}
    shown = {name: each for name, each in all_summaries.items() if "missing" not in each}
    names = list(shown)[::-1]
    for axis, key, title in zip(axes, ("rows_per_second", "peak_mib"), ("rows a second", "peak MiB"), strict=True):
        for place, name in enumerate(names):
            each = shown[name][key]
            error = [[each["median"] - each["low"]], [each["high"] - each["median"]]]
            colour = "tab:blue" if name == OURS else "tab:gray"
            axis.errorbar(each["median"], place, xerr=error, fmt="o", color=colour, capsize=3)
            axis.annotate(
                show.number(each["median"]), (each["median"], place), (0, 7), textcoords="offset points", ha="center"
            )
        axis.set_yticks(range(len(names)), names)
        axis.margins(x=0.15, y=0.2)
        axis.set_xlabel(title)
        axis.grid(axis="x", alpha=0.3)
    axes[0].set_xscale("log")
    axes[1].set_xlim(left=0)
