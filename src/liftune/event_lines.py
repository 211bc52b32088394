"""Events as lines of JSON, for another program that follows a run: `tune --events FILE`.

    {"event": "EpochEnded", "at": 1764460800.1, "epoch": 1, "epochs": 3, ...}

In: events; lines of such a file.  Out: lines, each written as soon as it is known; the events again.
Not here: what events there are (events.py), lines for people (progress.py).

`at` is in seconds since 1970. Steps, and rows that are read, come many times a second: those within a quarter of a
second are one line, whose `rows` are theirs together and whose other values are those of the last. The record of
RunEnded is in the run's folder, and not repeated here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from liftune.errors import SpecError
from liftune.events import ContenderScored, Event, Listener, RowsRead, RunEnded, Step
from liftune.files import disk_errors
from liftune.json_text import JsonError, parse_json
from liftune.records.run import Contender

#: Seconds within which steps, or rows that are read, are one line.
_TOGETHER = 0.25
_KINDS: dict[str, Any] = {each.__name__: each for each in get_args(Event)}


class EventLines(Listener):
    """Appends a line for each event to a file.

    Args:
        path: of the file; what is in it stays.
        clock: seconds since 1970.

    Raises:
        ArtifactError: the file cannot be written.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._held: Step | RowsRead | None = None
        self._since = 0.0
        with disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")

    def _take(self, event: Event) -> None:
        """Write an event, or hold it back to write it with those that follow."""
        held, now = self._held, self._clock()
        if isinstance(event, Step) or (isinstance(event, RowsRead) and event.rows):
            if held is not None and _same_pass(held, event):
                event = dataclasses.replace(event, rows=held.rows + event.rows)
            else:
                self._write_held(now)
                self._since = now
            self._held = event
            if now - self._since >= _TOGETHER:
                self._write_held(now)
            return
        self._write_held(now)
        self._write(event, now)

    def _write_held(self, now: float) -> None:
        if self._held is not None:
            self._write(self._held, now)
            self._held = None

    def _write(self, event: Event, now: float) -> None:
        with disk_errors(Path(self._file.name)):
            self._file.write(json.dumps(as_json(event, now), ensure_ascii=True, default=str) + "\n")
            self._file.flush()

    on_run = on_stage = on_prepared = on_tuning = on_round = on_epoch = on_step = _take
    on_contender = on_rows = on_note = _take


def _same_pass(before: Step | RowsRead, now: Step | RowsRead) -> bool:
    if isinstance(before, RowsRead):
        return isinstance(now, RowsRead) and before.doing == now.doing
    return isinstance(now, Step) and before.epoch == now.epoch


def listeners_of(path: str | None) -> tuple[Listener, ...]:
    """What `--events` asks for: nothing without a path.

    Raises:
        SpecError: the path is a folder.
        ArtifactError: the file cannot be written.
    """
    if path is None:
        return ()
    if not path.strip() or Path(path).is_dir():
        raise SpecError(f"{path!r} is no file to write events to", where="--events", hint="name a file")
    return (EventLines(Path(path)),)


def as_json(event: Event, at: float) -> dict[str, Any]:
    """An event as a JSON object."""
    fields = {each.name: getattr(event, each.name) for each in dataclasses.fields(event)}
    if isinstance(event, RunEnded):
        fields["record"] = None
    values = {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value for name, value in fields.items()
    }
    return {"event": type(event).__name__, "at": round(at, 3), **values}


def events_in(text: str) -> Iterator[tuple[float, Event]]:
    """When, and what, of the lines of such a file; a line that is not whole yet, or is none, is passed over.

    >>> list(events_in('{"event": "Note", "at": 5.0, "text": "hello"}' + chr(10) + '{"event": "No'))
    [(5.0, Note(text='hello'))]
    """
    for line in text.splitlines():
        with contextlib.suppress(JsonError, ValidationError, KeyError, TypeError, ValueError):
            values = parse_json(line.encode())
            kind, at = _KINDS[values.pop("event")], float(values.pop("at"))
            if kind is ContenderScored:
                values["contender"] = Contender.model_validate(values["contender"])
            yield at, kind(**{name: tuple(each) if isinstance(each, list) else each for name, each in values.items()})
