"""Test accuracy of two contenders over seeds, and the interval of their difference on the same rows.

In: arguments.  Out: one table, accuracy.json with every row's correctness.  Not here: the formula (summary.py).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np

from benchmarks import rows, show
from benchmarks.contender import launch
from benchmarks.search import USUAL
from benchmarks.speed import reported
from benchmarks.summary import Paired, paired_gain
from benchmarks.work import Result, Work


def run(arguments: argparse.Namespace, launch: Callable[[Work], Result] = launch) -> int:
    """Train each with each seed, in turn; print, write; 1 if one failed."""
    if "best-stock" in arguments.contenders and not arguments.best_stock:
        raise SystemExit("give best-stock's configuration with --best-stock, as `speed` prints it")
    results_of: dict[str, list[Result]] = {name: [] for name in arguments.contenders}
    with tempfile.TemporaryDirectory() as folder:
        splits = rows.read(arguments.train, arguments.test, test_rows=arguments.test_rows)
        there = rows.write(splits, Path(folder), rows=arguments.rows, validation_rows=None)
        for seed in arguments.seeds:
            show.say(f"seed {seed}")
            for name in results_of:
                results_of[name].append(reported(launch)(work_of(name, folder, there, seed, arguments)))
    missing = [each for results in results_of.values() for each in results if each.missing]
    for each in missing:
        show.say(f"{each.name}: {each.missing}")
    if missing:
        return 1
    a, b = (np.array([each.correct for each in results_of[name]]) for name in results_of)
    gain = paired_gain(a, b)
    print_table(results_of, gain, arguments)
    runs = {name: [each.as_dict() for each in results] for name, results in results_of.items()}
    out = Path(arguments.out) / "accuracy.json"
    show.write_json(out, "accuracy", vars(arguments), {"difference": asdict(gain), "runs": runs})
    return 0


def work_of(name: str, folder: str, there: int, seed: int, arguments: argparse.Namespace) -> Work:
    """One contender's training with one seed; nothing is timed, so nothing is warmed up."""
    return Work(
        contender=name,
        data=folder,
        model=arguments.model,
        max_length=arguments.max_length,
        rows=there,
        epochs=arguments.epochs,
        seed=seed,
        warmup_steps=0,
        score="test",
        config={"stock": USUAL, "best-stock": arguments.best_stock}.get(name, ""),
        python=arguments.python.get(name),
    )


def print_table(results_of: dict[str, list[Result]], gain: Paired, arguments: argparse.Namespace) -> None:
    """One line a contender, then the difference."""
    seeds = [f"seed {seed}" for seed in arguments.seeds]
    lines = []
    for name, results in results_of.items():
        each = [result.accuracy or 0.0 for result in results]
        lines.append((name, *(f"{value:.4f}" for value in each), f"{np.mean(each):.4f}"))
    a, b = results_of
    points = "{:+.2f} [{:+.2f}, {:+.2f}]".format
    first = points(*(100 * value for value in (gain.gain, *gain.rows)))
    second = points(*(100 * value for value in (gain.gain, *gain.rows_and_seeds)))
    count = len(next(iter(results_of.values()))[0].correct)
    notes = [
        f"{a} minus {b}, in points of accuracy on the same {count:,} test rows, with 95 % intervals:",
        f"{first} over rows (paired t, of each row's mean over seeds)",
        f"{second} over rows and seeds (bootstrap of both)",
    ]
    show.table(f"{arguments.train}, {arguments.epochs} epochs", ("contender", *seeds, "mean"), lines, notes)
