"""What lies in the folder of a run that has not ended, and how that is cleared away.

    RUN/checkpoint/request.json      what was asked; there first, and removed last
    RUN/checkpoint/...               what was worked out so far (workflows/memo.py)
    RUN/checkpoint/kept              with --keep-checkpoints: the run has ended all the same

In: a run's folder.  Out: whether it can be gone on with; a folder without it.
Not here: whether the request is the same (workflows/asked.py).
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from liftune.claims import is_empty

#: In the checkpoint: what was asked; the plan; when it began; that the run has ended.
REQUEST, PLAN, CLOCK, KEPT = "request.json", "plan.npz", "clock.npz", "kept"
#: In the folder of a run that is replaced, where the new one keeps what it works out; and in that folder, from when on
#: the new run is the one that counts (replacing.py).
STAGED, DECIDED = "checkpoint.new", "replaces"
#: What a run writes before its record.
WRITTEN = ("rows", "logits", "contenders", "adapter", "checkpoint", "spec.json", "suspects.jsonl")
#: Names of files and folders that are not in place yet.
_BEING_WRITTEN = ("*.new", ".*.partial")


@dataclass(frozen=True)
class Unfinished:
    """The part of a run's folder that is there until the run ends."""

    run: Path
    name: str = "checkpoint"

    @property
    def folder(self) -> Path:
        """Where a run keeps what it has worked out."""
        return self.run / self.name

    @property
    def request(self) -> Path:
        """What was asked."""
        return self.folder / REQUEST

    @property
    def can_go_on(self) -> bool:
        """Whether a run is there that has not ended."""
        if (self.run / STAGED / DECIDED).is_file():  # a process was killed while it removed the run before
            return True
        return self.request.is_file() and not (self.folder / KEPT).is_file()

    @property
    def is_blank(self) -> bool:
        """Whether nothing is there but what a process left that ended before it had begun."""
        return is_empty(self.run, self.folder.name) and not any(
            each.is_file() and not each.match(_BEING_WRITTEN[0]) for each in self.folder.rglob("*")
        )

    @property
    def has_outcomes(self) -> bool:
        """Whether anything was worked out that took long."""
        return any(
            each.is_file() and each.name not in (REQUEST, PLAN, CLOCK, DECIDED) for each in self.folder.rglob("*")
        )

    def last_written(self) -> float | None:
        """When a process last kept something, in seconds since 1970; None where none has."""
        kept = [each for folder in (self.folder, self.run / "logits") for each in folder.rglob("*") if each.is_file()]
        return max((each.stat().st_mtime for each in kept), default=None)

    def finished_contenders(self) -> list[str]:
        """Contenders whose logits are on disk, the oldest first."""
        files = sorted((self.run / "logits").glob("*.npz"), key=lambda path: path.stat().st_mtime_ns)
        return [path.stem for path in files]

    @contextlib.contextmanager
    def cleanup_on_error(self, again: str) -> Iterator[None]:
        """An error notes which results stay on disk, and how to go on; where there are none yet, nothing stays.

        Args:
            again: what goes on with the run.
        """
        try:
            yield
        except BaseException as error:  # Ctrl-C and defects of liftune too
            contenders = self.finished_contenders()
            if contenders:
                error.add_note(f"kept: the logits of {', '.join(contenders)}, in {self.run / 'logits'}")
            if self.has_outcomes:
                error.add_note(f"kept: {self._worked_out()}, in {self.folder}")
            if contenders or self.has_outcomes:
                error.add_note(f"to go on: {again}")
            else:
                for name in WRITTEN:
                    _remove(self.run / name)
            raise

    def _worked_out(self) -> str:
        """What the checkpoint holds, in words."""
        trained = any(self.folder.rglob("*.safetensors"))
        return (
            "what was worked out, the training up to its last checkpoint included" if trained else "what was worked out"
        )

    def remove_leftovers(self) -> None:
        """Remove what a process that was killed had not put in place."""
        for pattern in _BEING_WRITTEN:
            for each in sorted(self.run.rglob(pattern)):
                _remove(each)

    def end(self, *, keep: bool) -> None:
        """What was worked out is not needed any more.

        Args:
            keep: it stays, to be looked at.
        """
        if keep:
            (self.folder / KEPT).touch()
            return
        for each in self.folder.iterdir():
            if each != self.request:
                _remove(each)
        self.request.unlink(missing_ok=True)
        self.folder.rmdir()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):  # a disk that cannot be written cannot be cleaned up either
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
