"""What is given broken input: a name, how inputs are made, what reads them.

Not here: the targets (data_targets.py, saved_targets.py, door_targets.py), which register themselves below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from fuzz.mutations import Inputs
from liftune.errors import LiftuneError

Reads = Callable[[bytes], None]


@dataclass(frozen=True)
class Target:
    """Something that reads what strangers wrote."""

    name: str
    inputs: Inputs
    reads: Reads
    """Raises only what a defect raises, or a LiftuneError."""
    whole: bytes | None = None
    """An unbroken input, read before the first one: what is imported for it counts for no input."""

    def warm(self) -> None:
        """Read the unbroken input."""
        if self.whole is not None:
            self.reads(self.whole)


#: Name -> makes the target, in a working folder of its own with the files of liftune 0.1 (tests/support/v0_1.py).
TARGETS: dict[str, Callable[[], Target]] = {}


def target(name: str) -> Callable[[Callable[[], Target]], Callable[[], Target]]:
    """Register what makes a target."""

    def register(make: Callable[[], Target]) -> Callable[[], Target]:
        TARGETS[name] = make
        return make

    return register


def each(*steps: Callable[[], object]) -> None:
    """Take every step, although one before it was refused in words."""
    for step in steps:
        try:
            step()
        except LiftuneError as error:
            str(error)


def drained(values: Iterable[object]) -> int:
    """Read all of them."""
    return sum(1 for _ in values)
