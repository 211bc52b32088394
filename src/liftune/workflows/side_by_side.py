"""Seeds, or folds, of one run at once, each in a process of its own: they do not depend on each other.

In: a RunContext, seeds or folds.  Out: what each worked out, kept as an interrupted run keeps it.
Not here: the processes (processes.py), what is kept (memo.py), the run, which then finds all of it done (finetune.py,
cross_validation.py).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from liftune.errors import LiftuneError
from liftune.events import Events, Listener, Note
from liftune.models.methods.registry import METHODS
from liftune.processes import Say, Trouble, in_processes
from liftune.workflows.context import RunContext

#: How often a seed or fold is begun, at most, when its process dies.
_TRIES = 2
#: What is done with one: its number counts from 0.
Work = Callable[[RunContext, int], None]


@dataclass(frozen=True)
class _Sent:
    """A context for another process: its method by name, and nobody who listens."""

    context: Any
    method: str
    threads: int
    gpus: int

    @classmethod
    def of(cls, context: RunContext) -> _Sent:
        gpus = torch.cuda.device_count() if context.plan.device == "cuda" else 0
        threads = max(1, torch.get_num_threads() // context.jobs)
        return cls(replace(context, method=None, events=Events()), context.method.name, threads, gpus)  # type: ignore[arg-type]

    def context_with(self, events: Events) -> RunContext:
        found: RunContext = replace(self.context, method=METHODS[self.method], events=events)
        return found


class _Telling(Listener):
    """Passes on what is noted, with the name of what it is of."""

    def __init__(self, say: Say, name: str) -> None:
        self._say, self._name = say, name

    def on_note(self, event: Note) -> None:
        self._say(f"  {self._name}: {event.text.strip()}")


def beside_each_other(context: RunContext, work: Work, names: Sequence[str]) -> None:
    """Have each done in a process of its own, so many at once as there are jobs.

    Args:
        work: can be pickled; what it works out, the context's memo keeps.
        names: of each, as a person knows it.

    Raises:
        LiftuneError: what one of them raised, or its process died twice.
    """
    events = context.events
    events.note(f"{len(names)} side by side, {context.jobs} at once: {', '.join(names)}")

    def again(number: int, death: str) -> None:
        events.note(f"  {names[number]}: {death}; it is tried once more")

    done = in_processes(
        range(len(names)),
        partial(_done_there, _Sent.of(context), work, tuple(names)),
        context.jobs,
        tries=_TRIES,
        again=again,
        heard=events.note,
        call="liftune.tune",
    )
    with closing(done):
        for number, outcome in done:
            if isinstance(outcome, Trouble):
                raise LiftuneError(
                    f"{names[number]}: {outcome.reason}, twice",
                    where="--jobs",
                    hint="give the same command again, with fewer --jobs: it goes on from what was saved",
                )
            events.note(f"  {names[number]} is done")


def _done_there(sent: _Sent, work: Work, names: tuple[str, ...], number: int, say: Say) -> bool:
    """Whether it is done: nothing would mean that the process has died."""
    torch.set_num_threads(sent.threads)
    if sent.gpus > 1 and not torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        os.environ["CUDA_VISIBLE_DEVICES"] = str(number % sent.gpus)
    work(sent.context_with(Events([_Telling(say, names[number])])), number)
    return True
