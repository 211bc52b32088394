"""What a person sees while liftune works: short lines and bars on stderr, nothing on stdout.

In: events, or what is being done.  Out: stderr.
Not here: events themselves (events.py), results (reports/render/text.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Protocol

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress
from rich.text import Text

from liftune.events import (
    ContenderScored,
    EpochEnded,
    EpochStarted,
    Listener,
    Note,
    RoundEnded,
    RowsRead,
    RunPrepared,
    StageEnded,
    StageStarted,
    Step,
    TuningStarted,
)
from liftune.formatting import interval, target, visible
from liftune.time_left import TimeLeft


class Advance(Protocol):
    """Called as rows are done."""

    def __call__(self, rows: int = 1, *, note: str | None = None) -> None: ...  # noqa: D102 - a protocol


class RowsPerSecond(ProgressColumn):
    """Rows a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """The speed, or nothing while it is unknown."""
        return Text(f"{task.speed:,.0f} rows/s" if task.speed else "", style="cyan")


#: Characters of a line in a notebook's cell, which does not wrap what is printed there.
_NOTEBOOK_WIDTH = 100


def _console(*, quiet: bool = False) -> Console:
    """What writes on stderr, or into a notebook's cell."""
    console = Console(stderr=True, quiet=quiet, highlight=False)
    if console.is_jupyter:
        console.width = _NOTEBOOK_WIDTH
    return console


def _line(console: Console, text: str) -> None:
    """One line; a terminal wraps a long one by itself."""
    console.print(visible(text), markup=False, soft_wrap=not console.is_jupyter)


class Progress:
    """Lines and bars on stderr.

    Args:
        quiet: show nothing, but for what is told.
        mute: tell nothing either; None tells what is shown.
        worded: what to write in the place of a line.
    """

    def __init__(
        self, *, quiet: bool = False, mute: bool | None = None, worded: Callable[[str], str] | None = None
    ) -> None:
        self._console = _console(quiet=quiet)
        self._mute = quiet if mute is None else mute
        self._worded = worded or str

    def tell(self, text: str) -> None:
        """One line that changes what the answers mean: also where nobody looks, as in a script's log."""
        if not self._mute:
            _line(_console(), self._worded(text))

    def log(self, text: str) -> None:
        """One line."""
        _line(self._console, self._worded(text))

    @contextmanager
    def bar(self, what: str, rows: int | None, *, speed: bool = True) -> Iterator[Advance]:
        """A bar of so many rows (None: unknown), or of so many of anything without their speed, and the time left;
        gone once it is full."""
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
            task = progress.add_task(visible(what), total=rows, note="")

            def advance(rows: int = 1, *, note: str | None = None) -> None:
                fields: dict[str, Any] = {} if note is None else {"note": visible(note)}
                progress.update(task, advance=rows, **fields)

            yield advance


class LogLines(Listener):
    """Writes a line for each event that has something to say.

    Args:
        progress: where lines go.
    """

    def __init__(self, progress: Progress) -> None:
        self._log = progress.log

    def on_stage(self, event: StageStarted | StageEnded) -> None:
        """What is being done, where nothing else would show for seconds."""
        if isinstance(event, StageStarted) and event.doing:
            self._log(event.doing)

    def on_prepared(self, event: RunPrepared) -> None:
        """The data and the model, a line each, and what loading the model had to say."""
        if event.folds:
            counts = f"{event.test:,} rows in {event.folds} folds"
        else:
            counts = f"{event.train:,} train, {event.validation:,} validation, {event.test:,} test rows"
        self._log(f"{event.data}: {event.task}, {event.labels} labels, {counts}")
        head = "randomly initialised" if event.head == "fresh" else event.head
        self._log(
            f"{event.model}: {event.family}, {head} head, {event.max_length} tokens, {event.dtype} on {event.device}"
        )
        for note in event.notes:
            self._log(f"  {note}")

    def on_tuning(self, event: TuningStarted) -> None:
        """Method, soft labels and seed."""
        if event.from_pairs and not event.tunes:
            self._log(f"starting from pairs of rows by {event.method}, seed {event.seed}; no epoch follows")
            return
        taught = f", with soft labels from {event.soft_labels}" if event.soft_labels else ""
        self._log(f"tuning by {event.method}{taught}, seed {event.seed}")

    def on_round(self, event: RoundEnded) -> None:
        """How far a start from pairs is; a trial says by itself what it found."""
        if not event.trial:
            self._log(round_line(event))

    def on_epoch(self, event: EpochStarted | EpochEnded) -> None:
        """Loss and validation score of an epoch."""
        if isinstance(event, EpochEnded):
            self._log(epoch_line(event))

    def on_contender(self, event: ContenderScored) -> None:
        """Its score, with an interval."""
        score = event.contender.metrics[event.metric]
        answer = event.contender.only_answer
        learned = event.contender.name not in ("majority", "base")
        same = "" if answer is None else f", {'collapsed: ' if learned else ''}{target(answer)!r} for every test row"
        same = "" if event.contender.name == "majority" else same
        self._log(f"  {event.contender.name:8} {event.metric} {interval(score)}{same}")

    def on_note(self, event: Note) -> None:
        """The text as it is."""
        self._log(event.text)


def round_line(event: RoundEnded) -> str:
    """How far a start from pairs of rows is, in a line.

    >>> print(round_line(RoundEnded(2, 6, 20, 0.0213, last=True)))
      start from pairs of rows: round 2 of at most 6, each row read 20 times, loss of pairs 0.021: learned
    """
    end = "" if not event.last else ": learned" if event.round < event.rounds else ": the last round"
    return (
        f"  start from pairs of rows: round {event.round} of at most {event.rounds}, each row read {event.visits} "
        f"times, loss of pairs {event.loss:.3f}{end}"
    )


def epoch_line(event: EpochEnded) -> str:
    """Loss and validation score of an epoch, in a line."""
    score = f"validation {event.metric} {'undefined' if event.value is None else f'{event.value:.4f}'}"
    if not event.epochs:
        return f"  the start: {score}; it is kept, and no epoch follows"
    if event.loss is None or event.rows_per_second is None:
        return f"  epoch {event.epoch} of {event.epochs}: {score}, before the first step"
    mark = "  best so far" if event.best else ""
    return (
        f"  epoch {event.epoch} of {event.epochs}: loss {event.loss:.4f}, {score}, "
        f"{event.rows_per_second:,.0f} rows/s{mark}"
    )


class Bars(Listener):
    """Shows a bar while rows are trained on or read; one at a time, gone once it is full.

    Args:
        progress: where bars go.
    """

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._open = ExitStack()
        self._advance: Advance | None = None
        self._left = 0

    def on_epoch(self, event: EpochStarted | EpochEnded) -> None:
        """A bar for each epoch."""
        if isinstance(event, EpochStarted):
            self._start(f"epoch {event.epoch} of {event.epochs}", event.rows)
            self._move(event.done)

    def on_step(self, event: Step) -> None:
        """The bar moves on, with the newest loss."""
        self._move(event.rows, f"loss {event.loss:.3f}")

    def on_rows(self, event: RowsRead) -> None:
        """A bar for each pass."""
        if not event.rows:
            self._start(event.doing, event.total)
        else:
            self._move(event.rows)

    def on_stage(self, event: StageStarted | StageEnded) -> None:
        """Whatever ended a stage, its bar goes with it."""
        self._close()

    def _start(self, what: str, rows: int) -> None:
        self._close()
        self._advance, self._left = self._open.enter_context(self._progress.bar(what, rows)), rows

    def _move(self, rows: int, note: str | None = None) -> None:
        if self._advance is None:
            return
        self._advance(rows, note=note)
        self._left -= rows
        if self._left <= 0:
            self._close()

    def _close(self) -> None:
        self._advance = None
        self._open.close()


def listeners(progress: Progress) -> tuple[Listener, ...]:
    """Those of the command line: lines and bars on stderr."""
    return LogLines(progress), Bars(progress), TimeLeft(progress.log)
