"""The size of pass that a process was trying when it died: the next one takes half of it, where memory was short.

    {"tried": 4096, "fitted": 2048, "most": 8192, "deaths": 0, "kills": {"machine": 1}}

In: a file, the size of each pass before it is computed.  Out: the largest size that may be tried.
Not here: a pass that raises an error of memory (hardware/memory.py, training/smaller_passes.py).

The kernel ends a process that takes too much memory, and under a limit some libraries abort: nothing is raised then,
and the same command would die at the same place again. A person who kills it at that place is not to be taken for the
kernel, as smaller passes draw other random numbers. So memory counts as short where the system has counted such a kill
since, or a limit of the process's memory leaves aborts as the only trace; else from the second death in one pass on.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from liftune.errors import OutOfMemory
from liftune.hardware.memory import has_process_limit, memory_kills
from liftune.json_text import parse_json

#: A death in a pass of one size may have been anybody's doing; the second is taken for want of memory.
DEATHS = 2
#: A pass that is larger by this part of what has fitted is not noted: rows come in order of their lengths.
SLACK = 16


class PassNote:
    """What is known of the sizes of passes, kept in a file for the process after this one. Threads may share it.

    Only a pass larger than all before it is noted: of a training there are a few.

    Args:
        path: of the file; None keeps nothing.

    Attributes:
        most: the largest pass that may be tried, in tokens; None: any.
        said: why it is that, where this process has found it out.
    """

    def __init__(self, path: Path | None, *, root: Path = Path("/")) -> None:
        self._path, self._root, self._lock, self._now, self.said = path, root, Lock(), list[int](), ""
        kept = self._read()
        self.most: int | None = kept.get("most")
        self._fitted, self._tried, self._deaths = (kept.get(name, 0) for name in ("fitted", "tried", "deaths"))
        if self._tried > self._fitted:
            self._mourn(kept.get("kills", {}))

    @contextmanager
    def trying(self, tokens: int) -> Iterator[None]:
        """A block that computes passes of up to so many tokens: where the process dies in it, that is known.

        Raises:
            OutOfMemory: processes have died twice in passes that cannot be smaller.
        """
        if self._path is None or tokens <= self._fitted:
            yield
            return
        if self.most and tokens >= 4 * self.most:
            raise OutOfMemory(
                f"processes have died in passes of {tokens:,} tokens again and again, and one row has as many",
                where=str(self._path),
                hint=f"cut rows shorter: --max-length {max(8, tokens // 2)}; or remove that file once there is more",
            )
        with self._lock:
            self._now.append(tokens)
            self._note()
        try:
            yield
            self._fitted = max(self._fitted, tokens + tokens // SLACK)
        finally:  # an exception is no death
            with self._lock:
                self._now.remove(tokens)
                self._note()

    def _note(self) -> None:
        """Have in the file the largest pass that is being computed."""
        tried = max((each for each in self._now if each > self._fitted), default=0)
        self._deaths = self._deaths if tried >= self._tried else 0
        self._tried = tried
        self._write(memory_kills(self._root) if tried else {})

    def _mourn(self, before: dict[str, int]) -> None:
        """A process died in a larger pass than all before it."""
        self._deaths += 1
        why = self._short_of_memory(before)
        if why:
            self.most = max(1, min(self._tried, self.most or self._tried) // 2)
            self.said = f"a process died in a pass of {self._tried:,} tokens, {why}: now {self.most:,} a pass at most"
            self._tried = self._deaths = 0
        self._write(before)

    def _short_of_memory(self, before: dict[str, int]) -> str:
        now = memory_kills(self._root)
        own = [name for name in before if name in now and name != "machine"]
        if any(now.get(name, 0) > before[name] for name in own or before):
            return "and the system has ended one for want of memory since"
        if has_process_limit():
            return "under a limit of its memory"
        return f"{self._deaths} times" if self._deaths >= DEATHS else ""

    def _read(self) -> dict[str, Any]:
        try:
            kept = parse_json(self._path.read_bytes()) if self._path else {}
            numbers = {name: int(kept[name]) for name in ("tried", "fitted", "most", "deaths") if kept.get(name)}
            return {**numbers, "kills": {str(name): int(count) for name, count in kept.get("kills", {}).items()}}
        except (OSError, ValueError, TypeError, AttributeError):
            return {}

    def _write(self, kills: dict[str, int]) -> None:
        """Not forced to the disk: a process's death loses nothing that was written. A full disk keeps no note."""
        if self._path is None:
            return
        values = {"tried": self._tried, "fitted": self._fitted, "most": self.most, "deaths": self._deaths}
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_text(json.dumps({**values, "kills": kills}), encoding="utf-8")
            os.replace(fresh, self._path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink()


#: For callers who have no place for one.
NO_NOTE = PassNote(None)
