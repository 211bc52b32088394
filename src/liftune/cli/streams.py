"""Standard output and error as a command needs them: any text can be written, and neither is missing.

In: the process's own streams.  Out: the same, made safe.
Not here: what is printed (printing.py).
"""

from __future__ import annotations

import codecs
import errno
import io
import json
import os
import sys

from liftune.errors import ArtifactError, LiftuneError
from liftune.files import INSTEAD

_ESCAPED = "liftune.escaped"
#: Of a disk or pipe behind standard output that takes no more.
_FULL = (errno.ENOSPC, errno.EIO, errno.EDQUOT)


def prepare_streams() -> None:
    r"""Let a terminal that is not UTF-8 show what it cannot as \u00e9, which is right inside JSON too.

    A stream that was closed becomes one that nobody reads.
    """
    codecs.register_error(_ESCAPED, _escaped)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for as long as the process
        elif isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPED)


def silence_broken_pipe() -> None:
    """Whoever read the output has had enough; the interpreter's own last flush must not complain either."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def unwritable(error: OSError) -> ArtifactError | None:
    """The error of a standard output that takes no more, where it is that: it names no file."""
    if error.filename is not None or error.errno not in _FULL:
        return None
    silence_broken_pipe()
    return ArtifactError(
        f"cannot write to standard output: {error.strerror}", hint="free some space, or write to another place"
    )


def system_fault(error: OSError) -> LiftuneError:
    """What the operating system refused, where nothing nearer knew what it meant: a name that is too long, a device."""
    reason = (error.strerror or str(error) or type(error).__name__).lower()
    return LiftuneError(
        f"the system refused: {reason}",
        where=None if error.filename is None else os.fsdecode(str(error.filename)),
        hint=INSTEAD.get(error.errno or 0, "check the path, its permissions and the free space"),
    )


def _escaped(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return json.dumps(error.object[error.start : error.end])[1:-1], error.end
