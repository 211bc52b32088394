"""How much memory there is, and what is done where it is not enough.

In: the system's own files and limits; work on rows.  Out: bytes; the same work in smaller passes; an OutOfMemory.
Not here: what an error of memory looks like (errors.lacks_memory), how much training takes (training/).
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from liftune.errors import OutOfMemory, lacks_memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LOG = logging.getLogger(__name__)
MIB = 2**20
ADDRESS_SPACE = "ulimit -v"
#: That importing torch and what comes with it maps, about; and what a command without it does.
LOADING, LOADING_LITTLE = 1_000 * MIB, 800 * MIB
#: At or above this, a cgroup of version 1 has no limit.
_NO_LIMIT = 2**60


@dataclass(frozen=True, order=True)
class Room:
    """Memory that this process may still take."""

    bytes: int
    limit: str = "of the machine"
    """What bounds it, in words that follow "MiB free"."""

    def __str__(self) -> str:
        return f"{max(0, self.bytes) / MIB:,.0f} MiB {self.limit}"


def room(root: Path = Path("/")) -> Room | None:
    """The least of what the machine has free and of what each limit leaves; None where no system file says.

    Args:
        root: of the system's files.
    """
    return min([*_machine(root), *_control_groups(root), *_process_limits(root)], default=None)


def check_loading(least: int, root: Path = Path("/")) -> None:
    """Refuse to load libraries for which a limit leaves no address space: they abort, or hang, where it ends.

    Args:
        least: bytes that they map.

    Raises:
        OutOfMemory: it says which limit, and how far to raise it.
    """
    left = min((each for each in _process_limits(root) if each.limit.endswith(ADDRESS_SPACE)), default=None)
    if left is not None and left.bytes < least:
        raise OutOfMemory(
            f"liftune and its libraries take about {least / MIB:,.0f} MiB of address space; there are {left}",
            where=ADDRESS_SPACE,
            hint=f"raise the limit: {ADDRESS_SPACE} unlimited, or at least {ADDRESS_SPACE} {4 * LOADING // 1024}",
        )


def _machine(root: Path) -> Iterator[Room]:
    free = _numbers(root / "proc/meminfo").get("MemAvailable:")
    if free is not None:
        yield Room(free * 1024, "free on the machine")
    elif root == Path("/"):
        with suppress(ImportError):
            import psutil  # type: ignore[import-untyped]  # it has no stubs

            yield Room(int(psutil.virtual_memory().available), "free on the machine")


def _control_groups(root: Path) -> Iterator[Room]:
    """What the process's cgroup and those above it leave, of either version."""
    for group, version in _groups(root):
        names = ("memory.max", "memory.current") if version == 2 else ("memory.limit_in_bytes", "memory.usage_in_bytes")
        limit, used = (_number(group / name) for name in names)
        if limit is not None and used is not None and limit < _NO_LIMIT:
            # Pages of files that nobody uses are dropped before the limit is enforced.
            cached = _numbers(group / "memory.stat").get("inactive_file", 0)
            yield Room(limit - used + cached, f"left of the {limit / MIB:,.0f} MiB of its control group")


def _groups(root: Path) -> Iterator[tuple[Path, int]]:
    """The folders of the process's cgroup and of those above it, each with its version."""
    for line in _lines(root / "proc/self/cgroup"):
        number, controllers, path = (*line.strip().split(":", 2), "", "")[:3]
        if number == "0" and not controllers:
            mount, version = root / "sys/fs/cgroup", 2
        elif "memory" in controllers.split(","):
            mount, version = root / "sys/fs/cgroup/memory", 1
        else:
            continue
        # In a container its own group is often mounted as the root, under whatever path the line has.
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts), -1, -1):
            yield mount.joinpath(*parts[:depth]), version


def _process_limits(root: Path) -> Iterator[Room]:
    try:
        import resource
    except ImportError:  # Windows has none
        return
    held = _numbers(root / "proc/self/status")
    for limit, name, option in ((resource.RLIMIT_AS, "VmSize:", "-v"), (resource.RLIMIT_DATA, "VmData:", "-d")):
        most = resource.getrlimit(limit)[0]
        if most != resource.RLIM_INFINITY and name in held:
            yield Room(most - 1024 * held[name], f"left of the {most / MIB:,.0f} MiB of ulimit {option}")


def has_process_limit() -> bool:
    """Whether the memory of this process is limited, as `ulimit -v` does it: allocations fail, and nobody is killed."""
    return any(True for _ in _process_limits(Path("/")))


def memory_kills(root: Path = Path("/")) -> dict[str, int]:
    """How many processes the system has ended for want of memory: of the machine, and of this process's control group.

    Args:
        root: of the system's files.
    """
    found = {}
    machine = _numbers(root / "proc/vmstat").get("oom_kill")
    if machine is not None:
        found["machine"] = machine
    for group, version in _groups(root):
        counted = _numbers(group / ("memory.events" if version == 2 else "memory.oom_control")).get("oom_kill")
        if counted is not None:
            found[f"{group} {group.stat().st_ino}"] = counted  # another group may have its name later
            break  # those above count the kills of others too
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []


def _numbers(path: Path) -> dict[str, int]:
    """First word of each line -> the number after it."""
    words = (line.split() for line in _lines(path))
    return {each[0]: int(each[1]) for each in words if len(each) > 1 and each[1].isdecimal()}


def _number(path: Path) -> int | None:
    text = "".join(_lines(path)).strip()
    return int(text) if text.isdecimal() else None


def short_of_memory(error: BaseException, doing: str = "", hint: str = "") -> OutOfMemory:
    """What to raise in the place of a library's error of memory.

    Args:
        doing: what it was wanted for, in words that follow "while".
        hint: None says what helps in every command.
    """
    if isinstance(error, OutOfMemory):
        return error
    free = room()
    there = f": {free}" if free else ""
    said = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return OutOfMemory(
        f"memory ran short{f' while {doing}' if doing else ''}{there}",
        where=said if len(said) <= 120 else f"{said[:117]}...",
        hint=hint or "close other programs, raise the limit, or take a smaller model or fewer rows",
    )


@contextmanager
def memory_errors(doing: str = "", hint: str = "") -> Iterator[None]:
    """Raise OutOfMemory in the place of a library's own error of memory; every other error passes.

    Raises:
        OutOfMemory: memory is short.
    """
    try:
        yield
    except Exception as error:
        if not lacks_memory(error):
            raise
        raise short_of_memory(error, doing, hint) from None


Rows: TypeAlias = "NDArray[np.intp]"
"""Positions of the rows of a pass."""


class Attempts(Protocol):
    """What is noted of a pass before it is computed (pass_notes.py)."""

    @property
    def most(self) -> int | None:
        """The largest pass that may be tried; None: any."""
        ...

    def trying(self, tokens: int) -> AbstractContextManager[None]:
        """A block that computes a pass of so many tokens."""
        ...


class Passes:
    """Work on rows in passes, the size of which is halved where memory is short, and stays so."""

    def __init__(self) -> None:
        self.most = sys.maxsize
        """The largest pass that is tried."""
        self._attempts: Attempts | None = None

    def note_in(self, attempts: Attempts) -> None:
        """Have each pass noted before it is computed, and none tried that is too large by what was noted before."""
        self._attempts = attempts
        self.most = min(self.most, attempts.most or self.most)

    def __call__(self, compute: Callable[[Rows], None], rows: Rows, size: Callable[[Rows], int]) -> None:
        """Compute rows together; where memory is short, each half by itself, and so on.

        Args:
            size: of a pass, such as its tokens; of more rows it is larger.

        Raises:
            OutOfMemory: there is not enough for a single row.
        """
        if len(rows) > 1 and size(rows) > self.most:
            self._each_half(compute, rows, size)
            return
        try:
            with self._attempts.trying(size(rows)) if self._attempts else nullcontext():
                compute(rows)
        except Exception as error:
            if not lacks_memory(error):
                raise
            if len(rows) == 1:
                raise short_of_memory(error, "computing one row by itself") from None
            failed = str(error)
        else:
            return
        # Out of the handler: the error holds the frames that hold the memory.
        if self.most == sys.maxsize:
            LOG.warning("memory ran short (%s): rows are computed in smaller passes", failed.partition("\n")[0][:100])
        self.most = min(self.most, max(1, size(rows) // 2))
        self._each_half(compute, rows, size)

    def _each_half(self, compute: Callable[[Rows], None], rows: Rows, size: Callable[[Rows], int]) -> None:
        middle = len(rows) // 2
        self(compute, rows[:middle], size)
        self(compute, rows[middle:], size)
