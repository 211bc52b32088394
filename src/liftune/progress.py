"""What a person sees while liftune works: short lines and bars on stderr, nothing on stdout.

In: what is being done.  Out: stderr.  Not here: results (text.py).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text


class Advance(Protocol):
    """Called as rows are done."""

    def __call__(self, rows: int = 1, *, note: str | None = None) -> None: ...  # noqa: D102 - a protocol


class RowsPerSecond(ProgressColumn):
    """Rows a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """The speed, or nothing while it is unknown."""
        return Text(f"{task.speed:,.0f} rows/s" if task.speed else "", style="cyan")


class Progress:
    """Lines and bars on stderr.

    Args:
        quiet: show nothing at all.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet, highlight=False)

    def log(self, text: str) -> None:
        """One line."""
        self._console.print(text, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, what: str, rows: int | None, *, speed: bool = True) -> Iterator[Advance]:
        """A bar of so many rows (None: nobody knows how many), or of so many of anything without their speed, and time
        left; gone once it is full."""
        columns: tuple[ProgressColumn, ...] = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            *((RowsPerSecond(),) if speed else ()),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        live = self._console.is_terminal
        with RichProgress(*columns, console=self._console, transient=True, disable=not live) as progress:
            task = progress.add_task(what, total=rows, note="")

            def advance(rows: int = 1, *, note: str | None = None) -> None:
                fields: dict[str, Any] = {} if note is None else {"note": note}
                progress.update(task, advance=rows, **fields)

            yield advance
