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
from pathlib import Path
from statistics import median

from benchmarks.adapters_made import save_adapters
from benchmarks.load import Load, ask
from benchmarks.show import say, table, write_json
from liftune.data.load import load_data
from liftune.report.progress import Progress
from liftune.spec import RunSpec


def texts_and_labels(arguments: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Single texts to ask about, and the data's labels."""
    found = load_data(RunSpec.of(data=arguments.train, test=arguments.test).data, progress=Progress(quiet=True))
    return [row if isinstance(row, str) else row[0] for row in found.test.rows], list(found.labels)


@contextmanager
def server(command: list[str]) -> Iterator[int]:
    """A process that prints its port at the end of a line; it is stopped afterwards."""
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            last = line.strip().rpartition(":")[2]
            if last.isdigit():
                yield int(last)
                return
        raise RuntimeError(f"{command[2]} did not start")
    finally:
        process.terminate()
        process.wait(60)


def run(arguments: argparse.Namespace) -> int:
    """Both servers side by side, asked in turn."""
    texts, labels = texts_and_labels(arguments)
    rounds: dict[str, list[Load]] = {"pipeline": [], "ours": []}
    counts = {"pipeline": arguments.requests // arguments.fewer, "ours": arguments.requests}
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        (adapter,) = save_adapters(arguments.model, labels, Path(place), 1)
        python = [sys.executable, "-m"]
        ports = {
            "pipeline": stack.enter_context(
                server([*python, "benchmarks.pipeline_server", str(adapter), arguments.model])
            ),
            "ours": stack.enter_context(
                server([*python, "liftune", "serve", str(adapter), "--port", "0", "--precision", arguments.precision])
            ),
        }
        for number in range(arguments.repeats + 1):
            for name, port in ports.items():
                requests = counts[name] if number else arguments.connections  # the first round is a warm-up
                found = ask(port, texts, connections=arguments.connections, requests=requests)
                if number:
                    rounds[name].append(found)
                    say(f"{name}, round {number}: {found.rate:.1f} requests/s, p99 {found.quantile(0.99) * 1e3:.0f} ms")
    show(rounds, arguments)
    return 0


def show(rounds: dict[str, list[Load]], arguments: argparse.Namespace) -> None:
    """The table and the JSON."""
    ratios = [b.rate / a.rate for a, b in zip(rounds["pipeline"], rounds["ours"], strict=True)]
    rows = []
    for name, loads in rounds.items():
        rates = [each.rate for each in loads]
        cells = [f"{median(rates):.1f}", f"{min(rates):.1f}-{max(rates):.1f}"]
        cells += [f"{median(each.quantile(share) for each in loads) * 1e3:.0f}" for share in (0.5, 0.99)]
        rows.append((name, *cells))
    table(
        f"One text a request, {arguments.connections} connections",
        ("server", "requests/s", "range", "p50 ms", "p99 ms"),
        rows,
        [f"ours / pipeline within a round: {median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})"],
    )
    found = {
        name: [{"rate": each.rate, "p50": each.quantile(0.5), "p99": each.quantile(0.99)} for each in loads]
        for name, loads in rounds.items()
    }
    write_json(Path(arguments.out) / "serve.json", "serve", vars(arguments), {"rounds": found, "ratios": ratios})
