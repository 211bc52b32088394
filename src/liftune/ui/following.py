"""How far a run is: what its events say so far.

In: the file of `tune --events`, as it grows.  Out: what the page shows of it, as JSON.
Not here: the events (events.py), how they are written (event_lines.py), what is left of training (time_left.py).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from liftune.event_lines import events_in
from liftune.events import (
    ContenderScored,
    EpochEnded,
    EpochStarted,
    Listener,
    Note,
    RoundEnded,
    RowsRead,
    RunEnded,
    RunPrepared,
    RunStarted,
    StageEnded,
    StageStarted,
    Step,
    TuningStarted,
)
from liftune.option_values import CONTENDERS, CONTRASTIVE
from liftune.progress import epoch_line, round_line
from liftune.records.run import Contender
from liftune.reports.base import is_random
from liftune.spec import RunSpec
from liftune.time_left import TimeLeft
from liftune.ui.wording import note_for_page

#: Notes and epochs that are shown, the newest ones.
_NOTES, _EPOCHS = 40, 60


class Following(Listener):
    """One run's events, read as they come.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._at, self._rest = path, 0, b""
        self._begin(goes_on=False)

    def _begin(self, *, goes_on: bool) -> None:
        self._now = 0.0
        self._left = TimeLeft(lambda line: None, lambda: self._now)
        self._stages: list[dict[str, Any]] = []
        self._said = ""
        self._prepared: dict[str, Any] | None = None
        self._pass: dict[str, Any] | None = None
        self._tuning: dict[str, Any] | None = None
        self._epochs: list[str] = []
        self._contenders: dict[str, dict[str, Any]] = {}
        self._metric = ""
        self._notes: list[str] = []
        self._goes_on, self._ended = goes_on, False
        self._over = 0  # stages of an earlier process

    def read(self) -> Following:
        """Read what has been written since; a line that is not whole yet waits for the next time."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._at)
                fresh = file.read()
        except OSError:
            return self
        self._at += len(fresh)
        whole, newline, self._rest = (self._rest + fresh).rpartition(b"\n")
        for at, event in events_in((whole + newline).decode("utf-8", "replace")):
            self._now = at
            event.deliver(self._left)
            event.deliver(self)
        return self

    def seen(self, now: float) -> dict[str, Any]:
        """What the page shows.

        Args:
            now: seconds since 1970; time that has passed since the last event is taken off what is left.
        """
        since = max(0.0, now - self._now) if self._now else 0.0
        left = self._left.seconds_left() if self._tuning and not self._tuning["done"] else None
        return {
            "stages": self._stages,
            "prepared": self._prepared,
            "said": self._said,
            "pass": self._pass and {**self._pass, "seconds_left": _less(self._pass_left(), since)},
            "tuning": self._tuning and {**self._tuning, "seconds_left": _less(left, since)},
            "epochs": self._epochs[-_EPOCHS:],
            "contenders": list(self._contenders.values()),
            "metric": self._metric,
            "notes": self._notes[-_NOTES:],
            "goes_on": self._goes_on,
            "ended": self._ended,
        }

    def on_run(self, event: RunStarted | RunEnded) -> None:
        """A run that goes on sends all its events again; its rows are read before it is said to have begun."""
        if isinstance(event, RunStarted):
            now, reading = self._now, self._stages[self._over :]
            self._begin(goes_on=event.goes_on)
            self._now, self._stages = now, reading
        else:
            self._ended, self._pass, self._over = True, None, len(self._stages)

    def on_stage(self, event: StageStarted | StageEnded) -> None:
        """Which stage runs, and how long each took."""
        if isinstance(event, StageStarted):
            self._said = ""
            self._stages.append({"name": event.stage, "doing": event.doing, "seconds": None, "completed": False})
            return
        self._pass = None
        if self._tuning:
            self._tuning["done"] = True
        for each in reversed(self._stages):
            if each["name"] == event.stage and each["seconds"] is None:
                each.update(seconds=event.seconds, completed=event.completed)
                break

    def on_prepared(self, event: RunPrepared) -> None:
        """The rows of each part, the model."""
        self._prepared = {
            "task": event.task,
            "labels": event.labels,
            "train": event.train,
            "validation": event.validation,
            "test": event.test,
            "folds": event.folds,
            "model": event.model,
            "device": event.device,
        }
        self._notes += map(note_for_page, event.notes)

    def on_tuning(self, event: TuningStarted) -> None:
        """A training begins."""
        self._tuning = {
            "method": event.method,
            "seed": event.seed,
            "epoch": 0,
            "epochs": None,
            "loss": None,
            "done": False,
        }

    def on_epoch(self, event: EpochStarted | EpochEnded) -> None:
        """The bar of an epoch, and the score after it."""
        if isinstance(event, EpochStarted):
            self._start(f"epoch {event.epoch} of {event.epochs}", event.rows, event.done)
            if self._tuning:
                self._tuning.update(epoch=event.epoch, epochs=event.epochs)
        else:
            self._epochs.append(epoch_line(event).strip())

    def on_round(self, event: RoundEnded) -> None:
        """A line beside the epochs."""
        if not event.trial:
            self._epochs.append(round_line(event).strip())

    def on_step(self, event: Step) -> None:
        """The bar moves on."""
        self._move(event.rows)
        if self._tuning:
            self._tuning["loss"] = event.loss

    def on_rows(self, event: RowsRead) -> None:
        """A pass begins, or moves on."""
        if not event.rows:
            self._start(event.doing, event.total, 0)
        else:
            self._move(event.rows)

    def on_contender(self, event: ContenderScored) -> None:
        """A row of the table."""
        if event.contender.name in self._contenders:  # of the next fold
            self._contenders.clear()
        self._metric = event.metric
        self._contenders[event.contender.name] = contender_row(event.contender, event.metric)

    def on_note(self, event: Note) -> None:
        """A line of the log."""
        self._said = note_for_page(event.text)
        self._notes.append(self._said)

    def _start(self, doing: str, total: int, done: int) -> None:
        self._pass = {"doing": doing, "done": done, "total": total}
        self._pass_began, self._pass_from = self._now, done

    def _move(self, rows: int) -> None:
        if self._pass:
            self._pass["done"] = min(self._pass["total"], self._pass["done"] + rows)

    def _pass_left(self) -> float | None:
        assert self._pass is not None
        moved = self._pass["done"] - self._pass_from
        spent = self._now - self._pass_began
        return spent / moved * (self._pass["total"] - self._pass["done"]) if moved and spent > 0 else None


def contenders_of(spec: RunSpec) -> tuple[str, ...]:
    """The contenders that a run of the page will have, in the order in which they are scored."""
    left_out = {"start", CONTRASTIVE} | (set() if spec.evaluation.with_full else {"full"})
    return tuple(name for name in CONTENDERS if name not in left_out)


def contender_row(contender: Contender, metric: str) -> dict[str, Any]:
    """A contender as a row of the table."""
    score = contender.metrics.get(metric)
    return {
        "name": contender.name,
        "value": score.value if score else None,
        "low": score.low if score else None,
        "high": score.high if score else None,
        "random": is_random(contender),
        "parameters": contender.trainable_parameters,
        "seconds": contender.seconds.train,
    }


def _less(seconds: float | None, since: float) -> float | None:
    return None if seconds is None else max(0.0, seconds - since)
