"""What one input did: an exception that is no LiftuneError, too much time, too much memory.

In: a target and an input.  Out: a Finding, or None.  Not here: ending a process that hangs or dies (run.py).
"""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from liftune.errors import LiftuneError

MOST_SECONDS = 2.0
"""Of computing: waiting for other processes does not count."""
MOST_BYTES = 1 << 30
"""Over what the process took before."""
_STATUS, _REFERENCES = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass(frozen=True)
class Finding:
    """A defect that an input shows."""

    signature: str
    """The same for the same defect: the exception and the last line of liftune that it passed."""
    text: str


@dataclass(frozen=True)
class Outcome:
    """What an input took."""

    finding: Finding | None
    seconds: float
    bytes: int


def judge(target: Callable[[bytes], None], data: bytes) -> Outcome:
    """Give the target an input."""
    before = restart_peak()
    started = time.process_time()
    finding: Finding | None = None
    try:
        target(data)
    except LiftuneError as error:
        str(error)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # pyo3 panics are no Exception
        finding = Finding(_signature(error), "".join(traceback.format_exception(error))[-6_000:])
    seconds = time.process_time() - started
    grown = max(0, peak() - before)
    if finding is None and seconds > MOST_SECONDS:
        finding = Finding("over 2 seconds", f"{seconds:.2f} seconds")
    if finding is None and grown > MOST_BYTES:
        finding = Finding("over 1 GB", f"{grown / 1e9:.2f} GB")
    return Outcome(finding, seconds, grown)


def restart_peak() -> int:
    """Forget how much memory the process took at most; how much it takes now, in bytes."""
    try:
        _REFERENCES.write_text("5")
    except OSError:
        return 0
    return peak()


def peak() -> int:
    """How much memory the process took at most since then, in bytes; 0 where the system does not tell."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _signature(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    ours = [each for each in frames if "/liftune/" in each.filename] or frames
    last = ours[-1]
    return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno} ({last.name})"
