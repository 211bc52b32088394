"""Results as one table on stdout, one JSON file and one plot.

In: what a mode measured.  Out: text and files.  Not here: numbers (summary.py).
"""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from liftune.hardware.processor import processor_name
from liftune.versions import versions

#: Whose versions a number may depend on.
RECORDED = ("liftune", "torch", "transformers", "peft", "accelerate", "datasets", "setfit", "adapters", "numpy")


def say(text: str) -> None:
    """Progress, on stderr."""
    print(text, file=sys.stderr, flush=True)


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]], notes: Sequence[str] = ()) -> None:
    """One table on stdout, the first column left, the others right, notes below; as wide as it needs to be off a
    terminal."""
    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, column in enumerate(columns):
        shown.add_column(column, justify="right" if i else "left", no_wrap=True)
    for row in rows:
        shown.add_row(*row)
    console = Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160)
    console.print(title, style="bold", soft_wrap=True)
    console.print(shown)
    for note in notes:
        console.print(f"  {note}", style="dim", soft_wrap=True)


def write_json(path: Path, mode: str, arguments: Mapping[str, Any], results: Mapping[str, Any]) -> None:
    """Everything that was measured, with the machine and the versions."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = {name: str(value) if isinstance(value, Path) else value for name, value in arguments.items()}
    about = {"mode": mode, "at": now(), "machine": machine(), "versions": versions(RECORDED), "arguments": shown}
    path.write_text(json.dumps({**about, **results}, indent=1) + "\n", encoding="utf-8")
    say(f"wrote {path}")


def plot(path: Path, draw: Callable[[Any], None], *, panels: int, width: float = 5.0) -> None:
    """Let `draw` fill a row of axes; without matplotlib say so and go on.

    Args:
        draw: is given a list of matplotlib axes.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError:
        say("no plot: matplotlib is not installed (pip install '.[bench]')")
        return
    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "liftune"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, panels, figsize=(width * panels, 3.6), squeeze=False, layout="constrained")
    draw(list(axes[0]))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
    say(f"wrote {path}")


def machine() -> dict[str, Any]:
    """What the numbers were measured on, without the machine's name."""
    facts: dict[str, Any] = {
        "system": platform.system(),
        "architecture": platform.machine(),
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    threads = os.environ.get("OMP_NUM_THREADS")
    return {**facts, "OMP_NUM_THREADS": threads} if threads else facts


def now() -> str:
    """The time, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def number(value: float) -> str:
    """Three digits that count.

    >>> [number(value) for value in (0.1234, 2.512, 21.04, 213.7, 6144.0)]
    ['0.123', '2.51', '21.0', '214', '6,144']
    """
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"
