"""Seconds to the validation accuracy that best stock ends with after three epochs.

Stock is given its adapter, rate and fastest configuration; liftune its own defaults. Both clocks start with the
process and stop when validation has been answered: imports, loading and tokenising count. Both validate on the same
rows, split off from train.
In: arguments.  Out: one table, time-to-accuracy.json, time-to-accuracy.svg.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from benchmarks import rows, show
from benchmarks.contender import launch
from benchmarks.speed import settle_stock
from benchmarks.summary import Spread
from benchmarks.work import Result, Work

Launch = Callable[[Work], Result]
Rounds = list[tuple[Result, Result]]
NEVER = "never reached"


def run(arguments: argparse.Namespace, launch: Launch = launch) -> int:
    """Stock, ours, stock, ours, ...; print, write; 1 if one failed or the target was never reached."""
    with tempfile.TemporaryDirectory() as folder:
        splits = rows.read(arguments.train, arguments.test)
        there = rows.write(splits, Path(folder), rows=arguments.rows, validation_rows=None)
        stock = Work(
            contender="best-stock",
            data=folder,
            model=arguments.model,
            max_length=arguments.max_length,
            rows=there,
            epochs=arguments.epochs,
            score="validation",
        )
        settled, searched = settle_stock({"best-stock": stock}, arguments, launch)
        stock = replace(settled["best-stock"], warmup_steps=0)
        rounds = [one_round(replace(stock, seed=seed), arguments, launch) for seed in range(arguments.repeats)]
    failed = [each for pair in rounds for each in pair if each.missing]
    for each in failed:
        show.say(f"{each.name}: {each.missing}")
    if failed:
        return 1
    results = {
        "ratio": asdict(Spread.of([theirs.seconds / ours.seconds for theirs, ours in rounds])),
        "reached": [not ours.notes for _, ours in rounds],
        "rounds": [{"stock": theirs.as_dict(), "ours": ours.as_dict()} for theirs, ours in rounds],
        "search": [each.as_dict() for each in searched],
    }
    print_table(rounds, arguments)
    out = Path(arguments.out)
    show.write_json(out / "time-to-accuracy.json", "time-to-accuracy", vars(arguments), results)
    show.plot(out / "time-to-accuracy.svg", lambda axes: draw(axes[0], rounds), panels=1, width=7.0)
    return int(not all(results["reached"]))


def one_round(stock: Work, arguments: argparse.Namespace, launch: Launch) -> tuple[Result, Result]:
    """Best stock with one seed, then ours until it is as good; the seeds are the same."""
    theirs = launch(stock)
    if theirs.accuracy is None:
        return theirs, Result(name="ours", missing=theirs.missing or "stock has no accuracy")
    show.say(f"  {stock.config}: {theirs.accuracy:.4f} in {theirs.seconds:.1f} s")
    ours = launch(replace(stock, contender="ours", config="", goal=theirs.accuracy, ladder=arguments.ladder))
    show.say(f"  ours: {(ours.accuracy or 0):.4f} in {ours.seconds:.1f} s")
    return theirs, ours


def print_table(rounds: Rounds, arguments: argparse.Namespace) -> None:
    """One line a round."""
    lines = []
    for i, (theirs, ours) in enumerate(rounds):
        ratio = NEVER if ours.notes else show.number(theirs.seconds / ours.seconds)
        best = f"{ours.accuracy:.4f}" if ours.accuracy is not None else "-"
        lines.append((str(i), f"{theirs.accuracy:.4f}", f"{theirs.seconds:.1f}", best, f"{ours.seconds:.1f}", ratio))
    scope = "the whole ladder included" if arguments.ladder else "the tuned rung alone"
    notes = [
        f"best stock: {rounds[0][0].config}, {arguments.epochs} epochs; ours: liftune's defaults, {scope}.",
        "Seconds of the whole process: imports, loading, tokenising, training, and validation. The target is stock's.",
    ]
    columns = ("seed", "target", "stock s", "ours", "ours s", "ratio")
    show.table(f"{arguments.train}: seconds to the same validation accuracy", columns, lines, notes)


def draw(axis: Any, rounds: Rounds) -> None:
    """Our validation accuracy over time, and where stock ended."""
    for i, (theirs, ours) in enumerate(rounds):
        if ours.curve:
            axis.plot(*zip(*ours.curve, strict=True), "o-", color="tab:blue", label=None if i else "ours")
        axis.plot(theirs.seconds, theirs.accuracy, "s", color="tab:gray", label=None if i else "best stock, its end")
    axis.set_xlabel("seconds since the start")
    axis.set_ylabel("validation accuracy")
    axis.set_xlim(left=0)
    axis.legend()
