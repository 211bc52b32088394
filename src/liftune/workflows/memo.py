"""What a run has worked out so far, kept until it ends: what is kept is read back, and not computed again.

    RUN/checkpoint/request.json      what the run depends on: its rows, the base model, versions
    RUN/checkpoint/NAME.npz          one outcome: arrays, and values as JSON
    RUN/checkpoint/NAME/...          those of one seed, fold or size of the learning curve; a training's own checkpoints

In: a name, and how to compute its outcome.  Out: the outcome, computed or read.
Not here: which outcomes are kept (baselines.py, finetune.py), checkpoints within a training (training/).

The stages of a run do not know whether they run for the first time: they ask for each outcome by its name. Only what is
slow and follows from the request alone is kept; scores and comparisons are made anew from it. No file can run code.
"""

from __future__ import annotations

import json
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from liftune.files import atomic_write
from liftune.hardware.pass_notes import PassNote
from liftune.json_text import parse_json
from liftune.stopping import saving_first
from liftune.training.checkpoint import Checkpoints
from liftune.workflows.disk_needs import MOST_OF_DISK

Value = TypeVar("Value")
Arrays = Mapping[str, NDArray[Any]]
#: What is known of passes that read rows; those of training have a file of their own.
READING = "reading.json"
#: Where the values of an outcome stand among its arrays.
_VALUES = "__values__"


@dataclass(frozen=True)
class Outcome:
    """What was computed, in a form that can be written: exactly what goes in comes out."""

    values: Any = None
    """As JSON holds it."""
    arrays: Arrays = field(default_factory=dict)

    def __getitem__(self, name: str) -> NDArray[Any]:
        """One of the arrays."""
        return self.arrays[name]


@dataclass(frozen=True)
class Memo:
    """Outcomes by name, in a folder.

    Args:
        folder: None keeps nothing.
        request: names what the outcomes depend on: one of another request counts as none.
        minutes: between two checkpoints within an epoch.
    """

    folder: Path | None = None
    request: str = ""
    minutes: float = 5.0

    def within(self, name: str) -> Memo:
        """Outcomes of a part: a seed, a fold."""
        return Memo(self.folder / name if self.folder else None, self.request, self.minutes)

    def get(self, name: str) -> Outcome | None:
        """What was kept; None where nothing was, or it is damaged."""
        if self.folder is None:
            return None
        try:
            with np.load(self._file(name), allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
            kept = parse_json(arrays.pop(_VALUES).tobytes())
            return Outcome(kept["values"], arrays) if kept["request"] == self.request else None
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error):
            return None

    def put(self, name: str, outcome: Outcome) -> None:
        """Keep an outcome, unless the disk is too small for it.

        Raises:
            ArtifactError: the disk is full or read-only.
        """
        if self.folder is None:
            return
        text = json.dumps({"request": self.request, "values": outcome.values}).encode()
        self.folder.mkdir(parents=True, exist_ok=True)
        if sum(each.nbytes for each in outcome.arrays.values()) > MOST_OF_DISK * shutil.disk_usage(self.folder).free:
            return
        with atomic_write(self._file(name)) as file:
            np.savez(file, **{_VALUES: np.frombuffer(text, dtype=np.uint8)}, **outcome.arrays)  # type: ignore[arg-type]

    def once(
        self,
        name: str,
        compute: Callable[[], Value],
        pack: Callable[[Value], Outcome],
        unpack: Callable[[Outcome], Value],
    ) -> Value:
        """The value that was kept under a name; where there is none, compute it and keep it.

        Args:
            pack, unpack: its written form, and the same value again.
        """
        kept = self.get(name)
        if kept is not None:
            return unpack(kept)
        value = compute()
        if self.folder is not None:
            self.put(name, pack(value))
        return value

    def passes(self) -> PassNote:
        """What is known of passes that read rows, from the processes before this one."""
        return PassNote(self.folder / READING if self.folder else None)

    @contextmanager
    def trained(self, name: str) -> Iterator[Checkpoints | None]:
        """Where a training of this name is saved, also when a signal asks the process to end; None: nowhere.

        Raises:
            Signalled: at the end of the block, once it is saved.
        """
        if self.folder is None:
            yield None
            return
        with saving_first() as stop_wanted:
            yield Checkpoints(self.folder / name, self.minutes, stop_wanted)

    def forget(self, name: str) -> None:
        """Remove what a training saved, once nothing needs its weights; its outcome stays."""
        if self.folder is not None:
            shutil.rmtree(self.folder / name, ignore_errors=True)

    def drop(self, name: str) -> None:
        """Remove an outcome that nothing needs any more."""
        if self.folder is not None:
            self._file(name).unlink(missing_ok=True)

    def _file(self, name: str) -> Path:
        assert self.folder is not None
        return self.folder / f"{name}.npz"


#: For callers who go on with nothing.
NO_MEMO = Memo()
