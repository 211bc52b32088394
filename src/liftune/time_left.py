"""How long training will take: said before its first step, and again where it turns out otherwise.

In: events.  Out: lines.
Not here: the estimate by stages before a run (workflows/estimate.py), bars (progress.py).

Before the first step only the speed is known at which the base model read rows. A step takes the pass forward, and
backward about twice as long; adapters, dropout and the optimizer are in the second estimate, which is measured.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from liftune.events import EpochEnded, EpochStarted, Listener, RowsRead, Step, TuningStarted
from liftune.formatting import duration

#: A pass forward and backward, over one forward.
_STEP_OVER_PASS = 3.0
#: What is said again differs from what was said by so much.
_OTHERWISE = 1.3
#: Of the last part of what was said nothing more is said: any step differs by much from the little that is left.
_LAST_PART = 0.1
#: Seconds of steps that are timed before they are believed.
_TIMED = 5.0


class TimeLeft(Listener):
    """Says how long training takes at most; a training that stops early takes less.

    Args:
        log: where lines go.
        clock: seconds, from any moment on.
    """

    def __init__(self, log: Callable[[str], None], clock: Callable[[], float] = time.perf_counter) -> None:
        self._log, self._clock = log, clock
        self._pass_began, self._pass_rows = 0.0, 0
        self._per_row: float | None = None
        self._begun, self._trained, self._said = 0.0, 0, 0.0
        self._rows = self._epoch = self._epochs = self._done = 0

    def on_rows(self, event: RowsRead) -> None:
        """Time the base model's own passes."""
        if event.trained:
            return
        if not event.rows:
            self._pass_began, self._pass_rows = self._clock(), 0
            return
        self._pass_rows += event.rows
        if self._pass_rows >= event.total:
            self._per_row = (self._clock() - self._pass_began) / self._pass_rows

    def on_tuning(self, event: TuningStarted) -> None:
        """Another training."""
        self._trained = 0

    def on_epoch(self, event: EpochStarted | EpochEnded) -> None:
        """Before the first step, from the speed of reading; after an epoch, from that of training."""
        if isinstance(event, EpochEnded):
            return
        self._rows, self._epoch, self._epochs, self._done = event.rows, event.epoch, event.epochs, event.done
        if not self._trained:
            self._begun = self._clock()
            if self._per_row is not None:
                self._say(self._left() * self._per_row * _STEP_OVER_PASS, "about", "by the speed of reading")

    def on_step(self, event: Step) -> None:
        """Once steps have been timed, what was said is held against them; of a trial no epoch has started."""
        if not self._epochs:
            return
        self._trained, self._done = self._trained + event.rows, self._done + event.rows
        spent = self._clock() - self._begun
        if spent < _TIMED:
            return
        left = spent / self._trained * self._left()
        least = max(1.0, _LAST_PART * self._said)
        now, expected = max(left, least), max(self._said - spent, least)
        if now > _OTHERWISE * expected or expected > _OTHERWISE**2 * now:
            self._say(left + spent, "now about", f"{duration(left)} of it left")

    def seconds_left(self) -> float | None:
        """Of this training at most, as far as is known by the last event; None before anything is."""
        if not self._epochs:
            return None
        if self._trained:
            return (self._clock() - self._begun) / self._trained * self._left()
        return None if self._per_row is None else self._left() * self._per_row * _STEP_OVER_PASS

    def _left(self) -> int:
        """Rows that are still to be trained on, if no epoch is left out."""
        return max(0, (self._epochs - self._epoch + 1) * self._rows - self._done)

    def _say(self, total: float, about: str, why: str) -> None:
        self._said = total
        if total >= _TIMED:
            self._log(f"  training takes {about} {duration(total)} at most ({why})")
