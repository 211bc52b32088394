"""Requests a second and latencies of `liftune serve` against FastAPI around a pipeline, on the same texts.

In: arguments.  Out: a table, JSON.  Not here: the load (load.py), the opponent (pipeline_server.py).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.adapters_made import save_adapters
from benchmarks.load import Load, ask
from benchmarks.show import say, table, write_json
from liftune.data.load import load_data
from liftune.spec import DataSpec


def texts_and_labels(arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Single texts to ask about, and the data's labels."""
    splits = load_data(DataSpec(source=arguments.train, test=arguments.test))
    return [row if isinstance(row, str) else row[0] for row in splits.test.rows], list(splits.labels)


@dataclass(frozen=True)
class Round:
    """One round with one server."""

    load: Load
    processor: float
    """Seconds of CPU time that the server took, of all its threads; what else the machine does hardly matters."""

    @property
    def each(self) -> float:
        """Milliseconds of CPU time a request."""
        return self.processor / len(self.load.latencies) * 1e3


def processor_seconds(process: int) -> float:
    """So far, by Linux's count; NaN elsewhere."""
    status = Path(f"/proc/{process}/stat")
    if not status.exists():
        return float("nan")
    fields = status.read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(command: list[str]) -> Iterator[tuple[int, int]]:
    """A process that prints its port at the end of a line: its port and number; it is stopped afterwards."""
    unheld = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=unheld)
    try:
        assert process.stdout is not None
        for line in process.stdout:
            last = line.strip().rpartition(":")[2]
            if last.isdigit():
                yield int(last), process.pid
                return
        raise RuntimeError(f"{command[2]} did not start")
    finally:
        process.terminate()
        process.wait(60)


def run(arguments: argparse.Namespace) -> int:
    """Both servers side by side, queried in turn."""
    texts, labels = texts_and_labels(arguments)
    rounds: dict[str, list[Round]] = {"pipeline": [], "ours": []}
    counts = {"pipeline": arguments.requests // arguments.fewer, "ours": arguments.requests}
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        (adapter,) = save_adapters(arguments.model, labels, Path(place), 1)
        python = [sys.executable, "-m"]
        servers = {
            "pipeline": stack.enter_context(
                server([*python, "benchmarks.pipeline_server", str(adapter), arguments.model])
            ),
            "ours": stack.enter_context(
                server([*python, "liftune", "serve", str(adapter), "--port", "0", "--precision", arguments.precision])
            ),
        }
        for number in range(arguments.repeats + 1):
            for name, (port, process) in servers.items():
                requests = counts[name] if number else arguments.connections  # the first round is a warm-up
                before = processor_seconds(process)
                load = ask(port, texts, connections=arguments.connections, requests=requests)
                if number:
                    rounds[name].append(Round(load, processor_seconds(process) - before))
                    say(f"{name}, round {number}: {load.rate:.1f} requests/s, p99 {load.quantile(0.99) * 1e3:.0f} ms")
    show(rounds, arguments)
    return 0


def show(rounds: dict[str, list[Round]], arguments: argparse.Namespace) -> None:
    """The table and the JSON."""
    turns = list(zip(rounds["pipeline"], rounds["ours"], strict=True))
    ratios = [b.load.rate / a.load.rate for a, b in turns]
    spared = [a.each / b.each for a, b in turns]
    rows = []
    for name, done in rounds.items():
        rates = [each.load.rate for each in done]
        cells = [f"{median(rates):.1f}", f"{min(rates):.1f}-{max(rates):.1f}"]
        cells += [f"{median(each.load.quantile(share) for each in done) * 1e3:.0f}" for share in (0.5, 0.99)]
        cells.append(f"{median(each.each for each in done):.2f}")
        rows.append((name, *cells))
    table(
        f"One text a request, {arguments.connections} connections",
        ("server", "requests/s", "range", "p50 ms", "p99 ms", "CPU ms a request"),
        rows,
        [
            f"requests/s, ours / pipeline within a round: {spread(ratios)}",
            f"CPU time a request, pipeline / ours within a round: {spread(spared)}",
        ],
    )
    rounds_of = {
        name: [
            {"rate": each.load.rate, "p50": each.load.quantile(0.5), "p99": each.load.quantile(0.99), "ms": each.each}
            for each in done
        ]
        for name, done in rounds.items()
    }
    write_json(
        Path(arguments.out) / "serve.json",
        "serve",
        vars(arguments),
        {"rounds": rounds_of, "ratios": ratios, "spared": spared},
    )


def spread(values: list[float]) -> str:
    """Median, least and most."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"
