"""What `liftune check` found: the state of every file of a run, model, bundle or sweep.

Not here: how it is found (workflows/check.py, sweeps/check.py), seals (seals.py).
"""

from __future__ import annotations

from typing import ClassVar, Literal

from liftune.records.base import Record, StoredRecord

#: `whole`: as it was written. `unsealed`: written before there were seals, and nothing is wrong that can be seen.
#: `not sealed`: for readers alone, and written again at any time. `newer`: of a newer liftune. `not checked`: what
#: holds its seal is damaged or newer.
State = Literal["whole", "unsealed", "not sealed", "not checked", "newer", "damaged"]


class FileState(Record):
    """One file."""

    name: str
    """In its folder, with slashes."""
    state: State
    reason: str = ""
    """damaged: what is wrong, and where it can be seen."""


class CheckRecord(StoredRecord):
    """The output of `liftune check --json`."""

    sections_from: ClassVar[str] = "liftune.reports.sections.checking:check_sections"
    words_from: ClassVar[str] = "liftune.reports.sections.checking:briefly"

    path: str
    kind: Literal["run", "adapter", "contender", "bundle", "sweep", "foreign"]
    """`foreign`: liftune did not write it."""
    files: tuple[FileState, ...]
    notes: tuple[str, ...] = ()

    @property
    def damaged(self) -> tuple[FileState, ...]:
        """The files that are not as they were written."""
        return tuple(each for each in self.files if each.state == "damaged")

    @property
    def newer(self) -> tuple[FileState, ...]:
        """The files that a newer liftune wrote."""
        return tuple(each for each in self.files if each.state == "newer")

    @property
    def sealed(self) -> bool:
        """Whether nothing was written before there were seals."""
        return all(each.state != "unsealed" for each in self.files)
