"""What a run would be, worked out without it: the parts of a dry run that stand alone.

Not here: the dry run itself (workflows/dry_run.py).
"""

from __future__ import annotations

from liftune.records.base import Record


class Fault(Record):
    """One thing that would end the run."""

    stage: str
    message: str
    where: str | None = None
    hint: str | None = None


class MemoryNeed(Record):
    """Of the requested method, as one step of the longest rows took it."""

    trainable_parameters: int
    training_bytes: int
    """Of the trained parameters: weight, gradient, two moments."""
    step_mib: float | None
    """The most that the process held in that step, less what it held before; null where it is unknown."""
    available_mib: float | None
    """What could still be taken with the model loaded; null where the system does not say."""
    limit: str | None
    """What bounds it."""


class DiskNeed(Record):
    """An estimate, in bytes."""

    kept_bytes: int
    """Of the finished run."""
    peak_bytes: int
    """While it runs, with checkpoints."""
    free_bytes: int


class StageTime(Record):
    """An estimate, from steps and passes that were timed."""

    stage: str
    seconds: float
    counts: str = ""
    """What it is made of."""
