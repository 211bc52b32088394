"""The command line in one of several processes: the first is the command, the others help it and are silent.

In: which process this is, the arguments.  Out: an exit code; helpers that know when they are done.
Not here: how they help (workflows/crewed.py).
"""

from __future__ import annotations

import contextlib
import os
import signal
import traceback
from collections.abc import Iterator, Sequence

from liftune.errors import LiftuneError
from liftune.launch import Launch, OutOfStep, RankLost

#: With these, tune is over before there is anything to share.
_SHORT = frozenset({"--help", "-h", "--dry-run"})
#: Exit code of a helper whose first process is gone.
LEFT = 1


def _shares(arguments: Sequence[str]) -> bool:
    """Whether a command has work for several processes."""
    return arguments[:1] == ["tune"] and not _SHORT & set(arguments)


def help_first(here: Launch, arguments: Sequence[str]) -> int:
    """The whole life of a helper.

    Signals of the terminal are the first process's to heed; SIGTERM ends a helper at once.
    """
    for name in ("SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    if not _shares(arguments):
        return 0
    loud = os.dup(2)
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    from liftune.workflows.crewed import help_until_told

    try:
        help_until_told(here)
    except OutOfStep as error:  # the first process waits inside a layer, and cannot be told
        os.write(loud, f"liftune: rank {here.rank}: {error}\n".encode())
        return LEFT
    except RankLost:
        return LEFT
    except Exception:  # a defect: what the first process could be told of, it was told
        with os.fdopen(loud, "w") as stderr:
            traceback.print_exc(file=stderr)
        return LEFT
    return 0


@contextlib.contextmanager
def letting_helpers_go(here: Launch | None, arguments: Sequence[str]) -> Iterator[None]:
    """In the first process: when the block has come to its end, the others wait for nothing.

    Raises:
        LiftuneError: the command is one process's work.
    """
    if here is None:
        yield
        return
    command = next((each for each in arguments if not each.startswith("-")), "")
    if command not in ("", "tune") and not _SHORT & set(arguments):
        raise LiftuneError(
            f"{command} is the work of one process, and {here.size} were started",
            where=f"liftune {command}",
            hint=f"start it without torchrun or accelerate launch: liftune {command} ...",
        )
    yield
    if _shares(arguments):  # after an error whatever started the processes ends the others
        from liftune.workflows.crewed import dismiss

        dismiss(here)
