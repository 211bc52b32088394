"""Time a token and peak memory of ours from a thousand rows to a hundred thousand.

A file with fewer rows is repeated, a number behind each text, so that no two rows are equal.
In: arguments.  Out: one table, scaling.json, scaling.svg.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import rows, show
from benchmarks.contender import launch
from benchmarks.work import Result, Work


def run(arguments: argparse.Namespace, launch: Callable[[Work], Result] = launch) -> int:
    """One epoch of each size, smallest first; print, write; 1 if one failed."""
    splits = rows.read(arguments.train, arguments.test, test_rows=64)
    results = []
    for size in arguments.sizes:
        with tempfile.TemporaryDirectory() as folder:
            there = rows.write(splits, Path(folder), rows=size, validation_rows=64, stretch=True)
            work = Work(
                contender=arguments.contender,
                data=folder,
                model=arguments.model,
                max_length=arguments.max_length,
                rows=there,
            )
            results.append(launch(work))
        show.say(f"  {size:,} rows: {results[-1].missing or f'{results[-1].train_seconds:.1f} s'}")
    ran = [each for each in results if not each.missing]
    print_table(ran, arguments)
    out = Path(arguments.out)
    show.write_json(out / "scaling.json", "scaling", vars(arguments), {"runs": [each.as_dict() for each in results]})
    if ran:
        show.plot(out / "scaling.svg", lambda axes: draw(axes, ran), panels=2)
    return int(len(ran) < len(results))


def print_table(results: Sequence[Result], arguments: argparse.Namespace) -> None:
    """One line a size."""
    lines = [
        (
            f"{each.rows:,}",
            f"{each.tokens:,}",
            show.number(each.train_seconds),
            show.number(1e6 * each.train_seconds / each.tokens),
            show.number(1e6 * each.seconds / each.tokens),
            show.number(each.peak_mib),
        )
        for each in results
    ]
    columns = ("rows", "tokens", "train s", "us a token", "us a token, all", "peak MiB")
    notes = [
        "One epoch; microseconds of optimisation a token that is not padding, and of the whole process: imports, "
        "loading, tokenising, warm-up and validation of 64 rows included."
    ]
    show.table(f"{arguments.contender} on {arguments.train}", columns, lines, notes)


def draw(axes: list[Any], results: Sequence[Result]) -> None:
    """Time a token, and memory, over rows."""
    sizes = [each.rows for each in results]
    axes[0].plot(sizes, [1e6 * each.train_seconds / each.tokens for each in results], "o-", label="optimisation")
    axes[0].plot(sizes, [1e6 * each.seconds / each.tokens for each in results], "o--", label="whole process")
    axes[0].set_ylabel("microseconds a token")
    axes[0].legend()
    axes[1].plot(sizes, [each.peak_mib for each in results], "o-")
    axes[1].set_ylabel("peak MiB")
    for axis in axes:
        axis.set_xlabel("train rows")
        axis.set_xscale("log")
        axis.set_ylim(bottom=0)
