"""A few rows of each label: `liftune tune` against SetFit with the same encoder, on the same draws and test rows.

SetFit runs in an environment of its own and one process (few_setfit.py), liftune once a cell, as a user would. What is
finished stays in --runs and is not run again, so that it may be stopped and gone on with; any prefix is balanced.
In: arguments.  Out: one table, few.json.  Not here: the rows (few_rows.py), SetFit (few_setfit.py).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

from benchmarks import show
from benchmarks.contender import in_a_process
from benchmarks.few_rows import Cell, Rows, cells
from benchmarks.summary import Paired, paired_gain
from liftune.evaluation.statistics.multiple_tests import holm
from liftune.run_folder import RunFolder

Lines = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Compared:
    """One set and number of rows a label, over its draws."""

    name: str
    draws: int
    ours: float
    setfit: float
    paired: Paired
    row_error: float
    """The standard error of the gain over rows: of each row's mean over these draws."""
    p_value: float
    """Two-sided, of the paired t-test over rows: of these draws, other rows."""
    seconds: tuple[float, float]
    """Of processor time, ours and SetFit's, summed over the draws."""


def run(arguments: argparse.Namespace) -> int:
    """What is not there yet, then the table; 1 if something could not be run."""
    runs = Path(arguments.runs)
    runs.mkdir(parents=True, exist_ok=True)
    folders = [str(Path(each).resolve()) for each in arguments.data]
    more = [str(Path(each).resolve()) for each in arguments.more]
    if "setfit" in arguments.sides:
        marked = [f"+{each}" if each in more else each for each in folders]
        draws = ",".join(map(str, arguments.draws))
        command = [arguments.setfit_python, "-m", "benchmarks.few_setfit", arguments.model]
        command += [str(runs / "setfit.jsonl"), draws, str(arguments.minutes), "--", *marked]
        if in_a_process(command, stdout=sys.stderr).returncode:
            return 1
    if "ours" in arguments.sides:
        done = read(runs / "ours.jsonl")
        for cell in cells(folders, more, arguments.draws):
            if cell.name in done:
                continue
            found = tuned(cell, runs / cell.name, arguments)
            if found is None:
                return 1
            with (runs / "ours.jsonl").open("a", encoding="utf-8") as file:
                file.write(json.dumps(found) + "\n")
    compared = compare(read(runs / "ours.jsonl"), read(runs / "setfit.jsonl"))
    if not compared:
        show.say("no cell is done by both")
        return 1
    print_table(compared)
    show.write_json(
        Path(arguments.out) / "few.json", "few", vars(arguments), {"cells": [asdict(each) for each in compared]}
    )
    return 0


def tuned(cell: Cell, folder: Path, arguments: argparse.Namespace) -> dict[str, Any] | None:
    """`liftune tune` on the cell's rows: which test rows its default contender answers rightly, and what it took.

    The seconds are of the whole process: imports, baselines, report and answers with it.
    """
    train, test = cell.rows()
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in (("train", train), ("test", test)):
        write(rows, folder / f"{name}.jsonl")
    command = [sys.executable, "-m", "liftune", "tune", str(folder / "train.jsonl"), "--test"]
    command += [str(folder / "test.jsonl"), "--model", arguments.ours_model, "--seeds", str(cell.draw)]
    command += ["--out", str(folder / "run"), "--overwrite", "--quiet", *arguments.tune]
    before, clock = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    if in_a_process(command, stdout=sys.stderr).returncode:
        return None
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    run = RunFolder.open(folder / "run")
    record = run.record()
    evaluation = run.evaluation(arguments.use)
    right = [int(each) for each in evaluation.is_right]
    show.say(f"{cell.name}: {np.mean(right):.3f}, {cpu:.0f} s")
    return {
        "cell": cell.name,
        "rows": len(train),
        "cpu_seconds": cpu,
        "train_cpu_seconds": sum(log.seconds for log in record.logs),
        "seconds": time.perf_counter() - clock,
        "right": float(np.mean(right)),
        "correct": right,
        "all": {each.name: each.metrics[record.metric].value for each in record.contenders},
        "logs": [log.model_dump(mode="json", exclude={"epochs"}) for log in record.logs],
    }


def write(rows: Rows, path: Path) -> None:
    """As `liftune tune` reads them."""
    lines = (json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n" for text, label in rows)
    path.write_text("".join(lines), encoding="utf-8")


def read(path: Path) -> Lines:
    """Each cell's line."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return {each["cell"]: each for each in map(json.loads, lines)}


def compare(ours: Lines, theirs: Lines) -> list[Compared]:
    """Every set and size of which a draw is done by both."""
    by_cell: dict[str, list[str]] = {}
    for name in ours:
        if name in theirs:
            by_cell.setdefault(name.rpartition("-")[0], []).append(name)
    return [compared(name, draws, ours, theirs) for name, draws in by_cell.items()]


def compared(name: str, draws: Sequence[str], ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Compared:
    """One of them."""
    a, b = (np.array([side[draw]["correct"] for draw in draws]) for side in (ours, theirs))
    by_row = (a - b).mean(axis=0)
    error = float(by_row.std(ddof=1) / np.sqrt(len(by_row)))
    p_value = 1.0 if error == 0 else float(2 * student.sf(abs(by_row.mean()) / error, len(by_row) - 1))
    seconds = tuple(sum(seconds_of(side[draw]) for draw in draws) for side in (ours, theirs))
    paired = paired_gain(a, b, draws=2_000)
    return Compared(
        name, len(draws), float(a.mean()), float(b.mean()), paired, error, p_value, (seconds[0], seconds[1])
    )


@dataclass(frozen=True)
class OverDraws:
    """A cell's gain for other draws and other rows."""

    half: float
    """Of its 95% interval."""
    p_value: float
    """Two-sided."""


def over_draws(cells: Sequence[Compared]) -> list[OverDraws | None]:
    """For each cell; None where no cell of as many rows a label has two draws.

    Source: gain / error by Student's t, error^2 = v / draws + row_error^2. v is the variance of single draws' gains
        around their cell's mean, pooled over the cells of as many rows a label, as one cell's few draws tell little of
        it; degrees of freedom are those of v (sum of draws - 1). Rows are the same in all draws, so that what rows add
        is not in v; what a row adds in one draw alone is in both, which makes the test a little conservative.
    """
    spread: dict[str, list[float]] = {}
    freedom: dict[str, int] = {}
    for each in cells:
        size = each.name.rpartition("-")[2]
        spread.setdefault(size, []).extend((gain - each.paired.gain) ** 2 for gain in each.paired.each_seed)
        freedom[size] = freedom.get(size, 0) + each.draws - 1
    found: list[OverDraws | None] = []
    for each in cells:
        size = each.name.rpartition("-")[2]
        if not freedom[size]:
            found.append(None)
            continue
        error = float(np.sqrt(sum(spread[size]) / freedom[size] / each.draws + each.row_error**2))
        ratio = abs(each.paired.gain) / error if error else 0.0
        p_value = float(2 * student.sf(ratio, freedom[size]))
        found.append(OverDraws(float(student.ppf(0.975, freedom[size])) * error, p_value))
    return found


def seconds_of(line: Mapping[str, Any]) -> float:
    """Processor seconds of a cell by itself: SetFit's one process imports once for all of them, and is timed apart."""
    return float(line["cpu_seconds"]) + float(line.get("import_cpu_seconds", 0.0))


def print_table(cells: Sequence[Compared]) -> None:
    """One line a set and size, then all of them."""
    adjusted = holm(np.array([each.p_value for each in cells]))
    wide = over_draws(cells)
    tested = iter(holm(np.array([each.p_value for each in wide if each is not None])))
    adjusted_wide = [None if each is None else float(next(tested)) for each in wide]
    lines = []
    for each, p_value, other, p_other in zip(cells, adjusted, wide, adjusted_wide, strict=True):
        gain = "{:+.1f} [{:+.1f}, {:+.1f}]".format(*(100 * x for x in (each.paired.gain, *each.paired.rows)))
        ratio = each.seconds[0] / each.seconds[1]
        lines.append(
            (
                each.name,
                str(each.draws),
                f"{each.ours:.3f}",
                f"{each.setfit:.3f}",
                gain,
                f"{p_value:.3f}",
                "" if other is None else f"±{100 * other.half:.1f}",
                "" if p_other is None else f"{p_other:.3f}",
                f"{ratio:.2f}",
            )
        )
    gains = np.array([each.paired.gain for each in cells])
    half = (
        float(student.ppf(0.975, len(gains) - 1) * gains.std(ddof=1) / np.sqrt(len(gains))) if len(gains) > 1 else 0.0
    )
    counted = [
        f"significantly below in {_count(gains < 0, values)}, above in {_count(gains > 0, values)}"
        for values in (list(adjusted), adjusted_wide)
    ]
    ours, theirs = (sum(each.seconds[side] for each in cells) for side in (0, 1))
    mean = "{:+.2f} [{:+.2f}, {:+.2f}]".format(
        *(100 * x for x in (gains.mean(), gains.mean() - half, gains.mean() + half))
    )
    notes = [
        "gain: ours minus SetFit's accuracy in points on the same test rows, its 95% interval over rows; p after Holm.",
        "of draws: the same for other draws and other rows (benchmarks/few.py, over_draws), which is what a user has.",
        f"mean over {len(cells)} cells {mean} (paired t over cells); over rows {counted[0]}; over draws {counted[1]}.",
        f"processor time of all of it, imports and answers with it: {ours / theirs:.2f} of SetFit's "
        f"({ours:,.0f} s against {theirs:,.0f} s).",
    ]
    threads = os.environ.get("OMP_NUM_THREADS", "all")
    columns = ("cell", "draws", "liftune", "SetFit", "gain", "p", "of draws", "p of draws", "time ratio")
    show.table(f"a few rows of each label, {threads} threads", columns, lines, notes)


def _count(directed: NDArray[np.bool_], p_values: Sequence[float | None]) -> int:
    return sum(bool(wanted) and p is not None and p <= 0.05 for wanted, p in zip(directed, p_values, strict=True))
